"""The tables of vdk-sqlite and vdk-duckdb, made ready for records that those plugins would refuse or damage.

vdk-sqlite refuses a posting whose keys are not exactly the table's columns. vdk-duckdb takes its columns from
the first record, makes every integer 32 bits, every float 32 bits and every boolean an integer. So a column
that a table lacks is added, and DuckDB's tables are created here, with columns that hold what JSON holds.
Nothing is created or altered where the plugin's own ``..._INGEST_AUTO_CREATE_TABLE_ENABLED`` is off.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

from headwater.bridge.sinks.columns import Kind, kind_of_schema
from headwater.bridge.vdk.job import Job

Row = Mapping[str, Any]
Types = dict[str, str]

BINARY = "BLOB"

_OF_SCHEMA = {"integer": "BIGINT", "number": "DOUBLE", "boolean": "BOOLEAN"}
_OF_VALUE: tuple[tuple[type, str], ...] = ((bool, "BOOLEAN"), (int, "BIGINT"), (float, "DOUBLE"))


class Tables:
    """What is known of the tables of one database, and how they get a column.

    :param existing: a table's columns with their types; empty where there is no such table.
    :param execute: runs one statement.
    :param create: create a table that is not there, or leave that to the plugin, unless it has columns of bytes.
    :param alter: add and widen columns.
    """

    def __init__(
        self,
        existing: Callable[[str], Types],
        execute: Callable[[str], object],
        *,
        create: bool,
        alter: bool,
    ) -> None:
        self._existing = existing
        self._execute = execute
        self._create = create
        self._alter = alter
        self._known: dict[str, Types] = {}

    def columns(self, table: str, declared: Mapping[str, Any], rows: Sequence[Row]) -> Iterable[str]:
        """The columns that every one of these rows must have, after the table was made ready for them.

        :param declared: the stream's declared fields (by column) with their JSON Schemas.
        """
        known = self._known.get(table) or self._existing(table)
        needed = dict.fromkeys(declared) | dict.fromkeys(key for row in rows for key in row)
        missing = [name for name in needed if name not in known]
        types = {name: _type(name, declared.get(name), rows) for name in missing}
        if known and self._alter:
            for name, kind in types.items():
                self._execute(f"ALTER TABLE {table} ADD COLUMN {_quoted(name)} {kind}")
        elif not known and (self._create or (self._alter and BINARY in types.values())):
            body = ", ".join(f"{_quoted(name)} {kind}" for name, kind in types.items())
            self._execute(f"CREATE TABLE IF NOT EXISTS {table} ({body})")
        known = {**known, **types}
        if self._create and self._alter:
            self._widen(table, known, rows)
        self._known[table] = known
        return known

    def binary(self, table: str) -> set[str]:
        """The columns that hold bytes, of a table that was made ready."""
        return {name for name, kind in self._known.get(table, {}).items() if kind.upper() == BINARY}

    def _widen(self, table: str, known: Types, rows: Sequence[Row]) -> None:
        """A fraction for a column of whole numbers would be rounded in silence."""
        for name in [name for name, kind in known.items() if kind == "BIGINT"]:
            if any(isinstance(row.get(name), float) and row[name] % 1 for row in rows):
                self._execute(f"ALTER TABLE {table} ALTER COLUMN {_quoted(name)} TYPE DOUBLE")
                known[name] = "DOUBLE"


def tables_of(kind: str, job: Job, target: str | None) -> Tables:
    """The tables behind one of the two plugins.

    :param kind: ``sqlite`` or ``duckdb``.
    :param target: the destination's target: vdk-sqlite's file; vdk-duckdb does not look at it.
    """
    if kind == "sqlite":
        file = Path(target or job.setting("SQLITE_FILE"))
        auto = bool(job.setting("SQLITE_INGEST_AUTO_CREATE_TABLE_ENABLED"))

        def execute(sql: str) -> list[Any]:
            with closing(sqlite3.connect(file, isolation_level=None, timeout=60)) as connection:
                return connection.execute(sql).fetchall()

        def existing(table: str) -> Types:
            return {row[1]: row[2] for row in execute(f"PRAGMA table_info({table})")} if file.exists() else {}

        return Tables(existing, execute, create=False, alter=auto)

    auto = bool(job.setting("DUCKDB_INGEST_AUTO_CREATE_TABLE_ENABLED"))

    def query(sql: str) -> Any:
        return job.query(sql, "DUCKDB")

    def described(table: str) -> Types:
        found = query(
            f"SELECT column_name, data_type FROM information_schema.columns WHERE table_name = '{table}'"  # noqa: S608 - a plain name
        )
        return dict(found or [])

    return Tables(described, query, create=auto, alter=auto)


def _type(name: str, schema: Any, rows: Sequence[Row]) -> str:
    """A column's type: as declared, else as the first value there is."""
    if isinstance(schema, Mapping):
        kinds = schema.get("type")
        kinds = {kinds} if isinstance(kinds, str) else set(kinds or ())
        kinds.discard("null")
        if kinds == {"integer", "number"}:
            return "DOUBLE"
        if is_binary(schema):
            return BINARY
        if len(kinds) == 1:
            return _OF_SCHEMA.get(kinds.pop(), "VARCHAR")
        if kinds:
            return "VARCHAR"
    for row in rows:
        if (value := row.get(name)) is not None:
            return next((kind for cls, kind in _OF_VALUE if isinstance(value, cls)), "VARCHAR")
    return "VARCHAR"


def is_binary(schema: Any) -> bool:
    """Whether a field is bytes, which JSON has as base64."""
    return kind_of_schema(schema) is Kind.BINARY


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'
