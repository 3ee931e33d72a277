"""A database of PostgreSQL whose changes are captured, and what a destination makes of them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from headwater.testing.reading import ReadResult, result_of
from source_postgres import PostgresSource
from tests.services.postgres import Postgres
from tests.sql.sources import postgres_source

Sql = Callable[[str], Any]


@pytest.fixture(scope="module")
def server() -> Iterator[Postgres]:
    with Postgres({"wal_level": "logical", "max_replication_slots": "60", "max_wal_senders": "20"}) as server:
        yield server


@pytest.fixture
def sql(server: Postgres) -> Iterator[Any]:
    url = server.database()
    name = url.rpartition("/")[2]

    def run(statement: str) -> Any:
        return server.sql(statement, database=name)

    run.url, run.slot = url, f"slot_{name}"  # type: ignore[attr-defined]
    run("CREATE TABLE orders (id int PRIMARY KEY, note text, at timestamptz, raw bytea, doc jsonb)")
    run("CREATE PUBLICATION pub FOR ALL TABLES")
    run(f"SELECT pg_create_logical_replication_slot('slot_{name}', 'pgoutput')")
    yield run
    run(f"SELECT pg_drop_replication_slot('slot_{name}')")
    server.sql(f'DROP DATABASE "{name}" WITH (FORCE)')


def source_of(sql: Any, url: str = "", **settings: Any) -> PostgresSource:
    method = {"method": "CDC", "replication_slot": sql.slot, "publication": "pub"}
    return postgres_source(url or sql.url, replication_method=method, **settings)


def run(sql: Any, state: Any = (), **settings: Any) -> ReadResult:
    source = source_of(sql, **settings)
    catalog = source.discover().configured()
    states = state.states if isinstance(state, ReadResult) else state
    return result_of(source.read(catalog, states[-1:]), catalog)


def rows(result: ReadResult, stream: str = "orders") -> list[dict[str, Any]]:
    return result.ok().records[f"public.{stream}"]


def table_of(*results: ReadResult, stream: str = "orders") -> dict[Any, dict[str, Any]]:
    """The table as a destination that merges by key has it."""
    found: dict[Any, dict[str, Any]] = {}
    for result in results:
        for row in rows(result, stream):
            if row["_ab_cdc_deleted_at"]:
                found.pop(row["id"], None)
            else:
                found[row["id"]] = {name: value for name, value in row.items() if not name.startswith("_ab_cdc")}
    return found


def truth(sql: Any, table: str = "orders") -> dict[Any, dict[str, Any]]:
    source = postgres_source(sql.url, tables=[table])
    catalog = source.discover().configured(full_refresh=True)
    return {row["id"]: row for row in result_of(source.read(catalog), catalog).ok().records[f"public.{table}"]}
