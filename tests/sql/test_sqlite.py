"""SQLite files: what their columns promise and hold, how they are read, and that they are never written to."""

from __future__ import annotations

import base64
import hashlib
import logging
import random
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from headwater.errors import ConfigError, IncompleteError
from headwater.sql.sqlite import Sqlite
from headwater.testing import read
from source_sqlite import SqliteSource
from tests.sql.orders import state_of
from tests.sql.sources import changes_of, chosen, conform, cut_off, incremental, read_by, rows_of

VALUES: list[tuple[str, Any, Any]] = [
    ("INTEGER", 2**63 - 1, 2**63 - 1),
    ("INTEGER", -(2**63), -(2**63)),
    ("INT", "7", 7),
    ("INT", "seven", None),
    ("INT", 1.5, None),
    ("INT", b"x", None),
    ("BIGINT", None, None),
    ("TEXT", 'tab\t "q" \\ \x01 \u2028 \U0001f600', 'tab\t "q" \\ \x01 \u2028 \U0001f600'),
    ("TEXT", 5, "5"),
    ("TEXT", "nul\0inside", "nul\0inside"),
    ("VARCHAR(2)", "longer", "longer"),
    ("TEXT", b"\xff", None),
    ("BLOB", b"\x00\xff\n", base64.b64encode(b"\x00\xff\n").decode()),
    ("BLOB", "text", base64.b64encode(b"text").decode()),
    ("REAL", 0.1 + 0.2, 0.1 + 0.2),
    ("REAL", 5e-324, 5e-324),
    ("REAL", 3, 3.0),
    ("DOUBLE", float("inf"), None),
    ("FLOAT", float("-inf"), None),
    ("REAL", "word", None),
    ("DECIMAL(10,2)", 12.5, 12.5),
    ("NUMERIC", 10**17, 10**17),
    ("BOOLEAN", 1, True),
    ("BOOL", 0, False),
    ("BOOLEAN", 2, None),
    ("DATE", "2024-02-29", "2024-02-29"),
    ("DATETIME", "2024-02-29 12:34:56.123456", "2024-02-29T12:34:56.123456"),
    ("TIMESTAMP", "2024-02-29T12:34:56Z", "2024-02-29T12:34:56Z"),
    ("TIMESTAMP", "2024-02-29 12:34:56+05:30", "2024-02-29T12:34:56+05:30"),
    ("DATETIME", 1709210096, 1709210096),
    ("DATETIME", "29.2.2024", "29.2.2024"),
    ("JSON", '{"a": 1}', '{"a": 1}'),
    ("JSON", "5", "5"),
    ("UUID", "a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11", "a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11"),
    ("", b"\x01", None),
    ("", 1.5, 1.5),
    ("", "any", "any"),
]


@pytest.fixture
def db(tmp_path: Path) -> Iterator[sqlite3.Connection]:
    with closing(sqlite3.connect(tmp_path / "it's ä?.db", isolation_level=None)) as connection:
        connection.execute("PRAGMA synchronous = OFF")
        yield connection


def source_of(db: sqlite3.Connection, **settings: Any) -> SqliteSource:
    (_, _, path) = db.execute("PRAGMA database_list").fetchone()
    return SqliteSource.from_config({"path": path, **settings})


def test_every_value_is_right_or_null_and_told(db: sqlite3.Connection) -> None:
    db.execute(f"CREATE TABLE every ({', '.join(f'c{n} {kind}' for n, (kind, _, _) in enumerate(VALUES))})")
    db.execute(f"INSERT INTO every VALUES ({', '.join('?' * len(VALUES))})", [value for _, value, _ in VALUES])
    source = source_of(db)
    catalog, result = source.discover(), read(source)
    (row,) = rows_of(result, "every")
    wrong = {}
    for number, (kind, value, due) in enumerate(VALUES):
        found = row[f"c{number}"]
        if found != due or type(found) is not type(due):
            wrong[f"{kind} {value!r}"] = (found, due)
    assert not wrong
    lost = {f"c{n}" for n, (_, value, due) in enumerate(VALUES) if due is None and value is not None}
    assert {field for field, _ in changes_of(result)} == lost
    conform(catalog, result)


