"""SQLite for the SQL destinations.

Durable when a batch is acknowledged, also against power failure: the write-ahead log is synced at every
commit (``journal_mode=WAL``, ``synchronous=FULL``). Readers are not blocked meanwhile.

SQLite converts what it stores to the declared type where it thinks it can: ``'007'`` becomes 7 in an INTEGER
column, 2**60 loses digits in a REAL one. So only values of its kind go into a column, and what a column is
widened to is one without a type, which keeps each value as it came.
"""

from __future__ import annotations

import base64
import binascii
import logging
import secrets
import sqlite3
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import msgspec

from headwater.bridge.sinks.columns import INT64, Kind, fits
from headwater.bridge.sinks.engine import Column, DuplicateKeys, Engine, Key, Load, Part, TableName
from headwater.bridge.sinks.names import EXTRACTED_AT, LINK, OWN, NameRules, quoted
from headwater.protocol.fields import FieldPath
from headwater.protocol.values import encode

_LOG = logging.getLogger(__name__)

# Texts, as they came; SQLite has no types for them.
_STORED = {
    **dict.fromkeys((Kind.DATE, Kind.TIME, Kind.TIME_TZ, Kind.TIMESTAMP, Kind.TIMESTAMP_TZ), Kind.STRING),
    Kind.BIG_INTEGER: Kind.INTEGER,
}
_DECLARED = {
    Kind.INTEGER: "INTEGER",
    Kind.NUMBER: "REAL",
    Kind.BOOLEAN: "BOOLEAN",
    Kind.STRING: "TEXT",
    Kind.BINARY: "BLOB",
    Kind.DECIMAL: "DECIMAL TEXT",
    Kind.JSON: "JSON TEXT",
    Kind.ANY: "",
}
_KINDS = {declared: kind for kind, declared in _DECLARED.items()}
# Raw JSON reaches SQLite as bytes, which it takes for text here; no Python object is made of it.
_PLACEHOLDERS = {
    Kind.JSON: "NULLIF(CAST(? AS TEXT), 'null')",
    Kind.DECIMAL: "NULLIF(trim(CAST(? AS TEXT), '\"'), 'null')",
}


