"""Keys and cursors in SQLite: paths into objects, and what comes after what."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import suppress
from decimal import Decimal, InvalidOperation
from typing import Any

import msgspec

from headwater.bridge.sinks.columns import INT64, Kind
from headwater.bridge.sinks.engine import Key, Load, Part
from headwater.bridge.sinks.fit import found_at, inexact
from headwater.errors import DestinationError
from headwater.protocol.fields import FieldPath

_NOT_LESS = "_headwater_not_less"
_SPELLED = "_headwater_spelled"


def register(connection: sqlite3.Connection) -> None:
    """Give the connection the functions that :func:`newer` and :func:`respelled` call."""
    connection.create_function(_NOT_LESS, 2, _not_less)
    connection.create_function(_SPELLED, 2, lambda text, rest: spelled(text, msgspec.json.decode(rest)).decode())


def at(connection: sqlite3.Connection, part: Part, row: str) -> str:
    """A path into an object is an expression on the JSON text of its column."""
    name = row + part.column.sql
    if not part.rest:
        return name
    inner = "$" + "".join("." + _step(connection, step) for step in part.rest)
    return "json_extract({}, '{}')".format(name, inner.replace("'", "''"))


def _step(connection: sqlite3.Connection, name: str) -> str:
    """A key in a path, as JSON writes it. One with a double quote is found by older versions of SQLite only
    without quotes around it, by newer ones only with them."""
    written = msgspec.json.encode(name).decode()
    if '"' not in name:
        return written
    for form in (written, written[1:-1]):
        with suppress(sqlite3.OperationalError):
            if connection.execute("SELECT json_extract(?, ?)", (f"{{{written}:1}}", f"$.{form}")).fetchall() == [(1,)]:
                return form
    raise DestinationError(
        f"SQLite {sqlite3.sqlite_version} can't look up the nested key {name!r}: name another one, or append."
    )


def newer(cursor: Part, new: str, old: str) -> str:
    """The condition for replacing a row: it is not older, where the cursor is known.

    :param new: the cursor of the row that comes, ``old`` that of the one that is there, as SQL.
    """
    compared = f"{new} >= {old}"
    if cursor.column.kind in (Kind.DECIMAL, Kind.ANY):  # which have numbers as texts, too
        numbers = " AND ".join(f"typeof({one}) IN ('integer', 'real')" for one in (new, old))
        compared = f"CASE WHEN {numbers} THEN {compared} ELSE {_NOT_LESS}({new}, {old}) END"
    if cursor.temporal:
        # As text, "01.5Z" would come before "01Z"; and julianday() tells no more than milliseconds apart.
        later = f"CAST(substr({new}, 18) AS REAL) - CAST(substr({old}, 18) AS REAL)"
        compared = (
            f"CASE WHEN julianday({new}) = julianday({old}) THEN {later} BETWEEN 0 AND 30 OR {later} < -30 "
            f"ELSE COALESCE(julianday({new}) > julianday({old}), {compared}) END"
        )
    return f" WHERE COALESCE({compared}, {old} IS NULL)"


def _not_less(new: Any, old: Any) -> bool | None:
    """Whether a value comes not before another: as numbers, where both are some; else as SQLite has it."""
    if new is None or old is None:
        return None
    try:
        return Decimal(new) >= Decimal(old)
    except (InvalidOperation, TypeError, ValueError):
        return (isinstance(new, str), new) >= (isinstance(old, str), old)


def keyed(rows: Iterator[tuple[Any, ...]], load: Load, key: Key, nulls: list[int]) -> Iterator[tuple[Any, ...]]:
    """The rows with what :func:`at` looks up in them as it finds it; counts those with null in their key.

    :raises sqlite3.DataError: for a number in a key that SQLite would take for another.
    """
    order = [column.field for column in load.columns]
    paths = [(order.index(part.column.field), part.rest) for part in key.parts]
    nested = {(place, rest) for place, rest in paths if rest}
    if key.cursor is not None and key.cursor.rest:
        nested.add((order.index(key.cursor.column.field), key.cursor.rest))
    for row in rows:
        for place, rest in nested:
            if type(row[place]) is msgspec.Raw and b"\\" in bytes(row[place]):
                row = (*row[:place], spelled(row[place], rest), *row[place + 1 :])  # noqa: PLW2901
        for place, rest in paths:
            value = row[place]
            if value is None or ((rest or value.__class__ is msgspec.Raw) and _found(value, rest) is None):
                nulls[0] += 1
                break
        yield row


def _found(value: Any, rest: FieldPath) -> Any:
    """What is at this path below a column's JSON text."""
    try:
        found = found_at(value, rest)
    except (msgspec.MsgspecError, UnicodeError):
        return None if rest else value
    if rest and (inexact(found) or (type(found) is int and found not in INT64)):
        path = ".".join(rest)
        raise sqlite3.DataError(f"the nested key {path!r} is {str(found)[:60]}, which SQLite can't tell from others")
    return found


def spelled(raw: Any, rest: FieldPath) -> bytes:
    """A column's JSON with the names along a path as :func:`at` writes them: some writers escape more characters of
    a name than must be, and SQLite compares them as they are written."""
    try:
        item = _RAWS(raw)
    except (msgspec.MsgspecError, UnicodeError):
        return bytes(raw) if not isinstance(raw, str) else raw.encode()
    if len(rest) > 1 and rest[0] in item:
        item[rest[0]] = msgspec.Raw(spelled(item[rest[0]], rest[1:]))
    return msgspec.json.encode(item)


def respelled(table: str, part: Part) -> tuple[str, tuple[str]]:
    """The statement that does it to the rows that a table has already, and its parameter."""
    column = part.column.sql
    rest = msgspec.json.encode(part.rest).decode()
    return f"UPDATE {table} SET {column} = {_SPELLED}({column}, ?) WHERE instr({column}, '\\') > 0", (rest,)  # noqa: S608


_RAWS = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode
