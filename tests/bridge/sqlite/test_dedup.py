"""The SQLite destination: rows of one key become one, whatever the key is."""

from __future__ import annotations

import logging
from pathlib import Path

import pytest

from headwater.errors import DestinationError
from tests.bridge.sqlite.landing import KEYED, land, query, stream


def test_dedup_the_last_wins(db: Path) -> None:
    catalog = stream(properties=KEYED, mode="append_dedup", key=[["id"]])
    land(db, catalog, {"id": 1, "v": "a"}, {"id": 2, "v": "b", "at": "x"}, {"id": 1, "v": "c"})
    land(db, catalog, {"id": 2, "v": "d", "extra": 1})
    assert query(db, "SELECT id, v, at, extra FROM issues ORDER BY id") == [(1, "c", None, None), (2, "d", None, 1)]


def test_dedup_the_newest_by_cursor_wins(db: Path) -> None:
    catalog = stream(properties=KEYED, mode="append_dedup", key=[["id"]], cursor=["at"])
    second = "2024-01-01T00:00:0"
    land(db, catalog, {"id": 1, "v": "new", "at": second + "1.5Z"}, {"id": 1, "v": "old", "at": second + "1Z"})
    land(db, catalog, {"id": 2, "v": "a", "at": second + "1+00:00"}, {"id": 2, "v": "b", "at": second + "1Z"})
    land(db, catalog, {"id": 3, "v": "a"}, {"id": 3, "v": "b", "at": second + "1Z"}, {"id": 3, "v": "c"})
    land(db, catalog, {"id": 4, "v": "a"}, {"id": 4, "v": "b"})
    assert query(db, "SELECT id, v FROM issues ORDER BY id") == [(1, "new"), (2, "b"), (3, "b"), (4, "b")]


def test_dedup_by_a_composite_and_nested_key(db: Path, caplog: pytest.LogCaptureFixture) -> None:
    properties = {"org": {"type": "object"}, "n": {"type": "integer"}, "v": {"type": "string"}}
    catalog = stream(properties=properties, mode="append_dedup", key=[["org", "it's"], ["n"]], cursor=["org", "at"])
    land(
        db,
        catalog,
        {"org": {"it's": 1, "at": 5}, "n": 1, "v": "a"},
        {"org": {"it's": 1, "at": 4}, "n": 1, "v": "older"},
        {"org": {"it's": 1, "at": 6}, "n": 1, "v": "b"},
        {"org": {"it's": 2}, "n": 1, "v": "c"},
    )
    assert query(db, "SELECT v FROM issues") == [("b",), ("c",)]
    with caplog.at_level(logging.WARNING):
        land(
            db, catalog, {"org": {}, "n": 1, "v": "d"}, {"org": None, "n": 1, "v": "e"}, {"n": 2}, {"org": {"it's": 9}}
        )
    assert query(db, "SELECT count(*) FROM issues") == [(6,)]
    assert "'issues': 4 rows have null in their primary key" in caplog.text


@pytest.mark.parametrize("name", ['a"b', '"', "a\\b", "a\nb", "a.b", '\\"'])
def test_dedup_by_a_nested_key_with_any_name(db: Path, name: str) -> None:
    properties = {"org": {"type": "object"}, "v": {"type": "string"}}
    catalog = stream(properties=properties, mode="append_dedup", key=[["org", name]], cursor=["org", name])
    land(db, catalog, {"org": {name: 1}, "v": "a"}, {"org": {name: 2}, "v": "b"})
    land(db, catalog, {"org": {name: 1}, "v": "c"})
    assert query(db, "SELECT v FROM issues ORDER BY v") == [("b",), ("c",)]


def test_a_nested_key_that_can_not_be_looked_up_is_told(db: Path) -> None:
    catalog = stream(properties={"org": {"type": "object"}}, mode="append_dedup", key=[["org", 'a".b']])
    try:
        land(db, catalog, {"org": {'a".b': 1}}, {"org": {'a".b': 1}})
    except DestinationError as error:  # what older versions of SQLite can't
        assert "can't look up the nested key 'a\".b'" in str(error)
    else:
        assert query(db, "SELECT count(*) FROM issues") == [(1,)]


def test_dedup_when_the_key_column_is_widened(db: Path) -> None:
    catalog = stream(properties=KEYED, mode="append_dedup", key=[["id"]])
    land(db, catalog, {"id": 1, "v": "a"}, {"id": 2**70, "v": "b"})
    land(db, catalog, {"id": 1, "v": "c"}, {"id": 2**70, "v": "d"}, {"id": "1", "v": "e"})
    assert query(db, "SELECT id, v FROM issues ORDER BY v") == [(1, "c"), (str(2**70), "d"), ("1", "e")]


def test_changing_between_append_and_dedup(db: Path) -> None:
    append, dedup = (stream(properties=KEYED, mode=mode, key=[["id"]]) for mode in ("append", "append_dedup"))
    land(db, dedup, {"id": 1})
    land(db, append, {"id": 1})
    with pytest.raises(DestinationError, match=r"several rows with one primary key.*overwrite"):
        land(db, dedup, {"id": 2})
    assert query(db, "SELECT count(*) FROM issues") == [(2,)]
