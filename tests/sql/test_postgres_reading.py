"""How PostgreSQL is read: whole and by cursor, in parts, at one point in time, and on from where a read ended."""

from __future__ import annotations

import logging
import random
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from headwater.cursor import Cursor
from headwater.errors import ConfigError, IncompleteError
from headwater.protocol.messages import Records, State
from headwater.sql import SqlStream
from headwater.sql.postgres import Postgres as Database
from headwater.testing import read
from headwater.testing.reading import ReadResult, result_of
from source_postgres import PostgresSource
from tests.services.postgres import Postgres
from tests.sql.sources import chosen, conform, cut_off, incremental, postgres_source, read_by, rows_of

Sql = Callable[..., list[tuple[Any, ...]]]


@pytest.fixture
def sql(postgres: Postgres, database: str) -> Sql:
    """Runs a statement in the test's database."""
    return lambda statement: postgres.sql(statement, database=database.rpartition("/")[2])


@pytest.fixture
def orders(sql: Sql) -> Sql:
    sql("CREATE TABLE orders (id bigint PRIMARY KEY, at timestamptz, note text)")
    sql("INSERT INTO orders SELECT g, timestamptz '2024-01-01 00:00+00' + g * interval '1 minute', 'n' || g"
        " FROM generate_series(1, 100) g")  # fmt: skip
    return sql


def ids(result: ReadResult, stream: str = "orders") -> list[int]:
    return [row["id"] for row in rows_of(result, stream)]


def state_of(result: ReadResult) -> dict[str, Any]:
    (state,) = result.states
    assert state.stream_state is not None
    return dict(state.stream_state)


def small_parts(monkeypatch: pytest.MonkeyPatch, part: int = 8192) -> None:
    monkeypatch.setattr(Database, "part_size", part)
    monkeypatch.setattr(Database, "page_size", 500)
    monkeypatch.setattr(Database, "rows_per_step", 5)


# --- by cursor -----------------------------------------------------------------------------------------------


def test_an_incremental_read_begins_whole_and_goes_on_from_the_cursor(orders: Sql, database: str) -> None:
    source = postgres_source(database)
    first = read_by(source, "at")
    assert ids(first) == list(range(1, 101))
    assert state_of(first) == {"at": "2024-01-01T01:40:00+00:00"}
    second = read_by(source, "at", state=first)
    assert ids(second) == [100]  # another row may have come with the same value
    orders("UPDATE orders SET at = '2024-02-01 00:00+00' WHERE id = 7")
    orders("INSERT INTO orders VALUES (101, '2024-01-15 00:00+00', 'x')")
    third = read_by(source, "at", state=second)
    assert ids(third) == [100, 101, 7]
    assert state_of(third) == {"at": "2024-02-01T00:00:00+00:00"}


def test_nothing_new_is_a_state_all_the_same(orders: Sql, database: str) -> None:
    source = postgres_source(database)
    states = [State.of_stream(source.discover().streams[0].descriptor, {"at": "2099-01-01T00:00:00+00:00"})]
    result = read_by(source, "at", state=states)
    assert ids(result) == [] and state_of(result) == {"at": "2099-01-01T00:00:00+00:00"}


def test_rows_with_the_same_cursor_value_are_never_lost(orders: Sql, database: str, monkeypatch: Any) -> None:
    """Wherever a read is cut off, and however many rows have the value it ended at."""
    small_parts(monkeypatch)
    orders("UPDATE orders SET at = timestamptz '2024-01-01 00:00+00' + (id / 30) * interval '1 hour'")
    source = postgres_source(database)
    begun = [State.of_stream(source.discover().streams[0].descriptor, {"at": "2024-01-01T00:00:00+00:00"})]
    for count in (1, 20, 40, 60, 80, 99):
        cut = cut_off(source, incremental(source.discover(), "at"), count, begun)
        rest = read_by(source, "at", state=cut.states or begun)
        assert sorted({*ids(cut), *ids(rest)}) == list(range(1, 101))


def test_rows_without_a_cursor_value_are_told(orders: Sql, database: str, caplog: Any) -> None:
    orders("INSERT INTO orders VALUES (1000, NULL, 'no time')")
    source = postgres_source(database)
    with caplog.at_level(logging.WARNING, "headwater"):
        first = read_by(source, "at")
    assert 1000 in ids(first)
    assert "public.orders has rows without a value of its cursor at" in caplog.text
    assert ids(read_by(source, "at", state=first)) == [100]


def test_a_table_of_nulls_alone_is_read_again(sql: Sql, database: str) -> None:
    sql("CREATE TABLE t (id int PRIMARY KEY, at date)")
    sql("INSERT INTO t VALUES (1, NULL)")
    source = postgres_source(database)
    first = read_by(source, "at")
    assert ids(first, "t") == [1]
    sql("INSERT INTO t VALUES (2, '2024-01-01')")
    assert ids(read_by(source, "at", state=first), "t") == [1, 2]