def test_a_date_that_is_none_among_dates_is_told(db: sqlite3.Connection) -> None:
    db.execute("CREATE TABLE t (id INTEGER PRIMARY KEY, day DATE, at DATETIME)")
    rows = [(n, "2024-01-01", f"2024-01-01 00:00:{n % 60:02}") for n in range(2000)]
    db.executemany("INSERT INTO t VALUES (?, ?, ?)", [*rows, (2000, "2024-13-01", "soon"), (2001, 5, None)])
    source = source_of(db)
    result = read(source, full_refresh=True)
    assert rows_of(result, "t")[1999:] == [
        {"id": 1999, "day": "2024-01-01", "at": "2024-01-01T00:00:19"},
        {"id": 2000, "day": None, "at": None},
        {"id": 2001, "day": None, "at": None},
    ]
    assert sorted(changes_of(result)) == [("at", "NULLED"), ("day", "NULLED"), ("day", "NULLED")]
    conform(source.discover(), result)


def test_text_that_is_not_utf8_is_told_and_costs_no_row(db: sqlite3.Connection) -> None:
    db.execute("CREATE TABLE t (id INTEGER PRIMARY KEY, v TEXT, day DATE, any)")
    db.executemany("INSERT INTO t VALUES (?, ?, '2024-01-01', 1)", [(n, f"v{n}") for n in range(50)])
    db.execute("UPDATE t SET v = CAST(x'67ff' AS TEXT) WHERE id = 30")
    db.execute("UPDATE t SET day = CAST(x'67ff' AS TEXT), any = CAST(x'c328' AS TEXT) WHERE id = 40")
    result = read(source_of(db))
    assert [row["id"] for row in rows_of(result, "t")] == list(range(50))
    assert rows_of(result, "t")[30]["v"] == "g\\xff"
    assert (rows_of(result, "t")[40]["day"], rows_of(result, "t")[40]["any"]) == ("g\\xff", "\\xc3(")
    assert changes_of(result) == [("v", "TRUNCATED"), ("day", "TRUNCATED"), ("any", "TRUNCATED")]


def test_a_date_that_is_not_utf8_among_dates_is_null(db: sqlite3.Connection) -> None:
    db.execute("CREATE TABLE t (id INTEGER PRIMARY KEY, day DATE)")
    db.executemany("INSERT INTO t VALUES (?, '2024-01-01')", [(n,) for n in range(2000)])
    db.execute("UPDATE t SET day = CAST(x'ff' AS TEXT) WHERE id = 1999")
    result = read(source_of(db))
    assert rows_of(result, "t")[1999]["day"] is None
    assert changes_of(result) == [("day", "NULLED")]


def test_a_key_and_a_cursor_that_are_not_utf8(db: sqlite3.Connection, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Sqlite, "page_size", 100)
    db.execute("CREATE TABLE t (k TEXT PRIMARY KEY, v TEXT)")
    keys = [*(b"a%d" % n for n in range(100, 150)), *(b"b\x80%d" % n for n in range(100, 150)), b"b\xc0", b"b\xf0"]
    db.executemany("INSERT INTO t VALUES (CAST(? AS TEXT), CAST(? AS TEXT))", [(key, key) for key in keys])
    source = source_of(db)
    catalog = chosen(source.discover(), "full_refresh", "t")
    due = {key.decode("utf-8", "backslashreplace") for key in keys}
    for cut in (20, 70, 101):
        first = cut_off(source, catalog, cut)
        assert len(rows_of(first, "t")) < len(keys)
        (begun,) = state_of(first)["ranges"]
        assert begun["after"][0].encode() in keys
        second = read(source, state=first, full_refresh=True, same_job=True)
        assert {row["k"] for row in (*rows_of(first, "t"), *rows_of(second, "t"))} == due
    result = read_by(source, "v")
    assert "the greatest value of its cursor 'v' is no text in Unicode" in str(result.traces[0].message)


