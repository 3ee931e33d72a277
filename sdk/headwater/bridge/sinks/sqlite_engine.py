"""SQLite for the SQL destinations.

Durable when a batch is acknowledged, also against power failure: the write-ahead log is synced at every
commit (``journal_mode=WAL``, ``synchronous=FULL``). Readers are not blocked meanwhile.

SQLite converts what it stores to the declared type where it thinks it can: ``'007'`` becomes 7 in an INTEGER
column, 2**60 loses digits in a REAL one. So only values of its kind go into a column, and what a column is
widened to is one without a type, which keeps each value as it came.
"""

from __future__ import annotations

import logging
import re
import secrets
import sqlite3
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import msgspec

from headwater.bridge.sinks import sqlite_paths
from headwater.bridge.sinks.columns import Kind, fits
from headwater.bridge.sinks.engine import Column, DuplicateKeys, Engine, Key, Load, Part
from headwater.bridge.sinks.meanings import Meaning
from headwater.bridge.sinks.names import EXTRACTED_AT, LINK, OWN, NameRules, TableName, quoted
from headwater.bridge.sinks.sqlite_errors import meaning_of
from headwater.bridge.sinks.sqlite_rows import conflict, insert
from headwater.errors import DestinationError

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
_CONSTRAINTS = re.compile(r"\b(?:CHECK|UNIQUE|PRIMARY\s+KEY|REFERENCES|GENERATED)\b(?!\")", re.IGNORECASE)
_KINDS = {declared: kind for kind, declared in _DECLARED.items()}


class SqliteEngine(Engine):
    """One database file.

    :param path: it is created if missing.
    :param busy_seconds: how long to wait for another program that writes.
    """

    title = "SQLite"
    binds = file = True
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
        sqlite_paths.register(self._connection)
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

    @contextmanager
    def savepoint(self) -> Iterator[None]:
        """A part that fails alone, unless the failure ends the transaction."""
        self.rows("SAVEPOINT _headwater_part")
        try:
            yield
        except Exception as error:
            if self._open().in_transaction:
                self.rows("ROLLBACK TO SAVEPOINT _headwater_part")
                self.rows("RELEASE SAVEPOINT _headwater_part")
            elif isinstance(error, sqlite3.IntegrityError):
                advice = "A trigger undoes what other records wrote: let it say RAISE(ABORT, ...), not ROLLBACK."
                raise DestinationError(f"{self.title}, {self.where}: {error}. {advice}") from error
            raise
        self.rows("RELEASE SAVEPOINT _headwater_part")

    def rows(self, sql: str, parameters: Sequence[object] = ()) -> list[tuple[Any, ...]]:
        """Execute a statement."""
        return self._open().execute(sql, parameters).fetchall()

    def meaning(self, error: Exception) -> Meaning | None:
        """What an error means."""
        return meaning_of(error, self._busy_seconds)

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
        """A column of JSON or without a type holds everything; every other becomes one without a type.

        Decimals go into columns of numbers and texts that are there already, and bytes as base64 into such of texts:
        earlier versions made those.
        """
        kept = {Kind.DECIMAL: (Kind.INTEGER, Kind.NUMBER, Kind.STRING), Kind.BINARY: (Kind.STRING,)}
        if present in kept.get(wanted, ()):
            return present
        return present if present == wanted or present is Kind.JSON else Kind.ANY

    def fits(self, kind: Kind, value: Any) -> bool:
        """Whether a column keeps a value as it is. A BLOB column converts nothing: a text that is no base64 stays
        as it came."""
        return type(value) is str if kind is Kind.BINARY else fits(kind, value)

    def decoded(self, column: Column) -> Any:
        """What is bound, or nearly."""
        decimal = column.wanted is Kind.DECIMAL  # in a column that was there already: a float loses digits
        kinds = {Kind.ANY: msgspec.Raw if decimal else Any, Kind.DECIMAL: msgspec.Raw, Kind.BINARY: str | None}
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

    def required(self, table: TableName) -> set[str]:
        """The columns declared NOT NULL."""
        own = {*OWN, *LINK}
        return {str(row[1]) for row in self.rows(f"PRAGMA table_info({table.sql})") if row[3] and row[1] not in own}

    def relax(self, table: TableName, name: str) -> None:
        """Let a column be null."""
        self._rewrite(table, lambda column, declared, required: (declared, required and column != name))

    def widen(self, table: TableName, name: str, present: Kind, kind: Kind) -> None:
        """Change a column's declared type."""
        wider = self.declared(kind)
        self._rewrite(table, lambda column, declared, required: (wider if column == name else declared, required))

    def _rewrite(self, table: TableName, changed: Callable[[str, str, bool], tuple[str, bool]]) -> None:
        """Write the table anew, since SQLite can't change a column.

        :param changed: of a column, its declared type and whether it must not be null, the new ones.
        """
        aside = TableName("", f"_headwater_wide_{table.name}")
        columns = []
        for _, column, before, was_required, default, *_ in self.rows(f"PRAGMA table_info({table.sql})"):
            declared, required = changed(column, before, bool(was_required))
            made = f"{quoted(column)} {declared}{' NOT NULL' if required else ''}"
            columns.append(made + (f" DEFAULT {default}" if default is not None else ""))
        ((written,),) = self.rows("SELECT sql FROM sqlite_master WHERE name = ? COLLATE NOCASE", (table.name,))
        if _CONSTRAINTS.search(written):
            _LOG.warning("%r is written anew; constraints in its CREATE TABLE are not kept: %s", table.name, written)
        self._drop_key(table)
        self.rows(f"CREATE TABLE {aside.sql} ({', '.join(columns)})")
        self.rows(f"INSERT INTO {aside.sql} SELECT * FROM {table.sql}")  # noqa: S608
        self.swap(table, aside)

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

    def remove_orphans(self, child: TableName, parent: TableName) -> None:
        """Without an index, this is quicker than EXISTS."""
        self.rows(
            f"DELETE FROM {child.sql} WHERE _airbyte_parent_id NOT IN "  # noqa: S608
            f"(SELECT _airbyte_raw_id FROM {parent.sql})"
        )

    # The key

    def prepare_key(self, table: TableName, key: Key | None) -> None:
        """Make the table have the unique index that an upsert needs, and no other of ours."""
        if key is None:
            self._drop_key(table)
            return
        columns = conflict(key, self.at)
        if any(sql.endswith(f"({columns})") for _, sql in self._indexes(table)):
            return
        self._drop_key(table)
        for part in key.parts:
            if part.rest:
                self.rows(*sqlite_paths.respelled(table.sql, part))
        # By chance: an overwrite's table keeps its index, under its name, when it takes the old one's place.
        name = quoted(f"_headwater_key_{secrets.token_hex(8)}")
        try:
            self.rows(f"CREATE UNIQUE INDEX {name} ON {table.sql} ({columns})")
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

    def at(self, part: Part, row: str = "") -> str:
        """A path into an object is an expression on the JSON text of its column."""
        return sqlite_paths.at(self._open(), part, row)

    # Rows

    def load(self, load: Load) -> int:
        """Insert or upsert."""
        return insert(self._open(), load, self.at, self.columns(load.table))