def test_infinity_is_no_bound(orders: Sql, database: str) -> None:
    orders("UPDATE orders SET at = 'infinity' WHERE id = 3")
    source = postgres_source(database)
    first = read_by(source, "at")
    assert state_of(first) == {"at": "2024-01-01T01:40:00+00:00"}
    assert ids(read_by(source, "at", state=first)) == [100, 3]


def test_lookback_reads_what_came_late(orders: Sql, database: str) -> None:
    first = read_by(postgres_source(database), "at")
    orders("INSERT INTO orders VALUES (200, '2024-01-01 01:38:30+00', 'committed late')")
    assert 200 not in ids(read_by(postgres_source(database), "at", state=first))
    again = read_by(postgres_source(database, lookback=120), "at", state=first)
    assert ids(again) == [98, 200, 99, 100]
    assert ids(read_by(postgres_source(database, lookback=2), "id", state=())) == [*range(1, 101), 200]
    with pytest.raises(IncompleteError, match=r"`lookback`: nothing can be taken off 'note'"):
        source = postgres_source(database, lookback=1)
        read_by(source, "note", state=read_by(source, "note")).ok()


def test_a_cursor_without_a_key_is_read_in_its_order(sql: Sql, database: str, monkeypatch: Any) -> None:
    small_parts(monkeypatch)
    sql("CREATE TABLE log (id int, at int)")
    sql("INSERT INTO log SELECT g, CASE WHEN g % 10 = 0 THEN NULL ELSE g % 17 END FROM generate_series(1, 200) g")
    source = postgres_source(database)
    catalog = incremental(source.discover(), "at")
    for count in (1, 30, 120, 199):
        cut = cut_off(source, catalog, count)
        assert sorted({*ids(cut, "log"), *ids(read_by(source, "at", state=cut), "log")}) == list(range(1, 201))
    assert state_of(read_by(source, "at")) == {"at": 16}


def test_a_state_of_airbytes_own_connector_is_understood(orders: Sql, database: str) -> None:
    source = postgres_source(database)
    blob = {"state_type": "cursor_based", "version": 2, "stream_name": "orders", "cursor_field": ["at"],
            "cursor": "2024-01-01T01:38:00.000000+00:00", "cursor_record_count": 1}  # fmt: skip
    states = [State.of_stream(source.discover().streams[0].descriptor, blob)]
    assert ids(read_by(source, "at", state=states)) == [98, 99, 100]


@pytest.mark.parametrize(
    ("cursor", "said"),
    [(None, "needs a cursor field"), ("gone", "no column 'gone'"), ("doc", "can't be a cursor: it is jsonb")],
)
def test_a_cursor_that_is_none(sql: Sql, database: str, cursor: str | None, said: str) -> None:
    sql("CREATE TABLE t (id int PRIMARY KEY, doc jsonb)")
    source = postgres_source(database)
    catalog = chosen(source.discover(), "incremental", cursor_field=(cursor,) if cursor else ())
    with pytest.raises(IncompleteError, match=said):
        result_of(source.read(catalog), catalog).ok()


def test_the_config_names_cursors(orders: Sql, database: str) -> None:
    source = postgres_source(database, table_settings=[{"table": "ord*", "cursor_field": "at"}])
    (stream,) = source.discover().streams
    assert stream.default_cursor_field == ("at",)
    assert state_of(read(source)) == {"at": "2024-01-01T01:40:00+00:00"}


def test_a_state_can_put_nothing_into_the_query(orders: Sql, database: str) -> None:
    source = postgres_source(database)
    states = [State.of_stream(source.discover().streams[0].descriptor, {"note": "n50'; DROP TABLE orders; --"})]
    assert read_by(source, "note", state=states).ok()
    assert orders("SELECT count(*) FROM orders") == [(100,)]


# --- whole, in parts -----------------------------------------------------------------------------------------


@pytest.fixture
def wide(sql: Sql) -> Sql:
    """A table of many parts: with a key of two columns, in an order of its own on disk."""
    sql("CREATE TABLE big (a int, b text, v text, PRIMARY KEY (a, b))")
    sql("INSERT INTO big SELECT g % 97, 'k' || g, repeat('x', 80) FROM generate_series(1, 3000) g ORDER BY random()")
    return sql


@pytest.mark.parametrize("analyzed", [True, False])
def test_a_table_is_read_in_parts_at_the_same_time(
    wide: Sql, database: str, monkeypatch: pytest.MonkeyPatch, analyzed: bool
) -> None:
    small_parts(monkeypatch)
    if analyzed:
        wide("ANALYZE big")
    source = postgres_source(database)
    result = read(source, full_refresh=True)
    keys = [(row["a"], row["b"]) for row in rows_of(result, "big")]
    assert sorted(keys) == sorted((g % 97, f"k{g}") for g in range(1, 3001))
    states = [m.stream_state for m in result.messages if isinstance(m, State)]
    begun = [state for state in states if state and "ranges" in state]
    assert max(len(state["ranges"]) for state in begun) > 5
    assert states[-1] == {"__ab_full_refresh_sync_complete": True}
    assert ids(read(source, state=result, full_refresh=True, same_job=True), "big") == []  # tried again in the same job