def test_tables_of_sqlites_own_are_no_streams(db: sqlite3.Connection) -> None:
    """What is searched is a stream; the tables in which that is kept are not."""
    db.execute("CREATE VIRTUAL TABLE notes USING fts5(title, body)")
    db.execute("CREATE VIRTUAL TABLE old USING fts4(title)")
    db.execute("CREATE VIRTUAL TABLE places USING rtree(id, low, high)")
    db.execute("CREATE TABLE notes_mine (id INTEGER PRIMARY KEY AUTOINCREMENT)")
    db.execute("INSERT INTO notes VALUES ('a', 'b')")
    db.execute("INSERT INTO places VALUES (1, 2, 3)")
    db.execute("ANALYZE")
    source = source_of(db)
    assert [stream.name for stream in source.discover().streams] == ["notes", "notes_mine", "old", "places"]
    result = read(source)
    assert rows_of(result, "notes") == [{"title": "a", "body": "b"}]
    assert rows_of(result, "places") == [{"id": 1, "low": 2.0, "high": 3.0}]


@pytest.mark.parametrize(
    "name", ['Quoted "Name"', "ünïcode 表", "select", "back\\slash", "a.b", "%s", ":c", "\n", "o'c"]
)
def test_any_name(db: sqlite3.Connection, name: str) -> None:
    quoted = '"' + name.replace('"', '""') + '"'
    db.execute(f"CREATE TABLE {quoted} ({quoted} INTEGER PRIMARY KEY, at INT)")
    db.execute(f"INSERT INTO {quoted} VALUES (1, 2), (2, 3)")
    source = source_of(db)
    first = read_by(source, name)
    assert first.ok().records[name] == [{name: 1, "at": 2}, {name: 2, "at": 3}]
    assert read_by(source, name, state=first).ok().records[name] == [{name: 2, "at": 3}]


def test_2000_columns(db: sqlite3.Connection) -> None:
    db.execute(f"CREATE TABLE wide ({', '.join(f'c{n} INT' for n in range(2000))})")
    db.execute("INSERT INTO wide (c0, c1999) VALUES (1, 2)")
    (row,) = rows_of(read(source_of(db)), "wide")
    assert len(row) == 2000 and row["c1999"] == 2


KEYS: list[tuple[str, list[Any]]] = [
    ("INTEGER", [-5, 0, 2**62]),
    ("TEXT", ["", "a", "B", "ä", "1"]),
    ("BLOB", [b"", b"\x00", b"\xff\x01"]),
    ("REAL", [-1.5, 0.1, 1e300]),
    ("DATETIME", ["2024-01-01 00:00:00", "2024-01-01 00:00:00.5", "2024-01-02 00:00:00"]),
    ("DATE", ["2023-12-31", "2024-01-01"]),
]


