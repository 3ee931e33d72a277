"""Rows that were changed, as the log has them, made into the records that a query would give.

The log has each value's text. The database makes the same JSON of it as of a row that it reads: the texts go back to
it, many rows at a time, and are asked for with the same expressions. The table and its types may be others by then, or
gone: what can't be read any more becomes null, which the record's ``meta.changes`` tells, and the rest goes on.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from itertools import starmap
from typing import TYPE_CHECKING, Any

import msgspec

from headwater.protocol.catalog import CatalogStream
from headwater.protocol.messages import Change as Told
from headwater.protocol.messages import Records, StreamDescriptor
from headwater.protocol.values import NULLED
from headwater.sql.marks import Marks
from headwater.sql.pgoutput import UNCHANGED, Change, Relation, Row, Value
from headwater.sql.postgres import Postgres
from headwater.sql.postgres_catalog import kinds_of
from headwater.sql.tables import Column, Kind

if TYPE_CHECKING:
    from sqlalchemy import Connection

log = logging.getLogger("headwater")

META = LSN, UPDATED, DELETED = "_ab_cdc_lsn", "_ab_cdc_updated_at", "_ab_cdc_deleted_at"
_MOMENT = {"type": "string", "format": "date-time", "airbyte_type": "timestamp_with_timezone"}
_ROW = msgspec.json.Decoder(dict[str, msgspec.Raw])
_TEXT = ("text", Kind({"type": "string"}))
_TEXTS = msgspec.json.Encoder(enc_hook=lambda _: None)  # UNCHANGED is none
_LOST = "SOURCE_RETRIEVAL_ERROR"


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

    :ivar wanted: the fields of the records, whether the table has them now or not; and whether each may be a text.
    :ivar key: the columns of the primary key: with REPLICA IDENTITY FULL the log calls all columns some of the key.
    :ivar rows: each with its place in the log, when it was committed, and whether it was deleted.
    """

    relation: Relation
    wanted: tuple[tuple[str, bool], ...]
    key: frozenset[str]
    rows: list[tuple[Row, int, datetime, bool]] = field(default_factory=list)
    size: int = 0

    @staticmethod
    def of(relation: Relation, stream: CatalogStream) -> Pending:
        """None yet, of what the catalog wants of a table; where its schema declares nothing, that is all."""
        declared: Mapping[str, Any] = stream.json_schema.get("properties") or {}
        wanted = tuple((name, _may_be_text(schema)) for name, schema in declared.items())
        if not declared:
            wanted = tuple((name, True) for name in (*(each.name for each in relation.fields), *META))
        return Pending(relation, wanted, frozenset(path[0] for path in stream.primary_key if path))

    def add(self, change: Change, lsn: int, at: datetime) -> None:
        """A change as rows: an update of the key is a row that is gone and another one."""
        self.size += change.size
        new, old = change.new, change.old
        if change.is_whole and old is not None and new is not None:
            new = tuple(before if value is UNCHANGED else value for value, before in zip(new, old, strict=True))
        if old is not None and (new is None or self._key(old, change) != self._key(new, change)):
            self.rows.append((old, lsn, at, True))
        if new is not None:
            self.rows.append((new, lsn, at, False))

    def _key(self, row: Row, change: Change) -> list[Any]:
        by_name = change.is_whole and self.key
        return [
            value
            for value, each in zip(row, self.relation.fields, strict=True)
            if (each.name in self.key if by_name else each.is_key)
        ]