def test_a_read_that_was_cut_off_anywhere_goes_on(wide: Sql, database: str, monkeypatch: pytest.MonkeyPatch) -> None:
    small_parts(monkeypatch)
    wide("ANALYZE big")
    source = postgres_source(database)
    catalog = chosen(source.discover(), "full_refresh")
    due = {(g % 97, f"k{g}") for g in range(1, 3001)}
    rng = random.Random(7)
    for _ in range(8):
        seen: list[tuple[int, str]] = []
        states: Any = ()
        for _ in range(4):
            cut = cut_off(source, catalog, rng.randrange(1, 900), states)
            states = cut.states or states
            seen += [(row["a"], row["b"]) for row in rows_of(cut, "big")]
        last = read(source, state=states, full_refresh=True, same_job=True)
        seen += [(row["a"], row["b"]) for row in rows_of(last, "big")]
        assert set(seen) == due
        assert len(seen) < 3000 + 5 * 64 * 10  # no more than a page of each part comes twice


def test_a_first_incremental_read_is_cut_off_and_changes_meanwhile(
    orders: Sql, database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    small_parts(monkeypatch)
    source = postgres_source(database)
    cut = cut_off(source, incremental(source.discover(), "at"), 60)
    assert "ranges" in state_of(cut)
    orders("UPDATE orders SET note = 'changed', at = '2024-03-01 00:00+00' WHERE id IN (2, 99)")
    rest = read_by(source, "at", state=cut)
    last = read_by(source, "at", state=rest)
    seen = {row["id"]: row["note"] for result in (cut, rest, last) for row in rows_of(result, "orders")}
    assert len(seen) == 100 and seen[2] == seen[99] == "changed"


def test_a_table_without_a_key_is_read_in_parts_and_not_resumed(
    sql: Sql, database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    small_parts(monkeypatch)
    sql("CREATE TABLE heap (id int, pad text)")
    sql("INSERT INTO heap SELECT g, repeat('x', 100) FROM generate_series(1, 2000) g")
    source = postgres_source(database)
    (stream,) = source.discover().streams
    assert not stream.is_resumable and stream.primary_key == ()
    asked: list[str] = []
    monkeypatch.setattr(Database, "json", _listening(Database.json, asked))
    result = read(source, full_refresh=True)
    assert sorted(ids(result, "heap")) == list(range(1, 2001))
    assert len([query for query in asked if "ctid" in query]) > 10
    assert state_of(result) == {"__ab_no_cursor_state_message": True}


def _listening(json: Any, asked: list[str]) -> Any:
    def listen(self: Any, selection: Any) -> str:
        asked.append(json(self, selection))
        return asked[-1]

    return listen


def test_all_streams_are_seen_at_one_point_in_time(sql: Sql, database: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever is written after the first record: money that moves between two tables is there once."""
    small_parts(monkeypatch)
    for name in ("a", "b"):
        sql(f"CREATE TABLE {name} (id int PRIMARY KEY, pad text)")
    sql("INSERT INTO a SELECT g, repeat('x', 200) FROM generate_series(1, 2000) g")
    source = postgres_source(database, concurrency=2)
    catalog = chosen(source.discover(), "full_refresh")
    messages: list[Any] = []
    for message in source.read(catalog):
        messages.append(message)
        if isinstance(message, Records) and len(messages) < 10:
            sql("WITH moved AS (DELETE FROM a RETURNING *) INSERT INTO b SELECT * FROM moved")
    result = result_of(iter(messages), catalog)
    assert sorted(ids(result, "a")) == list(range(1, 2001))
    assert ids(result, "b") == []


def test_nothing_is_left_open_in_the_server(orders: Sql, database: str, postgres: Postgres) -> None:
    source = postgres_source(database)
    cut_off(source, chosen(source.discover(), "full_refresh"), 1)
    read(source)
    name = database.rpartition("/")[2]
    open_ones = postgres.sql(f"SELECT count(*) FROM pg_stat_activity WHERE datname = '{name}'")
    assert open_ones == [(0,)]


# --- what is asked of the database ---------------------------------------------------------------------------


def test_rows_and_columns_are_chosen_in_the_query(orders: Sql, database: str, monkeypatch: Any) -> None:
    asked: list[str] = []
    monkeypatch.setattr(Database, "json", _listening(Database.json, asked))
    source = postgres_source(
        database, table_settings=[{"table": "public.orders", "row_filter": "note LIKE '%5' OR id = 1"}]
    )
    catalog = source.discover().configured(full_refresh=True)
    (stream,) = catalog.streams
    catalog = type(catalog)((stream.with_columns(["id"]),))
    result = result_of(source.read(catalog), catalog)
    assert rows_of(result, "orders") == [{"id": 1}, *({"id": number} for number in range(5, 101, 10))]
    assert '"at"' not in asked[0]


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
