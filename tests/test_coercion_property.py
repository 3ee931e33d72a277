"""Whatever the schema and the records: coerced records fit, and the quick ways do what the slow one does."""

from __future__ import annotations

import json
import re
from datetime import date, datetime, time
from typing import Any

import jsonschema
from hypothesis import given, settings
from hypothesis import strategies as st

from headwater.coercion import Coercion
from headwater.schemas.conversions import decode_exactly
from headwater.schemas.dates import moment_of
from headwater.schemas.fitting import Fitting, array_of
from headwater.schemas.nodes import node_of
from headwater.schemas.rewriting import Rewriting
from headwater.schemas.temporal import date_time, local_date_time
from tests.coercing import (
    BOOLEAN,
    DATE,
    INTEGER,
    LOCAL,
    LOCAL_TIME,
    MOMENT,
    NUMBER,
    STRING,
    TIME,
    Schema,
    coerced,
)

SCALAR_SCHEMAS = st.sampled_from([INTEGER, NUMBER, BOOLEAN, STRING, DATE, TIME, MOMENT, LOCAL, LOCAL_TIME, {}])
NAMES = st.sampled_from(["a", "b", "c", "d e", "é"])


def _nullable(schema: Schema) -> Schema:
    if "type" not in schema:
        return schema
    kinds = [schema["type"]] if isinstance(schema["type"], str) else schema["type"]
    return {**schema, "type": ["null", *kinds]}


def _containers(inner: st.SearchStrategy[Schema]) -> st.SearchStrategy[Schema]:
    return st.one_of(
        st.dictionaries(NAMES, inner, min_size=1).map(lambda parts: {"type": "object", "properties": parts}),
        inner.map(lambda part: {"type": "array", "items": part}),
        st.tuples(inner, inner).map(
            lambda parts: {"type": ["array", "object"], "items": parts[0], "properties": {"a": parts[1]}}
        ),
        inner.map(lambda part: {"type": "object", "additionalProperties": part}),
        st.sampled_from([["integer", "string"], ["boolean", "object"], ["array", "number"]]).map(
            lambda kinds: {"type": kinds}
        ),
    )


SCHEMAS = st.dictionaries(NAMES, st.recursive(SCALAR_SCHEMAS.map(_nullable), lambda s: _containers(s).map(_nullable)))
TEXTS = st.one_of(
    st.text(max_size=5),
    st.integers().map(str),
    st.floats(allow_nan=False, allow_infinity=False).map(str),
    st.datetimes().map(lambda moment: moment.isoformat()),
    st.datetimes(timezones=st.timezones()).map(str),
    st.dates().map(str),
    st.sampled_from(["true", "no", "1", "[1]", '{"a": "1"}', "08:00:00", "8:00 PM", "1614585600", "Mar 1, 2021"]),
)
SCALARS = st.one_of(
    st.none(), st.booleans(), st.integers(-(2**80), 2**80), st.floats(allow_nan=False, allow_infinity=False), TEXTS
)
VALUES = st.recursive(SCALARS, lambda v: st.lists(v, max_size=3) | st.dictionaries(NAMES, v, max_size=3), max_leaves=8)
RECORDS = st.lists(st.dictionaries(NAMES, VALUES, max_size=4), min_size=1, max_size=4)
THOROUGHLY = settings(max_examples=250)

CHECKER = jsonschema.FormatChecker(formats=())
RFC_TIME = re.compile(r"\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)?")


@CHECKER.checks("date-time", raises=ValueError)
def _is_date_time(value: Any) -> bool:
    if isinstance(value, str):
        day, _, clock = value.partition("T")
        date.fromisoformat(day)
        return RFC_TIME.fullmatch(clock) is not None and datetime.fromisoformat(f"{day}T{clock[:8]}") is not None
    return True


@CHECKER.checks("date", raises=ValueError)
def _is_date(value: Any) -> bool:
    return not isinstance(value, str) or date.fromisoformat(value) is not None


@CHECKER.checks("time", raises=ValueError)
def _is_time(value: Any) -> bool:
    if not isinstance(value, str):
        return True
    return RFC_TIME.fullmatch(value) is not None and time.fromisoformat(value[:8]) is not None


class TestAnything:
    @THOROUGHLY
    @given(SCHEMAS, RECORDS)
    def test_coerced_records_are_valid(self, properties: Schema, records: list[Any]) -> None:
        found, _ = coerced(properties, *records)
        validator = jsonschema.Draft7Validator({"properties": properties}, format_checker=CHECKER)
        for record in found:
            validator.validate(record)

    @THOROUGHLY
    @given(SCHEMAS, RECORDS)
    def test_a_second_time_changes_nothing(self, properties: Schema, records: list[Any]) -> None:
        coercion = Coercion({"properties": properties})
        once, _ = coercion([json.dumps(record).encode() for record in records])
        twice, changes = coercion(once)
        assert list(map(bytes, twice)) == list(map(bytes, once))
        assert not changes

    @THOROUGHLY
    @given(SCHEMAS, RECORDS)
    def test_the_quick_look_and_the_slow_one_agree(self, properties: Schema, records: list[Any]) -> None:
        """What the decoder says fits, the value by value way leaves as it is; and nothing else is lost."""
        data = [json.dumps(record).encode() for record in records]
        node = node_of({"type": "object", "properties": properties})
        slowly = Coercion({"properties": properties})
        slowly._fitting = slowly._rewriting = None
        found, changes = slowly(data)
        for place in set(range(len(data))) - set(Fitting(node).misfits(data)):
            assert found[place] is data[place]
            assert place not in changes

    @THOROUGHLY
    @given(SCHEMAS, RECORDS)
    def test_a_value_becomes_null_only_if_it_is_told(self, properties: Schema, records: list[Any]) -> None:
        found, changes = coerced(properties, *records)
        for place, (before, after) in enumerate(zip(records, found, strict=True)):
            told = {change.field for change in changes.get(place, ())}
            assert before.keys() == after.keys()
            gone = {name for name in before if before[name] is not None and after[name] is None}
            assert gone <= told


