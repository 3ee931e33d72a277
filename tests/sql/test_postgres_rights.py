"""What a role without rights may read, and what it is told; that nothing is ever written."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

import psycopg
import pytest

from headwater.errors import ConfigError, IncompleteError
from headwater.testing import read
from tests.services.postgres import Postgres
from tests.sql.sources import chosen, postgres_source, rows_of

Sql = Callable[[str], list[tuple[Any, ...]]]


@pytest.fixture
def reader(postgres: Postgres, database: str) -> Any:
    """A role that may nothing; its URL and what the superuser runs."""
    name = database.rpartition("/")[2]
    role = f"reader_{name}"
    postgres.sql(f"CREATE ROLE {role} LOGIN")

    def sql(statement: str) -> list[tuple[Any, ...]]:
        return postgres.sql(statement.replace("ROLE", role), database=name)

    yield postgres.url(name, user=role), sql
    sql("DROP OWNED BY ROLE")
    postgres.sql(f"DROP ROLE {role}")


def test_select_is_all_that_it_takes(reader: tuple[str, Sql]) -> None:
    url, sql = reader
    sql("CREATE TABLE t (id int PRIMARY KEY, at timestamptz)")
    sql("INSERT INTO t VALUES (1, now())")
    sql("GRANT SELECT ON t TO ROLE")
    source = postgres_source(url)
    source.check()
    assert [row["id"] for row in rows_of(read(source), "t")] == [1]


def test_check_names_the_rights_that_are_missing(reader: tuple[str, Sql]) -> None:
    url, sql = reader
    sql("CREATE TABLE hidden (id int)")
    sql("CREATE SCHEMA inner_one")
    sql("CREATE TABLE inner_one.t (id int)")
    sql("GRANT SELECT ON inner_one.t TO ROLE")
    with pytest.raises(ConfigError, match=r"lacks USAGE on schema inner_one, SELECT on public.hidden"):
        postgres_source(url, schemas=["public", "inner_one"]).check()


def test_tables_that_may_not_be_read_are_left_out_and_told(reader: tuple[str, Sql], caplog: Any) -> None:
    url, sql = reader
    for table in ("open", "shut"):
        sql(f"CREATE TABLE {table} (id int)")
    sql("GRANT SELECT ON open TO ROLE")
    with caplog.at_level(logging.WARNING, "headwater"):
        source = postgres_source(url)
        source.check()
        assert [stream.name for stream in source.discover().streams] == ["open"]
    assert "1 of 2 tables are left out, as the user lacks SELECT on public.shut" in caplog.text
    with pytest.raises(ConfigError, match=r"lacks SELECT on public.shut"):
        postgres_source(url, tables=["open", "shut"]).check()


def test_a_right_that_is_lost_fails_its_stream_alone(reader: tuple[str, Sql]) -> None:
    url, sql = reader
    for table in ("a", "b"):
        sql(f"CREATE TABLE {table} (id int)")
        sql(f"INSERT INTO {table} VALUES (1)")
    sql("GRANT SELECT ON a, b TO ROLE")
    source = postgres_source(url)
    catalog = chosen(source.discover(), "full_refresh")
    sql("REVOKE SELECT ON a FROM ROLE")
    from headwater.testing.reading import result_of

    result = result_of(source.read(catalog), catalog)
    assert result.records["public.b"] == [{"id": 1}]
    with pytest.raises(IncompleteError, match=r"lacks SELECT on public.a, without which public.a") as told:
        result.ok()
    assert told.value.failure_type == "config_error"


def test_columns_that_may_not_be_read_are_no_columns(reader: tuple[str, Sql]) -> None:
    url, sql = reader
    sql("CREATE TABLE people (id int PRIMARY KEY, name text, salary int)")
    sql("INSERT INTO people VALUES (1, 'Ada', 100)")
    sql("GRANT SELECT (id, name) ON people TO ROLE")
    source = postgres_source(url)
    assert rows_of(read(source), "people") == [{"id": 1, "name": "Ada"}]


def test_a_schema_that_is_not_there(reader: tuple[str, Sql]) -> None:
    with pytest.raises(ConfigError, match=r"`schemas`: the database .* has no schema nope"):
        postgres_source(reader[0], schemas=["nope"]).check()


def test_a_database_without_tables(reader: tuple[str, Sql]) -> None:
    with pytest.raises(ConfigError, match=r"There is no table to read in public"):
        postgres_source(reader[0], schemas=["public"]).check()


def test_nothing_can_be_written(reader: tuple[str, Sql]) -> None:
    url, sql = reader
    sql("CREATE TABLE t (id int)")
    sql("GRANT SELECT, INSERT ON t TO ROLE")
    sql("CREATE FUNCTION writes() RETURNS int LANGUAGE sql VOLATILE AS 'INSERT INTO t VALUES (1) RETURNING id'")
    sql("CREATE VIEW v AS SELECT writes() AS id")
    sql("GRANT SELECT ON v TO ROLE")
    with pytest.raises(IncompleteError, match=r"cannot execute INSERT in a read-only transaction"):
        read(postgres_source(url)).ok()
    assert sql("SELECT count(*) FROM t") == [(0,)]
    with postgres_source(url).connection() as connection, pytest.raises(Exception, match=r"read-only") as told:
        connection.exec_driver_sql("INSERT INTO t VALUES (1)")
    assert isinstance(told.value.__cause__, psycopg.Error)
