"""How PostgreSQL is read whole: in parts, at one point in time, and on from where a read ended."""

from __future__ import annotations

import random
from typing import Any

import pytest

from headwater.protocol.messages import Records, State
from headwater.sql.postgres import Postgres as Database
from headwater.testing import read
from headwater.testing.reading import result_of
from tests.services.postgres import Postgres, wait_until
from tests.sql.orders import Sql, ids, listening, orders, small_parts, sql, state_of
from tests.sql.sources import chosen, cut_off, incremental, postgres_source, read_by, rows_of

__all__ = ["orders", "sql"]


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
    monkeypatch.setattr(Database, "json", listening(Database.json, asked))
    result = read(source, full_refresh=True)
    assert sorted(ids(result, "heap")) == list(range(1, 2001))
    assert len([query for query in asked if "ctid" in query]) > 10
    assert state_of(result) == {"__ab_no_cursor_state_message": True}


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
    query = f"SELECT count(*) FROM pg_stat_activity WHERE datname = '{name}'"
    wait_until(lambda: postgres.sql(query) == [(0,)])  # the server ends them in its own time
