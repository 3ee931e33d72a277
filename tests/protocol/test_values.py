"""Any value becomes one line of strict JSON, and no change is silent."""

from __future__ import annotations

import enum
import json
import math
from collections import OrderedDict, UserDict
from datetime import date, datetime, timezone
from decimal import Decimal
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from headwater.protocol.messages import Change
from headwater.protocol.values import clean, encode, encode_rows
from tests.connectors.values import TORTURE, VALUES


def refuse(token: str) -> Any:
    raise ValueError(token)


def strict(line: bytes) -> Any:
    """As a careful consumer reads it."""
    assert b"\n" not in line
    text = line.decode("utf-8")
    value = json.loads(text, parse_constant=refuse)
    assert all(not ("\ud800" <= char <= "\udfff") for char in text)
    return value


texts = st.text(st.characters(exclude_categories=[]), max_size=20)
scalars = (
    st.none() | st.booleans() | st.integers() | st.integers(-(2**80), 2**80) | st.floats() | texts | st.decimals()
    | st.binary(max_size=10) | st.datetimes() | st.dates() | st.times() | st.timedeltas() | st.uuids()
)  # fmt: skip
keys = texts | st.integers() | st.none() | st.booleans() | st.dates() | st.floats(allow_nan=False)
hashable = st.none() | st.integers() | texts | st.tuples(st.integers(), texts)
values = st.recursive(
    scalars | st.sets(hashable, max_size=3) | st.frozensets(hashable, max_size=3),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(keys, inner, max_size=4) | st.tuples(inner, inner),
    max_leaves=12,
)
rows = st.lists(st.dictionaries(texts, values, max_size=5), max_size=4)


class TestAnything:
    @given(values)
    def test_is_one_strict_line(self, value: Any) -> None:
        strict(encode(value))

    @given(rows)
    def test_rows(self, given_rows: list[dict[str, Any]]) -> None:
        data, changes = encode_rows(given_rows)
        assert len(data) == len(given_rows)
        for place, line in enumerate(data):
            value = strict(line)
            assert isinstance(value, dict)
            if place not in changes:
                assert len(value) == len(given_rows[place])
        assert all(0 <= place < len(data) for place in changes)

    @given(st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False)
        | st.text(st.characters(exclude_categories=["Cs"])),
        lambda inner: st.lists(inner, max_size=4)
        | st.dictionaries(st.text(st.characters(exclude_categories=["Cs"])), inner, max_size=4),
        max_leaves=10,
    ))  # fmt: skip
    def test_what_json_can_hold_is_not_changed(self, value: Any) -> None:
        changes: list[Change] = []
        assert clean(value, changes) == value
        assert changes == []
        assert strict(encode(value)) == value

    @given(rows)
    def test_each_not_a_number_is_told(self, given_rows: list[dict[str, Any]]) -> None:
        for row in given_rows:
            row["nan"] = math.nan
        data, changes = encode_rows(given_rows)
        for place, line in enumerate(data):
            assert strict(line)["nan"] is None
            assert Change("nan", "NULLED", "SOURCE_SERIALIZATION_ERROR") in changes[place]


class TestEachOne:
    @pytest.mark.parametrize("name", VALUES)
    def test_alone_and_among_others_the_same(self, name: str) -> None:
        """The slow way, which another value forces, writes what the fast one does."""
        row = {"value": VALUES[name]}
        (alone,), _ = encode_rows([row])
        (among,), changes = encode_rows([{**row, "nan": math.nan}])
        assert changes[0][-1].field == "nan"
        if name != "same_keys":  # the fast way writes both, which is JSON's way of saying the last
            assert json.loads(alone)["value"] == json.loads(among)["value"]

    def test_rows_are_judged_one_by_one(self) -> None:
        data, changes = encode_rows(TORTURE)
        assert len(data) == len(TORTURE)
        changed = {TORTURE[place]["name"] for place in changes}
        assert changed == {
            "nan", "inf", "minus_inf", "int_very_long", "decimal_nan", "decimal_inf", "surrogate", "surrogates",
            "dataclass", "foreign", "complex", "same_keys", "deeper",
        }  # fmt: skip
        for name, line in zip(VALUES, data, strict=True):
            strict(line)
            if name not in ("decimal_exponent",):  # beyond a float, which msgspec refuses and JSON does not
                msgspec.json.decode(line)

    @pytest.mark.parametrize(
        ("value", "written"),
        [(2**70, "1180591620717411303424"), (-(2**63) - 1, "-9223372036854775809"), (Decimal("1.10"), "1.10"),
         ([2**70, Decimal("0.30"), b"ab"], '[1180591620717411303424,0.30,"YWI="]'), ({0: 1}, '{"0":1}'),
         ({2: 1, True: 2, 0: 4, 1.5: 5, None: 6, "x": float("nan")},
          '{"2":1,"true":2,"0":4,"1.5":5,"null":6,"x":null}'),
         ({date(2024, 1, 2): math.inf, datetime(2024, 1, 2, tzinfo=timezone.utc): 1},
          '{"2024-01-02":null,"2024-01-02T00:00:00Z":1}'),
         (None, "null"), ({"a": None}, '{"a":null}'), ("\ud83d\ude00", '"\ufffd\ufffd"')],
    )  # fmt: skip
    def test_as_it_is_written(self, value: Any, written: str) -> None:
        assert encode(value).decode() == written

    def test_subclasses(self) -> None:
        class Loud(str):
            def __str__(self) -> str:
                return "LOUD"

        class Colour(str, enum.Enum):
            RED = "red"

        class Half(float):
            pass

        row = {
            "s": Loud("s"),
            "e": Colour.RED,
            "f": Half(0.5),
            "o": OrderedDict(a=1),
            "u": UserDict(b=2),
            "n": math.nan,
        }
        (line,), changes = encode_rows([row])
        assert json.loads(line) == {"s": "s", "e": "red", "f": 0.5, "o": {"a": 1}, "u": {"b": 2}, "n": None}
        assert [change.field for change in changes[0]] == ["n"]

    def test_a_value_that_contains_itself(self) -> None:
        ring: dict[str, Any] = {"a": 1}
        ring["b"] = [ring, ring]
        assert strict(encode(ring)) == {"a": 1, "b": [None, None]}

    def test_a_column_of_each_kind_is_named(self) -> None:
        changes: list[Change] = []
        value = {"a": {"b": [1, math.nan]}, "c\ud800": 1, "d": "\udfff"}
        assert clean(value, changes) == {"a": {"b": [1, None]}, "c\ufffd": 1, "d": "\ufffd"}
        assert [(change.field, change.change) for change in changes] == [
            ("a.b", "NULLED"), ("c\ufffd", "TRUNCATED"), ("d", "TRUNCATED"),
        ]  # fmt: skip

    def test_wide_and_long(self) -> None:
        row = {f"c{i}": i for i in range(5000)} | {"text": "x" * 20_000_000}
        (line,), changes = encode_rows([row])
        assert changes == {}
        assert len(line) > 20_000_000
