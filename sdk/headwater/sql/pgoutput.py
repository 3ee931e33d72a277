"""PostgreSQL's logical replication messages, as the plugin ``pgoutput`` writes them. No IO in here.

https://www.postgresql.org/docs/current/protocol-logicalrep-message-formats.html, version 1 of the protocol.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from typing import Any, Final, Literal

from headwater.errors import SourceError


class Unchanged:
    """Stands for a large value that an update did not touch, and that is not sent."""


UNCHANGED: Final = Unchanged()
Value = str | None | Unchanged
Row = tuple[Value, ...]
_EPOCH = datetime(2000, 1, 1, tzinfo=timezone.utc)


@dataclass(frozen=True, slots=True)
class Begin:
    """A transaction begins; all of it follows, and nothing of another.

    :ivar at: when it was committed.
    """

    lsn: int
    at: datetime


@dataclass(frozen=True, slots=True)
class Commit:
    """The transaction is over.

    :ivar end: where the next one can begin.
    """

    lsn: int
    end: int


@dataclass(frozen=True, slots=True)
class Field:
    """A column of a relation."""

    name: str
    oid: int
    modifier: int
    is_key: bool


@dataclass(frozen=True, slots=True)
class Relation:
    """A table as it is from now on; comes before its first change."""

    oid: int
    schema: str
    name: str
    fields: tuple[Field, ...]


@dataclass(frozen=True, slots=True)
class Change:
    """A row was inserted, updated or deleted.

    :ivar new: its values; None for one that is gone.
    :ivar old: those that it had: all of them, or those of its key alone (the others are None).
    :ivar is_whole: ``old`` has all of them.
    """

    kind: Literal["insert", "update", "delete"]
    oid: int
    new: Row | None
    old: Row | None = None
    is_whole: bool = False


@dataclass(frozen=True, slots=True)
class Truncate:
    """Tables were emptied."""

    oids: tuple[int, ...]


Message = Begin | Commit | Relation | Change | Truncate


def parse(data: bytes) -> Message | None:
    """One message; None for one that says nothing of rows.

    :raises SourceError: when it is none.
    """
    try:
        return _Reader(data).message()
    except (struct.error, IndexError, UnicodeDecodeError) as error:
        raise SourceError(f"No message of pgoutput: {data[:60]!r} ({error}).") from error


class _Reader:
    def __init__(self, data: bytes) -> None:
        self._data = data
        self._at = 0

    def message(self) -> Message | None:
        kind = self._take("c")[0]
        if kind == b"B":
            lsn, at, _ = self._take("Qqi")
            return Begin(lsn, _EPOCH + timedelta(microseconds=at))
        if kind == b"C":
            _, lsn, end, _ = self._take("bQQq")
            return Commit(lsn, end)
        if kind == b"R":
            return self._relation()
        if kind == b"I":
            oid, _ = self._take("Ic")
            return Change("insert", oid, self._row())
        if kind == b"U":
            return self._update()
        if kind == b"D":
            oid, of = self._take("Ic")
            return Change("delete", oid, None, self._row(), of == b"O")
        if kind == b"T":
            count, _ = self._take("Ib")
            return Truncate(self._take("I" * count))
        return None

    def _relation(self) -> Relation:
        (oid,) = self._take("I")
        schema, name = self._text(), self._text()
        _, count = self._take("bh")
        fields = []
        for _ in range(count):
            (flags,) = self._take("b")
            column = self._text()
            kind, modifier = self._take("Ii")
            fields.append(Field(column, kind, modifier, bool(flags & 1)))
        return Relation(oid, schema or "pg_catalog", name, tuple(fields))

    def _update(self) -> Change:
        oid, of = self._take("Ic")
        old = None
        if of in (b"K", b"O"):
            old = self._row()
            self._take("c")
        return Change("update", oid, self._row(), old, of == b"O")

    def _row(self) -> Row:
        (count,) = self._take("h")
        return tuple(self._value() for _ in range(count))

    def _value(self) -> Value:
        (kind,) = self._take("c")
        if kind == b"n":
            return None
        if kind == b"u":
            return UNCHANGED
        (size,) = self._take("i")
        self._at += size
        return self._data[self._at - size : self._at].decode()

    def _take(self, form: str) -> tuple[Any, ...]:
        found = struct.unpack_from(f">{form}", self._data, self._at)
        self._at += struct.calcsize(f">{form}")
        return found

    def _text(self) -> str:
        end = self._data.index(0, self._at)
        text = self._data[self._at : end].decode()
        self._at = end + 1
        return text


def lsn_of(text: str) -> int:
    """A place in the log as a number."""
    high, _, low = text.partition("/")
    return (int(high, 16) << 32) + int(low, 16)


def lsn_text(lsn: int) -> str:
    """A place in the log as PostgreSQL writes it."""
    return f"{lsn >> 32:X}/{lsn & 0xFFFFFFFF:X}"
