"""SQLite files: how they are read, and that they are never written to."""

from __future__ import annotations

import hashlib
import logging
import random
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from headwater.errors import ConfigError, IncompleteError
from headwater.sql.sqlite import FileAddress, Sqlite
from headwater.testing import read
from source_sqlite import SqliteSource
from tests.sql.sources import chosen, cut_off, incremental, read_by, rows_of
from tests.sql.sqlite_files import db, source_of

__all__ = ["db"]


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


class BySqlalchemy(SqliteSource):
    """A child that says more in SQLAlchemy's URL."""

    name = "sqlite-child"

    def url(self) -> Any:
        found = super().url()
        assert isinstance(found, FileAddress)
        return found.for_sqlalchemy().update_query_dict({"cache": "private"})


def test_a_child_of_ones_own_does_not_write_either(db: sqlite3.Connection, tmp_path: Path) -> None:
    db.execute("CREATE TABLE t (id INTEGER PRIMARY KEY)")
    db.execute("INSERT INTO t VALUES (7)")
    (file,) = tmp_path.glob("*.db")
    assert read(BySqlalchemy.from_config({"path": str(file)})).ok().records == {"t": [{"id": 7}]}
    with pytest.raises(ConfigError, match="unable to open database file"):
        BySqlalchemy.from_config({"path": str(tmp_path / "nowhere.db")}).check()
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
