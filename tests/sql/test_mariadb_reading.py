"""MariaDB: ways of reading, names, columns, and rows that are too large."""

from __future__ import annotations

import logging
import random
from typing import Any

import pytest

from headwater.errors import IncompleteError
from headwater.protocol.messages import Records
from headwater.sql.mysql import Mysql
from headwater.testing import read
from headwater.testing.reading import result_of
from tests.services.mariadb import mariadb
from tests.sql.mariadb_tables import Sql, source_of, sql
from tests.sql.sources import (
    chosen,
    cut_off,
    incremental,
    read_by,
    rows_of,
)

__all__ = ["mariadb", "sql"]


def test_by_cursor_with_changes_ties_nulls_and_lookback(sql: Sql, caplog: Any) -> None:
    sql("CREATE TABLE t (id int PRIMARY KEY, at timestamp(6) NULL)")
    sql("INSERT INTO t SELECT seq, timestamp'2024-01-01 00:00:00' + interval seq minute FROM seq_0_to_59")
    sql("INSERT INTO t VALUES (60, NULL)")
    with caplog.at_level(logging.WARNING, "headwater"):
        first = read_by(source_of(sql), "at")
    assert len(rows_of(first, "t")) == 61
    assert "t has rows without a value of its cursor at" in caplog.text
    (state,) = first.states
    assert state.stream_state == {"at": "2023-12-31T21:59:00.000000Z"}
    sql("INSERT INTO t VALUES (61, '2024-01-01 00:59:00'), (62, '2024-01-01 00:57:30')")
    assert [row["id"] for row in rows_of(read_by(source_of(sql), "at", state=first), "t")] == [59, 61]
    again = rows_of(read_by(source_of(sql, lookback=90), "at", state=first), "t")
    assert [row["id"] for row in again] == [62, 58, 59, 61]


def test_cut_off_anywhere_nothing_is_lost(sql: Sql, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Mysql, "rows_per_step", 7)
    monkeypatch.setattr(Mysql, "page_size", 100)
    sql("CREATE TABLE t (id int, at int)")
    sql("INSERT INTO t SELECT seq, IF(seq % 5, seq DIV 9, NULL) FROM seq_0_to_499")
    source = source_of(sql)
    rng = random.Random(1)
    for _ in range(10):
        cut = cut_off(source, incremental(source.discover(), "at"), rng.randrange(1, 500))
        rest = read_by(source, "at", state=cut)
        assert {row["id"] for result in (cut, rest) for row in rows_of(result, "t")} == set(range(500))


def test_all_streams_are_seen_at_one_point_in_time(sql: Sql) -> None:
    sql("CREATE TABLE a (id int PRIMARY KEY, pad text)")
    sql("CREATE TABLE b (id int PRIMARY KEY, pad text)")
    sql("INSERT INTO a SELECT seq, REPEAT('x', 500) FROM seq_1_to_20000")
    source = source_of(sql)
    catalog = chosen(source.discover(), "full_refresh")
    messages: list[Any] = []
    moved = False
    for message in source.read(catalog):
        messages.append(message)
        if isinstance(message, Records) and not moved:
            moved = True
            sql("INSERT INTO b SELECT * FROM a")
            sql("DELETE FROM a")
    result = result_of(iter(messages), catalog)
    assert [row["id"] for row in rows_of(result, "a")] == list(range(1, 20001))
    assert rows_of(result, "b") == []


@pytest.mark.parametrize(
    "name", ['Quoted "Name"', "ünïcode 表", "select", "back\\slash", "a.b", "100% s", "`tick`", "o'c"]
)
def test_any_name(sql: Sql, name: str) -> None:
    quoted = "`" + name.replace("`", "``") + "`"
    sql(f"CREATE TABLE {quoted} ({quoted} int PRIMARY KEY, at int)")
    sql(f"INSERT INTO {quoted} VALUES (1, 2), (2, 3)")
    source = source_of(sql)
    (rows,) = read_by(source, name).ok().records.values()
    assert rows == [{name: 1, "at": 2}, {name: 2, "at": 3}]


def test_views_filters_columns_and_a_thousand_of_them(sql: Sql) -> None:
    sql(f"CREATE TABLE wide (id int PRIMARY KEY, {', '.join(f'c{n} int' for n in range(1000))})")
    sql("INSERT INTO wide (id, c999) VALUES (1, 7), (2, 8)")
    sql("CREATE VIEW v AS SELECT id, c999 AS last FROM wide")
    source = source_of(
        sql,
        table_settings=[{"table": "wide", "row_filter": "id = 2"}, {"table": "v", "primary_key": ["id"]}],
    )
    result = read(source)
    (row,) = rows_of(result, "wide")
    assert len(row) == 1001 and row["c999"] == 8
    assert rows_of(result, "v") == [{"id": 1, "last": 7}, {"id": 2, "last": 8}]


def test_a_row_that_is_too_large_for_the_server_is_told(sql: Sql) -> None:
    sql("CREATE TABLE t (id int PRIMARY KEY, v longtext, w longtext)")
    sql("INSERT INTO t VALUES (1, REPEAT('x', 9000000), REPEAT('x', 9000000))")
    with pytest.raises(IncompleteError, match=r"t has a row whose JSON is larger than the server's max_allowed_packet"):
        read(source_of(sql)).ok()
