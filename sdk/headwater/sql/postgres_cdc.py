"""Change data capture: the tables as they were when a slot began, and then what was changed, in the order of commits.

The state is one for all streams (GLOBAL): the place in the log up to which everything was given, and of each stream how
far its first read came::

    {"shared_state": {"lsn": "0/16B3748"}, "stream_states": [{"stream_descriptor": ..., "stream_state": {...}}]}

A stream's first read is one by primary key, as any, at a point in time that a temporary slot exports: what is
committed later is in the log, and nothing else. When it is added later, or goes on at another point in time, the log
is read from the place before, so some changes come that the rows had already: the last word on each row is right.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from headwater.errors import ConfigError, IncompleteError, Stopped
from headwater.protocol.catalog import CatalogStream, ConfiguredCatalog, ConfiguredStream
from headwater.protocol.messages import (
    Message,
    Records,
    State,
    Status,
    StreamDescriptor,
    StreamStatus,
    descriptor_to_json,
)
from headwater.sql.pgoutput import Begin, Change, Commit, Relation, Truncate, lsn_of, lsn_text
from headwater.sql.postgres import Postgres
from headwater.sql.postgres_changes import LSN, Pending, columns_of
from headwater.sql.postgres_rewriting import Rewriting
from headwater.sql.postgres_slot import Slot, SlotSnapshot
from headwater.sql.state import DONE
from headwater.state import stream_states

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from headwater.sql.source import SqlSource
    from headwater.sql.tables import Table

log = logging.getLogger("headwater")

_ROWS = 500
_BYTES = 512 * 1024
"""Rows and bytes of a table that become records together."""
_STATE = 1024 * 1024
"""Bytes of records after which the state goes out again."""


class Capture:
    """One read of the changes of some tables.

    :param source: whose tables they are.
    :param slot: where the changes are.
    """

    def __init__(self, source: SqlSource, slot: Slot) -> None:
        self._source = source
        self._slot = slot
        self._lsn: int | None = None
        self._blobs: dict[StreamDescriptor, Mapping[str, Any]] = {}
        self._order: list[StreamDescriptor] = []
        self._since = self._bytes = 0
        self._told: Any = None
        self._seen = 0
        self._failed: dict[str, Exception] = {}
        self._pending: dict[int, Pending] = {}
        self._running: set[StreamDescriptor] = set()
        self._started: list[StreamDescriptor] = []
        self._incomplete: list[StreamStatus] = []

    @staticmethod
    def of(source: SqlSource, slot: str, publication: str) -> Capture:
        """The changes that a slot and a publication of the source's database tell."""
        database = source.database
        assert isinstance(database, Postgres)
        return Capture(source, Slot(database, slot, publication))

    def tables(self, connection: Connection, tables: list[Table]) -> list[Table]:
        """The tables; those that are published, and have a key, with what is told of a change besides."""
        published = self._slot.check(connection)
        if any(each.row_filter for each in self._source.config.table_settings):
            raise ConfigError(
                "config: setting `table_settings`: rows of the log are not filtered here but by the publication."
            )
        return [
            replace(table, columns=(*table.columns, *columns_of(self._source.captured_at)), captured=LSN)
            if table.descriptor in published and table.key
            else table
            for table in tables
        ]

    def read(self, catalog: ConfiguredCatalog, state: Sequence[State]) -> Iterator[Message]:
        """The messages of a read.

        :raises IncompleteError: at the end, when a stream failed.
        :raises ConfigError: when the slot is not ready, or when it has forgotten what the state goes on from.
        """
        self._begin(catalog, state)
        source, slot = self._source, self._slot
        with source.connection("to look at the replication slot") as connection:
            slot.check(connection)
            if self._lsn is not None:
                slot.advance(connection, self._lsn)
        source.leave()
        captured = [each for each in catalog.streams if each.sync_mode == "incremental"]
        first = [each for each in catalog.streams if each not in captured or not self._is_done(each.descriptor)]
        try:
            if first:
                yield from self._first(ConfiguredCatalog(tuple(first)))
            for each in catalog.streams:
                if each not in first:
                    self._started.append(each.descriptor)
                    yield StreamStatus(each.descriptor, Status.STARTED)
            follow = {each.descriptor: each for each in captured if self._is_followed(each.descriptor)}
            yield from self._changes(follow)
            yield from self._state(final=True)
        except Stopped:
            for name in self._started:
                yield StreamStatus(name, Status.INCOMPLETE)
            raise
        yield from self._incomplete
        for each in catalog.streams:
            if str(each.descriptor) not in self._failed:
                yield StreamStatus(each.descriptor, Status.COMPLETE)
        if self._failed:
            raise IncompleteError(self._failed)

    def _begin(self, catalog: ConfiguredCatalog, state: Sequence[State]) -> None:
        self._order = [each.descriptor for each in catalog.streams]
        self._blobs = dict(stream_states(state))
        for one in state:
            if one.type != "GLOBAL":
                raise ConfigError("state: it is of a read by cursor. Clear it: change data capture begins anew.")
            shared = one.raw["global"].get("shared_state")
            lsn = shared.get("lsn") if isinstance(shared, Mapping) else None
            if not isinstance(lsn, str) or "/" not in lsn:
                raise ConfigError("state: its `shared_state` has no `lsn`. Clear the state.")
            self._lsn = lsn_of(lsn)

    def _is_done(self, name: StreamDescriptor) -> bool:
        return self._lsn is not None and self._blobs.get(name) == DONE

    def _is_followed(self, name: StreamDescriptor) -> bool:
        """Whether its changes are given: also where its first read failed but has given rows, in this read or an
        earlier one. The place in the log is of all streams, so what is passed over now never comes again."""
        return str(name) not in self._failed or name in self._blobs or name in self._running

    # --- the first read -----------------------------------------------------------------------------------

    def _first(self, catalog: ConfiguredCatalog) -> Iterator[Message]:
        """Read streams as they are now. Their states are put into the one of all, and they are not complete yet."""
        source = self._source
        snapshot = SlotSnapshot(self._slot.database)
        source.see(snapshot)
        with snapshot.connection():
            lsn = snapshot.lsn
        self._lsn = lsn if self._lsn is None else self._lsn
        source.captured_at = lsn
        # before any row: a read that is tried again must go on from here, or a row that it gave and that is deleted
        # meanwhile would stay
        yield from self._state(final=False)
        whole = [replace(each, sync_mode="full_refresh") for each in catalog.streams]
        known = [State.of_stream(name, blob) for name, blob in self._blobs.items() if blob != DONE]
        try:
            for message in source.read_tables(ConfiguredCatalog(tuple(whole)), known):
                if isinstance(message, State) and message.stream is not None:
                    self._blobs[message.stream] = message.stream_state or {}
                    yield from self._state(final=False)
                elif isinstance(message, StreamStatus) and message.status is Status.COMPLETE:
                    self._blobs[message.stream] = DONE
                elif isinstance(message, StreamStatus) and message.status is Status.INCOMPLETE:
                    self._incomplete.append(message)  # after its changes
                else:
                    if isinstance(message, StreamStatus) and message.status is Status.STARTED:
                        self._started.append(message.stream)
                    elif isinstance(message, Records):
                        self._count(message)
                        self._running.add(message.stream)
                    yield message
        except IncompleteError as error:
            self._failed.update(error.errors)
        yield from self._state(final=False)
        source.leave()

    # --- what was changed ---------------------------------------------------------------------------------

    def _changes(self, streams: Mapping[StreamDescriptor, ConfiguredStream]) -> Iterator[Message]:
        source, slot = self._source, self._slot
        relations: dict[int, Relation] = {}
        followed: dict[int, CatalogStream] = {}  # by their tables' numbers, which cost no hash of a name a row
        at, lsn = None, 0
        with source.own_connection("to rewrite rows") as other, source.own_connection("to read the slot") as connection:
            rewriting = Rewriting(slot.database, other)
            assert self._lsn is not None
            upto = slot.now(connection)
            for message in slot.messages(connection, upto):
                if isinstance(message, Change):
                    oid = message.oid
                    stream = followed.get(oid)
                    if stream is not None and lsn >= self._lsn and at is not None:
                        pending = self._pending.get(oid)
                        if pending is None:
                            pending = self._pending[oid] = Pending.of(relations[oid], stream)
                        pending.add(message, lsn, at)
                        if len(pending.rows) >= _ROWS or pending.size >= _BYTES:
                            yield from self._flush(rewriting, oid)
                elif isinstance(message, Relation):
                    for oid, pending in list(self._pending.items()):
                        # its columns may be others now, or it has another one's name, whose rows come first
                        if oid == message.oid or pending.relation.descriptor == message.descriptor:
                            yield from self._flush(rewriting, oid)
                    relations[message.oid] = message
                    followed.pop(message.oid, None)
                    if (name := message.descriptor) in streams:
                        followed[message.oid] = streams[name].stream
                elif isinstance(message, Begin):
                    at, lsn = message.at, message.lsn
                elif isinstance(message, Commit):
                    yield from self._committed(rewriting, message)
                elif isinstance(message, Truncate):
                    for oid in message.oids:
                        if oid in relations:
                            log.warning("Table %s was emptied by TRUNCATE, which tells no row.", relations[oid].name)
            for oid in list(self._pending):
                yield from self._flush(rewriting, oid)
            # where nobody changes a table of ours, the server may forget all the same
            self._seen = max(self._seen, upto)

    def _committed(self, rewriting: Rewriting, message: Commit) -> Iterator[Message]:
        """A transaction is over. The state moves when its rows have gone out."""
        assert self._lsn is not None
        if message.end <= self._lsn:
            return
        self._seen = message.end
        if sum(len(each.rows) for each in self._pending.values()) >= _ROWS or self._bytes >= _STATE:
            for oid in list(self._pending):
                yield from self._flush(rewriting, oid)
        if not self._pending:
            self._lsn = message.end
            if self._bytes >= _STATE:
                yield from self._state(final=False)

    def _flush(self, rewriting: Rewriting, oid: int) -> Iterator[Message]:
        pending = self._pending.pop(oid, None)
        if pending is None:
            return
        name = pending.relation.descriptor
        if name not in self._running:
            self._running.add(name)
            yield StreamStatus(name, Status.RUNNING)
        for records in rewriting.records(name, pending):
            self._count(records)
            yield records

    # --- the state ----------------------------------------------------------------------------------------

    def _count(self, records: Records) -> None:
        self._since += len(records)
        self._bytes += records.size

    def _state(self, *, final: bool) -> Iterator[Message]:
        if self._lsn is None:
            return
        if final:
            self._lsn = max(self._lsn, self._seen)
        streams = [
            {"stream_descriptor": descriptor_to_json(name), "stream_state": dict(self._blobs[name])}
            for name in self._order
            if name in self._blobs
        ]
        content = {"shared_state": {"lsn": lsn_text(self._lsn)}, "stream_states": streams}
        if content == self._told and not (final and self._since):
            return
        self._told = content
        raw = {"type": "GLOBAL", "global": content, "sourceStats": {"recordCount": float(self._since)}}
        self._since = self._bytes = 0
        yield State(raw)
