"""Records into SQLite: bound as they are decoded, many at a time."""

from __future__ import annotations

import base64
import binascii
import sqlite3
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from decimal import Decimal
from typing import Any

import msgspec

from headwater.bridge.sinks.columns import INT64, Kind
from headwater.bridge.sinks.engine import Key, Load
from headwater.bridge.sinks.fit import found_at
from headwater.bridge.sinks.names import LINK, OWN, quoted
from headwater.bridge.sinks.sqlite_paths import keyed, newer
from headwater.protocol.values import encode

_At = Callable[..., str]

# Raw JSON reaches SQLite as bytes, which it takes for text here; no Python object is made of it.
_PLACEHOLDERS = {
    Kind.JSON: "NULLIF(CAST(? AS TEXT), 'null')",
    Kind.DECIMAL: "NULLIF(trim(CAST(? AS TEXT), '\"'), 'null')",
}


def insert(connection: sqlite3.Connection, load: Load, at: _At, existing: Iterable[str]) -> int:
    """Insert or upsert; how many rows have null in their key.

    :param at: a part of the key as SQL.
    :param existing: the table's columns.
    """
    rows, nulls = _rows_of(load), [0]
    if load.key is not None:
        rows = keyed(rows, load, load.key, nulls)
    connection.executemany(_statement(load, at, existing), rows)
    return nulls[0]


def conflict(key: Key, at: _At) -> str:
    """The key as ``ON CONFLICT`` names it."""
    return ", ".join(at(part) for part in key.parts)


def _rows_of(load: Load) -> Iterator[tuple[Any, ...]]:
    rows = load.gate.rows(load.data)
    binders = [(place, _BINDERS[column.kind]) for place, column in enumerate(load.columns) if column.kind in _BINDERS]
    if binders:
        rows = _bound(rows, binders)
    if load.links is None:
        return (values + own for values, own in zip(rows, load.own(), strict=True))
    return (values + own + link for values, own, link in zip(rows, load.own(), load.links, strict=True))


def _statement(load: Load, at: _At, existing: Iterable[str]) -> str:
    own = [*OWN, *(LINK if load.links is not None else ())]
    names = ", ".join([*(column.sql for column in load.columns), *map(quoted, own)])
    values = ", ".join([*(_PLACEHOLDERS.get(column.kind, "?") for column in load.columns), *("?" for _ in own)])
    insert = f"INSERT INTO {load.table.sql} ({names}) VALUES ({values})"  # noqa: S608
    if load.key is None:
        return insert
    # The index need not be written for columns that are the same anyway.
    same = {part.column.name for part in load.key.parts if not part.rest}
    updates = ", ".join(f"{quoted(name)} = excluded.{quoted(name)}" for name in existing if name not in same)
    cursor = load.key.cursor
    where = newer(cursor, at(cursor, "excluded."), at(cursor, f"{load.table.sql}.")) if cursor else ""
    return f"{insert} ON CONFLICT ({conflict(load.key, at)}) DO UPDATE SET {updates}{where}"


def _bind_any(value: Any) -> Any:
    """A value of a column without a type: numbers and text as they are, what SQLite doesn't have as text."""
    if type(value) is msgspec.Raw:
        value = found_at(value, ())
    kind = type(value)
    if kind is dict or kind is list:
        return encode(value).decode()
    return str(value) if kind is Decimal or (kind is int and value not in INT64) else value


def _bind_bytes(value: str | None) -> bytes | str | None:
    try:
        return None if value is None else base64.b64decode(value, validate=True)
    except (binascii.Error, ValueError):
        return value


_BINDERS: Mapping[Kind, Callable[[Any], Any]] = {Kind.ANY: _bind_any, Kind.BINARY: _bind_bytes}


def _bound(
    rows: Iterator[tuple[Any, ...]], binders: Sequence[tuple[int, Callable[[Any], Any]]]
) -> Iterator[tuple[Any, ...]]:
    for row in rows:
        values = list(row)
        for place, bind in binders:
            values[place] = bind(values[place])
        yield tuple(values)
