"""Sources and destinations that do what a script says."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from headwater.bridge import Batch
from headwater.bridge.sinks.memory import MemorySink
from headwater.errors import DestinationError
from headwater.protocol.catalog import Catalog, CatalogStream, ConfiguredCatalog, ConfiguredStream
from headwater.protocol.messages import (
    Message,
    Records,
    State,
    Status,
    StreamDescriptor,
    StreamStatus,
)


def records(stream: str, *ids: int, at: int = 1_700_000_000_000, **extra: Any) -> Records:
    data = [json.dumps({"id": i, **extra}).encode() for i in ids]
    return Records(StreamDescriptor(stream), data, at)


def state(stream: str, at: int) -> State:
    return State.of_stream(StreamDescriptor(stream), {"at": at})


def global_state(at: int, kind: str = "GLOBAL", *streams: str) -> State:
    if kind == "LEGACY":
        return State({"type": "LEGACY", "data": {"at": at}})
    parts = [{"stream_descriptor": {"name": s}, "stream_state": {"at": at}} for s in streams]
    return State({"type": "GLOBAL", "global": {"shared_state": {"at": at}, "stream_states": parts}})


def status(stream: str, what: str = "COMPLETE", **extra: Any) -> StreamStatus:
    return StreamStatus(StreamDescriptor(stream), Status(what), **extra)


def configured(*names: str, mode: Any = "append", sync_mode: Any = "incremental", **extra: Any) -> ConfiguredCatalog:
    schema = {"properties": {"id": {"type": "integer"}}}
    return ConfiguredCatalog(
        tuple(
            ConfiguredStream(CatalogStream(name, schema, ("full_refresh", "incremental")), sync_mode, mode, **extra)
            for name in names
        )
    )


class Scripted:
    """A source that gives these messages; an exception among them is raised, a function called."""

    name = "scripted"
    selective = False  # whether it leaves out the streams that were not asked for

    def __init__(self, *script: Message | BaseException | Callable[[], None]) -> None:
        self.script = script
        self.started_from: list[list[State]] = []
        self.closed = 0
        self.given = 0

    def check(self) -> None: ...

    def discover(self) -> Catalog:
        return Catalog()

    def read(self, catalog: ConfiguredCatalog, state: Sequence[State] = ()) -> Iterator[Message]:
        self.started_from.append(list(state))
        wanted = {s.descriptor for s in catalog.streams}
        try:
            for item in self.script:
                self.given += 1
                if isinstance(item, BaseException):
                    raise item
                if callable(item):
                    item()
                    continue
                if self.selective and isinstance(item, (Records, StreamStatus)) and item.stream not in wanted:
                    continue
                yield item
        finally:
            self.closed += 1


class Counting(MemorySink):
    """A memory sink that remembers its batches, and fails at the n-th."""

    def __init__(self, fail_at: int | None = None, error: BaseException | None = None) -> None:
        super().__init__()
        self.fail_at = fail_at
        self.error = error or DestinationError("the disk is full")
        self.batches: list[tuple[str, int, int]] = []
        self.opened = self.closed = 0

    def open(self, catalog: ConfiguredCatalog) -> None:
        self.opened += 1
        super().open(catalog)

    def write(self, batch: Batch, covered: Sequence[State]) -> None:
        self.batches.append((str(batch.stream.descriptor), len(batch), batch.size))
        if self.fail_at is not None and len(self.batches) >= self.fail_at:
            raise self.error
        super().write(batch, covered)

    def close(self) -> None:
        self.closed += 1
