"""The SQLite destination: no value changes on the way; columns have types, and grow."""

from __future__ import annotations

import base64
import json
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from headwater.bridge import sync
from headwater.bridge.sinks.sqlite import SqliteSink
from headwater.errors import DestinationError
from headwater.protocol.messages import Change, Records, StreamDescriptor
from tests.bridge.fakes import Scripted, status
from tests.bridge.sqlite.landing import land, query, stream

TYPES = {
    "int": {"type": ["null", "integer"]},
    "num": {"type": "number"},
    "bool": {"type": "boolean"},
    "text": {"type": "string"},
    "at": {"type": "string", "format": "date-time"},
    "blob": {"type": "string", "contentEncoding": "base64"},
    "list": {"type": "array"},
    "obj": {"type": ["null", "object"]},
    "mixed": {"type": ["string", "integer"]},
    "any": {},
}


def test_types(db: Path) -> None:
    row = {
        "int": 2**63 - 1,
        "num": 1.5,
        "bool": True,
        "text": "a\0b 'ü' \U0001f600",
        "at": "2024-01-01T00:00:00.5Z",
        "blob": base64.b64encode(b"\0\xff").decode(),
        "list": [1, {"a": None}],
        "obj": {"b": 1},
        "mixed": "007",
        "any": {"c": [True]},
    }
    land(db, stream(properties=TYPES), row, dict.fromkeys(TYPES), {})
    names = ", ".join(f'"{name}"' for name in TYPES)
    got = query(db, f"SELECT {names} FROM issues")
    assert got[0] == (
        2**63 - 1, 1.5, 1, row["text"], row["at"], b"\0\xff", '[1, {"a": null}]', '{"b": 1}', "007", '{"c":[true]}',
    )  # fmt: skip
    assert got[1] == got[2] == (None,) * len(TYPES)
    declared = {name: kind for _, name, kind, *_ in query(db, "PRAGMA table_info(issues)")}
    assert [declared[name] for name in TYPES] == [
        "INTEGER", "REAL", "BOOLEAN", "TEXT", "TEXT", "BLOB", "JSON TEXT", "JSON TEXT", "", "",
    ]  # fmt: skip


def test_the_columns_of_our_own(db: Path) -> None:
    of = StreamDescriptor("issues")
    change = Change("x", "NULLED", "SOURCE_SERIALIZATION_ERROR")
    source = Scripted(
        Records(of, [b'{"x":1}', b'{"x":null}'], 1_700_000_000_001, {1: [change]}),
        Records(of, [b'{"x":2}'], 1_700_000_000_002),
        status("issues"),
    )
    sync(source, stream(properties={"x": {"type": "integer"}}), SqliteSink(db))
    got = query(db, "SELECT _airbyte_extracted_at, _airbyte_generation_id, _airbyte_meta FROM issues")
    assert [row[0] for row in got] == [1_700_000_000_001] * 2 + [1_700_000_000_002]
    assert {row[1] for row in got} == {0}
    assert [json.loads(row[2])["changes"] for row in got] == [
        [],
        [{"field": "x", "change": "NULLED", "reason": "SOURCE_SERIALIZATION_ERROR"}],
        [],
    ]
    assert query(db, "SELECT count(DISTINCT _airbyte_raw_id) FROM issues") == [(3,)]


@pytest.mark.parametrize(
    ("kind", "first", "odd", "kept"),
    [
        ("integer", 7, 2**70, str(2**70)),
        ("integer", 7, "007", "007"),
        ("integer", 7, 1.5, 1.5),
        ("integer", 7, {"a": 1}, '{"a":1}'),
        ("integer", 2**62 + 1, "x", "x"),
        ("number", 0.1, 2**60 + 1, 2**60 + 1),
        ("number", 0.1, "0.10", "0.10"),
        ("boolean", True, "1.0", "1.0"),
        ("string", "5", 5, 5),
        ("string", "5.0", 0.1 + 0.2, 0.1 + 0.2),
        ("string", "true", True, 1),
    ],
)
def test_a_value_that_is_not_of_its_type_widens_the_column_and_stays(
    db: Path, kind: str, first: Any, odd: Any, kept: Any
) -> None:
    catalog = stream(properties={"v": {"type": kind}, "w": {"type": "string"}})
    land(db, catalog, {"v": first})
    land(db, catalog, {"v": odd}, {"v": first})
    land(db, catalog, {"v": first})
    got = [row[0] for row in query(db, "SELECT v FROM issues ORDER BY rowid")]
    assert got == [first, kept, first, first]
    assert list(map(type, got))[1] is type(kept)