@dataclass(frozen=True)
class Form:
    """How rows of a relation are read.

    :ivar columns: those that the records have.
    :ivar gone: those whose type was dropped.
    """

    relation: Relation
    columns: tuple[Column, ...]
    gone: tuple[str, ...] = ()

    def named(self, row: Row) -> Iterator[tuple[str, Value]]:
        """A row's values with their columns' names."""
        return zip((each.name for each in self.relation.fields), row, strict=True)

    def query(self, database: Postgres) -> str:
        """What makes JSON of the rows' texts, which are a list of objects with the fields c0, c1 and so on."""
        quoted = database.quoted
        places = {each.name: place for place, each in enumerate(self.relation.fields)}
        typed = ", ".join(f"u.c{places[each.name]}::{each.type} AS {quoted(each.name)}" for each in self.columns)
        texts = ", ".join(f"c{place} text" for place in places.values())
        named = ", ".join(f"c{place}" for place in places.values())
        chosen = ", ".join(f"{database.expression(each)} AS {quoted(each.name)}" for each in self.columns)
        rows = f"ROWS FROM (json_to_recordset(\0::json) AS ({texts})) WITH ORDINALITY u({named}, place)"
        query = (
            f"SELECT (SELECT row_to_json(t.*) FROM (SELECT {chosen}) AS t)::text "
            f"FROM {rows} CROSS JOIN LATERAL (SELECT {typed}) AS r ORDER BY u.place"
        )
        return query.replace("%", "%%").replace("\0", "%s")


class Rewriting:
    """Makes rows of the log into records.

    :param connection: one of its own.
    """

    def __init__(self, database: Postgres, connection: Connection) -> None:
        self._database = database
        self._connection = connection
        self._forms: dict[tuple[Relation, tuple[tuple[str, bool], ...]], tuple[Form, str]] = {}

    def records(self, stream: StreamDescriptor, pending: Pending) -> Records:
        """The rows as records, in their order."""
        form, query = self._form(stream, pending)
        wanted = {name for name, _ in pending.wanted}
        changes: dict[int, list[Told]] = {}
        found: list[bytes] = []
        rewritten = self._rewritten(form, query, [row for row, _, _, _ in pending.rows])
        meta = _Meta(wanted)
        for number, (record, refused) in enumerate(rewritten):
            row, lsn, at, deleted = pending.rows[number]
            whole, away = record, [*refused, *form.gone]
            if UNCHANGED in row:
                missing = [name for name, value in form.named(row) if value is UNCHANGED and name in wanted]
                whole, unknown = self._with_now(form, row, record, missing)
                away += unknown
            if away:  # of a row that was deleted, the log has but the key
                had = {name for name, value in form.named(row) if value is not None}
                changes[number] = [Told(name, NULLED, _LOST) for name in dict.fromkeys(away) if name in had]
            found.append(meta.added(whole, lsn, at, deleted=deleted))
        marked, told = Marks(form.columns)(b"".join(found), found)
        for number, made in told.items():
            changes.setdefault(number, []).extend(made)
        return Records(stream, marked, changes={number: made for number, made in changes.items() if made})

    def _form(self, stream: StreamDescriptor, pending: Pending) -> tuple[Form, str]:
        key = (pending.relation, pending.wanted)
        if key not in self._forms:
            form = self._made(*key)
            self._forms[key] = form, form.query(self._database)
            if form.gone:
                log.warning(
                    "Stream %s: what the log has of %s can't be read, as the type was dropped since: it is null. A "
                    "full refresh gives it as it is now.", stream, ", ".join(form.gone),
                )  # fmt: skip
        return self._forms[key]

    def _made(self, relation: Relation, wanted: Iterable[tuple[str, bool]]) -> Form:
        may_be_text = dict(wanted)
        fields = {each.name: each for each in relation.fields if each.name in may_be_text}
        found = kinds_of(self._connection, [(each.oid, each.modifier) for each in fields.values()])
        kinds = {
            name: kind or _TEXT for name, kind in zip(fields, found, strict=True) if kind or may_be_text[name]
        }  # a value of a type that is gone is in the log as text: all that was in an enumeration
        columns = tuple(Column(name, *kinds[name]) for name in may_be_text if name in kinds)
        return Form(relation, columns, tuple(name for name in fields if name not in kinds))

    def _rewritten(self, form: Form, query: str, rows: Sequence[Row]) -> list[tuple[bytes, list[str]]]:
        """Each row's JSON, and of which columns the database can't read the value any more: its domain has got
        another condition, its composite type other attributes."""
        made = msgspec.defstruct("Row", [f"c{place}" for place, _ in enumerate(form.relation.fields)], gc=False)
        try:
            cursor = self._database.driver(self._connection).cursor()
            cursor.execute(query.encode(), (_TEXTS.encode(list(starmap(made, rows))).decode(),))
            return [(row[0].replace("\n", " ").encode(), []) for row in cursor]
        except Exception as error:
            if not _is_of_values(error):
                raise
        if len(rows) > 1:
            half = len(rows) // 2
            return [*self._rewritten(form, query, rows[:half]), *self._rewritten(form, query, rows[half:])]
        if len(form.columns) > 1:
            each = [replace(form, columns=(column,)) for column in form.columns]
            parts = [self._rewritten(one, one.query(self._database), rows)[0] for one in each]
            joined = b"{" + b",".join(part[1:-1] for part, _ in parts) + b"}"
            return [(joined, [name for _, lost in parts for name in lost])]
        name = form.columns[0].name
        return [(msgspec.json.encode({name: None}), [name])]

    def _with_now(self, form: Form, row: Row, record: bytes, missing: list[str]) -> tuple[bytes, list[str]]:
        """The record with large values that the log does not have, as the row has them now: what changed them since
        comes as a change of its own. Where the row, the column or the right to read it is gone, those that are lost."""
        database, relation = self._database, form.relation
        key = [(each, value) for each, value in zip(relation.fields, row, strict=True) if each.is_key]
        chosen = ", ".join(
            f"{database.expression(each)} AS {database.quoted(each.name)}"
            for each in form.columns
            if each.name in missing
        )
        matches = " AND ".join(
            f"r.{database.quoted(each.name)}::text = {database.literal(str(value))}" for each, value in key
        )
        table = database.quoted(relation.schema, relation.name)
        query = f"SELECT row_to_json(t.*)::text FROM (SELECT {chosen} FROM {table} r WHERE {matches}) AS t"
        try:
            now = database.value(self._connection, query) if key and chosen else None
        except Exception as error:
            if not _is_of_values(error):
                raise
            now = None
        if now is None:
            return record, missing
        return msgspec.json.encode({**_ROW.decode(record), **_ROW.decode(now)}), []


