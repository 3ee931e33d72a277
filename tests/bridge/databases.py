"""The SQL destinations, each with a database of its own, for tests that all of them must pass."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass
from datetime import date, datetime, time, timezone
from decimal import Decimal
from pathlib import Path
from typing import Any

import duckdb
import psycopg

from headwater.bridge import SyncResult, sync
from headwater.bridge.sinks import open_sink
from headwater.bridge.sinks.options import SqlOptions
from headwater.bridge.sinks.sql import SqlSink
from headwater.protocol.catalog import ConfiguredCatalog
from headwater.protocol.messages import Message, Status, StreamStatus
from tests.bridge.fakes import Scripted
from tests.bridge.landing import records_of


@dataclass
class Database:
    """One database.

    :ivar kind: sqlite, duckdb or postgres.
    :ivar url: as a flow names it.
    """

    kind: str
    url: str

    @property
    def typed(self) -> bool:
        """Whether it has a type for everything."""
        return self.kind != "sqlite"

    @property
    def path(self) -> Path:
        """Its file."""
        return Path(self.url.partition(":///")[2])

    def sink(self, flow: str = "default", **options: Any) -> SqlSink:
        """A destination, not opened yet."""
        sink = open_sink(self.url, flow=flow, options=SqlOptions(**options))
        assert isinstance(sink, SqlSink)
        return sink

    def run(
        self,
        catalog: ConfiguredCatalog,
        *script: Any,
        flow: str = "default",
        batch_bytes: int = 8 << 20,
        **options: Any,
    ) -> Scripted:
        """One sync of these messages; the source, which knows what it was asked."""
        source = Scripted(*script)
        sync(source, catalog, self.sink(flow, **options), batch_bytes=batch_bytes)
        return source

    def land(self, catalog: ConfiguredCatalog, *rows: Any, flow: str = "default", **options: Any) -> SyncResult:
        """One sync of these rows of the catalog's first stream, which is complete then."""
        script: list[Message] = [records_of(catalog, *rows)] if rows else []
        script += [StreamStatus(one.descriptor, Status.COMPLETE) for one in catalog.streams]
        return sync(Scripted(*script), catalog, self.sink(flow, **options))

    def query(self, sql: str) -> list[tuple[Any, ...]]:
        """Execute a statement in a session of its own."""
        if self.kind == "sqlite":
            with closing(sqlite3.connect(self.path)) as connection, connection:
                return connection.execute(sql).fetchall()
        if self.kind == "duckdb":
            with duckdb.connect(str(self.path)) as session:
                session.execute("SET TimeZone = 'UTC'")
                return session.execute(sql).fetchall()
        with psycopg.connect(self.url, autocommit=True) as server:
            server.execute("SET TimeZone TO 'UTC'")
            cursor = server.execute(sql.encode())
            return cursor.fetchall() if cursor.description else []

    def types(self, table: str, schema: str = "") -> dict[str, str]:
        """The declared types of a table's columns."""
        if self.kind == "sqlite":
            return {row[1]: row[2] for row in self.query(f"PRAGMA table_info({_name(table)})")}
        where = f"table_schema = {_text(schema or self._schema)} AND table_name = {_text(table)}"
        sql = f"SELECT column_name, data_type FROM information_schema.columns WHERE {where} ORDER BY ordinal_position"
        return dict(self.query(sql))

    @property
    def _schema(self) -> str:
        return "main" if self.kind == "duckdb" else "public"

    def records(self, table: str = "issues", schema: str = "", order: str = "id") -> list[dict[str, Any]]:
        """A table's rows: JSON decoded, dates and times as ISO 8601, numbers as they compare."""
        types = self.types(table, schema)
        quoted = [_name(name) for name in types]
        if self.kind == "duckdb":  # DuckDB gives times with zones only to who has pytz
            zoned = ("TIMESTAMP WITH TIME ZONE",)
            quoted = [
                f"strftime({name}, '%Y-%m-%dT%H:%M:%S.%fZ')" if types[_bare(name)] in zoned
                else f"CAST({name} AS VARCHAR)" if types[_bare(name)] == "TIME WITH TIME ZONE" else name
                for name in quoted
            ]  # fmt: skip
        where = f"{_name(schema)}.{_name(table)}" if schema else _name(table)
        ordered = f" ORDER BY {order}" if order else ""
        rows = self.query(f"SELECT {', '.join(quoted)} FROM {where}{ordered}")
        return [{name: _plain(value, types[name]) for name, value in zip(types, row, strict=True)} for row in rows]

    def values(self, *columns: str, table: str = "issues", schema: str = "", order: str = "id") -> list[Any]:
        """Some columns of a table's rows: tuples, or values where it is one column."""
        rows = self.records(table, schema, order)
        return [row[columns[0]] if len(columns) == 1 else tuple(row[name] for name in columns) for row in rows]

    def metas(self, table: str = "issues", order: str = "id") -> list[list[str]]:
        """Each row's changes: ``field CHANGE``."""
        found: Sequence[Any] = self.values("_airbyte_meta", table=table, order=order)
        metas = [json.loads(meta) if isinstance(meta, str) else meta for meta in found]
        return [[f"{one['field']} {one['change']}" for one in meta["changes"]] for meta in metas]


def _text(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


def _name(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def _bare(name: str) -> str:
    return name[1:-1].replace('""', '"')


def _plain(value: Any, declared: str) -> Any:
    if isinstance(value, datetime):
        return value.astimezone(timezone.utc).isoformat().replace("+00:00", "Z") if value.tzinfo else value.isoformat()
    if isinstance(value, (date, time)):
        return value.isoformat()
    if isinstance(value, Decimal):
        return int(value) if value == value.to_integral_value() else value
    if declared in ("JSON", "JSON TEXT"):
        return json.loads(value) if isinstance(value, str) else value
    if declared == "TIMESTAMP WITH TIME ZONE" and isinstance(value, str):
        return value.replace(".000000Z", "Z")
    return bytes(value) if isinstance(value, memoryview) else value
