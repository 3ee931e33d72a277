"""How PostgreSQL is read by cursor: from where a read ended, and nothing lost that comes between."""

from __future__ import annotations

import logging
from typing import Any

import pytest

from headwater.errors import IncompleteError
from headwater.protocol.messages import State
from headwater.testing import read
from headwater.testing.reading import result_of
from tests.sql.orders import Sql, ids, orders, small_parts, sql, state_of
from tests.sql.sources import chosen, cut_off, incremental, postgres_source, read_by

__all__ = ["orders", "sql"]


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
