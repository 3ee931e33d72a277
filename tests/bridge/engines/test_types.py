"""Every engine keeps every value: kinds of columns, values at their edges, evolution, misfits."""

from __future__ import annotations

import base64
import json
from decimal import Decimal
from typing import Any

import pytest

from tests.bridge.databases import Database
from tests.bridge.landing import stream

INT = {"type": "integer"}
TEXT = {"type": "string"}
SCHEMA: dict[str, Any] = {
    "id": INT,
    "big": {"type": "integer", "airbyte_type": "big_integer"},
    "num": {"type": "number"},
    "dec": {"type": "string", "airbyte_type": "big_number"},
    "yes": {"type": "boolean"},
    "text": TEXT,
    "day": {**TEXT, "format": "date"},
    "at": {**TEXT, "format": "date-time"},
    "local": {**TEXT, "format": "date-time", "airbyte_type": "timestamp_without_timezone"},
    "clock": {**TEXT, "format": "time"},
    "local_clock": {**TEXT, "format": "time", "airbyte_type": "time_without_timezone"},
    "raw": {**TEXT, "contentEncoding": "base64"},
    "obj": {"type": "object"},
    "arr": {"type": "array"},
    "any": {},
}


def test_types(db: Database) -> None:
    db.land(stream(properties=SCHEMA))
    declared = db.types("issues")
    expected = {
        "duckdb": ["BIGINT", "HUGEINT", "DOUBLE", "DECIMAL(38,9)", "BOOLEAN", "VARCHAR", "DATE",
                   "TIMESTAMP WITH TIME ZONE", "TIMESTAMP", "TIME WITH TIME ZONE", "TIME", "BLOB",
                   "JSON", "JSON", "JSON"],
        "postgres": ["bigint", "numeric", "double precision", "numeric", "boolean", "text", "date",
                     "timestamp with time zone", "timestamp without time zone", "time with time zone",
                     "time without time zone", "bytea", "jsonb", "jsonb", "jsonb"],
        "sqlite": ["INTEGER", "INTEGER", "REAL", "DECIMAL TEXT", "BOOLEAN", "TEXT", "TEXT", "TEXT", "TEXT", "TEXT",
                   "TEXT", "BLOB", "JSON TEXT", "JSON TEXT", ""],
    }  # fmt: skip
    assert [declared[name] for name in SCHEMA] == expected[db.kind]
    if db.typed:
        own = [declared[f"_airbyte_{name}"].lower() for name in ("raw_id", "extracted_at", "generation_id", "meta")]
        assert own[1:] == ["timestamp with time zone", "bigint", "jsonb" if db.kind == "postgres" else "json"]


def test_values_at_the_edges(db: Database) -> None:
    rows = [
        {"id": -(2**63), "num": 1e308, "yes": True, "text": "", "day": "0001-01-01", "at": "0001-01-01T00:00:00Z",
         "clock": "00:00:00Z", "raw": "", "obj": {}, "arr": [], "any": "text"},
        {"id": 0, "num": 5e-324, "yes": False, "text": "tab\t, nl\n, \\, \", \u2028, é, 🜁, \\u0041, '; --",
         "day": "9999-12-31", "at": "9999-12-31T23:59:59.999999Z", "local": "2024-02-29T12:00:00.5",
         "clock": "23:59:59+14:00", "local_clock": "01:02:03.000004",
         "raw": base64.b64encode(bytes(range(256))).decode(),
         "obj": {"a": {"b": [None, 1.5, "x"]}, "": 2**70}, "arr": [[], {}, "é"], "any": [1, "a"]},
        {"id": 2**63 - 1, "big": 2**100, "num": -0.1, "dec": "12345678901234567890.123456789", "at":
         "2024-06-01T12:00:00+02:00", "any": 7},
        {"id": 2**63 - 1, "big": str(2**63), "num": 2**53, "dec": 0.5, "any": None, "obj": None},
    ]  # fmt: skip
    db.land(stream(properties=SCHEMA), *rows)
    found = db.records(order="id, num")
    assert [row["id"] for row in found] == [-(2**63), 0, 2**63 - 1, 2**63 - 1]
    low, zero, high, more = (found[0], found[1], found[2], found[3])
    assert (low["num"], low["yes"], low["text"], low["raw"], low["obj"], low["arr"]) == (1e308, True, "", b"", {}, [])
    assert (zero["num"], zero["yes"], zero["text"]) == (5e-324, False, rows[1]["text"])
    assert (zero["raw"], zero["obj"], zero["arr"]) == (bytes(range(256)), rows[1]["obj"], rows[1]["arr"])
    assert Decimal(str(high["dec"])) == Decimal("12345678901234567890.123456789")
    assert Decimal(str(more["dec"])) == Decimal("0.5")
    assert (int(high["big"]), int(more["big"]), more["num"]) == (2**100, 2**63, 2**53)
    assert (low["day"], zero["day"]) == ("0001-01-01", "9999-12-31")
    if db.typed:
        assert (low["at"], zero["at"]) == ("0001-01-01T00:00:00Z", "9999-12-31T23:59:59.999999Z")
        assert (high["at"], zero["local"]) == ("2024-06-01T10:00:00Z", "2024-02-29T12:00:00.500000")
        assert (zero["local_clock"], zero["clock"][:8], low["clock"][:8]) == ("01:02:03.000004", "23:59:59", "00:00:00")
        assert [row["any"] for row in found] == ["text", [1, "a"], 7, None]
    assert db.metas(order="id, num") == ([[]] * 4 if db.typed else [[], [], ["big WIDENED"], []])


