"""What PostgreSQL may call things, and how much of it there may be."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import pytest

from headwater.sql.copying import copied
from headwater.testing import read
from tests.services.postgres import Postgres
from tests.sql.sources import conform, postgres_source, read_by, rows_of

NAMES = [
    'Quoted "Name"',
    "ünïcode 表",
    "select",
    "back\\slash",
    "per%cent %s",
    "a.b",
    "{brace}",
    "o'clock",
    ":colon",
    " ",
]


@pytest.fixture
def sql(postgres: Postgres, database: str) -> Callable[[str], Any]:
    return lambda statement: postgres.sql(statement, database=database.rpartition("/")[2])


def quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


@pytest.mark.parametrize("name", NAMES)
def test_any_name_of_schema_table_and_column(sql: Callable[[str], Any], database: str, name: str) -> None:
    schema, table = quoted(name), f"{quoted(name)}.{quoted(name)}"
    sql(f"CREATE SCHEMA {schema}")
    sql(f"CREATE TYPE {table[:-1]}_kind\" AS ENUM ('x')")
    sql(f"CREATE TABLE {table} ({quoted(name)} int, {quoted(name + '2')} {table[:-1]}_kind\","
        f" PRIMARY KEY ({quoted(name)}, {quoted(name + '2')}))")  # fmt: skip
    sql(f"INSERT INTO {table} VALUES (1, 'x'), (2, 'x')")
    source = postgres_source(database, schemas=[name])
    catalog = source.discover()
    (stream,) = catalog.streams
    assert (stream.namespace, stream.name) == (name, name)
    result = read_by(source, name)
    (rows,) = result.ok().records.values()
    assert rows == [{name: 1, f"{name}2": "x"}, {name: 2, f"{name}2": "x"}]
    conform(catalog, result)
    (again,) = read_by(source, name, state=result).ok().records.values()
    assert again == rows[1:]


def test_a_row_of_1600_columns(sql: Callable[[str], Any], database: str) -> None:
    sql(f"CREATE TABLE wide (id int PRIMARY KEY, {', '.join(f'c{n} smallint' for n in range(1599))})")
    sql("INSERT INTO wide (id, c0, c1598) VALUES (1, 5, 6)")
    source = postgres_source(database)
    (row,) = rows_of(read(source), "wide")
    assert len(row) == 1600 and (row["id"], row["c0"], row["c1598"], row["c7"]) == (1, 5, 6, None)


def test_rows_of_many_megabytes(sql: Callable[[str], Any], database: str) -> None:
    sql("CREATE TABLE large (id int PRIMARY KEY, v text)")
    sql("INSERT INTO large SELECT g, repeat('é\"', 1000000) FROM generate_series(1, 6) g")
    rows = rows_of(read(postgres_source(database)), "large")
    assert [row["id"] for row in rows] == [1, 2, 3, 4, 5, 6]
    assert all(row["v"] == 'é"' * 1_000_000 for row in rows)


def test_large_rows_are_not_waited_with_for_others(database: str) -> None:
    """64 of them would be held at once."""
    import psycopg

    def steps(size: int) -> int:
        query = f"COPY (SELECT repeat('x', {size}) FROM generate_series(1, 100)) TO STDOUT".encode()
        with psycopg.connect(database) as connection, connection.cursor() as cursor, cursor.copy(query):
            found = list(copied(connection, 64))
        assert b"".join(found) == (b"x" * size + b"\n") * 100
        return len(found)

    assert (steps(10), steps(100_000)) == (2, 100)


def test_a_table_without_columns_and_one_that_is_empty(sql: Callable[[str], Any], database: str) -> None:
    sql("CREATE TABLE none ()")
    sql("CREATE TABLE empty (id int PRIMARY KEY)")
    source = postgres_source(database)
    assert [stream.name for stream in source.discover().streams] == ["empty", "none"]
    assert rows_of(read(source, "empty"), "empty") == []


def test_keys_without_a_form_are_null_by_the_schema_too(sql: Callable[[str], Any], database: str) -> None:
    sql("CREATE TABLE t (at timestamptz PRIMARY KEY, n numeric NOT NULL)")
    sql("INSERT INTO t VALUES ('infinity', 1), ('-infinity', 'NaN'), ('2024-01-01 00:00+00', 2)")
    source = postgres_source(database)
    catalog, result = source.discover(), read(source, full_refresh=True)
    assert [row["n"] for row in rows_of(result, "t")] == [None, 2, 1]
    conform(catalog, result)


def test_five_thousand_tables(sql: Callable[[str], Any], database: str) -> None:
    for start in range(0, 5000, 500):
        sql(f"DO $$ BEGIN FOR i IN {start}..{start + 499} LOOP EXECUTE format('CREATE TABLE t%s (id bigint PRIMARY KEY,"
            " a bigint, b float, c timestamptz, d date, e time, f boolean, g int, h uuid, i money)', i);"
            " END LOOP; END $$")  # fmt: skip
    source = postgres_source(database)
    before = time.process_time()
    catalog = source.discover()
    spent = time.process_time() - before
    assert len(catalog.streams) == 5000
    assert all(len(stream.json_schema["properties"]) == 10 for stream in catalog.streams)
    print(f"5,000 tables in {spent:.2f} CPU s")
    assert rows_of(read(source, "t4999"), "t4999") == []
