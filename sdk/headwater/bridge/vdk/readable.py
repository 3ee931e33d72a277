"""A VDK data source as a source of the bridge.

Each stream of an ``IDataSource`` is read by a sync of its own: VDK's streams are independent of each other,
are read side by side, and can be stopped and tried again one by one.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from vdk.plugin.data_sources.data_source import (  # type: ignore[import-untyped]
    DataSourcePayload,
    IDataSourceStream,
    StopDataSourceStream,
)
from vdk.plugin.data_sources.state import IDataSourceState  # type: ignore[import-untyped]

from headwater.bridge.vdk.mapping import TO, Map, mapped
from headwater.bridge.vdk.states import JobStates, plain_json
from headwater.protocol.catalog import Catalog, CatalogStream, ConfiguredCatalog, ConfiguredStream
from headwater.protocol.messages import Message, Records, State, Status, StreamDescriptor, StreamStatus
from headwater.protocol.values import encode_rows

ROWS = 500
SECONDS = 1.0

Route = tuple[Map | None, str | None]
"""What one destination does with a payload: its map function, and its table where it names one."""


class StreamReadable:
    """One stream of an ``IDataSource`` (a ``Readable``).

    :param source: the source's id, for the log.
    :param routes: the destinations that a payload goes to, in the order of the sinks.
    :param columns: the top-level fields that travel; None: all.
    """

    def __init__(
        self,
        source: str,
        stream: IDataSourceStream,
        routes: Sequence[Route] = ((None, None),),
        columns: Sequence[str] | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.name = source
        self._stream = stream
        self._descriptor = StreamDescriptor(str(stream.name()))
        self._routes = routes
        self._columns = columns
        self._clock = clock

    def check(self) -> None:
        """Nothing: VDK's interface has no check; connecting was one."""

    def discover(self) -> Catalog:
        """The one stream. VDK's interface tells no schema."""
        name = self._descriptor.name
        modes: tuple[Any, ...] = ("full_refresh", "incremental")
        return Catalog((CatalogStream(name, supported_sync_modes=modes, source_defined_cursor=True),))

    def read(self, catalog: ConfiguredCatalog, state: Sequence[State] = ()) -> Iterator[Message]:
        """The payloads as records, each state after the records that it covers.

        A payload's state covers the payload too, so of several that follow each other only the last is told.
        The states to start from were given when the source was connected.
        """
        yield StreamStatus(self._descriptor, Status.STARTED)
        rows: list[dict[str, Any]] = []
        reached: Any = None
        since = self._clock()
        payloads = iter(self._stream.read())
        while True:
            try:
                payload = next(payloads)
                rows.extend(self._rows(payload))
            except (StopIteration, StopDataSourceStream):
                break
            except Exception:  # raised again
                yield from self._told(rows, reached)  # what was read before the failure is good
                raise
            reached = payload.state or reached
            if len(rows) >= ROWS or self._clock() - since >= SECONDS:
                yield from self._told(rows, reached)
                rows, reached, since = [], None, self._clock()
        yield from self._told(rows, reached)
        yield StreamStatus(self._descriptor, Status.COMPLETE)

    def _told(self, rows: list[dict[str, Any]], reached: Any) -> Iterator[Message]:
        if rows:
            data, changes = encode_rows(rows)
            yield Records(self._descriptor, data, changes=changes)
        if reached:
            yield State.of_stream(self._descriptor, plain_json(reached))

    def _rows(self, payload: DataSourcePayload) -> Iterator[dict[str, Any]]:
        if not payload.data:
            return
        name = self._descriptor.name
        for number, (function, fixed) in enumerate(self._routes):
            data = payload.data
            if self._columns is not None:
                data = {key: value for key, value in data.items() if key in self._columns}
            table = fixed or payload.destination_table or name
            made = mapped(DataSourcePayload(data, payload.metadata, payload.state, table), function, name)
            if made is None:
                continue
            to = [number, made.destination_table or name]
            yield dict(made.data) if to == [0, name] else {**made.data, TO: to}


class SourceState(IDataSourceState):  # type: ignore[misc]
    """What an ``IDataSource`` gets when it is connected: its states, and a place for states of its own.

    What a source itself stores here says nothing about which records landed. So it can be read at once, but
    is kept only when :meth:`keep` is called: after all of the source's streams ended without a failure.

    :param key: the source's key in the states of the job.
    :param fresh: start as if there were no states.
    :param stream: gives a stream's state from elsewhere: from the destination, where that keeps them.
    """

    def __init__(
        self,
        job: JobStates,
        key: str,
        fresh: bool = False,
        stream: Callable[[str], Mapping[str, Any] | None] | None = None,
    ) -> None:
        self._job = job
        self._key = key
        self._fresh = fresh
        self._stream = stream
        self._mine: dict[str, dict[str, Any]] = {"streams": {}, "others": {}}

    def read_stream(self, stream_name: str) -> dict[str, Any]:
        """A stream's state; empty when there is none."""
        if self._stream is not None and not self._fresh and stream_name not in self._mine["streams"]:
            return dict(self._stream(stream_name) or {})
        return self._read("streams", stream_name)

    def read_others(self, key: str) -> dict[str, Any]:
        """What the source kept under a key of its own; empty when there is nothing."""
        return self._read("others", key)

    def update_stream(self, stream_name: str, state: Mapping[str, Any]) -> None:
        """Keep a stream's state, once all streams have ended well."""
        self._mine["streams"][stream_name] = plain_json(state)

    def update_others(self, key: str, state: Mapping[str, Any]) -> None:
        """Keep something under a key of the source's own, once all streams have ended well."""
        self._mine["others"][key] = plain_json(state)

    def keep(self) -> None:
        """Everything landed: what the source asked to keep is kept.

        :raises StateError: when it can't be written.
        """
        if any(self._mine.values()):
            self._job.update(self._key, self._merge)

    def _merge(self, entry: dict[str, Any]) -> None:
        for part, mine in self._mine.items():
            if mine:
                entry[part] = {**(entry.get(part) or {}), **mine}

    def _read(self, part: str, key: str) -> dict[str, Any]:
        if key in self._mine[part]:
            return dict(self._mine[part][key])
        found = {} if self._fresh else (self._job.entry(self._key).get(part) or {}).get(key)
        return found if isinstance(found, dict) else {}


def configured(stream: StreamReadable, full_refresh: bool, mode: Any) -> ConfiguredCatalog:
    """A sync of the one stream.

    It always counts as incremental: VDK's payloads carry states, and whether a source starts from one was
    settled when it was connected. Only a stream that replaces its table waits with its state for the end.
    """
    whole = full_refresh and mode == "overwrite"
    return ConfiguredCatalog(
        tuple(
            ConfiguredStream(one, "full_refresh" if whole else "incremental", destination_sync_mode=mode)
            for one in stream.discover().streams
        )
    )