def test_a_value_that_does_not_fit_widens_its_column(db: Database) -> None:
    catalog = stream(properties={"id": INT, "v": INT, "n": {"type": "number"}, "d": {**TEXT, "format": "date"}})
    db.land(catalog, {"id": 1, "v": 5, "n": 1.5, "d": "2024-01-02"})
    db.land(catalog, {"id": 2, "v": "five"}, {"id": 3, "v": {"a": [1]}}, {"id": 4, "n": 2**60}, {"id": 5, "d": "soon"})
    db.land(catalog, {"id": 6, "v": 7, "n": 0.25, "d": "2024-01-03"})
    found = db.records()
    if db.typed:
        assert [row["v"] for row in found] == ["5", "five", '{"a":[1]}', None, None, "7"]
        assert [row["n"] for row in found] == ["1.5", None, None, str(2**60), None, "0.25"]
    else:
        assert [row["v"] for row in found] == [5, "five", '{"a":[1]}', None, None, 7]
    assert [row["d"] for row in found] == ["2024-01-02", None, None, None, "soon", "2024-01-03"]
    changed = db.metas()
    assert changed[1] == ["v WIDENED"] and changed[4] == (["d WIDENED"] if db.typed else [])
    assert changed[0] == changed[5] == []


def test_numbers_widen_to_numbers(db: Database) -> None:
    db.land(
        stream(properties={"id": INT, "v": INT}), {"id": 1, "v": 5}, {"id": 2, "v": 2**70}, {"id": 3, "v": 2**63 - 1}
    )
    if db.typed:
        assert db.types("issues")["v"] in ("HUGEINT", "numeric")
    assert [int(value) for value in db.values("v")] == [5, 2**70, 2**63 - 1]
    db.land(stream(properties={"id": INT, "w": INT}), {"id": 4, "w": 1}, {"id": 5, "w": 1.5})
    if db.typed:
        assert db.types("issues")["w"] in ("DOUBLE", "double precision")
    assert db.values("w")[3:] == [1, 1.5]


def test_what_no_database_type_holds_becomes_text(db: Database) -> None:
    catalog = stream(properties={"id": INT, "big": SCHEMA["big"], "dec": SCHEMA["dec"]})
    digits = "0.12345678901234567890123456789"
    rows = [f'{{"id": 1, "big": {10**60}, "dec": {digits}}}'.encode(), b'{"id": 2, "big": 7, "dec": 1e5}']
    db.land(catalog, *rows)
    assert [int(value) for value in db.values("big")] == [10**60, 7]
    assert [Decimal(str(value)) for value in db.values("dec")] == [Decimal(digits), Decimal(100000)]


