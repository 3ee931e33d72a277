"""Every engine deduplicates alike: composite and nested keys, cursors, nulls, duplicates within and across batches."""

from __future__ import annotations

import itertools
import json
import logging
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from headwater.errors import DestinationError
from headwater.protocol.messages import Records, StreamDescriptor
from tests.bridge.databases import Database
from tests.bridge.fakes import status
from tests.bridge.landing import stream

INT = {"type": "integer"}
TEXT = {"type": "string"}
MOMENT = {**TEXT, "format": "date-time"}
_NUMBERS = itertools.count()


def dedup(properties: dict[str, Any], key: list[list[str]], cursor: tuple[str, ...] = (), name: str = "issues") -> Any:
    return stream(name, properties, mode="append_dedup", key=key, cursor=cursor)


def test_the_last_wins(db: Database) -> None:
    catalog = dedup({"id": INT, "v": TEXT}, [["id"]])
    db.land(catalog, {"id": 1, "v": "a"}, {"id": 2, "v": "b"}, {"id": 1, "v": "c", "more": 1})
    db.land(catalog, {"id": 2, "v": "d"}, {"id": 3, "v": "e"}, {"id": 1, "v": "f"})
    assert db.values("id", "v", "more") == [(1, "f", None), (2, "d", None), (3, "e", None)]


def test_the_newest_by_cursor_wins(db: Database) -> None:
    catalog = dedup({"id": INT, "at": MOMENT, "v": TEXT}, [["id"]], ("at",))
    newer, older = "2024-01-02T00:00:00Z", "2024-01-01T23:30:00-00:30"
    db.land(catalog, {"id": 1, "at": newer, "v": "a"}, {"id": 1, "at": older, "v": "same"}, {"id": 2, "v": "b"})
    db.land(catalog, {"id": 1, "at": "2024-01-01T00:00:00.5Z", "v": "old"}, {"id": 2, "v": "c"}, {"id": 3, "at": newer})
    db.land(catalog, {"id": 2, "at": older, "v": "d"}, {"id": 3, "v": "no cursor"}, {"id": 3, "v": "none either"})
    assert db.values("id", "v") == [(1, "same"), (2, "d"), (3, None)]


def test_composite_and_nested_keys(db: Database, caplog: pytest.LogCaptureFixture) -> None:
    catalog = dedup({"org": TEXT, "user": {"type": "object"}, "v": INT}, [["org"], ["user", "it's", "id"]])

    def row(org: str | None, ident: Any, v: int) -> dict[str, Any]:
        return {"org": org, "user": {"it's": {"id": ident}}, "v": v}

    with caplog.at_level(logging.WARNING):
        db.land(
            catalog, row("a", 1, 1), row("a", 2, 2), row("b", 1, 3), row("a", 1, 4), row(None, 1, 5), row("a", None, 6)
        )
    assert "2 rows have null in their primary key" in caplog.text
    db.land(catalog, row("a", 2, 7), row(None, 1, 8), {"org": "a", "v": 9})
    assert db.values("org", "v", order="v") == [("b", 3), ("a", 4), (None, 5), ("a", 6), ("a", 7), (None, 8), ("a", 9)]


def test_a_cursor_in_an_object_and_one_that_became_text(db: Database) -> None:
    nested = dedup({"id": INT, "meta": {"type": "object", "properties": {"at": MOMENT}}}, [["id"]], ("meta", "at"))
    db.land(
        nested, {"id": 1, "meta": {"at": "2024-01-01T10:00:00.5Z"}}, {"id": 1, "meta": {"at": "2024-01-01T10:00:00Z"}}
    )
    db.land(nested, {"id": 1, "meta": {"at": "2024-01-01T11:30:00+02:00"}})
    db.land(nested, {"id": 1})
    assert db.values("meta") == [{"at": "2024-01-01T10:00:00.5Z"}]
    text = dedup({"id": INT, "at": MOMENT}, [["id"]], ("at",), "texts")
    db.land(text, {"id": 1, "at": "2024-01-01T10:00:00.5Z"}, {"id": 2, "at": "who knows"})
    db.land(text, {"id": 1, "at": "2024-01-01T10:00:00Z"}, {"id": 2, "at": "zz"})
    assert [value[:19] for value in db.values("at", table="texts")] == ["2024-01-01T10:00:00", "zz"]


