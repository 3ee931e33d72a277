"""Map functions, and the way to another table that they may choose.

A map function sees records before they are batched, a sink after; between the two a record's destination and
table travel inside the record, under a name that no source uses, and are taken out before anything lands.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import replace
from datetime import datetime, timezone
from typing import Any

from vdk.plugin.data_sources.data_source import DataSourcePayload  # type: ignore[import-untyped]

from headwater.bridge.sink import Batch, Sink
from headwater.bridge.states.store import StateStore
from headwater.bridge.sync import close_quietly
from headwater.bridge.vdk.errors import classified
from headwater.bridge.vdk.own import append
from headwater.errors import FlowError
from headwater.protocol.catalog import Catalog, ConfiguredCatalog, ConfiguredStream, DestinationSyncMode
from headwater.protocol.messages import Change, Message, Records, State, StreamDescriptor, now_ms
from headwater.protocol.readable import Readable
from headwater.protocol.values import encode_rows

Row = dict[str, Any]
Map = Callable[[DataSourcePayload], "DataSourcePayload | None"]

TO = "\0to"
"""The name under which a record carries the number of its sink and its table."""


def mapped(payload: DataSourcePayload, function: Map | None, stream: str) -> DataSourcePayload | None:
    """What a map function makes of a payload.

    :raises FlowError: when the function fails: it is the job's own code.
    """
    if function is None:
        return payload
    try:
        made = function(payload)
    except Exception as error:
        failed = FlowError(
            f"Stream {stream!r}: the map function failed on a record: {type(error).__name__}: {error}",
            stream=stream,
        )
        raise classified(failed) from error
    if not made:
        return None
    if not isinstance(made.data, Mapping):
        raise classified(
            FlowError(
                f"Stream {stream!r}: the map function returned data that is not a dictionary; "
                "return None to skip a record.",
                stream=stream,
            )
        )
    return made


def metadata_of(stream: StreamDescriptor, emitted_at: int) -> dict[str, Any]:
    """The metadata of a connector's record: its stream, its namespace and when it was read, in UTC."""
    read_at = datetime.fromtimestamp(emitted_at / 1000, timezone.utc)
    return {"stream": stream.name, "namespace": stream.namespace, "emitted_at": read_at}


class MappedSource:
    """A connector whose records go through a map function (a ``Readable``)."""

    def __init__(self, source: Readable, function: Map) -> None:
        self.name = source.name
        self._source = source
        self._function = function

    def check(self) -> None:
        """As the connector's own."""
        self._source.check()

    def discover(self) -> Catalog:
        """As the connector's own."""
        return self._source.discover()

    def read(self, catalog: ConfiguredCatalog, state: Sequence[State] = ()) -> Iterator[Message]:
        """As the connector's own, with other records.

        :raises FlowError: when the function fails.
        """
        messages = self._source.read(catalog, state)
        try:
            for message in messages:
                yield self._records(message) if isinstance(message, Records) else message
        finally:
            close_quietly(messages)

    def _records(self, records: Records) -> Records:
        stream = records.stream
        metadata = metadata_of(stream, records.emitted_at)
        rows: list[Row] = []
        before: dict[int, Sequence[Change]] = {}
        for index, row in enumerate(records.rows()):
            payload = DataSourcePayload(row, dict(metadata), {}, stream.name)
            if made := mapped(payload, self._function, str(stream)):
                table = made.destination_table or stream.name
                if index in records.changes:
                    before[len(rows)] = records.changes[index]
                rows.append({**made.data, TO: [0, table]} if table != stream.name else dict(made.data))
        return _records(stream, rows, before, records.emitted_at)