def test_misfits_can_become_null(db: Database) -> None:
    catalog = stream(properties={"id": INT, "v": INT, "at": SCHEMA["at"]})
    db.land(catalog, {"id": 1, "v": "five", "at": "2024-02-30T00:00:00Z"}, {"id": 2, "v": 3}, misfits="null")
    assert db.values("v") == [None, 3]
    if db.typed:
        assert db.metas() == [["v NULLED", "at NULLED"], []]
        assert db.types("issues")["v"].lower() == "bigint"


def test_dates_in_other_forms_are_written_as_they_should(db: Database) -> None:
    catalog = stream(properties={"id": INT, "at": SCHEMA["at"], "day": SCHEMA["day"]})
    db.land(
        catalog,
        {"id": 1, "at": "2024-06-01t12:00:00z"},
        {"id": 2, "at": "1 June 2024 12:00"},
        {"id": 3, "day": "2024/06/01"},
    )
    if db.typed:
        assert db.values("at") == ["2024-06-01T12:00:00Z", "2024-06-01T12:00:00Z", None]
        assert db.values("day")[2] == "2024-06-01"


@pytest.mark.parametrize("text", ["nul \0 here", "\ud800 alone"])
def test_texts_that_a_database_can_not_hold(db: Database, text: str) -> None:
    catalog = stream(properties={"id": INT, "v": TEXT, "o": {"type": "object"}})
    db.land(catalog, {"id": 1, "v": text, "o": {"k": text}}, {"id": 2, "v": "plain"})
    (first, second) = db.values("v")
    assert second == "plain"
    replaced = text.replace("\0", "\ufffd").replace("\ud800", "\ufffd")
    if first == text:
        assert db.metas()[0] == []
    else:
        assert first.strip("?\ufffd") == replaced.strip("\ufffd") or first == replaced
        assert db.metas()[0], "it is told"


def test_what_json_is_not(db: Database) -> None:
    catalog = stream(properties={"id": INT, "v": {"type": "number"}})
    db.land(catalog, b'{"id": 1, "v": NaN}', b'{"id": 2, "v": 1, "v": 2}', b'{"id": 3, "v": 1e999}')
    found = db.values("v")
    assert found[0] is None and db.metas()[0] != []
    assert float(found[1]) == 2 and (found[2] is None or float(found[2]) == float("inf") or found[2] == "1e999")


def test_columns_are_added_as_records_and_schemas_need_them(db: Database) -> None:
    db.land(stream(properties={"id": INT}), {"id": 1, "new": "a", "deep": {"x": 1}}, {"id": 2, "never": None})
    db.land(stream(properties={"id": INT, "later": {"type": "boolean"}}), {"id": 3, "later": True, "new": "b"})
    assert db.values("id", "new", "deep", "later") == [
        (1, "a", {"x": 1}, None),
        (2, None, None, None),
        (3, "b", None, 1),
    ]
    assert "never" not in db.types("issues")


def test_a_schema_that_changes_its_mind(db: Database) -> None:
    db.land(stream(properties={"id": INT, "v": {"type": "boolean"}}), {"id": 1, "v": True})
    db.land(stream(properties={"id": INT, "v": SCHEMA["at"]}), {"id": 2, "v": "2024-01-01T00:00:00Z"})
    db.land(stream(properties={"id": INT, "v": {"type": "object"}}), {"id": 3, "v": {"a": 1}})
    found = db.values("v")
    assert found[1] == "2024-01-01T00:00:00Z" and found[0] in ("true", 1)
    assert json.loads(found[2]) == {"a": 1}
    assert db.metas()[1:] == [[], []]


def test_a_decimal_keeps_its_digits_in_a_column_that_was_there_already(db: Database) -> None:
    db.land(stream(properties={"id": INT, "v": {}}), {"id": 1, "v": 1.5})
    decimal = stream(properties={"id": INT, "v": {"type": "number", "airbyte_type": "big_number"}})
    digits = "0.12345678901234567890"
    db.land(decimal, {"id": 2, "v": 2.5}, f'{{"id": 3, "v": {digits}}}'.encode())
    if db.kind != "duckdb":  # whose JSON has floats
        text = "v" if db.kind == "sqlite" else "v #>> '{}'"
        assert db.query(f"SELECT {text} FROM issues WHERE id = 3") == [(digits,)]
