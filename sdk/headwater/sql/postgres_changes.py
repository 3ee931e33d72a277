"""Rows that were changed, as the log has them, made into the records that a query would give.

The log has each value's text. The database makes the same JSON of it as of a row that it reads: the texts go back to
it, many rows at a time, and are asked for with the same expressions.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any

import msgspec

from headwater.protocol.messages import Change as Told
from headwater.protocol.messages import Records, StreamDescriptor
from headwater.protocol.values import NULLED
from headwater.sql.marks import Marks
from headwater.sql.pgoutput import UNCHANGED, Change, Relation, Row, Unchanged
from headwater.sql.postgres import Postgres
from headwater.sql.postgres_catalog import kinds_of
from headwater.sql.tables import Column, Kind

if TYPE_CHECKING:
    from sqlalchemy import Connection

META = LSN, UPDATED, DELETED = "_ab_cdc_lsn", "_ab_cdc_updated_at", "_ab_cdc_deleted_at"
_MOMENT = {"type": "string", "format": "date-time", "airbyte_type": "timestamp_with_timezone"}
_ROW = msgspec.json.Decoder(dict[str, msgspec.Raw])


def columns_of(lsn: int = 0) -> tuple[Column, ...]:
    """The columns that a stream of changes has besides, with Airbyte's names; as the first read gives them.

    :param lsn: the place in the log that it belongs to.
    """
    return (
        Column(LSN, "bigint", Kind({"type": "integer"}, f"{lsn}::bigint")),
        Column(UPDATED, "timestamptz", Kind(_MOMENT, "to_json(now())")),
        Column(DELETED, "timestamptz", Kind(_MOMENT, "NULL::text")),
    )


@dataclass
class Pending:
    """Rows of one table that are not records yet.

    :ivar wanted: the fields of the records, whether the table has them now or not.
    :ivar rows: each with its place in the log, when it was committed, and whether it was deleted.
    """

    relation: Relation
    wanted: tuple[str, ...]
    rows: list[tuple[Row, int, datetime, bool]] = field(default_factory=list)
    size: int = 0

    def add(self, change: Change, lsn: int, at: datetime) -> None:
        """A change as rows: an update of the key is a row that is gone and another one."""
        if change.new is None:
            assert change.old is not None
            self._add(change.old, lsn, at, deleted=True)
            return
        new = change.new
        if change.is_whole and change.old is not None:
            new = tuple(old if value is UNCHANGED else value for value, old in zip(new, change.old, strict=True))
        if change.old is not None and self._key(change.old) != self._key(new):
            self._add(change.old, lsn, at, deleted=True)
        self._add(new, lsn, at, deleted=False)

    def _key(self, row: Row) -> list[Any]:
        return [value for value, each in zip(row, self.relation.fields, strict=True) if each.is_key]

    def _add(self, row: Row, lsn: int, at: datetime, *, deleted: bool) -> None:
        self.rows.append((row, lsn, at, deleted))
        self.size += sum(len(value) for value in row if isinstance(value, str))


class Rewriting:
    """Makes rows of the log into records.

    :param connection: one of its own.
    """

    def __init__(self, database: Postgres, connection: Connection) -> None:
        self._database = database
        self._connection = connection
        self._queries: dict[tuple[Relation, tuple[str, ...]], tuple[str, list[Column]]] = {}

    def records(self, stream: StreamDescriptor, pending: Pending) -> Records:
        """The rows as records, in their order."""
        query, columns = self._query(pending)
        names = [each.name for each in pending.relation.fields]
        texts = [
            [None if isinstance(row[place], Unchanged) else row[place] for row, _, _, _ in pending.rows]
            for place, _ in enumerate(names)
        ]
        cursor = self._database.driver(self._connection).cursor()
        cursor.execute(query.encode(), texts)
        data = [row[0].replace("\n", " ").encode() for row in cursor]
        wanted = set(pending.wanted)
        changes: dict[int, list[Told]] = {}
        found: list[bytes] = []
        for number, ((row, lsn, at, deleted), record) in enumerate(zip(pending.rows, data, strict=True)):
            missing = [name for name, value in zip(names, row, strict=True) if value is UNCHANGED and name in wanted]
            whole = record
            if missing:
                whole, lost = self._with_now(pending.relation, row, record, missing, columns)
                changes[number] = [Told(name, NULLED, "SOURCE_RETRIEVAL_ERROR") for name in lost]
            found.append(_with_meta(whole, wanted, lsn, at, deleted=deleted))
        marked, told = Marks(columns)(b"".join(found), found)
        for number, made in told.items():
            changes.setdefault(number, []).extend(made)
        return Records(stream, marked, changes={number: made for number, made in changes.items() if made})

    def _query(self, pending: Pending) -> tuple[str, list[Column]]:
        key = (pending.relation, pending.wanted)
        if key not in self._queries:
            self._queries[key] = self._made(*key)
        return self._queries[key]

    def _made(self, relation: Relation, wanted: Sequence[str]) -> tuple[str, list[Column]]:
        quoted = self._database.quoted
        places = {each.name: place for place, each in enumerate(relation.fields) if each.name in wanted}
        asked = [(relation.fields[place].oid, relation.fields[place].modifier) for place in places.values()]
        kinds = kinds_of(self._connection, asked, f"The log of changes of {relation.schema}.{relation.name}")
        fields = dict(zip(places, kinds, strict=True))
        columns = [Column(name, *fields[name]) for name in wanted if name in fields]
        typed = [f"u.c{places[name]}::{written} AS {quoted(name)}, " for name, (written, _) in fields.items()]
        arrays = ", ".join(["%s::text[]"] * len(relation.fields))
        named = ", ".join(f"c{place}" for place, _ in enumerate(relation.fields))
        chosen = ", ".join(f"{self._database.expression(each)} AS {quoted(each.name)}" for each in columns)
        rows = f'SELECT {"".join(typed)}u."_place" FROM unnest(\0) WITH ORDINALITY u({named}, "_place")'
        query = (
            f'SELECT (SELECT row_to_json(t) FROM (SELECT {chosen}) AS t)::text FROM ({rows}) AS r ORDER BY r."_place"'
        )
        return query.replace("%", "%%").replace("\0", arrays), columns

    def _with_now(
        self, relation: Relation, row: Row, record: bytes, missing: list[str], columns: list[Column]
    ) -> tuple[bytes, list[str]]:
        """The record with large values that the log does not have, as the row has them now: what changed them since
        comes as a change of its own. Where the row is gone, those that are lost."""
        database = self._database
        key = [(each, value) for each, value in zip(relation.fields, row, strict=True) if each.is_key]
        chosen = [
            f"{database.expression(each)} AS {database.quoted(each.name)}" for each in columns if each.name in missing
        ]
        matches = " AND ".join(
            f"r.{database.quoted(each.name)}::text = {database.literal(str(value))}" for each, value in key
        )
        table = database.quoted(relation.schema, relation.name)
        query = f"SELECT row_to_json(t)::text FROM (SELECT {', '.join(chosen)} FROM {table} r WHERE {matches}) AS t"
        now = database.value(self._connection, query) if key else None
        if now is None:
            return record, missing
        return msgspec.json.encode({**_ROW.decode(record), **_ROW.decode(now)}), []


def _with_meta(record: bytes, wanted: set[str], lsn: int, at: datetime, *, deleted: bool) -> bytes:
    """The record with what the log says of it."""
    moment = msgspec.json.encode(at)
    said = {LSN: b"%d" % lsn, UPDATED: moment, DELETED: moment if deleted else b"null"}
    parts = [b'"%s":%s' % (name.encode(), value) for name, value in said.items() if name in wanted]
    inner = record[1:-1].strip()
    return b"{" + b",".join([*([inner] if inner else []), *parts]) + b"}"
