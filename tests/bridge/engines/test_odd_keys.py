"""Every engine: keys and cursors that are spelled oddly, are huge, or differ by little."""

from __future__ import annotations

from typing import Any

import pytest

from headwater.errors import DestinationError
from tests.bridge.databases import Database
from tests.bridge.engines.test_keys import INT, MOMENT, TEXT, dedup
from tests.bridge.landing import stream

BIG = {**INT, "airbyte_type": "big_integer"}
DECIMAL = {"type": "number", "airbyte_type": "big_number"}
DECIMAL_TEXT = {**TEXT, "format": "decimal"}
OBJECT = {"type": "object"}


def numbers(db: Database) -> list[int]:
    """Each row's ``v``."""
    return sorted(v for (v,) in db.query("SELECT v FROM issues"))


@pytest.mark.parametrize(
    ("key", "spellings"),
    [
        (["é"], [r'{"\u00e9":1}', '{"é":1}', r'{"\u00E9":1}']),
        (["id"], [r'{"\u0069d":1, "n": 1.50}', '{"id":1}']),
        (["a/b", "ü"], [r'{"a\/b":{"\u00fc":1.10}}', '{"a/b":{"ü":1.10}}']),
        (['say "x"'], [r'{"say \u0022x\u0022":1}', r'{"say \"x\"":1}']),
    ],
)
def test_a_nested_name_is_one_however_it_is_escaped(db: Database, key: list[str], spellings: list[str]) -> None:
    properties = {"o": OBJECT, "v": INT}
    catalog = dedup(properties, [["o", *key]])
    db.land(stream(properties=properties), f'{{"o":{spellings[0]},"v":0}}'.encode())  # in the mode append
    for number, spelled in enumerate(spellings, 1):
        db.land(catalog, f'{{"o":{spelled},"v":{number}}}'.encode())
    assert numbers(db) == [len(spellings)]


def test_a_nested_cursor_with_an_escaped_name(db: Database) -> None:
    catalog = dedup({"id": INT, "o": OBJECT, "v": INT}, [["id"]], ("o", "é"))
    db.land(catalog, rb'{"id":1,"o":{"\u00e9":5},"v":1}')
    db.land(catalog, rb'{"id":1,"o":{"\u00e9":4},"v":2}')
    db.land(catalog, '{"id":1,"o":{"é":4},"v":3}'.encode())
    assert numbers(db) == [1]


@pytest.mark.parametrize("huge", [b"1180591620717411303424", b"0.12345678901234567890"])
def test_a_nested_number_that_is_taken_for_no_other(db: Database, huge: bytes) -> None:
    catalog = dedup({"o": OBJECT, "v": INT}, [["o", "id"]])
    rows = [rb'{"o":{"id":%s},"v":1}' % huge, rb'{"o":{"id":%s},"v":2}' % (huge[:-1] + b"5")]
    told = db.kind == "sqlite" or (db.kind == "duckdb" and b"." in huge)  # their JSON has floats
    if not told:
        db.land(catalog, *rows)
        db.land(catalog, rows[0])
        assert numbers(db) == [1, 2]
        return
    with pytest.raises(DestinationError, match=r"nested key 'id' is [0-9.]+, which \w+ can't tell from others"):
        db.land(catalog, *rows)
    result = db.land(catalog, *rows, {"o": {"id": 1.5}, "v": 3}, {"o": {"id": 1.25}, "v": 4}, refused="table")
    assert result.refused == 2 and numbers(db) == [3, 4]


@pytest.mark.parametrize("schema", [DECIMAL, DECIMAL_TEXT, BIG])
def test_huge_numbers_in_a_key(db: Database, schema: dict[str, Any]) -> None:
    catalog = dedup({"id": schema, "v": INT}, [["id"]])

    def row(number: str, v: int) -> bytes:
        return (f'{{"id":"{number}","v":{v}}}' if schema["type"] == "string" else f'{{"id":{number},"v":{v}}}').encode()

    large, larger = "12345678901234567890123456789", "1234567890" * 6
    small = "10" if schema is BIG else "10.50"
    db.land(catalog, row(small, 1), row(large, 2), row(large[:-1] + "0", 3))
    db.land(catalog, row(small, 4), row(large, 5))
    db.land(catalog, row(larger, 6), row(larger[:-1] + "1", 7))  # beyond the columns of DuckDB
    db.land(catalog, row(larger, 8), row(large[:-1] + "0", 9), row(small, 10))
    assert numbers(db) == [5, 7, 8, 9, 10]


def test_a_key_of_floats_that_becomes_text(db: Database) -> None:
    catalog = dedup({"id": {"type": "number"}, "v": INT}, [["id"]])
    db.land(catalog, {"id": 10, "v": 1}, {"id": 1.5, "v": 2})
    db.land(catalog, {"id": "1.50", "v": 3}, {"id": 10, "v": 4}, {"id": 1.5, "v": 5})
    assert numbers(db) == [3, 4, 5]  # a text is no number


@pytest.mark.parametrize(
    ("older", "newer"),
    [
        ("2024-01-01T00:00:00.0001Z", "2024-01-01T00:00:00.0002Z"),
        ("2024-01-01T00:00:59.9998Z", "2024-01-01T02:01:00.0000+02:00"),
        ("2024-01-01T00:00:00Z", "2024-01-01T00:00:00.000001Z"),
    ],
)
def test_cursors_that_differ_by_less_than_a_millisecond(db: Database, older: str, newer: str) -> None:
    catalog = dedup({"id": INT, "at": MOMENT, "v": INT}, [["id"]], ("at",))
    db.land(catalog, {"id": 1, "at": newer, "v": 1}, {"id": 1, "at": older, "v": 2})
    db.land(catalog, {"id": 1, "at": older, "v": 3}, {"id": 2, "at": older, "v": 4})
    assert numbers(db) == [1, 4]
    db.land(catalog, {"id": 1, "at": newer, "v": 5}, {"id": 2, "at": newer, "v": 6})
    assert numbers(db) == [5, 6]
    db.land(catalog, {"id": 1, "at": newer, "v": 7}, {"id": 1, "at": newer, "v": 8})  # the later of equal ones
    assert numbers(db) == [6, 8]


@pytest.mark.parametrize("schema", [BIG, DECIMAL, DECIMAL_TEXT, INT, {}])
def test_numbers_as_cursors_are_compared_as_numbers(db: Database, schema: dict[str, Any]) -> None:
    catalog = dedup({"id": INT, "c": schema, "v": INT}, [["id"]], ("c",))

    def row(ident: int, cursor: int, v: int) -> dict[str, Any]:
        return {"id": ident, "c": str(cursor) if schema is DECIMAL_TEXT else cursor, "v": v}

    db.land(catalog, row(1, 10, 1), row(1, 9, 2), row(2, 10**25, 3), row(2, 9 * 10**24, 4))
    db.land(catalog, row(1, 9, 5), row(2, 9 * 10**24, 6), row(2, 5, 7))
    assert numbers(db) == [1, 3]
    db.land(catalog, row(2, 10**45, 8), row(2, 9 * 10**44, 9), {"id": 3, "c": "who knows", "v": 10})
    db.land(catalog, row(1, 9, 11), row(2, 9 * 10**44, 12), {"id": 3, "c": "nobody", "v": 13})
    assert numbers(db) == [1, 8, 10]
    db.land(catalog, row(1, 11, 14), row(2, 10**45, 15), {"id": 3, "c": "who knows", "v": 16})
    assert numbers(db) == [14, 15, 16]
