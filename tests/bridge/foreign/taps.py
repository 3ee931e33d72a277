"""Taps of every make, and syncs of them."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from headwater.bridge import sync
from headwater.bridge.foreign import ForeignSource
from headwater.bridge.runners import CommandRunner
from headwater.bridge.sinks.memory import MemorySink
from headwater.bridge.states.memory import MemoryStates
from headwater.errors import HeadwaterError
from headwater.protocol.catalog import ConfiguredCatalog

TAP = Path(__file__).with_name("tap.py")
CONFIG = {"token": "s3cret-token"}


@pytest.fixture
def no_folder_is_left(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """No private folder is left by any of it."""
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    yield
    assert [path for path in tmp_path.glob("headwater-*/*") if path.name != ".lock"] == []


def tap(make: str, config: Any = None, runs: Path | None = None, **options: Any) -> ForeignSource:
    environment = {"RUNS": str(runs)} if runs else {}
    runner = CommandRunner([sys.executable, str(TAP), make], environment=environment, title="tap")
    return ForeignSource(config or CONFIG, runner=runner, protocol="singer", options=options)


class Run:
    """Syncs of one flow: what has landed and what is stored after them."""

    def __init__(self) -> None:
        self.sink, self.states = MemorySink(), MemoryStates()
        self.error: HeadwaterError | None = None

    def __call__(self, source: ForeignSource, *names: str, catalog: ConfiguredCatalog | None = None) -> Run:
        self.error = None
        try:
            catalog = catalog or source.discover().configured(names or ["orders"])
            sync(source, catalog, self.sink, self.states)
        except HeadwaterError as error:
            self.error = error
        return self

    def ids(self, stream: str = "orders") -> list[int]:
        return [row["id"] for row in self.sink.rows.get(stream, [])]

    def stored(self) -> dict[str, Any]:
        return {str(state.stream or ""): state.stream_state or state.raw for state in self.states.load()}
