"""DuckDB for the SQL destinations: one file, in this process.

A batch is durable when it is acknowledged: DuckDB syncs its write-ahead log at every commit.
"""

from __future__ import annotations

import logging
import re
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any

from headwater.bridge.sink import BatchSize
from headwater.bridge.sinks import duckdb_file, duckdb_load, duckdb_read
from headwater.bridge.sinks.columns import Kind, fits, widened
from headwater.bridge.sinks.duckdb_errors import meaning_of, refusal
from headwater.bridge.sinks.engine import Engine, Key, Load, Part
from headwater.bridge.sinks.meanings import Meaning
from headwater.bridge.sinks.names import LINK, OWN, NameRules, TableName, quoted

if TYPE_CHECKING:
    import duckdb

_LOG = logging.getLogger(__name__)

_DECLARED = {
    Kind.BOOLEAN: "BOOLEAN",
    Kind.INTEGER: "BIGINT",
    Kind.BIG_INTEGER: "HUGEINT",
    Kind.NUMBER: "DOUBLE",
    Kind.DECIMAL: duckdb_read.DECIMAL,
    Kind.STRING: "VARCHAR",
    Kind.DATE: "DATE",
    Kind.TIME: "TIME",
    Kind.TIME_TZ: "TIME WITH TIME ZONE",
    Kind.TIMESTAMP: "TIMESTAMP",
    Kind.TIMESTAMP_TZ: "TIMESTAMP WITH TIME ZONE",
    Kind.BINARY: "BLOB",
    Kind.JSON: "JSON",
}
_KINDS = {
    **{declared: kind for kind, declared in _DECLARED.items()},
    **dict.fromkeys(("TINYINT", "SMALLINT", "INTEGER"), Kind.INTEGER),
    "FLOAT": Kind.NUMBER,
}
# How a column's values become text as JSON has it.
_ISO = "regexp_replace(replace(CAST({0} AS VARCHAR), ' ', 'T'), '([+-]\\d\\d)$', '\\1:00')"
_TEXTS = {
    Kind.NUMBER: "regexp_replace(CAST({0} AS VARCHAR), '\\.0$', '')",
    Kind.DECIMAL: "rtrim(rtrim(CAST({0} AS VARCHAR), '0'), '.')",
    Kind.TIMESTAMP: _ISO,
    Kind.TIMESTAMP_TZ: _ISO,
    Kind.BINARY: "to_base64({0})",
}
# One thread keeps records in their order, and costs the least.
_SETTINGS = {"threads": "1", "wal_autocheckpoint": "'64MB'", "TimeZone": "'UTC'"}
_HUGE = range(-(2**127), 2**127)
_POLL_SECONDS = 0.2
# Memory beyond the limit goes to disk; but a block of each column and a copy to compress it can't, nor a record that is
# read and its copies.
_MEGABYTES, _OF_A_COLUMN, _COPIES = 64, 1, 3


