"""What is asked of PostgreSQL: which tables, rows and columns, queries of authors, and for how long."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from sqlalchemy import URL

from headwater.cursor import Cursor
from headwater.errors import ConfigError, IncompleteError
from headwater.sql import SqlStream
from headwater.sql.postgres import Postgres as Database
from headwater.sql.session import Address
from headwater.testing import read
from headwater.testing.reading import result_of
from source_postgres import PostgresSource
from tests.sql.orders import Sql, ids, listening, orders, sql, state_of
from tests.sql.sources import conform, postgres_source, rows_of

__all__ = ["orders", "sql"]


def test_rows_and_columns_are_chosen_in_the_query(orders: Sql, database: str, monkeypatch: Any) -> None:
    asked: list[str] = []
    monkeypatch.setattr(Database, "json", listening(Database.json, asked))
    source = postgres_source(
        database, table_settings=[{"table": "public.orders", "row_filter": "note LIKE '%5' OR id = 1"}]
    )
    catalog = source.discover().configured(full_refresh=True)
    (stream,) = catalog.streams
    catalog = type(catalog)((stream.with_columns(["id"]),))
    result = result_of(source.read(catalog), catalog)
    assert rows_of(result, "orders") == [{"id": 1}, *({"id": number} for number in range(5, 101, 10))]
    assert '"at"' not in asked[0]


def test_a_child_that_is_reached_through_sqlalchemy(orders: Sql, database: str) -> None:
    class Renamed(PostgresSource):
        name = "renamed"

        def url(self) -> URL:
            address = super().url()
            assert isinstance(address, Address)
            return address.for_sqlalchemy().update_query_dict({"options": "-c geqo_threshold=3"})

    source = postgres_source(database, Renamed)
    assert ids(read(source, full_refresh=True)) == list(range(1, 101))
    with source.connection() as connection:
        assert source.database.value(connection, "SHOW geqo_threshold") == "3"
        assert connection.dialect.name == "postgresql"
    source.close()


def test_a_filter_that_is_no_sql_is_the_users_turn(orders: Sql, database: str) -> None:
    result = read(postgres_source(database, table_settings=[{"table": "orders", "row_filter": "nope = 1"}]))
    with pytest.raises(IncompleteError, match='column "nope" does not exist') as told:
        result.ok()
    assert told.value.failure_type == "config_error"


def test_patterns_choose_tables(sql: Sql, database: str) -> None:
    for name in ("sales", "crm"):
        sql(f"CREATE SCHEMA {name}")
        for table in ("orders", "orders_old", "people"):
            sql(f"CREATE TABLE {name}.{table} (id int)")
    source = postgres_source(
        database, schemas=["sales", "crm"], tables=["orders*", "crm.people"], exclude_tables=["*_old"]
    )
    found = [str(stream.descriptor) for stream in source.discover().streams]
    assert found == ["crm.orders", "crm.people", "sales.orders"]


def test_views_have_the_keys_that_the_config_declares(orders: Sql, database: str) -> None:
    orders("CREATE VIEW recent AS SELECT id, note FROM orders WHERE id > 90")
    orders("CREATE MATERIALIZED VIEW old AS SELECT id FROM orders WHERE id <= 90")
    source = postgres_source(database, table_settings=[{"table": "recent", "primary_key": ["id"]}])
    streams = {stream.name: stream for stream in source.discover().streams}
    assert streams["recent"].primary_key == (("id",),) and not streams["old"].primary_key
    result = read(source, full_refresh=True)
    assert sorted(ids(result, "recent")) == list(range(91, 101))
    assert sorted(ids(result, "old")) == list(range(1, 91))
    with pytest.raises(ConfigError, match=r"`table_settings`: public.recent has no column nope. It has: id, note"):
        postgres_source(database, table_settings=[{"table": "recent", "primary_key": ["nope"]}]).discover()


def test_partitioned_tables_are_one_stream(sql: Sql, database: str) -> None:
    sql("CREATE TABLE p (id int PRIMARY KEY) PARTITION BY RANGE (id)")
    sql("CREATE TABLE p1 PARTITION OF p FOR VALUES FROM (0) TO (5)")
    sql("CREATE TABLE p2 PARTITION OF p FOR VALUES FROM (5) TO (10)")
    sql("INSERT INTO p SELECT generate_series(0, 9)")
    source = postgres_source(database)
    assert [stream.name for stream in source.discover().streams] == ["p"]
    assert sorted(ids(read(source), "p")) == list(range(10))


class Totals(SqlStream):
    name = "totals"
    query = (
        "SELECT id % 3 AS rest, count(*) AS n, max(at) AS at, sum(id)::numeric(10,2) AS total FROM orders GROUP BY 1"
    )
    primary_key = ("rest",)
    cursor = Cursor("at")
    where = "rest <> 2"


class Shop(PostgresSource):
    name = "shop"

    def streams(self) -> Any:
        return [*super().streams(), Totals(self)]


def test_a_query_of_an_author_is_a_stream(orders: Sql, database: str) -> None:
    source = postgres_source(database, Shop)
    catalog = source.discover()
    totals = catalog.streams[-1]
    assert totals.primary_key == (("rest",),) and totals.default_cursor_field == ("at",)
    assert totals.json_schema["properties"]["total"] == {"type": ["null", "number"]}
    result = read(source, "totals")
    conform(catalog, result)
    assert sorted(row["rest"] for row in rows_of(result, "totals")) == [0, 1]
    assert state_of(result) == {"at": "2024-01-01T01:40:00+00:00"}


def test_a_descendant_is_four_lines(orders: Sql, database: str) -> None:
    class Timescale(PostgresSource):
        name = "timescale"
        documentation_url = "https://docs.timescale.com"
        database_class = type("TimescaleDb", (Database,), {"shares": False})

    source = postgres_source(database, Timescale)
    assert source.level() == 1
    assert ids(read(source)) == list(range(1, 101))


@pytest.fixture
def waiting(orders: Sql, database: str) -> Iterator[None]:
    """Somebody who holds the table locked."""
    import psycopg

    with psycopg.connect(database) as other:
        other.execute("LOCK TABLE orders IN ACCESS EXCLUSIVE MODE")
        yield


def test_a_lock_is_waited_for_no_longer_than_the_time_out(waiting: None, database: str, monkeypatch: Any) -> None:
    monkeypatch.setattr("headwater.sql.reader._TRIES", 1)
    with pytest.raises(IncompleteError, match=r"public.orders: canceling statement due to lock timeout") as told:
        read(postgres_source(database, lock_timeout=0.2)).ok()
    assert told.value.failure_type == "transient_error"


def test_a_statement_runs_no_longer_than_the_time_out(sql: Sql, database: str, monkeypatch: Any) -> None:
    monkeypatch.setattr("headwater.sql.reader._TRIES", 1)
    sql("CREATE VIEW slow AS SELECT pg_sleep(30)::text AS x")
    with pytest.raises(IncompleteError, match=r"public.slow: canceling statement due to statement timeout"):
        read(postgres_source(database, statement_timeout=0.2)).ok()


def test_a_copy_that_fails_in_its_middle(sql: Sql, database: str) -> None:
    sql("CREATE VIEW broken AS SELECT g AS id, 1 / (900 - g) AS x FROM generate_series(1, 2000) g")
    with pytest.raises(IncompleteError, match=r"public.broken: division by zero"):
        read(postgres_source(database, tables=["broken"])).ok()
