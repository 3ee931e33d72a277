"""Change data capture of tables that are altered: what the log has of them is read by what there is now."""

from __future__ import annotations

from typing import Any

import pytest

from headwater.protocol.messages import Records
from headwater.testing.reading import result_of
from tests.services.postgres import Postgres
from tests.sql.captured import rows, run, server, source_of, sql, table_of, truth
from tests.sql.sources import changes_of, conform

__all__ = ["server", "sql"]


@pytest.mark.parametrize("identity", ["DEFAULT", "FULL"])
def test_large_values_that_an_update_did_not_touch(sql: Any, identity: str) -> None:
    sql(f"ALTER TABLE orders REPLICA IDENTITY {identity}")
    sql("ALTER TABLE orders ALTER note SET STORAGE EXTERNAL")
    sql("INSERT INTO orders VALUES (1, repeat('large', 10000)), (2, repeat('gone', 10000))")
    first = run(sql)
    sql("UPDATE orders SET at = '2024-01-01 00:00+00'")
    sql("DELETE FROM orders WHERE id = 2")
    second = run(sql, first)
    found = {row["id"]: row["note"] for row in rows(second)[:2]}
    assert found[1] == "large" * 10000
    assert table_of(first, second) == truth(sql)


def test_large_values_are_asked_for_many_rows_at_once_but_not_held_all_at_once(sql: Any, server: Postgres) -> None:
    sql(f"ALTER DATABASE \"{sql.url.rpartition('/')[2]}\" SET log_statement = 'all'")
    sql("ALTER TABLE orders ALTER note SET STORAGE EXTERNAL")
    sql("INSERT INTO orders SELECT g, repeat('large', 10000) || g FROM generate_series(1, 200) g")
    sql("CREATE TABLE pairs (id int, at date, n int, v text, PRIMARY KEY (id, at))")
    sql("ALTER TABLE pairs ALTER v SET STORAGE EXTERNAL")
    sql("INSERT INTO pairs SELECT g / 10, date '2024-01-01' + g % 10, 1, repeat('x', 3000)"
        " FROM generate_series(1, 300) g")  # fmt: skip
    first = run(sql)
    sql("UPDATE orders SET at = '2024-01-01 00:00+00'")
    sql("UPDATE orders SET id = id + 1000 WHERE id <= 10")
    sql("UPDATE pairs SET n = 2")
    second = run(sql, first)
    assert table_of(first, second) == truth(sql)
    assert len(rows(second, "pairs")) == 300
    assert all(row["n"] == 2 and len(row["v"]) == 3000 for row in rows(second, "pairs"))
    assert changes_of(second) == [("note", "NULLED")] * 10  # of rows that have another key by now
    assert max(message.size for message in second.messages if isinstance(message, Records)) < 2_000_000
    assert server.log().count('JOIN "public"."pairs" r ON') < 20


def test_an_update_leaves_a_row_where_it_is_whatever_the_log_calls_its_key(sql: Any) -> None:
    """With all of a row as its identity, the log calls every column one of the key."""
    sql("ALTER TABLE orders REPLICA IDENTITY FULL")
    sql("INSERT INTO orders VALUES (1, 'a'), (2, 'b')")
    first = run(sql)
    sql("UPDATE orders SET note = 'c' WHERE id = 1")
    sql("UPDATE orders SET id = 3 WHERE id = 2")
    second = run(sql, first)
    found = [(row["id"], row["note"], row["_ab_cdc_deleted_at"] is not None) for row in rows(second)]
    assert found == [(1, "c", False), (2, "b", True), (3, "b", False)]
    assert table_of(first, second) == truth(sql)


def test_a_table_whose_log_tells_another_key_is_read_whole(sql: Any, caplog: Any) -> None:
    sql("ALTER TABLE orders ALTER note SET NOT NULL")
    sql("CREATE UNIQUE INDEX notes ON orders (note)")
    sql("ALTER TABLE orders REPLICA IDENTITY USING INDEX notes")
    sql("INSERT INTO orders VALUES (1, 'a'), (2, 'b')")
    first = run(sql)
    sql("DELETE FROM orders WHERE id = 2")
    second = run(sql, first)
    assert rows(second) == list(truth(sql).values())
    assert "Table public.orders is read whole" in caplog.text


def test_columns_that_are_called_what_queries_call_things(sql: Any) -> None:
    names = ["t", "r", "u", "q", "c0", "place", "_place"]
    sql(f"CREATE TABLE odd (id int PRIMARY KEY, {', '.join(f'{name} int' for name in names)}, v text)")
    sql("ALTER TABLE odd ALTER v SET STORAGE EXTERNAL")
    sql("INSERT INTO odd VALUES (1, 1, 2, 3, 4, 5, 6, 7, repeat('large', 10000))")
    first = run(sql)
    sql("INSERT INTO odd VALUES (2, 1, 2, 3, 4, 5, 6, 7)")
    sql("UPDATE odd SET t = 8 WHERE id = 1")
    second = run(sql, first)
    assert changes_of(second) == []
    assert table_of(first, second, stream="odd") == truth(sql, "odd")
    assert [rows(second, "odd")[0][name] for name in names] == [1, 2, 3, 4, 5, 6, 7]