class RoutedSink:
    """Sinks that records are spread over, each to the table that it says (a ``Sink``).

    :param sinks: where a record says nothing, it goes to the first. Where there is one that keeps states,
        those are used; several keep none together, since a state is safe once all of them have the records.
    :param elsewhere: makes a sink for a table that is no stream's, where the sinks' tables are those of their
        streams. Such records are landed before the others, in a transaction of their own: at least once.
    """

    def __init__(self, sinks: Sequence[Sink], elsewhere: Callable[[str], Sink] | None = None) -> None:
        self._sinks = sinks
        self._elsewhere = elsewhere

    @property
    def modes(self) -> frozenset[DestinationSyncMode]:
        """What all of them can do."""
        return frozenset.intersection(*(sink.modes for sink in self._sinks))

    @property
    def states(self) -> StateStore | None:
        """See ``Sink``."""
        return self._sinks[0].states if len(self._sinks) == 1 else None

    def open(self, catalog: ConfiguredCatalog) -> None:
        """See ``Sink``."""
        for sink in self._sinks:
            sink.open(catalog)

    def write(self, batch: Batch, covered: Sequence[State]) -> None:
        """Each sink's records in one go for each table; see ``Sink``."""
        groups: dict[tuple[int, str | None], tuple[list[Row], dict[int, Sequence[Change]]]] = {}
        for part in batch.parts:
            for index, row in enumerate(part.rows()):
                number, table = row.pop(TO, (0, None))
                rows, told = groups.setdefault((number, table), ([], {}))
                if index in part.changes:
                    told[len(rows)] = part.changes[index]
                rows.append(row)
        own, of_own = groups.pop((0, None), ([], {}))
        at = batch.parts[-1].emitted_at if batch.parts else now_ms()
        for (number, table), (rows, told) in groups.items():
            sink = self._sinks[number]
            post = getattr(sink, "post", None)
            if post is not None:
                post(batch.stream, table or batch.stream.stream.name, rows)
            elif table in (None, batch.stream.stream.name):
                made = _batch(batch.stream, rows, told, at)
                sink.write(made, ())
                batch.refused += made.refused
            else:
                self._append(str(table), batch.stream, rows, told)
        # Last, so that the states are committed after everything they cover.
        if own or covered:
            made = _batch(batch.stream, own, of_own, at)
            self._sinks[0].write(made, covered)
            batch.refused += made.refused

    def _append(
        self, table: str, stream: ConfiguredStream, rows: list[Row], told: Mapping[int, Sequence[Change]]
    ) -> None:
        name = str(stream.descriptor)
        if self._elsewhere is None or stream.destination_sync_mode.startswith("overwrite"):
            raise FlowError(
                f"Stream {name!r}: a record wants to go to the table {table!r}; with this method and mode it "
                "can only go to its stream's.",
                stream=name,
            )
        other = replace(stream, stream=replace(stream.stream, name=table, namespace=None), sync_mode="incremental")
        with closing(self._elsewhere(table)) as sink:
            append(sink, other, _records(other.descriptor, rows, told, now_ms()))

    def complete(self, stream: ConfiguredStream, covered: Sequence[State]) -> None:
        """See ``Sink``."""
        for number, sink in enumerate(self._sinks):
            sink.complete(stream, covered if number == 0 else ())

    def close(self) -> None:
        """Close them all, also where one fails; see ``Sink``."""
        failure: Exception | None = None
        for sink in self._sinks:
            try:
                sink.close()
            except Exception as error:  # noqa: BLE001 - raised below, after the others were closed
                failure = failure or error
        if failure is not None:
            raise failure


def _batch(stream: ConfiguredStream, rows: list[Row], told: Mapping[int, Sequence[Change]], emitted_at: int) -> Batch:
    records = _records(stream.descriptor, rows, told, emitted_at)
    return Batch(stream, [records] if rows else [], records.size)


def _records(
    stream: StreamDescriptor, rows: list[Row], told: Mapping[int, Sequence[Change]], emitted_at: int
) -> Records:
    """Rows as records again.

    :param told: what was changed in them on the way here, by their place.
    """
    data, changes = encode_rows(rows)
    both = {at: [*told.get(at, ()), *changes.get(at, ())] for at in {*told, *changes}}
    return Records(stream, data, emitted_at, both)