@pytest.mark.parametrize(("kind", "values"), KEYS)
def test_reading_goes_on_from_any_key(
    db: sqlite3.Connection, kind: str, values: list[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Sqlite, "rows_per_step", 1)
    monkeypatch.setattr(Sqlite, "page_size", 1)
    db.execute(f"CREATE TABLE t (k {kind}, n INT, PRIMARY KEY (k, n))")
    db.executemany("INSERT INTO t VALUES (?, ?)", [(value, n) for value in values for n in (1, 2)])
    db.execute("INSERT INTO t VALUES (NULL, 1)")
    monkeypatch.setattr("headwater.sql.sqlite._FETCH", 1)
    source = source_of(db)
    keys = rows_of(read(source, full_refresh=True, same_job=True), "t")
    assert len(keys) == 2 * len(values) + 1
    for count in range(1, len(keys) + 1):
        begun = cut_off(source, chosen(source.discover(), "full_refresh"), count)
        assert rows_of(begun, "t") == keys[:count]
        rest = rows_of(read(source, state=begun, full_refresh=True, same_job=True), "t")
        assert rest == keys[max(0, count - 1) if count > 2 else 0 :]
    if kind != "BLOB":
        first = read_by(source, "k")
        assert [row["k"] for row in rows_of(read_by(source, "k", state=first), "t")] == [keys[-1]["k"]] * 2


def test_by_cursor_with_changes_ties_nulls_and_lookback(db: sqlite3.Connection, caplog: Any) -> None:
    db.execute("CREATE TABLE t (id INTEGER PRIMARY KEY, at TIMESTAMP)")
    db.executemany("INSERT INTO t VALUES (?, ?)", [(n, f"2024-01-01 00:{n:02}:00") for n in range(60)])
    db.execute("INSERT INTO t VALUES (60, NULL)")
    with caplog.at_level(logging.WARNING, "headwater"):
        first = read_by(source_of(db), "at")
    assert "t has rows without a value of its cursor at" in caplog.text
    db.execute("INSERT INTO t VALUES (61, '2024-01-01 00:59:00'), (62, '2024-01-01 00:57:30')")
    assert [row["id"] for row in rows_of(read_by(source_of(db), "at", state=first), "t")] == [59, 61]
    again = rows_of(read_by(source_of(db, lookback=90), "at", state=first), "t")
    assert [row["id"] for row in again] == [62, 58, 59, 61]


def test_a_long_lookback_is_taken_to_its_last_digit(db: sqlite3.Connection) -> None:
    db.execute("CREATE TABLE t (id INTEGER PRIMARY KEY)")
    db.execute("INSERT INTO t VALUES (10000000)")
    source = source_of(db, lookback=1234564)
    first = read_by(source, "id")
    db.execute("INSERT INTO t VALUES (8765435), (8765436)")
    assert [row["id"] for row in rows_of(read_by(source, "id", state=first), "t")] == [8765436, 10000000]


@pytest.mark.parametrize("declared", ["INTEGER", "DECIMAL(20,2)", "TIMESTAMP"])
def test_the_state_does_not_move_back_while_the_lookback_is_read_again(
    db: sqlite3.Connection, monkeypatch: pytest.MonkeyPatch, declared: str
) -> None:
    monkeypatch.setattr(Sqlite, "rows_per_step", 2)
    db.execute(f"CREATE TABLE t (id INTEGER PRIMARY KEY, at {declared})")
    times = declared == "TIMESTAMP"
    db.executemany("INSERT INTO t VALUES (?, ?)", [(n, f"2024-01-01 00:00:{n:02}" if times else n) for n in range(50)])
    source = source_of(db, lookback=20)
    catalog = incremental(source.discover(), "at")
    first = read_by(source, "at").states
    states = list(first)
    for count in (1, 5, 12, 3):  # all before the value that the state has
        states = cut_off(source, catalog, count, state=states).states or states
        assert [one.stream_state for one in states] == [one.stream_state for one in first]
    assert [row["id"] for row in rows_of(read_by(source, "at", state=states), "t")] == list(range(29, 50))
    db.execute("DELETE FROM t WHERE id > 40")
    last = read_by(source, "at", state=states).states
    assert [one.stream_state for one in last] == [one.stream_state for one in first]


def test_cut_off_anywhere_nothing_is_lost(db: sqlite3.Connection, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Sqlite, "rows_per_step", 7)
    db.execute("CREATE TABLE t (id INT, at INT)")
    db.executemany("INSERT INTO t VALUES (?, ?)", [(n, n // 9 if n % 5 else None) for n in range(500)])
    source = source_of(db)
    rng = random.Random(1)
    for _ in range(10):
        cut = cut_off(source, incremental(source.discover(), "at"), rng.randrange(1, 500))
        rest = read_by(source, "at", state=cut)
        assert {row["id"] for result in (cut, rest) for row in rows_of(result, "t")} == set(range(500))


def test_views_and_filters_and_the_rows_of_one_point_in_time(db: sqlite3.Connection) -> None:
    db.execute("PRAGMA journal_mode = WAL")
    db.execute("CREATE TABLE t (id INTEGER PRIMARY KEY, gone BOOLEAN)")
    db.executemany("INSERT INTO t VALUES (?, ?)", [(n, n % 2) for n in range(5000)])
    db.execute("CREATE VIEW v AS SELECT id, id * 2 AS twice FROM t")
    source = source_of(db, table_settings=[{"table": "t", "row_filter": "NOT gone"}], exclude_tables=["x*"])
    catalog = chosen(source.discover(), "full_refresh")
    from headwater.testing.reading import result_of

    def messages() -> Iterator[Any]:
        for number, message in enumerate(source.read(catalog)):
            yield message
            if number == 3:
                db.execute("DELETE FROM t")

    result = result_of(messages(), catalog)
    assert len(rows_of(result, "t")) == 2500
    assert rows_of(result, "v")[-1] == {"id": 4999, "twice": 9998}


def test_what_cannot_be_read_is_left_out(db: sqlite3.Connection, caplog: Any) -> None:
    db.execute("CREATE TABLE t (id INTEGER PRIMARY KEY, x INT, twice INT GENERATED ALWAYS AS (x * 2))")
    db.execute("INSERT INTO t (id, x) VALUES (1, 5)")
    db.execute("CREATE TABLE keyed (k TEXT PRIMARY KEY) WITHOUT ROWID")
    db.execute("CREATE VIEW broken AS SELECT * FROM gone")
    result = read(source_of(db))
    assert result.ok().records == {"t": [{"id": 1, "x": 5, "twice": 10}], "keyed": []}
    assert "broken is left out, as it can't be read" in caplog.text and "no such table: main.gone" in caplog.text
    with pytest.raises(ConfigError, match=r"no such table: main\.gone"):
        source_of(db, tables=["t", "broken"]).check()


def test_the_file_is_never_written(db: sqlite3.Connection, tmp_path: Path) -> None:
    db.execute("CREATE TABLE t (id INTEGER PRIMARY KEY)")
    (file,) = tmp_path.glob("*.db")
    before = hashlib.sha256(file.read_bytes()).hexdigest()
    source = source_of(db)
    source.check()
    read(source)
    with pytest.raises(Exception, match=r"readonly|query_only"), source.connection() as connection:
        connection.exec_driver_sql("INSERT INTO t VALUES (1)")
    assert hashlib.sha256(file.read_bytes()).hexdigest() == before
    assert sorted(tmp_path.iterdir()) == [file]


def test_files_that_are_none(tmp_path: Path, db: sqlite3.Connection, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ConfigError, match=rf"{tmp_path}/nowhere.db failed to connect: unable to open database file"):
        SqliteSource.from_config({"path": "nowhere.db"}).check()
    (tmp_path / "text.db").write_text("no database " * 100)
    with pytest.raises(ConfigError, match=rf"{tmp_path}/text.db failed .*not a database"):
        SqliteSource.from_config({"path": str(tmp_path / "text.db")}).check()
    with pytest.raises(ConfigError, match=r"no table to read"):
        source_of(db).check()


def test_a_file_that_is_locked_may_be_free_later(db: sqlite3.Connection, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("headwater.sql.reader._TRIES", 1)
    db.execute("CREATE TABLE t (id INTEGER PRIMARY KEY)")
    source = source_of(db, lock_timeout=0.1)
    catalog = chosen(source.discover(), "full_refresh")
    db.execute("BEGIN EXCLUSIVE")
    with pytest.raises((IncompleteError, Exception), match=r"locked") as told:
        list(source.read(catalog))
    assert getattr(told.value, "failure_type", None) == "transient_error"
