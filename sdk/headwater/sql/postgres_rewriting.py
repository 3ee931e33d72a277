"""Rows of the log made into the records that a query would give.

The log has each value's text. The database makes the same JSON of it as of a row that it reads: the texts go back to
it, many rows at a time, and are asked for with the same expressions. The table and its types may be others by then, or
gone: what can't be read any more becomes null, which the record's ``meta.changes`` tells, and the rest goes on.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from itertools import starmap
from typing import TYPE_CHECKING, Any

import msgspec

from headwater.protocol.messages import Change as Told
from headwater.protocol.messages import Records, StreamDescriptor
from headwater.protocol.values import NULLED
from headwater.sql.marks import Marks
from headwater.sql.pgoutput import UNCHANGED, Relation, Row, Value
from headwater.sql.postgres import Postgres
from headwater.sql.postgres_catalog import kinds_of
from headwater.sql.postgres_changes import DELETED, LSN, UPDATED, Changed, Pending
from headwater.sql.tables import Column, Kind

if TYPE_CHECKING:
    from sqlalchemy import Connection

log = logging.getLogger("headwater")

_ROW = msgspec.json.Decoder(dict[str, msgspec.Raw])
_TEXT = ("text", Kind({"type": "string"}))
_TEXTS = msgspec.json.Encoder(enc_hook=lambda _: None)  # UNCHANGED is none
_LOST = "SOURCE_RETRIEVAL_ERROR"
_FIRST, _MOST = 16, 128
"""Rows whose large values are asked for at once, at first and at most: nobody knows how large the next ones are."""
_BYTES = 512 * 1024
"""Bytes of such rows that are held at once, about."""


@dataclass(frozen=True)
class Form:
    """How rows of a relation are read.

    :ivar columns: those that the records have.
    :ivar key: by which the table's own row is found; empty: by nothing any more.
    :ivar gone: those whose type was dropped.
    """

    relation: Relation
    columns: tuple[Column, ...]
    key: tuple[Column, ...] = ()
    gone: tuple[str, ...] = ()

    def named(self, row: Row) -> Iterator[tuple[str, Value]]:
        """A row's values with their columns' names."""
        return zip((each.name for each in self.relation.fields), row, strict=True)

    def key_of(self, row: Row) -> Row:
        """The values of a row's key."""
        values = dict(self.named(row))
        return tuple(values[column.name] for column in self.key)

    def query(self, database: Postgres, encoding: str) -> str:
        """What makes JSON of the rows' texts."""
        quoted = database.quoted
        places = {each.name: place for place, each in enumerate(self.relation.fields)}
        typed = ", ".join(f"u.c{places[each.name]}::{each.type} AS {quoted(each.name)}" for each in self.columns)
        return (
            f"SELECT {_json(database, self.columns, encoding)} FROM {_rows(len(places), encoding)} "
            f"CROSS JOIN LATERAL (SELECT {typed}) AS r ORDER BY u.place"
        )

    def query_now(self, database: Postgres, encoding: str) -> str:
        """What gives the columns of rows of the table with these keys, as they are now, each with its key's number."""
        quoted, relation = database.quoted, self.relation
        matches = [f"r.{quoted(each.name)} = u.c{place}::{each.type}" for place, each in enumerate(self.key)]
        return (
            f"SELECT u.place, {_json(database, self.columns, encoding)} FROM {_rows(len(self.key), encoding)} "
            f"JOIN {quoted(relation.schema, relation.name)} r ON {' AND '.join(matches)}"
        )


def _rows(count: int, encoding: str) -> str:
    """A parameter, which is a list of objects with the fields c0, c1 and so on, as rows of texts."""
    names = [f"c{place}" for place in range(count)]
    texts = ", ".join(f"{name} text" for name in names)
    called = ", ".join((*names, "place"))
    return (
        f"ROWS FROM (json_to_recordset(convert_from(\0, '{encoding}')::json) AS ({texts})) "
        f"WITH ORDINALITY u({called})"
    )  # fmt: skip


