"""Whatever a connector prints, a sync ends, with one of Headwater's own errors or with none."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from io import StringIO
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from headwater.bridge import sync
from headwater.bridge.foreign import ForeignSource
from headwater.bridge.progress import Display
from headwater.bridge.runners import Exit
from headwater.bridge.sinks.memory import MemorySink
from headwater.bridge.states.memory import MemoryStates
from headwater.errors import HeadwaterError
from headwater.protocol.catalog import CatalogStream, ConfiguredCatalog, ConfiguredStream
from tests.bridge.foreign.tap import CATALOG


class Prints:
    """A runner whose process prints what it is told to, in pieces, and ends so; also a process."""

    title = "prints"

    def __init__(self, output: bytes, code: int = 0, piece: int = 50) -> None:
        self.output, self.code, self.piece = output, code, piece
        self.left = b""

    def start(self, arguments: Sequence[Any], files: Any = None, **_: Any) -> Prints:
        self.left = self.output
        return self

    def read(self) -> bytes:
        chunk, self.left = self.left[: self.piece], self.left[self.piece :]
        return chunk

    def stop(self, grace: float = 0) -> None: ...

    def wait(self) -> Exit:
        return Exit.of(self.code, "its last words")

    def file(self, name: str) -> bytes:
        return b'{"now": "another"}'

    def close(self) -> None: ...


class Terminal(StringIO):
    def isatty(self) -> bool:
        return True


anything: Any = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=3) | st.sampled_from(["a", "STREAM"]),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=3), inner, max_size=2),
    max_leaves=4,
)


def shaped(**fields: Any) -> Any:
    """An object with these fields, each of which may be missing or anything."""
    some = {name: (part if isinstance(part, st.SearchStrategy) else st.just(part)) for name, part in fields.items()}
    return st.fixed_dictionaries({}, optional={name: part | anything for name, part in some.items()}) | anything


descriptor = shaped(name="a", namespace=st.none())
stream_state = shaped(stream_descriptor=descriptor, stream_state=anything)
AIRBYTE = {
    "RECORD": ("record", shaped(stream="a", data=st.dictionaries(st.text(max_size=2), anything), emitted_at=5)),
    "STATE": (
        "state",
        shaped(
            type=st.sampled_from(["STREAM", "GLOBAL", "LEGACY"]),
            stream=stream_state,
            data=anything,
            sourceStats=shaped(recordCount=anything),
            **{"global": shaped(shared_state=anything, stream_states=st.lists(stream_state, max_size=2))},
        ),
    ),
    "TRACE": (
        "trace",
        shaped(
            type=st.sampled_from(["STREAM_STATUS", "ERROR", "ESTIMATE", "ANALYTICS"]),
            stream_status=shaped(
                stream_descriptor=descriptor,
                status=st.sampled_from(["STARTED", "RUNNING", "COMPLETE", "INCOMPLETE"]),
                reasons=st.lists(shaped(type="RATE_LIMITED", rate_limited=shaped(quota_reset=anything)), max_size=2),
            ),
            error=shaped(message="m", failure_type="config_error", stream_descriptor=descriptor),
            estimate=shaped(name="a", type="STREAM", row_estimate=anything, byte_estimate=anything),
        ),
    ),
    "LOG": ("log", shaped(level="INFO", message="m", stack_trace=anything)),
    "CONTROL": ("control", shaped(connectorConfig=shaped(config=anything))),
    "SPEC": ("spec", anything),
}
airbyte_line = st.sampled_from(sorted(AIRBYTE)).flatmap(
    lambda kind: st.fixed_dictionaries({"type": st.just(kind), AIRBYTE[kind][0]: AIRBYTE[kind][1]})
)
singer_line = st.fixed_dictionaries(
    {"type": st.sampled_from(["RECORD", "SCHEMA", "STATE", "ACTIVATE_VERSION", "BATCH", "record"])},
    optional={
        "stream": st.sampled_from(["orders", "people", "x"]) | anything,
        "record": st.dictionaries(st.text(max_size=2), anything) | anything,
        "schema": shaped(type="object", properties=anything),
        "value": shaped(bookmarks=st.dictionaries(st.sampled_from(["orders", "x"]), anything)),
        "version": anything,
        "encoding": shaped(format="jsonl", compression="gzip"),
        "manifest": st.lists(st.text(max_size=3), max_size=1) | anything,
        "time_extracted": anything,
        "key_properties": anything,
    },
)


def printed(lines: list[Any]) -> bytes:
    return b"".join(line if isinstance(line, bytes) else json.dumps(line).encode() + b"\n" for line in lines)


def ends(source: ForeignSource, name: str) -> None:
    stream = CatalogStream(name, {}, ("full_refresh", "incremental"))
    catalog = ConfiguredCatalog((ConfiguredStream(stream, "incremental"),))
    display = Display(Terminal(), lambda _: None)
    states = MemoryStates()
    for _ in range(2):  # the second one starts from the states that the first one stored
        with suppress(HeadwaterError):
            sync(source, catalog, MemorySink(), states, progress=display)


@pytest.fixture(autouse=True)
def _quiet() -> Iterator[None]:
    logging.disable(logging.CRITICAL)
    yield
    logging.disable(logging.NOTSET)


codes = st.sampled_from([0, 0, 1, -9])


@settings(max_examples=300, deadline=None)
@given(st.lists(airbyte_line | anything | st.binary(max_size=6), max_size=6), codes)
def test_of_the_airbyte_protocol(lines: list[Any], code: int) -> None:
    ends(ForeignSource({"token": "x" * 9}, runner=Prints(printed(lines), code)), "a")


@settings(max_examples=300, deadline=None)
@given(st.lists(singer_line | anything | st.binary(max_size=6), max_size=6), codes)
def test_of_singer(lines: list[Any], code: int) -> None:
    options: Mapping[str, Any] = {"catalog": CATALOG}
    ends(ForeignSource({}, runner=Prints(printed(lines), code), protocol="singer", options=options), "orders")


@settings(max_examples=150, deadline=None)
@given(st.lists(airbyte_line | singer_line | anything, max_size=4), codes, st.sampled_from(["airbyte", "singer"]))
def test_the_other_commands(lines: list[Any], code: int, protocol: str) -> None:
    for command in ("spec", "check", "discover"):
        source = ForeignSource({}, runner=Prints(printed(lines), code), protocol=protocol)
        with suppress(HeadwaterError):
            getattr(source, command)()