class SqliteEngine(Engine):
    """One database file.

    :param path: it is created if missing.
    :param busy_seconds: how long to wait for another program that writes.
    """

    title = "SQLite"
    binds = True
    file = True
    names = NameRules(prefixes=("sqlite_",))

    def __init__(self, path: str, busy_seconds: float) -> None:
        self.where = path
        self._busy_seconds = busy_seconds
        self._connection: sqlite3.Connection | None = None

    def connect(self) -> None:
        """Open the file."""
        if self._connection is not None:
            return
        self._connection = sqlite3.connect(self.where, timeout=self._busy_seconds, isolation_level=None)
        self.rows("PRAGMA journal_mode = WAL")
        self.rows("PRAGMA synchronous = FULL")
        self.rows("PRAGMA cache_size = -32768")

    def close(self) -> None:
        """Close the file."""
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.close()

    def _open(self) -> sqlite3.Connection:
        assert self._connection is not None, "the sink is not open"
        return self._connection

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """One transaction, alone from its beginning."""
        self.rows("BEGIN IMMEDIATE")
        try:
            yield
            self.rows("COMMIT")
        except BaseException:
            if self._connection is not None and self._connection.in_transaction:
                self.rows("ROLLBACK")
            raise

    def rows(self, sql: str, parameters: Sequence[object] = ()) -> list[tuple[Any, ...]]:
        """Execute a statement."""
        return self._open().execute(sql, parameters).fetchall()

    def advice(self, error: Exception) -> str | None:
        """What is wrong, and what to do."""
        if not isinstance(error, sqlite3.Error):
            return None
        for part, advice in _ADVICE:
            if part in str(error):
                return f"{error}. {advice.format(seconds=self._busy_seconds)}"
        return f"{error}."

    def refusal(self, error: Exception) -> str | None:
        """A constraint of the table's, or a value beyond SQLite's limits."""
        return str(error) if isinstance(error, (sqlite3.IntegrityError, sqlite3.DataError)) else None

    # Types

    def stored(self, kind: Kind) -> Kind:
        """The kind of column for a kind."""
        return _STORED.get(kind, kind)

    def declared(self, kind: Kind) -> str:
        """The declared type, by which an existing column is recognised."""
        return _DECLARED[kind]

    def declared_own(self, name: str, kind: Kind) -> str:
        """As earlier versions declared them."""
        if name == EXTRACTED_AT:
            return "INTEGER NOT NULL"
        return "TEXT NOT NULL" if kind is Kind.JSON else f"{self.declared(kind)} NOT NULL"

    def widened(self, present: Kind, wanted: Kind) -> Kind:
        """A column of JSON or without a type holds everything; every other becomes one without a type."""
        return present if present == wanted or present is Kind.JSON else Kind.ANY

    def fits(self, kind: Kind, value: Any) -> bool:
        """Whether a column keeps a value as it is. A BLOB column converts nothing: a text that is no base64 stays
        as it came."""
        return type(value) is str if kind is Kind.BINARY else fits(kind, value)

    def decoded(self, column: Column) -> Any:
        """What is bound, or nearly."""
        kinds = {Kind.ANY: Any, Kind.DECIMAL: msgspec.Raw, Kind.BINARY: str | None}
        return kinds[column.kind] if column.kind in kinds else super().decoded(column)

    # Tables

    def place(self, namespace: str, name: str) -> tuple[str, str]:
        """SQLite has no schemas: the namespace goes before the name."""
        return "", f"{namespace}__{name}" if namespace else name

    def columns(self, table: TableName) -> dict[str, Kind]:
        """The columns; one that somebody else declared takes anything."""
        return {
            str(row[1]): _KINDS.get(str(row[2]).upper(), Kind.ANY)
            for row in self.rows(f"PRAGMA table_info({quoted(table.name)})")
        }

    def exists(self, table: TableName) -> bool:
        """Whether there is a table or view of that name in any case."""
        sql = "SELECT 1 FROM sqlite_master WHERE name = ? COLLATE NOCASE AND type IN ('table', 'view')"
        return bool(self.rows(sql, (table.name,)))

    def widen(self, table: TableName, name: str, present: Kind, kind: Kind) -> None:
        """Make a column one without a type; it moves to the end of the table."""
        column, aside = quoted(name), quoted(name + "_headwater_wide")
        self._drop_key(table)
        self.rows(f"ALTER TABLE {table.sql} ADD COLUMN {aside} {self.declared(kind)}".rstrip())
        self.rows(f"UPDATE {table.sql} SET {aside} = {column}")  # noqa: S608
        self.rows(f"ALTER TABLE {table.sql} DROP COLUMN {column}")
        self.rows(f"ALTER TABLE {table.sql} RENAME COLUMN {aside} TO {column}")

    def swap(self, table: TableName, staging: TableName) -> None:
        """Keeps the indexes, triggers and views of the table, where they fit."""
        hung = self.rows(
            "SELECT sql FROM sqlite_master WHERE type IN ('index', 'trigger') AND tbl_name = ? "
            r"COLLATE NOCASE AND sql IS NOT NULL AND name NOT LIKE '\_headwater\_%' ESCAPE '\'",
            (table.name,),
        )
        # Views on a table do not keep another from taking its name.
        self.rows("PRAGMA legacy_alter_table = ON")
        try:
            self.drop(table)
            self.rows(f"ALTER TABLE {staging.sql} RENAME TO {table.sql}")
            for (statement,) in hung:
                try:
                    self.rows(statement)
                except sqlite3.OperationalError as error:
                    _LOG.warning("After %r was written anew, this does not fit: %s (%s)", table.name, statement, error)
        finally:
            self.rows("PRAGMA legacy_alter_table = OFF")

    # The key

    def prepare_key(self, table: TableName, key: Key | None) -> None:
        """Make the table have the unique index that an upsert needs, and no other of ours."""
        if key is None:
            self._drop_key(table)
            return
        conflict = self._conflict(key)
        if any(sql.endswith(f"({conflict})") for _, sql in self._indexes(table)):
            return
        self._drop_key(table)
        # By chance: an overwrite's table keeps its index, under its name, when it takes the old one's place.
        name = quoted(f"_headwater_key_{secrets.token_hex(8)}")
        try:
            self.rows(f"CREATE UNIQUE INDEX {name} ON {table.sql} ({conflict})")
        except sqlite3.IntegrityError:
            raise DuplicateKeys from None

    def _drop_key(self, table: TableName) -> None:
        for name, _ in self._indexes(table):
            self.rows(f"DROP INDEX {quoted(name)}")

    def _indexes(self, table: TableName) -> list[tuple[Any, ...]]:
        return self.rows(
            "SELECT name, sql FROM sqlite_master WHERE type = 'index' AND tbl_name = ? COLLATE NOCASE "
            r"AND name LIKE '\_headwater\_key\_%' ESCAPE '\'",
            (table.name,),
        )

    def _conflict(self, key: Key) -> str:
        return ", ".join(self.at(part) for part in key.parts)

    def at(self, part: Part, row: str = "") -> str:
        """A path into an object is an expression on the JSON text of its column."""
        name = row + part.column.sql
        if not part.rest:
            return name
        inner = "$" + "".join('."' + step.replace("'", "''") + '"' for step in part.rest)
        return f"json_extract({name}, '{inner}')"

    # Rows

    def load(self, load: Load) -> int:
        """Insert or upsert."""
        rows, nulls = self._rows_of(load), [0]
        if load.key is not None:
            rows = _counting_nulls(rows, load, nulls)
        self._open().executemany(self._insert(load), rows)
        return nulls[0]

    def _rows_of(self, load: Load) -> Iterator[tuple[Any, ...]]:
        rows = load.gate.rows(load.data)
        binders = [
            (place, _BINDERS[column.kind]) for place, column in enumerate(load.columns) if column.kind in _BINDERS
        ]
        if binders:
            rows = _bound(rows, binders)
        if load.links is None:
            return (values + own for values, own in zip(rows, load.own(), strict=True))
        return (values + own + link for values, own, link in zip(rows, load.own(), load.links, strict=True))

    def _insert(self, load: Load) -> str:
        own = [*OWN, *(LINK if load.links is not None else ())]
        names = ", ".join([*(column.sql for column in load.columns), *map(quoted, own)])
        values = ", ".join([*(_PLACEHOLDERS.get(column.kind, "?") for column in load.columns), *("?" for _ in own)])
        insert = f"INSERT INTO {load.table.sql} ({names}) VALUES ({values})"  # noqa: S608
        if load.key is None:
            return insert
        # The index need not be written for columns that are the same anyway.
        same = {part.column.name for part in load.key.parts if not part.rest}
        updates = ", ".join(
            f"{quoted(name)} = excluded.{quoted(name)}" for name in self.columns(load.table) if name not in same
        )
        newer = self._newer(load.table, load.key.cursor)
        return f"{insert} ON CONFLICT ({self._conflict(load.key)}) DO UPDATE SET {updates}{newer}"

    def _newer(self, table: TableName, cursor: Part | None) -> str:
        """The condition for replacing a row: it is not older, where the cursor is known."""
        if cursor is None:
            return ""
        new, old = self.at(cursor, "excluded."), self.at(cursor, f"{table.sql}.")
        compared = f"{new} >= {old}"
        if cursor.temporal:  # as text, "01.5Z" would come before "01Z"
            compared = f"COALESCE(julianday({new}) >= julianday({old}), {compared})"
        return f" WHERE COALESCE({compared}, {old} IS NULL)"