def _json(database: Postgres, columns: Iterable[Column], encoding: str) -> str:
    chosen = ", ".join(f"{database.expression(each)} AS {database.quoted(each.name)}" for each in columns)
    return f"convert_to((SELECT row_to_json(t.*) FROM (SELECT {chosen}) AS t)::text, '{encoding}')"


class Rewriting:
    """Makes rows of the log into records.

    :param connection: one of its own.
    """

    def __init__(self, database: Postgres, connection: Connection) -> None:
        self._database = database
        self._connection = connection
        self._is_utf8 = not database.takes_any_bytes(connection)
        self._encoding = "UTF8" if self._is_utf8 else "SQL_ASCII"
        self._forms: dict[tuple[Relation, tuple[tuple[str, bool], ...]], tuple[Form, str]] = {}
        self._step = _FIRST

    def records(self, stream: StreamDescriptor, pending: Pending) -> Iterator[Records]:
        """The rows as records, in their order."""
        form, query = self._form(stream, pending)
        wanted = {name for name, _ in pending.wanted}
        rows = pending.rows
        if not any(UNCHANGED in each.row for each in rows):
            yield self._records(stream, form, query, rows, wanted)
            return
        at = 0
        while at < len(rows):
            part = rows[at : at + self._step]
            made = self._records(stream, form, query, part, wanted)
            yield made
            at += len(part)
            self._step = max(1, min(2 * self._step, _MOST, _BYTES // (made.size // len(part) + 1)))

    def _records(
        self, stream: StreamDescriptor, form: Form, query: str, rows: Sequence[Changed], wanted: set[str]
    ) -> Records:
        changes: dict[int, list[Told]] = {}
        found: list[bytes] = []
        rewritten = self._rewritten(form, query, [each.row for each in rows])
        unknown = self._completed(form, rows, rewritten, wanted)
        meta = _Meta(wanted)
        for number, (record, refused) in enumerate(rewritten):
            row, lsn, at, deleted = rows[number]
            away = [*refused, *form.gone, *unknown.get(number, ())]
            if away:  # of a row that was deleted, the log has but the key
                had = {name for name, value in form.named(row) if value is not None}
                changes[number] = [Told(name, NULLED, _LOST) for name in dict.fromkeys(away) if name in had]
            found.append(meta.added(record, lsn, at, deleted=deleted))
        marked, told = Marks(form.columns, is_utf8=self._is_utf8)(b"".join(found), found)
        for number, made in told.items():
            changes.setdefault(number, []).extend(made)
        return Records(stream, marked, changes={number: made for number, made in changes.items() if made})

    # --- how rows are read --------------------------------------------------------------------------------

    def _form(self, stream: StreamDescriptor, pending: Pending) -> tuple[Form, str]:
        key = (pending.relation, pending.wanted)
        if key not in self._forms:
            form = self._made(*key)
            self._forms[key] = form, form.query(self._database, self._encoding)
            if form.gone:
                log.warning(
                    "Stream %s: what the log has of %s can't be read, as the type was dropped since: it is null. A "
                    "full refresh gives it as it is now.", stream, ", ".join(form.gone),
                )  # fmt: skip
        return self._forms[key]

    def _made(self, relation: Relation, wanted: Iterable[tuple[str, bool]]) -> Form:
        may_be_text = dict(wanted)
        fields = {each.name: each for each in relation.fields if each.name in may_be_text or each.is_key}
        found = kinds_of(self._connection, [(each.oid, each.modifier) for each in fields.values()])
        known = dict(zip(fields, found, strict=True))
        # A value of a type that is gone is in the log as text: all that was in an enumeration.
        kinds = {name: kind or _TEXT for name, kind in known.items() if kind or may_be_text.get(name)}
        columns = tuple(Column(name, *kinds[name]) for name in may_be_text if name in kinds)
        keys = [(name, known[name]) for name, each in fields.items() if each.is_key]
        key = tuple(Column(name, *kind) for name, kind in keys if kind is not None)
        gone = tuple(name for name in fields if name in may_be_text and name not in kinds)
        return Form(relation, columns, key if len(key) == len(keys) else (), gone)

    def _asked(self, query: str, rows: Sequence[Row]) -> list[Any]:
        """What a query gives for rows of texts."""
        cursor = self._database.driver(self._connection).cursor(binary=True)
        cursor.execute(query.replace("%", "%%").replace("\0", "%b").encode(), (_texts(rows),))
        return list(cursor)

    def _rewritten(self, form: Form, query: str, rows: Sequence[Row]) -> list[tuple[bytes, list[str]]]:
        """Each row's JSON, and of which columns the database can't read the value any more: its domain has got
        another condition, its composite type other attributes."""
        try:
            return [(record.replace(b"\n", b" "), []) for (record,) in self._asked(query, rows)]
        except Exception as error:
            if not _is_of_values(error):
                raise
        if len(rows) > 1:
            half = len(rows) // 2
            return [*self._rewritten(form, query, rows[:half]), *self._rewritten(form, query, rows[half:])]
        if len(form.columns) > 1:
            each = [replace(form, columns=(column,)) for column in form.columns]
            parts = [self._rewritten(one, one.query(self._database, self._encoding), rows)[0] for one in each]
            joined = b"{" + b",".join(part[1:-1] for part, _ in parts) + b"}"
            return [(joined, [name for _, lost in parts for name in lost])]
        name = form.columns[0].name
        return [(msgspec.json.encode({name: None}), [name])]

    # --- large values that the log does not have ------------------------------------------------------------

    def _completed(
        self, form: Form, rows: Sequence[Changed], records: list[tuple[bytes, list[str]]], wanted: set[str]
    ) -> dict[int, tuple[str, ...]]:
        """Put large values that the log does not have into the records, as their rows have them now: what changed
        them since comes as a change of its own.

        :return: which are nowhere, by the row's number: the row, the column, or the right to read it is gone.
        """
        concerned: dict[tuple[str, ...], list[int]] = {}
        for number, each in enumerate(rows):
            if UNCHANGED in each.row:
                names = (name for name, value in form.named(each.row) if value is UNCHANGED and name in wanted)
                concerned.setdefault(tuple(names), []).append(number)
        unknown = {}
        for missing, numbers in concerned.items():
            chosen = replace(form, columns=tuple(each for each in form.columns if each.name in missing))
            now = self._now(chosen, [form.key_of(rows[number].row) for number in numbers])
            for number, large in zip(numbers, now, strict=True):
                if large is None:
                    unknown[number] = missing
                else:
                    record, refused = records[number]
                    whole = {**_ROW.decode(record), **_ROW.decode(large.replace(b"\n", b" "))}
                    records[number] = msgspec.json.encode(whole), refused
        return unknown

    def _now(self, form: Form, keys: Sequence[Row]) -> list[bytes | None]:
        """The form's columns of the rows with these keys; None: there is none."""
        if not form.key or not form.columns:
            return [None] * len(keys)
        try:
            found: dict[int, bytes] = dict(self._asked(form.query_now(self._database, self._encoding), keys))
            return [found.get(place) for place in range(1, len(keys) + 1)]
        except Exception as error:
            if not _is_of_values(error):
                raise
            if len(keys) == 1 or _state(error).startswith("42"):  # no table, column or right: not for any key
                return [None] * len(keys)
        half = len(keys) // 2
        return [*self._now(form, keys[:half]), *self._now(form, keys[half:])]


def _texts(rows: Sequence[Row]) -> bytes:
    """Rows of texts as a list of objects with the fields c0, c1 and so on."""
    names = [f"c{place}" for place in range(len(rows[0]))]
    try:
        return _TEXTS.encode(list(starmap(msgspec.defstruct("Row", names, gc=False), rows)))
    except UnicodeEncodeError:  # not all is UTF-8
        found = [{name: _text(value) for name, value in zip(names, row, strict=True)} for row in rows]
        return json.dumps(found, ensure_ascii=False).encode("utf-8", "surrogateescape")


def _text(value: Value) -> str | None:
    return value if isinstance(value, str) else None


def _state(error: Exception) -> str:
    return getattr(error, "sqlstate", None) or ""


def _is_of_values(error: Exception) -> bool:
    """Whether PostgreSQL refuses what it was asked, a value or a name, and would again: its classes 22, 23 and 42."""
    return _state(error)[:2] in ("22", "23", "42")


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
