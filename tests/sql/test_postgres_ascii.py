"""A database of PostgreSQL that takes any bytes for text (SQL_ASCII): what is not UTF-8 arrives, told, in every way to
read it."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from headwater.errors import IncompleteError
from headwater.testing import read
from tests.services.postgres import Postgres
from tests.sql.captured import rows, run, server, table_of
from tests.sql.orders import small_parts, state_of
from tests.sql.sources import changes_of, chosen, cut_off, postgres_source, read_by, rows_of

__all__ = ["server"]

Sql = Callable[[bytes], Any]


@pytest.fixture
def sql(server: Postgres) -> Iterator[Any]:
    """Runs statements of any bytes in a fresh database, whose changes are captured."""
    import psycopg

    name = f"ascii_{secrets.token_hex(4)}"
    server.sql(f"CREATE DATABASE {name} ENCODING 'SQL_ASCII' TEMPLATE template0 LOCALE 'C'")
    with psycopg.connect(server.url(name), client_encoding="SQL_ASCII", autocommit=True) as connection:

        def run(statement: bytes) -> Any:
            return connection.execute(statement)

        run.url, run.slot = server.url(name), f"slot_{name}"  # type: ignore[attr-defined]
        run(b"CREATE TABLE t (id text PRIMARY KEY, n int, v varchar(5), j json, a text[], large text)")
        run(b"ALTER TABLE t ALTER large SET STORAGE EXTERNAL")
        run(b"CREATE PUBLICATION pub FOR ALL TABLES")
        run(f"SELECT pg_create_logical_replication_slot('slot_{name}', 'pgoutput')".encode())
        yield run
        run(f"SELECT pg_drop_replication_slot('slot_{name}')".encode())
    server.sql(f"DROP DATABASE {name} WITH (FORCE)")


def test_bytes_that_are_not_utf8_are_told_apart_and_told(sql: Any) -> None:
    sql(b"INSERT INTO t VALUES ('gr\xfc', 1, 'gr\xfc\xdfe', '[\"\xfc\"]', '{\xe4,b}')")
    sql(b"INSERT INTO t VALUES ('gr\xe4', 2, '\xc3\xbc', '\"\\ud800\"')")
    result = read(postgres_source(sql.url))
    assert rows_of(result, "t") == [
        {"id": "gr\\xe4", "n": 2, "v": "ü", "j": "\ufffd", "a": None, "large": None},
        {"id": "gr\\xfc", "n": 1, "v": "gr\\xfc\\xdfe", "j": ["\\xfc"], "a": ["\\xe4", "b"], "large": None},
    ]
    told = [("id", "TRUNCATED"), ("j", "TRUNCATED"), ("id", "TRUNCATED"), ("v", "TRUNCATED"), ("j", "TRUNCATED")]
    assert changes_of(result) == [*told, ("a", "TRUNCATED")]


def test_a_read_goes_on_after_the_last_key_that_a_state_can_keep(sql: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """What a record has in place of such a key may be anywhere in the database's order."""
    small_parts(monkeypatch, 2**30)
    sql(b"INSERT INTO t SELECT 'a' || g, g, repeat('x', 5) FROM generate_series(100, 149) g")
    sql(b"INSERT INTO t SELECT 'b\x80' || g, g, repeat('x', 5) FROM generate_series(100, 149) g")
    sql(b"INSERT INTO t SELECT 'b\xf0' || g, g, repeat('x', 5) FROM generate_series(100, 149) g")
    source = postgres_source(sql.url)
    catalog = chosen(source.discover(), "full_refresh", "t")
    due = {*(f"a{n}" for n in range(100, 150)), *(f"b\\x80{n}" for n in range(100, 150))}
    due |= {f"b\\xf0{n}" for n in range(100, 150)}
    for cut in (20, 70, 120):
        first = cut_off(source, catalog, cut)
        assert len(rows_of(first, "t")) < 150
        (begun,) = state_of(first)["ranges"]
        assert set(begun["after"]) <= {f"a{n}" for n in range(100, 150)}
        second = read(source, state=first, full_refresh=True, same_job=True)
        assert {row["id"] for row in (*rows_of(first, "t"), *rows_of(second, "t"))} == due


def test_a_cursor_that_no_state_can_keep(sql: Any) -> None:
    sql(b"INSERT INTO t VALUES ('a', 1, 'b'), ('b', 2, 'gr\xfc')")
    result = read_by(postgres_source(sql.url), "v")
    assert isinstance(result.error, IncompleteError)
    assert "public.t: the greatest value of its cursor 'v' is no text in Unicode" in str(result.traces[0].message)
    sql(b"DELETE FROM t WHERE n = 2")
    first = read_by(postgres_source(sql.url), "v")
    sql(b"INSERT INTO t VALUES ('b', 2, 'gr\xfc'), ('c', 3, 'c')")
    again = read_by(postgres_source(sql.url), "v", state=first)
    assert [row["n"] for row in rows_of(again, "t")] == [1, 3, 2]
    last = read_by(postgres_source(sql.url), "v", state=again)
    assert [row["n"] for row in rows_of(last, "t")] == [3, 2]  # the state is still at 'c'


def test_changes_with_bytes_that_are_not_utf8_are_followed(sql: Any) -> None:
    sql(b"INSERT INTO t (id, n, large) VALUES ('gr\xfc', 1, repeat('\xff', 10000)), ('gr\xe4', 2, 'x')")
    first = run(sql)
    sql(b"UPDATE t SET n = 3 WHERE id = 'gr\xfc'")
    sql(b"DELETE FROM t WHERE id = 'gr\xe4'")
    sql(b"INSERT INTO t VALUES ('b', 5, 'c', NULL, NULL), ('a', 4, 'gr\xfc\xdfe', '[\"\xfc\"]', '{\xe4,b}')")
    second = run(sql, first)
    found = rows(second, "t")
    assert [(row["id"], row["n"], row["v"]) for row in found] == [
        ("gr\\xfc", 3, None), ("gr\\xe4", None, None), ("b", 5, "c"), ("a", 4, "gr\\xfc\\xdfe")]  # fmt: skip
    assert found[0]["large"] == "\\xff" * 10000
    assert (found[3]["j"], found[3]["a"]) == (["\\xfc"], ["\\xe4", "b"])
    told = [("id", "TRUNCATED"), ("large", "TRUNCATED"), ("id", "TRUNCATED")]
    assert changes_of(second) == [*told, ("v", "TRUNCATED"), ("j", "TRUNCATED"), ("a", "TRUNCATED")]
    truth = read(postgres_source(sql.url), full_refresh=True)
    assert table_of(first, second, stream="t") == {row["id"]: row for row in rows_of(truth, "t")}