@pytest.mark.parametrize(
    ("older", "newer"),
    [
        ("2024-01-05T10:00:00Z", "2024-01-31T10:00:00Z"),
        ("2024-04-28T10:00:00Z", "2024-04-30T10:00:00Z"),
        ("2024-03-01T00:00:00Z", "2024-02-29T23:30:00-02:00"),
        ("2000-02-28T10:00:00Z", "2000-02-29T10:00:00Z"),
    ],
)
def test_the_last_days_of_a_month_are_points_in_time_too(db: Database, older: str, newer: str) -> None:
    catalog = dedup({"id": INT, "o": {"type": "object", "properties": {"at": MOMENT}}}, [["id"]], ("o", "at"))
    db.land(catalog, {"id": 1, "v": "new", "o": {"at": newer}}, {"id": 1, "v": "old", "o": {"at": older}})
    assert db.query("SELECT v FROM issues") == [("new",)]
    db.land(catalog, {"id": 1, "v": "old", "o": {"at": older}})
    assert db.query("SELECT v FROM issues") == [("new",)]


def test_numbers_in_an_object_are_compared_as_numbers(db: Database) -> None:
    catalog = dedup({"id": INT, "o": {"type": "object"}}, [["id"]], ("o", "n"))
    db.land(catalog, {"id": 1, "o": {"n": 9}}, {"id": 1, "o": {"n": 10}}, {"id": 1, "o": {"n": 2}})
    db.land(catalog, {"id": 1, "o": {"n": 9.5}})
    assert db.values("o") == [{"n": 10}]


def test_a_key_column_that_is_widened(db: Database) -> None:
    catalog = dedup({"id": INT, "v": INT}, [["id"]])
    db.land(catalog, {"id": 1, "v": 1}, {"id": 2, "v": 2})
    db.land(catalog, {"id": "two", "v": 3}, {"id": 1, "v": 4})
    db.land(catalog, {"id": "two", "v": 5}, {"id": 2, "v": 6})
    assert sorted((str(row["id"]), row["v"]) for row in db.records()) == [("1", 4), ("2", 6), ("two", 5)]


def test_from_append_to_dedup_and_back(db: Database) -> None:
    append = stream(properties={"id": INT, "v": INT}, key=[["id"]])
    catalog = dedup({"id": INT, "v": INT}, [["id"]])
    db.land(append, {"id": 1, "v": 1}, {"id": 2, "v": 1})
    db.land(catalog, {"id": 1, "v": 2})
    db.land(append, {"id": 1, "v": 3})
    assert db.values("id", "v", order="id, v") == [(1, 2), (1, 3), (2, 1)]
    if db.kind == "duckdb":  # which needs no unique index
        db.land(catalog, {"id": 1, "v": 4})
        assert db.values("id", "v", order="id, v") == [(1, 4), (2, 1)]
        return
    with pytest.raises(DestinationError, match="several rows with one primary key") as told:
        db.land(catalog, {"id": 1, "v": 4})
    assert told.value.stream == "issues"


_KEYS = st.sampled_from([1, 2, 3, None])
_CURSORS = st.sampled_from([None, "2024-01-01T00:00:00Z", "2024-01-01T00:00:00.25Z", "2024-01-01T01:00:00+00:30"])
_ROWS = st.lists(st.tuples(_KEYS, _KEYS, _CURSORS), max_size=12)
_ORDER = {None: 0, "2024-01-01T00:00:00Z": 1, "2024-01-01T00:00:00.25Z": 2, "2024-01-01T01:00:00+00:30": 3}


@settings(max_examples=12)
@given(syncs=st.lists(_ROWS, min_size=1, max_size=3), with_cursor=st.booleans(), cut=st.integers(1, 6))
def test_all_agree_with_the_rule(db: Database, syncs: list[Any], with_cursor: bool, cut: int) -> None:
    name = f"s{next(_NUMBERS)}"
    properties = {"a": INT, "b": {"type": "object"}, "at": MOMENT, "v": INT}
    catalog = dedup(properties, [["a"], ["b", "k"]], ("at",) if with_cursor else (), name)
    expected: dict[Any, tuple[int, int]] = {}
    nulls: list[int] = []
    number = 0
    for rows in syncs:
        data = []
        for a, b, at in rows:
            number += 1
            data.append(json.dumps({"a": a, "b": {"k": b}, "at": at, "v": number}).encode())
            order = _ORDER[at] if with_cursor else 0
            if a is None or b is None:
                nulls.append(number)
            elif (a, b) not in expected or order >= expected[a, b][0]:
                expected[a, b] = (order, number)
        parts = [Records(StreamDescriptor(name), data[at : at + cut], 1000 + at) for at in range(0, len(data), cut)]
        db.run(catalog, *parts, status(name), batch_bytes=200)
    found = db.values("v", table=name, order="v")
    assert found == sorted([*nulls, *(number for _, number in expected.values())])
