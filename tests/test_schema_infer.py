"""Schemas of records: what is inferred, what a merge widens, and what doesn't fit."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any

import jsonschema
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from headwater.coercion import Coercion
from headwater.schemas.infer import inferred
from headwater.schemas.misfits import misfits

Schema = dict[str, Any]
ZONED = {"format": "date-time", "airbyte_type": "timestamp_with_timezone"}
LOCAL = {"format": "date-time", "airbyte_type": "timestamp_without_timezone"}
BIG_INTEGER: Schema = {"type": "integer", "airbyte_type": "big_integer"}
BIG_NUMBER: Schema = {"type": "number", "airbyte_type": "big_number"}
UUID = "6b7e9a40-0f5e-4d5c-9c7c-9a40af5e4d5c"


def field(*values: Any, existing: Schema | None = None) -> Schema:
    """What is inferred of a field with these values."""
    before = None if existing is None else {"type": "object", "properties": {"x": existing}}
    found: Schema = inferred([{"x": value} for value in values], before).schema["properties"]["x"]
    return found


def typed(kind: Any, **words: Any) -> Schema:
    return {"type": kind, **words}


LONG = Decimal("12345678901234567.25")


class TestInfer:
    @pytest.mark.parametrize(
        ("existing", "values", "due"),
        [
            (typed("number", title="d"), (LONG,), {**BIG_NUMBER, "title": "d"}),
            (BIG_NUMBER, (1.5,), BIG_NUMBER),
            (BIG_INTEGER, (1,), BIG_INTEGER),
            (BIG_INTEGER, (1.5,), BIG_NUMBER),  # what was so large before is still to come
            (BIG_INTEGER, ("a",), typed("string")),
            (typed("integer"), (LONG,), BIG_NUMBER),
            (typed("number", airbyte_type="integer"), (2**80,), typed("number", airbyte_type="integer")),
        ],
    )
    def test_of_many_digits_in_an_existing_schema(self, existing: Schema, values: Any, due: Schema) -> None:
        assert field(*values, existing=existing) == due

    @pytest.mark.parametrize(
        ("values", "due"),
        [
            ((1, 2), typed("integer")), ((1, 2**80), BIG_INTEGER), ((-(2**63), 2**63 - 1), typed("integer")),
            ((2**63,), BIG_INTEGER), ((2**80 + 1, 1.5), BIG_NUMBER), ((1.5, 2**60 + 1), BIG_NUMBER),
            ((1.5, 2**60), typed("number")), ((Decimal("1.10"), 0.1), typed("number")),
            ((0.5, Decimal("12345678901234567.25")), BIG_NUMBER), ((Decimal("0.1000000000000000001"),), BIG_NUMBER),
            ((Decimal("1e400"), None), typed(["null", "number"], airbyte_type="big_number")),
            ((2**80, "a"), typed("string")),
            ((1, 1.5), typed("number")),
            ((1.5, 1), typed("number")), ((True,), typed("boolean")), (("a",), typed("string")),
            ((1, None), typed(["null", "integer"])), ((None, None), typed(["null", "string"])),
            (("2021-03-01", "2021-03-02"), typed("string", format="date")), ((UUID,), typed("string")),
            (("2021-03-01T08:00:00Z", "2021-03-01T08:00:00.5+02:00"), typed("string", **ZONED)),
            (("2021-03-01T08:00:00",), typed("string", **LOCAL)), (("2021-03-01", "x"), typed("string")),
            (("2021-03-01", "2021-03-01T08:00:00Z"), typed("string")), (("2021-03-01 08:00:00",), typed("string")),
            (("2021-03-01", None), typed(["null", "string"], format="date")), (("08:00:00",), typed("string")),
            ((1, "a"), typed("string")), ((True, 1), typed("string")), (([], "a"), typed("string")),
            (({}, 1), typed("string")), (("2021-03-01", 5), typed("string")), (([],), typed("array", items={})),
            (([1], [None, 1.5]), typed("array", items=typed(["null", "number"]))),
            (({},), typed("object", properties={})),
            (
                ({"a": 1}, {"b": [{"c": "x"}, {}]}),
                typed("object", properties={
                    "a": typed(["null", "integer"]),
                    "b": typed(["null", "array"], items=typed(
                        "object", properties={"c": typed(["null", "string"])})),
                }),
            ),
        ],
    )  # fmt: skip
    def test_of_values(self, values: tuple[Any, ...], due: Schema) -> None:
        assert field(*values) == due

    def test_of_records(self) -> None:
        found = inferred([{"b": 1, "a": 1}, {"a": 2, "c": 3}])
        assert list(found.schema) == ["$schema", "type", "additionalProperties", "properties"]
        assert list(found.schema["properties"]) == ["b", "a", "c"]
        assert [part["type"] for part in found.schema["properties"].values()] == [
            ["null", "integer"],
            "integer",
            ["null", "integer"],
        ]
        assert found.records == 2

    def test_what_became_a_string_is_told(self) -> None:
        found = inferred([{"a": 1, "o": {"l": [{"x": 1}, {"x": []}]}}, {"a": "x"}])
        assert dict(found.mixed) == {"a": ["integer", "string"], "o.l[].x": ["integer", "array"]}


class TestMerge:
    @pytest.mark.parametrize(
        ("existing", "values", "due"),
        [
            (typed("integer", description="d"), (1,), typed("integer", description="d")),
            (typed("integer"), (1.5,), typed("number")), (typed("number"), (1,), typed("number")),
            (typed("integer"), ("a",), typed("string")), (typed("string"), (1,), typed("string")),
            (typed("integer"), (None,), typed(["null", "integer"])),
            (typed(["integer", "null"]), (1,), typed(["integer", "null"])),
            (typed("string", **ZONED), ("2021-03-01T08:00:00Z",), typed("string", **ZONED)),
            (typed("string", **ZONED, title="t"), ("soon",), typed("string", title="t")),
            (typed("string", format="date"), (None,), typed(["null", "string"], format="date")),
            (typed("string"), ("2021-03-01",), typed("string")),
            (typed("string", format="uuid"), ("x",), typed("string", format="uuid")),
            (typed("number", airbyte_type="integer"), (5,), typed("number", airbyte_type="integer")),
            (typed("string", enum=["a"]), ("a",), typed("string", enum=["a"])),
            (typed("string", enum=["a"]), ("b",), typed("string")),
            (typed("string", enum=["a"]), ("a", None), typed(["null", "string"], enum=["a", None])),
            (typed(["integer", "string"]), (True,), typed(["integer", "string", "boolean"])),
            (typed("object", properties={"a": typed("integer")}), ("x",),
             typed(["object", "string"], properties={"a": typed("integer")})),
            ({}, (1,), {}),
            ({"anyOf": [typed("integer"), typed("null")]}, ("x",), {"anyOf": [typed("integer"), typed("null")]}),
            (typed("null"), (1,), typed(["null", "integer"])),
            (typed("array", items=typed("integer")), ([1.5],), typed("array", items=typed("number"))),
            (typed("array"), ([1],), typed("array")),
        ],
    )  # fmt: skip
    def test_widens_and_never_narrows(self, existing: Schema, values: tuple[Any, ...], due: Schema) -> None:
        found = field(*values, existing=existing)
        assert found == due
        assert field(*values, existing=found) == due

    def test_fields_are_added_at_the_end_and_none_goes_away(self) -> None:
        existing = {"title": "T", "properties": {"z": typed("integer"), "y": typed("string")}, "type": "object"}
        found = inferred([{"new": 1, "z": 2}], existing).schema
        assert list(found) == ["title", "properties", "type"]
        assert found["properties"] == {
            "z": typed("integer"),
            "y": typed(["null", "string"]),
            "new": typed(["null", "integer"]),
        }


class TestMisfits:
    SCHEMA = {
        "properties": {
            "id": typed("integer"),
            "n": typed(["null", "number"]),
            "at": typed("string", **ZONED),
            "o": typed("object", properties={"d": typed("string", format="date")}),
            "l": typed("array", items=typed("integer")),
            "m": typed("object", additionalProperties=typed("boolean")),
            "free": typed("object"),
        }
    }

    @pytest.mark.parametrize(
        "record",
        [{}, {"id": 1, "n": None}, {"n": 1},
         {"at": "2021-03-01T08:00:00+02:00"}, {"free": {"x": 1}}, {"m": {"a": True}}],
    )  # fmt: skip
    def test_what_fits(self, record: Any) -> None:
        assert misfits([record], self.SCHEMA) == ([], 1)

    @pytest.mark.parametrize(
        ("record", "line"),
        [
            ({"id": "1"}, "id: string, where integer is declared"), ({"id": None}, "id: null, and not nullable"),
            ({"at": "2021-03-01"}, "at: not a date-time with a time zone (RFC 3339)"),
            ({"x": 1}, "x: not in the schema"),
            ({"o": {"d": "1/2"}}, "o.d: not a date (YYYY-MM-DD)"), ({"o": {"e": 1}}, "o.e: not in the schema"),
            ({"l": [1, "x", "y"]}, "l[]: string, where integer is declared"),
            ({"m": {"a": 1}}, "m.*: integer, where boolean is declared"),
        ],
    )  # fmt: skip
    def test_what_does_not(self, record: Any, line: str) -> None:
        (misfit,), count = misfits([{}, record, record], self.SCHEMA)
        assert (str(misfit), count) == (f"{line} (2 records, first: 2)", 3)

    def test_what_coercion_leaves(self) -> None:
        records = [{"id": "1", "at": 0}, {"id": "x"}, {"id": 1.5, "new": 1}]
        lines = [str(misfit) for misfit in misfits(records, self.SCHEMA, Coercion(self.SCHEMA))[0]]
        assert lines == [
            "id: can't be coerced whole, a part would be lost (1 record, first: 3)",
            "id: can't be coerced, it would become null (1 record, first: 2)",
            "new: not in the schema (1 record, first: 3)",
        ]


TEXTS = st.one_of(
    st.text(max_size=4), st.dates().map(str), st.datetimes().map(lambda moment: moment.isoformat()),
    st.datetimes(timezones=st.just(__import__("datetime").timezone.utc)).map(lambda moment: moment.isoformat()),
)  # fmt: skip
SCALARS = st.one_of(
    st.none(), st.booleans(), st.integers(-(2**80), 2**80), st.floats(allow_nan=False, allow_infinity=False), TEXTS
)
NAMES = st.sampled_from(["a", "b", "c"])
VALUES = st.recursive(SCALARS, lambda v: st.lists(v, max_size=3) | st.dictionaries(NAMES, v, max_size=3), max_leaves=6)
RECORDS = st.lists(st.dictionaries(NAMES, VALUES, max_size=3), min_size=1, max_size=4)
THOROUGHLY = settings(max_examples=200)


def losses(records: list[Any], schema: Schema) -> Any:
    """What coercion to a schema loses of records; the result is valid."""
    found, changes = Coercion(schema)([json.dumps(record).encode() for record in records])
    for record in found:
        jsonschema.Draft7Validator(schema).validate(json.loads(bytes(record)))
    return changes


class TestAnything:
    @THOROUGHLY
    @given(RECORDS)
    def test_records_come_to_their_schema_without_loss(self, records: list[Any]) -> None:
        schema = inferred(records).schema
        jsonschema.Draft7Validator.check_schema(schema)
        assert not losses(records, schema)
        assert misfits(records, schema, Coercion(schema))[0] == []

    @THOROUGHLY
    @given(RECORDS, RECORDS)
    def test_a_merge_takes_what_either_took(self, first: list[Any], second: list[Any]) -> None:
        merged = inferred(second, inferred(first).schema).schema
        assert not losses([*first, *second], merged)

    @THOROUGHLY
    @given(RECORDS)
    def test_the_same_records_again_change_nothing(self, records: list[Any]) -> None:
        schema = inferred(records).schema
        again = inferred(records, schema).schema
        assert json.dumps(again) == json.dumps(schema)