def _may_be_text(schema: Any) -> bool:
    kinds = schema.get("type") if isinstance(schema, Mapping) else None
    return kinds is None or kinds == "string" or (isinstance(kinds, list) and "string" in kinds)


def _is_of_values(error: Exception) -> bool:
    """Whether PostgreSQL refuses what it was asked, a value or a name, and would again: its classes 22, 23 and 42."""
    state = getattr(getattr(error, "orig", None) or error, "sqlstate", None) or ""
    return state[:2] in ("22", "23", "42")


class _Meta:
    """What the log says of records, put to their ends.

    :param wanted: the fields that they have.
    """

    def __init__(self, wanted: set[str]) -> None:
        self._wanted = wanted
        self._of: tuple[int, datetime, bool] | None = None
        self._end = b""

    def added(self, record: bytes, lsn: int, at: datetime, *, deleted: bool) -> bytes:
        """The record with it."""
        of = (lsn, at, deleted)
        if of != self._of:  # mostly it is of the same transaction
            moment = msgspec.json.encode(at)
            said = {LSN: b"%d" % lsn, UPDATED: moment, DELETED: moment if deleted else b"null"}
            parts = [b',"%s":%s' % (name.encode(), value) for name, value in said.items() if name in self._wanted]
            self._of, self._end = of, b"".join(parts) + b"}"
        if record == b"{}":
            return b"{" + self._end[1:] if len(self._end) > 1 else record
        return record[:-1] + self._end