class DuckdbEngine(Engine):
    """One database file.

    :param path: it is created if missing.
    :param lock_seconds: how long to wait for another program that has it open.
    """

    title = "DuckDB"
    file = True
    # A transaction that fills a row group to its end is compressed straight into the file; of any other all rows
    # go through the write-ahead log, and their group is written anew with the next.
    batch_size = BatchSize(64 * 2**20, 122_880, columns=100)
    # DuckDB's index fails, and the process with it, where a key is deleted and inserted again too often.
    keeps_keys = False
    names = NameRules(prefixes=("pg_", "sqlite_", "duckdb_"), columns=frozenset(["rowid"]))

    _most = _MEGABYTES + 16 * _OF_A_COLUMN
    """Megabytes that were needed yet: several engines of a process may share a file, and its limit."""

    def __init__(self, path: str, lock_seconds: float) -> None:
        self.where = path
        self._lock_seconds = lock_seconds
        self._connection: duckdb.DuckDBPyConnection | None = None
        self._files: duckdb_load.Files | None = None
        self._catalog = ""

    # The connection

    def connect(self) -> None:
        """Open the file; wait while another program has it."""
        if self._connection is not None:
            return
        duckdb_file.look(self.where)
        import duckdb

        duckdb_file.make(self.where)
        end = time.monotonic() + self._lock_seconds
        while True:
            try:
                # Without settings: a job may have the file open already, and then with its own.
                self._connection = duckdb.connect(self.where)
                break
            except duckdb.IOException as error:
                if "lock" not in str(error) or time.monotonic() > end:
                    raise
                time.sleep(_POLL_SECONDS)
        for name, value in _SETTINGS.items():
            self.rows(f"SET {name} = {value}")
        self._allowed = 0
        self._allow(DuckdbEngine._most)
        ((self._catalog,),) = self.rows("SELECT current_database()")
        self._files = duckdb_load.Files()

    def _allow(self, megabytes: int) -> None:
        """Let DuckDB have so much memory."""
        if megabytes > self._allowed:
            self._allowed = DuckdbEngine._most = max(megabytes, DuckdbEngine._most)
            self.rows(f"SET memory_limit = '{self._allowed}MB'")

    def close(self) -> None:
        """Close the file."""
        connection, self._connection = self._connection, None
        files, self._files = self._files, None
        if files is not None:
            files.close()
        if connection is not None:
            try:
                connection.close()
            except Exception as error:  # noqa: BLE001 - what was committed is in the log beside the file
                _LOG.warning("DuckDB, %s, did not close properly: %s", self.where, error)

    def _open(self) -> duckdb.DuckDBPyConnection:
        assert self._connection is not None, "the sink is not open"
        return self._connection

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """One transaction."""
        self.rows("BEGIN TRANSACTION")
        try:
            yield
            self.rows("COMMIT")
        except BaseException:
            if self._connection is not None:
                with suppress(Exception):  # a failed COMMIT has rolled back already
                    self.rows("ROLLBACK")
            raise

    @contextmanager
    def savepoint(self) -> Iterator[None]:
        """DuckDB has none: a part is a transaction of its own."""
        self.rows("COMMIT")
        try:
            with self.transaction():
                yield
        finally:
            self.rows("BEGIN TRANSACTION")

    def rows(self, sql: str, parameters: Sequence[object] = ()) -> list[tuple[Any, ...]]:
        """Execute a statement."""
        if not any(type(value) is str and "\0" in value for value in parameters):
            # For each parameter DuckDB looks for pandas: where that is missing, it is most of the time.
            literals = map(_literal, parameters)
            sql, parameters = _MARKS.sub(lambda found: found[0] if found[0] != "?" else next(literals), sql), ()
        return self._open().execute(sql, list(parameters)).fetchall()

    def run_of(self, flow: str) -> list[tuple[Any, ...]]:
        """DuckDB locks nothing: of two transactions that delete one row, the second fails."""
        found = self.rows("DELETE FROM _headwater_runs WHERE flow = ? RETURNING run", (flow,))
        for (run,) in found:
            self.rows("INSERT INTO _headwater_runs (flow, run) VALUES (?, ?)", (flow, run))
        return found

    def meaning(self, error: Exception) -> Meaning | None:
        """What an error means."""
        return meaning_of(error, self._lock_seconds)

    def refusal(self, error: Exception) -> str | None:
        """A constraint, or a value that the type can't hold."""
        return refusal(error)

    # Types

    def declared(self, kind: Kind) -> str:
        """DuckDB's name of the type."""
        return _DECLARED[kind]

    def widened(self, present: Kind, wanted: Kind) -> Kind:
        """A decimal has 38 digits: not every integer fits."""
        if {present, wanted} == {Kind.BIG_INTEGER, Kind.DECIMAL}:
            return Kind.STRING
        return self.stored(widened(present, wanted))

    def fits(self, kind: Kind, value: Any) -> bool:
        """Integers have 128 bits, decimals 29 digits before the point and 9 after it."""
        if kind is Kind.BIG_INTEGER and fits(kind, value):
            return int(value) in _HUGE
        if kind is Kind.DECIMAL and fits(kind, value):
            return duckdb_read.decimal_of(str(value)) is not None
        return fits(kind, value)

    def at(self, part: Part, row: str = "") -> str:
        """A path into an object is an expression on its column's JSON."""
        return duckdb_load.at(part, row + part.column.sql)

    # Tables

    def place(self, namespace: str, name: str) -> tuple[str, str]:
        """A schema must not have the name of a database: DuckDB could not tell them apart."""
        small = namespace.lower()
        if small == "main":
            return "", name
        taken = small in (self._catalog.lower(), "temp", "system", "memory", "information_schema", "pg_catalog")
        return f"{namespace}_schema" if taken else namespace, name

    def columns(self, table: TableName) -> dict[str, Kind]:
        """The columns; one of a type that is none of ours counts as text."""
        return {str(name): _kind(str(declared)) for name, declared, *_ in self._described(table)}

    def required(self, table: TableName) -> set[str]:
        """The columns that somebody made NOT NULL."""
        found = {str(name) for name, _, nullable, *_ in self._described(table) if nullable == "NO"}
        return found - set(OWN) - set(LINK)

    def _described(self, table: TableName) -> list[tuple[Any, ...]]:
        """The catalog's own tables would tell it, too, in a time that grows with all columns of all tables."""
        if not self.exists(table):  # DESCRIBE would fail, and in DuckDB 2 the transaction with it
            return []
        return self.rows(f"DESCRIBE {quoted(self._catalog)}.{quoted(table.schema or 'main')}.{quoted(table.name)}")

    def exists(self, table: TableName) -> bool:
        """Whether there is a table or view of that name in any case."""
        return bool(self.rows(f"SELECT 1 FROM information_schema.tables WHERE {_IN_CATALOG}", _name(table)))  # noqa: S608

    def widen(self, table: TableName, name: str, present: Kind, kind: Kind) -> None:
        """Change the type; the column is written anew."""
        declared, column = self.declared(kind), quoted(name)
        using = f"CAST({column} AS {declared})"
        if kind is Kind.STRING:
            using = _TEXTS.get(present, "CAST({0} AS VARCHAR)").format(column)
        elif kind is Kind.JSON:
            using = f"to_json({column})"
        self.rows(f"ALTER TABLE {table.sql} ALTER COLUMN {column} SET DATA TYPE {declared} USING {using}")

    def swap(self, table: TableName, staging: TableName) -> None:
        """Views stay, as they name their tables; indexes are made anew."""
        indexes = self.rows(f"SELECT sql FROM duckdb_indexes() WHERE {_NAMED} AND sql IS NOT NULL", _name(table))  # noqa: S608
        self.drop(table)
        self.rows(f"ALTER TABLE {staging.sql} RENAME TO {quoted(table.name)}")
        for (statement,) in indexes:
            self.rows(statement)

    def prepare_key(self, table: TableName, key: Key | None) -> None:
        """Nothing: rows are found by a join, without an index, whose memory would grow with the table."""

    # Rows

    def load(self, load: Load) -> int:
        """Insert or upsert: DuckDB's own JSON reader makes the records rows."""
        assert self._files is not None, "the sink is not open"
        least = _MEGABYTES + _OF_A_COLUMN * (len(load.columns) + len(OWN) + len(LINK))
        return duckdb_load.write(
            self._open(), self._files, load, _DECLARED, lambda longest: self._allow(least + _COPIES * longest // 2**20)
        )


_MARKS = re.compile(r""""(?:[^"]|"")*"|'(?:[^']|'')*'|\?""")
_NAMED = "database_name = current_database() AND schema_name = ? AND lower(table_name) = lower(?)"
_IN_CATALOG = "table_catalog = current_database() AND table_schema = ? AND lower(table_name) = lower(?)"


def _name(table: TableName) -> tuple[str, str]:
    return table.schema or "main", table.name


def _literal(value: object) -> str:
    if type(value) is int:
        return str(value)
    assert type(value) is str
    return "'" + value.replace("'", "''") + "'"


def _kind(declared: str) -> Kind:
    return Kind.DECIMAL if declared.startswith("DECIMAL") else _KINDS.get(declared, Kind.STRING)