def _bind_any(value: Any) -> Any:
    """A value of a column without a type: numbers and text as they are, what SQLite doesn't have as text."""
    kind = type(value)
    if kind is dict or kind is list:
        return encode(value).decode()
    return str(value) if kind is int and value not in INT64 else value


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


def _counting_nulls(rows: Iterator[tuple[Any, ...]], load: Load, nulls: list[int]) -> Iterator[tuple[Any, ...]]:
    assert load.key is not None
    order = [column.field for column in load.columns]
    paths = [(order.index(part.column.field), part.rest) for part in load.key.parts]
    for row in rows:
        for place, rest in paths:
            value = row[place]
            if value is None or ((rest or value.__class__ is msgspec.Raw) and _is_missing(value, rest)):
                nulls[0] += 1
                break
        yield row


def _is_missing(value: Any, rest: FieldPath) -> bool:
    """Whether there is nothing at this path below a column's JSON text."""
    try:
        found = msgspec.json.decode(value)
    except (msgspec.MsgspecError, UnicodeError):
        return bool(rest)
    for part in rest:
        found = found.get(part) if isinstance(found, dict) else None
    return found is None


_ADVICE = (
    ("locked", "Another program has held the database for {seconds:.0f} s: end it, then run again."),
    ("disk is full", "Make room, then run again; nothing was lost."),
    ("readonly", "Grant write access to the file and its folder."),
    ("unable to open", "Is there such a folder, and may it be written to?"),
    ("not a database", "Name another file; this one is something else, or damaged."),
    ("malformed", "The file is damaged: restore a backup, or name another file."),
    ("too many columns", "The records have more keys than a table may have columns: select columns."),
    ("disk I/O", "The disk or its file system fails; look at the system's log."),
)
