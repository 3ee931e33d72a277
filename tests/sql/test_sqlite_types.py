"""SQLite: what columns promise and hold, right or null, and told."""

from __future__ import annotations

import base64
import sqlite3
from typing import Any

import pytest

from headwater.sql.sqlite import Sqlite
from headwater.testing import read
from tests.sql.orders import state_of
from tests.sql.sources import changes_of, chosen, conform, cut_off, read_by, rows_of
from tests.sql.sqlite_files import db, source_of

__all__ = ["db"]

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