def test_widening_a_column_keeps_views_indexes_and_triggers(db: Path) -> None:
    catalog = stream(properties={"v": {"type": "integer"}, "w": {"type": "string"}}, mode="append_dedup", key=[["v"]])
    land(db, catalog, {"v": 1})
    with closing(sqlite3.connect(db)) as connection:
        connection.executescript("""
            CREATE VIEW mine AS SELECT v FROM issues; CREATE INDEX quick ON issues (w);
            CREATE TRIGGER odd BEFORE INSERT ON issues WHEN NEW.w = 'odd' BEGIN SELECT RAISE(IGNORE); END;""")
    land(db, catalog, {"v": "x"}, {"v": 1, "w": "y"}, {"v": 3, "w": "odd"})
    assert query(db, "SELECT v FROM mine") == [(1,), ("x",)]
    assert [name for _, name, *_ in query(db, "PRAGMA table_info(issues)")][-2:] == ["v", "w"]
    assert query(db, "SELECT count(*) FROM sqlite_master WHERE name IN ('quick', 'odd')") == [(2,)]


def test_what_is_not_quite_json(db: Path) -> None:
    land(
        db,
        stream(properties={"id": {"type": "integer"}, "t": {"type": "string"}, "n": {"type": "number"}}),
        b'{"id":1,"t":"a\\ud83d","n":1}',
        b'{"id":2,"t":"b","n":NaN}',
        b'{"id":3,"t":"c","n":1e400}',
        b'{"id":4.0,"t":"\\u0000","n":2}',
        b'{"id":5,"id":6,"t":"double"}',
    )
    got = query(db, "SELECT id, t, n, _airbyte_meta FROM issues")
    assert [row[:3] for row in got] == [
        (1, "a\ufffd", 1), (2, "b", None), (3, "c", "1e400"), (4, "\0", 2), (6, "double", None),
    ]  # fmt: skip
    assert [len(json.loads(row[3])["changes"]) for row in got] == [1, 1, 1, 0, 0]


@pytest.mark.parametrize("line", [b"[1]", b"{", b'"x"', b"\xff"])
def test_what_is_no_record_is_refused(db: Path, line: bytes) -> None:
    with pytest.raises(DestinationError, match=r"Stream 'issues'.*can't be read") as caught:
        land(db, stream(), b'{"id":1}', line)
    assert caught.value.stream == "issues"
    assert query(db, "SELECT * FROM issues") == []


def test_keys_that_the_schema_does_not_have(db: Path) -> None:
    land(
        db,
        stream(properties={"id": {"type": "integer"}}),
        {"id": 1, "a": 1, "b": None},
        {"c": [1], "d": "x", "b": True},
    )
    land(db, stream(), {"id": 2, "a": 2, "d": "y"})
    assert query(db, "SELECT id, a, b, c, d FROM issues") == [
        (1, 1, None, None, None), (None, None, 1, "[1]", "x"), (2, 2, None, None, "y"),
    ]  # fmt: skip


def test_a_schema_that_grows(db: Path) -> None:
    land(db, stream(properties={"a": {"type": "integer"}}), {"a": 1})
    land(db, stream(properties={"b": {"type": "string"}, "a": {"type": "integer"}}), {"a": 2, "b": "x"})
    assert query(db, "SELECT a, b FROM issues") == [(1, None), (2, "x")]


JSON_VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**70), 2**70)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=2), inner, max_size=2),
    max_leaves=4,
)


@settings(max_examples=150, deadline=None)
@given(
    rows=st.lists(st.dictionaries(st.sampled_from("aAbc"), JSON_VALUES), max_size=6),
    types=st.fixed_dictionaries(
        {name: st.sampled_from([*TYPES.values()][:5]) for name in "ab"},
    ),
    cut=st.integers(0, 6),
)
def test_no_value_changes(tmp_path_factory: Any, rows: list[Any], types: Any, cut: int) -> None:
    """Whatever the schema says and whatever comes: every scalar is found again as it came."""
    db = tmp_path_factory.mktemp("x") / "out.db"
    for part in (rows[:cut], rows[cut:]):
        land(db, stream(properties=types), *part)
    columns = {name: i for i, (_, name, *_) in enumerate(query(db, "PRAGMA table_info(issues)"))}
    got = query(db, "SELECT * FROM issues ORDER BY rowid")
    assert len(got) == len(rows)
    of = {name: next((c for c in columns if c == name), None) for name in "abc"}
    for row, record in zip(got, rows, strict=True):
        for name, column in of.items():
            value = record.get(name)
            if column is None:
                assert value is None or name.lower() == "a"
                continue
            if name == "a" and "A" in columns and value is None:
                continue
            found = row[columns[column]]
            if isinstance(value, (dict, list)) or (isinstance(found, str) and value != found and value is not None):
                assert json.loads(found) == value
            else:
                assert found == value