QUOTED = st.one_of(
    SCALARS,
    st.integers(-(10**9), 10**9).map(str),
    st.decimals(allow_nan=False, allow_infinity=False, places=3).map(str),
    st.sampled_from(
        ["null", "NULL", "true", "False", "1", "0", "-0", "007", "1e3", "1E400", "1_0", " 5", "٣", "nan", "inf", "1.50",
         "0.1000000000000000055511151231257827", "9" * 25, '"', "\\", "5\n", "", "2024-01-31T12:00:00Z", "2024-01-31",
         "2024-01-31 12:00:00", "2024-01-28T12:00:00+0200", "31 Jan 2024"]
    ),
)  # fmt: skip
SIMPLE = st.sampled_from(
    [INTEGER, NUMBER, BOOLEAN, STRING, MOMENT, LOCAL, DATE, {}, {"type": "array", "items": INTEGER}]
)


class TestRewriting:
    """What is written anew without Python objects is what is made value by value."""

    @THOROUGHLY
    @given(
        st.dictionaries(NAMES, SIMPLE, min_size=1, max_size=4),
        st.lists(st.dictionaries(NAMES, QUOTED | st.lists(QUOTED, max_size=2), max_size=4), min_size=1, max_size=3),
        st.booleans(),
    )
    def test_agrees_with_the_slow_way(self, properties: Schema, records: list[Any], nested: bool) -> None:
        if nested:
            properties = {"in": {"type": "object", "properties": properties}, "n": NUMBER}
            records = [{"in": record, "n": "1.5"} for record in records]
        data = [json.dumps(record).encode() for record in records]
        node = node_of({"type": "object", "properties": properties})
        found = Rewriting(node)(array_of(data))
        if found is not None:
            slowly = Coercion({"properties": properties})
            slowly._fitting = slowly._rewriting = None
            due, changes = slowly(data)
            assert [decode_exactly(one) for one in found] == [decode_exactly(bytes(one)) for one in due]
            assert not changes

    def test_what_it_takes(self) -> None:
        node = node_of({"properties": {"a": INTEGER, "b": NUMBER, "c": BOOLEAN, "d": MOMENT, "e": STRING, "f": {}}})
        rewriting = Rewriting(node)
        record = b'{"f":{"x":1.50},"b":"12.5","a":"7","c":"true","d":"2024-01-31T12:00:00Z","e":null}'
        assert rewriting(array_of([record, b'{"b":1.50}', b"{}"])) == [
            b'{"a":7,"b":12.5,"c":true,"d":"2024-01-31T12:00:00Z","e":null,"f":{"x":1.50}}', b'{"b":1.50}', b"{}"
        ]  # fmt: skip
        for other in (b'{"z":1}', b'{"a":"x"}', b'{"b":"x"}', b'{"d":"31.1.2024"}', b'{"e":5}', b'{"a":"null"}'):
            assert rewriting(array_of([record, other])) is None

    def test_dates_in_another_form(self) -> None:
        node = node_of({"properties": {"a": MOMENT, "in": {"type": "object", "properties": {"b": LOCAL}}}})
        page = (
            b'[{"a":"2024-01-31 12:00:00","in":{"b":"31 Jan 2024"}},{"in":{"b":null},"a":"2024-01-28T12:00:00+0230"}]'
        )
        assert Rewriting(node)(page) == [
            b'{"a":"2024-01-31T12:00:00Z","in":{"b":"2024-01-31T00:00:00"}}',
            b'{"a":"2024-01-28T12:00:00+02:30","in":{"b":null}}',
        ]

    @THOROUGHLY
    @given(
        st.datetimes(datetime(1, 1, 1), datetime(9999, 12, 31)),
        st.sampled_from(["T", " "]),
        st.sampled_from(["", ".5", ".123456789"]),
        st.sampled_from(["", "Z", "+02:00", "-0930", "+0000"]),
    )
    def test_usual_forms_are_what_the_unusual_are(self, at: datetime, between: str, fraction: str, zone: str) -> None:
        text = f"{at.isoformat()[:10]}{between}{at.isoformat()[11:19]}{fraction}{zone}"
        found = moment_of(text)
        assert found is not None
        assert date_time(text) == found.text(found.zone or "Z")
        if zone in ("", "Z"):
            assert local_date_time(text) == found.text("")