def test_a_table_that_changes_its_columns_goes_on(sql: Any) -> None:
    sql("INSERT INTO orders VALUES (1, 'a')")
    first = run(sql)
    source = source_of(sql)
    catalog = source.discover().configured()
    sql("INSERT INTO orders VALUES (2, 'b')")
    sql("ALTER TABLE orders ADD COLUMN more int DEFAULT 7")
    sql("INSERT INTO orders VALUES (3, 'c')")
    sql("ALTER TABLE orders DROP COLUMN note")
    sql("INSERT INTO orders VALUES (4)")
    second = result_of(source.read(catalog, first.states[-1:]), catalog)
    assert [(row["id"], row.get("note")) for row in rows(second)] == [(2, "b"), (3, "c"), (4, None)]
    assert [row.get("more") for row in rows(run(sql, first))] == [None, 7, 7]


def test_a_table_that_takes_the_place_of_another_comes_after_it(sql: Any, monkeypatch: Any) -> None:
    monkeypatch.setattr("headwater.sql.postgres_cdc._ROWS", 5)
    first = run(sql)
    sql("BEGIN; INSERT INTO orders VALUES (1, 'old'); ALTER TABLE orders RENAME TO former;"
        " CREATE TABLE orders (LIKE former INCLUDING ALL);"
        " INSERT INTO orders SELECT g, 'new' FROM generate_series(1, 6) g; COMMIT")  # fmt: skip
    found = [(row["id"], row["note"]) for row in rows(run(sql, first))]
    assert found == [(1, "old"), *((number, "new") for number in range(1, 7))]


def test_a_type_that_was_dropped_since(sql: Any, caplog: Any) -> None:
    """The log has the text of its values: that is all an enumeration is, and of a composite it is nothing."""
    sql("CREATE TYPE mood AS ENUM ('sad')")
    sql("CREATE TYPE pair AS (a int, b int)")
    sql("CREATE TABLE other (id int PRIMARY KEY)")
    sql("ALTER TABLE orders ADD COLUMN mood mood, ADD COLUMN pair pair")
    first = run(sql)
    source = source_of(sql)
    discovered = source.discover()
    catalog = discovered.configured()
    sql("INSERT INTO orders (id, note, mood, pair) VALUES (1, 'a', 'sad', '(1,2)')")
    sql("INSERT INTO other VALUES (1)")
    sql("ALTER TABLE orders ALTER COLUMN mood TYPE text, DROP COLUMN pair")
    sql("DROP TYPE mood")
    sql("DROP TYPE pair")
    sql("INSERT INTO orders (id, mood) VALUES (2, 'glad')")
    second = result_of(source.read(catalog, first.states[-1:]), catalog)
    found = [(row["id"], row["note"], row["mood"], row.get("pair")) for row in rows(second)]
    assert found == [(1, "a", "sad", None), (2, None, "glad", None)]
    assert changes_of(second) == [("pair", "NULLED")]
    assert "public.orders: what the log has of pair can't be read" in caplog.text
    assert [row["id"] for row in rows(second, "other")] == [1]
    conform(discovered, second)


def test_a_value_that_its_type_does_not_take_any_more(sql: Any) -> None:
    """One value is lost, and told; the row, the rows around it and the other streams are not."""
    sql("CREATE DOMAIN small AS int CHECK (value < 100)")
    sql("CREATE DOMAIN word AS text NOT NULL")
    sql("CREATE TYPE pair AS (a int, b int)")
    sql("CREATE TABLE t (id int PRIMARY KEY, n small, p pair, w word)")
    first = run(sql)
    sql("INSERT INTO t SELECT g, CASE g WHEN 30 THEN 50 ELSE 1 END, ROW(g, g)::pair, 'w' FROM generate_series(1, 60) g")
    sql("UPDATE t SET n = 2 WHERE id = 30")
    sql("ALTER DOMAIN small DROP CONSTRAINT small_check")
    sql("ALTER DOMAIN small ADD CHECK (value < 10)")
    sql("DELETE FROM t WHERE id = 60")
    second = run(sql, first)
    found = rows(second, "t")
    assert [row["id"] for row in found] == [*range(1, 61), 30, 60]
    assert [row["id"] for row in found if row["n"] is None] == [30, 60]
    assert all(row["p"] == {"a": row["id"], "b": row["id"]} and row["w"] == "w" for row in found[:-1])
    assert found[-1]["_ab_cdc_deleted_at"] and found[-2]["n"] == 2
    assert changes_of(second) == [("n", "NULLED")]


@pytest.mark.parametrize("gone", ["DROP TABLE big", "ALTER TABLE big DROP COLUMN v", "REVOKE SELECT ON big FROM "])
def test_a_large_value_that_is_nowhere_any_more(sql: Any, server: Postgres, gone: str) -> None:
    name = sql.url.rpartition("/")[2]
    sql("CREATE TABLE big (id int PRIMARY KEY, n int, v text)")
    sql("ALTER TABLE big ALTER v SET STORAGE EXTERNAL")
    sql("INSERT INTO big VALUES (1, 1, repeat('large', 10000))")
    sql(f"CREATE ROLE r_{name} LOGIN REPLICATION")
    sql(f"GRANT SELECT ON ALL TABLES IN SCHEMA public TO r_{name}")
    source = source_of(sql, url=server.url(name, user=f"r_{name}"))
    catalog = source.discover().configured()
    first = result_of(source.read(catalog), catalog)
    sql("UPDATE big SET n = 2")
    sql("INSERT INTO orders VALUES (1, 'a')")
    sql(f"{gone}r_{name}" if gone.endswith("FROM ") else gone)
    second = result_of(source.read(catalog, first.states[-1:]), catalog)
    (row,) = rows(second, "big")
    assert (row["id"], row["n"], row["v"]) == (1, 2, None)
    assert changes_of(second) == [("v", "NULLED")]
    assert [row["id"] for row in rows(second)] == [1]
    sql(f"DROP OWNED BY r_{name}")
    server.sql(f"DROP ROLE r_{name}")
