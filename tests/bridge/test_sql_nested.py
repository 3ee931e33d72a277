"""Nested data as JSON, as columns, and as child tables."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from headwater.bridge import sync
from headwater.bridge.sinks.options import SqlOptions
from headwater.bridge.sinks.sqlite import SqliteSink
from headwater.errors import SourceError
from tests.bridge.fakes import Scripted, state, status
from tests.bridge.landing import land, query, records_of, stream

TEXT, INT = {"type": "string"}, {"type": "integer"}
USER = {"type": ["null", "object"], "properties": {"id": INT, "name": TEXT, "org": {"type": "object", "properties": {
    "id": INT}}}}  # fmt: skip
SCHEMA: dict[str, Any] = {
    "id": INT,
    "user": USER,
    "free": {"type": "object"},
    "labels": {"type": "array", "items": {"type": "object", "properties": {"name": TEXT, "of": USER, "marks": {
        "type": "array", "items": INT}}}},
    "words": {"type": ["null", "array"], "items": TEXT},
}  # fmt: skip
ROW = {
    "id": 1,
    "user": {"id": 5, "name": "ann", "org": {"id": 9}, "extra": True},
    "free": {"x": 1},
    "labels": [{"name": "bug", "marks": [1, 2]}, {"name": "ui", "of": {"id": 6}, "marks": []}],
    "words": ["a", None],
}


@pytest.fixture
def db(tmp_path: Path) -> Path:
    return tmp_path / "out.db"


def test_json_is_the_default(db: Path) -> None:
    land(db, stream(properties=SCHEMA), ROW)
    assert query(db, "SELECT user ->> '$.org.id', json_array_length(labels) FROM issues") == [(9, 2)]


def test_flat(db: Path) -> None:
    catalog = stream(properties=SCHEMA)
    land(db, catalog, ROW, {"id": 2, "user": None}, {"id": 3, "user": "odd"}, nested="flat")
    names = "id, user__id, user__name, user__org__id, user__extra, free, user"
    assert query(db, f"SELECT {names} FROM issues") == [
        (1, 5, "ann", 9, 1, '{"x":1}', None),
        (2, None, None, None, None, None, None),
        (3, None, None, None, None, None, "odd"),
    ]
    assert query(db, "SELECT json_array_length(labels), words FROM issues WHERE id = 1") == [(2, '["a",null]')]


def test_names_that_would_meet(db: Path) -> None:
    properties = {"a": {"type": "object", "properties": {"b": INT, "B": INT}}, "a__b": INT}
    land(db, stream(properties=properties), {"a": {"b": 1, "B": 2, "c": 3}, "a__b": 4, "a__c": 5}, nested="flat")
    own = ("_airbyte_raw_id", "_airbyte_extracted_at", "_airbyte_generation_id", "_airbyte_meta")
    columns = [name for _, name, *_ in query(db, "PRAGMA table_info(issues)") if name not in own]
    quoted = ", ".join(f'"{name}"' for name in columns)
    (row,) = query(db, f"SELECT {quoted} FROM issues")
    assert sorted(row) == [1, 2, 3, 4, 5]


def test_tables(db: Path) -> None:
    land(db, stream(properties=SCHEMA), ROW, {"id": 2}, {"id": 3, "words": ["b"]}, nested="tables")
    labels = query(
        db,
        """
        SELECT i.id, l.name, l.of__id FROM issues i JOIN issues__labels l ON l._airbyte_parent_id = i._airbyte_raw_id
        ORDER BY l._airbyte_index""",
    )
    assert labels == [(1, "bug", None), (1, "ui", 6)]
    marks = query(
        db,
        """
        SELECT l.name, m.value FROM issues__labels l JOIN issues__labels__marks m
        ON m._airbyte_parent_id = l._airbyte_raw_id ORDER BY m._airbyte_index""",
    )
    assert marks == [("bug", 1), ("bug", 2)]
    words = query(
        db,
        """
        SELECT i.id, w._airbyte_index, w.value FROM issues i JOIN issues__words w
        ON w._airbyte_parent_id = i._airbyte_raw_id ORDER BY i.id, w._airbyte_index""",
    )
    assert words == [(1, 0, "a"), (1, 1, None), (3, 0, "b")]
    assert "labels" not in {name for _, name, *_ in query(db, "PRAGMA table_info(issues)")}


def test_tables_of_replaced_rows(db: Path) -> None:
    catalog = stream(properties=SCHEMA, mode="append_dedup", key=[["user", "id"]], cursor=["id"])
    land(db, catalog, {"id": 1, "user": {"id": 1}, "words": ["old"]}, {"id": 1, "user": {"id": 2}, "words": ["other"]},
         nested="tables")  # fmt: skip
    land(db, catalog, {"id": 3, "user": {"id": 1}, "words": ["new", "er"]},
         {"id": 2, "user": {"id": 1}, "words": ["too late"]}, nested="tables")  # fmt: skip
    assert query(db, "SELECT user__id, id FROM issues ORDER BY 1") == [(1, 3), (2, 1)]
    assert query(db, "SELECT value FROM issues__words ORDER BY rowid") == [("other",), ("new",), ("er",)]


@pytest.mark.parametrize("mode", ["append", "append_dedup", "overwrite"])
def test_tables_have_each_item_once_after_failures(db: Path, mode: Any) -> None:
    catalog = stream(properties=SCHEMA, mode=mode, key=[["id"]])
    options = SqlOptions(nested="tables", refused="table")
    rows = [{"id": 1, "words": ["a"]}, b"{", {"id": 2, "words": ["b", 7]}]
    for end in (SourceError("died"), None):
        script: list[Any] = [records_of(catalog, *rows), *([end] if end else [state("issues", 1), status("issues")])]
        with suppress(SourceError):
            sync(Scripted(*script), catalog, SqliteSink(db, options=options), batch_bytes=10)
    joined = "SELECT i.id, w.value FROM issues i JOIN issues__words w ON w._airbyte_parent_id = i._airbyte_raw_id"
    assert query(db, f"{joined} ORDER BY 1, w._airbyte_index") == [(1, "a"), (2, "b"), (2, 7)]
    assert query(db, "SELECT count(*) FROM issues__words") == [(3,)]
    assert query(db, "SELECT count(*) FROM _headwater_refused") == [(1,)]


def test_a_failed_overwrite_leaves_the_old_items(db: Path) -> None:
    catalog = stream(properties=SCHEMA, mode="overwrite")
    land(db, catalog, {"id": 1, "words": ["old"]}, nested="tables")
    with pytest.raises(SourceError):
        source = Scripted(records_of(catalog, {"id": 2, "words": ["new"]}), SourceError("died"))
        sync(source, catalog, SqliteSink(db, options=SqlOptions(nested="tables")))
    assert query(db, "SELECT value FROM issues__words") == [("old",)]
    land(db, catalog, {"id": 2, "words": ["new"]}, nested="tables")
    assert query(db, "SELECT value FROM issues__words") == [("new",)]
    assert not [name for (name,) in query(db, "SELECT name FROM sqlite_master") if "_headwater_new_" in name]


def test_a_field_of_an_object_after_an_array_does_not_take_the_column_of_another(db: Path) -> None:
    """What the record itself has is known again when its array was taken apart."""
    schema = {"words": SCHEMA["labels"], "user": USER}
    row = {"words": [{"name": "a"}], "user": {"id": 1, "more": "inner"}, "user__more": "outer"}
    land(db, stream(properties=schema), row, nested="tables")
    ((outer, *others),) = query(db, "SELECT user__more, * FROM issues")
    assert outer == "outer" and "inner" in others
