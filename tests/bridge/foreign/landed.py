"""Syncs of the nasty connector, and what must not be left of any of them."""

from __future__ import annotations

import gc
import os
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from headwater.bridge import SyncResult, sync
from headwater.bridge.foreign import ForeignSource
from headwater.bridge.runners import CommandRunner
from headwater.bridge.sinks.memory import MemorySink
from headwater.bridge.states.memory import MemoryStates
from headwater.errors import HeadwaterError
from headwater.protocol.catalog import CatalogStream, ConfiguredCatalog, ConfiguredStream
from headwater.protocol.messages import State, StreamDescriptor

NASTY = Path(__file__).with_name("nasty.py")
CONFIG = {"token": "s3cret-token"}


@pytest.fixture
def leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """No private folder, no thread and no open file is left by any of it."""
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    gc.collect()
    before = set(os.listdir("/proc/self/fd"))
    yield
    assert [path for path in tmp_path.glob("headwater-*/*") if path.name != ".lock"] == []
    end = time.monotonic() + 60
    while time.monotonic() < end and any(t.name == "headwater-stderr" for t in threading.enumerate()):
        time.sleep(0.05)
    assert [t.name for t in threading.enumerate() if t.name == "headwater-stderr"] == []
    assert len(set(os.listdir("/proc/self/fd")) - before) <= 1  # the listing's own


def configured(*names: str) -> ConfiguredCatalog:
    """Streams of which all fields are wanted, read incrementally."""
    streams = [CatalogStream(name, {}, ("full_refresh", "incremental")) for name in names]
    return ConfiguredCatalog(tuple(ConfiguredStream(stream, "incremental") for stream in streams))


def nasty(way: str, silence: float = 60.0, **environment: str) -> ForeignSource:
    runner = CommandRunner([sys.executable, str(NASTY), way], silence=silence, environment=environment, title="nasty")
    return ForeignSource(CONFIG, runner=runner)


class Landed:
    """A sync of a nasty connector: what landed, which states are stored, what was raised."""

    def __init__(
        self, source: ForeignSource, catalog: ConfiguredCatalog | None = None, start: Sequence[State] = ()
    ) -> None:
        self.sink, self.states = MemorySink(), MemoryStates()
        self.states.store(start)
        self.error: HeadwaterError | None = None
        self.result: SyncResult | None = None
        self.configs: list[Any] = []
        try:
            catalog = catalog or configured("a")
            self.result = sync(source, catalog, self.sink, self.states, control=self.configs.append)
        except HeadwaterError as error:
            self.error = error

    @property
    def ids(self) -> list[int]:
        return [row["id"] for row in self.sink.rows.get("a", [])]

    @property
    def at(self) -> int | None:
        """The stored state."""
        found = [state.stream_state for state in self.states.load() if state.stream == StreamDescriptor("a")]
        return found[0]["at"] if found and found[0] else None

    def failed(self, kind: type[HeadwaterError], *words: str) -> None:
        assert isinstance(self.error, kind), self.error
        text = str(self.error)
        assert all(word in text for word in words), text
        assert "s3cret" not in text + str(self.error.internal)
        assert self.ids == [1, 2, 3]
        assert self.at == 2
