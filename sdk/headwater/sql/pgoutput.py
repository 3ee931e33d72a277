"""PostgreSQL's logical replication messages, as the plugin ``pgoutput`` writes them. No IO in here.

https://www.postgresql.org/docs/current/protocol-logicalrep-message-formats.html, version 1 of the protocol. Text of
a database that takes any bytes for it has lone surrogates in place of those that are not UTF-8 (PEP 383).
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from typing import Final, Literal

import msgspec

from headwater.errors import SourceError
from headwater.protocol.messages import StreamDescriptor


class Unchanged:
    """Stands for a large value that an update did not touch, and that is not sent."""


UNCHANGED: Final = Unchanged()
Value = str | None | Unchanged
Row = tuple[Value, ...]
_OID = struct.Struct(">I").unpack_from
_SIZE = struct.Struct(">i").unpack_from
_TEXT, _NULL = b"tn"
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

    @property
    def descriptor(self) -> StreamDescriptor:
        """The name of its stream."""
        return StreamDescriptor(self.name, self.schema)


class Change(msgspec.Struct, frozen=True, gc=False):
    """A row was inserted, updated or deleted.

    :ivar new: its values; None for one that is gone.
    :ivar old: those that it had: all of them, or those of its key alone (the others are None).
    :ivar is_whole: ``old`` has all of them.
    :ivar size: bytes of the message.
    """

    kind: Literal["insert", "update", "delete"]
    oid: int
    new: Row | None
    old: Row | None = None
    is_whole: bool = False
    size: int = 0


@dataclass(frozen=True, slots=True)
class Truncate:
    """Tables were emptied."""

    oids: tuple[int, ...]


Message = Begin | Commit | Relation | Change | Truncate


def parse(data: bytes) -> Message | None:
    """One message; None for one that says nothing of rows.

    :raises SourceError: when it is none.
    """
    known = _KINDS.get(data[:1])
    try:
        return known(data) if known is not None else None
    except (struct.error, IndexError) as error:
        raise SourceError(f"No message of pgoutput: {data[:60]!r} ({error}).") from error


def _of_insert(data: bytes) -> Change:
    row, _ = _row(data, 6)
    return Change("insert", _OID(data, 1)[0], row, size=len(data))


def _of_update(data: bytes) -> Change:
    of, at, old = data[5], 6, None
    if of in b"KO":
        old, at = _row(data, 6)
        at += 1
    row, _ = _row(data, at)
    return Change("update", _OID(data, 1)[0], row, old, of == ord("O"), len(data))


def _of_delete(data: bytes) -> Change:
    row, _ = _row(data, 6)
    return Change("delete", _OID(data, 1)[0], None, row, data[5] == ord("O"), len(data))


def _row(data: bytes, at: int) -> tuple[Row, int]:
    """A row's values, and where they end. This is where the time goes."""
    values: list[Value] = []
    count = data[at] << 8 | data[at + 1]
    at += 2
    for _ in range(count):
        kind = data[at]
        if kind == _TEXT:
            begin = at + 5
            at = begin + _SIZE(data, at + 1)[0]
            values.append(data[begin:at].decode("utf-8", "surrogateescape"))
        else:
            at += 1
            values.append(None if kind == _NULL else UNCHANGED)
    if at > len(data):
        raise IndexError("it ends in the midst of a row")
    return tuple(values), at


def _relation(data: bytes) -> Relation:
    at = 5
    schema, at = _text(data, at)
    name, at = _text(data, at)
    _, count = struct.unpack_from(">bh", data, at)
    at += 3
    fields = []
    for _ in range(count):
        flags = data[at]
        column, at = _text(data, at + 1)
        kind, modifier = struct.unpack_from(">Ii", data, at)
        at += 8
        fields.append(Field(column, kind, modifier, bool(flags & 1)))
    return Relation(_OID(data, 1)[0], schema or "pg_catalog", name, tuple(fields))


def _text(data: bytes, at: int) -> tuple[str, int]:
    end = data.index(0, at)
    return data[at:end].decode("utf-8", "surrogateescape"), end + 1


def _begin(data: bytes) -> Begin:
    lsn, at, _ = struct.unpack_from(">Qqi", data, 1)
    return Begin(lsn, _EPOCH + timedelta(microseconds=at))


def _commit(data: bytes) -> Commit:
    _, lsn, end, _ = struct.unpack_from(">bQQq", data, 1)
    return Commit(lsn, end)


def _truncate(data: bytes) -> Truncate:
    count, _ = struct.unpack_from(">Ib", data, 1)
    return Truncate(struct.unpack_from(f">{count}I", data, 6))


_KINDS: Mapping[bytes, Callable[[bytes], Message]] = {
    b"I": _of_insert,
    b"U": _of_update,
    b"D": _of_delete,
    b"B": _begin,
    b"C": _commit,
    b"R": _relation,
    b"T": _truncate,
}


def lsn_of(text: str) -> int:
    """A place in the log as a number."""
    high, _, low = text.partition("/")
    return (int(high, 16) << 32) + int(low, 16)


def lsn_text(lsn: int) -> str:
    """A place in the log as PostgreSQL writes it."""
    return f"{lsn >> 32:X}/{lsn & 0xFFFFFFFF:X}"
