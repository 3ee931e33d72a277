"""Kinds of columns and names in a database: what JSON Schema, values and identifiers come to."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from headwater.bridge.sinks.columns import DECODED, Kind, fits, kind_of_schema, kind_of_value, widened
from headwater.bridge.sinks.names import LINK, OWN, NameRules

TEXT = {"type": "string"}


@pytest.mark.parametrize(
    ("schema", "kind"),
    [
        ({"type": "boolean"}, Kind.BOOLEAN),
        ({"type": ["null", "integer"]}, Kind.INTEGER),
        ({"type": "number"}, Kind.NUMBER),
        ({"type": ["integer", "number", "null"]}, Kind.NUMBER),
        ({"type": "number", "airbyte_type": "integer"}, Kind.INTEGER),
        ({"type": "number", "airbyte_type": "big_integer"}, Kind.BIG_INTEGER),
        ({"type": "string", "airbyte_type": "big_number"}, Kind.DECIMAL),
        (TEXT, Kind.STRING),
        ({**TEXT, "format": "uuid"}, Kind.STRING),
        ({**TEXT, "contentEncoding": "base64"}, Kind.BINARY),
        ({**TEXT, "format": "decimal"}, Kind.DECIMAL),
        ({**TEXT, "format": "date"}, Kind.DATE),
        ({**TEXT, "format": "date-time"}, Kind.TIMESTAMP_TZ),
        ({**TEXT, "format": "date-time", "airbyte_type": "timestamp_with_timezone"}, Kind.TIMESTAMP_TZ),
        ({**TEXT, "format": "date-time", "airbyte_type": "timestamp_without_timezone"}, Kind.TIMESTAMP),
        ({**TEXT, "format": "time", "airbyte_type": "time_without_timezone"}, Kind.TIME),
        ({**TEXT, "format": "time"}, Kind.TIME_TZ),
        ({"type": "object"}, Kind.JSON),
        ({"type": ["array", "string"]}, Kind.JSON),
        ({"properties": {"a": TEXT}}, Kind.JSON),
        ({**TEXT, "airbyte_type": "json"}, Kind.JSON),
        ({"oneOf": [{"type": "null"}, {"type": "integer"}]}, Kind.INTEGER),
        ({"anyOf": [TEXT, {"type": "integer"}]}, Kind.ANY),
        ({"anyOf": [TEXT, {"type": "object"}]}, Kind.JSON),
        ({"type": ["string", "boolean"]}, Kind.ANY),
        ({"enum": ["a", 1]}, Kind.ANY),
        ({"type": "null"}, Kind.ANY),
        ({}, Kind.ANY),
        (True, Kind.ANY),
    ],
)
def test_kind_of_schema(schema: Any, kind: Kind) -> None:
    assert kind_of_schema(schema) is kind


VALUES = [
    True, 0, -(2**63), 2**63 - 1, 2**63, 2**53, 2**53 + 1, 10**40, 1.5, 1e300, "", "a", "12", "1.5", "2024-02-29",
    "2024-02-30", "2024-01-01T00:00:00Z", "2024-01-01T00:00:00+02:00", "2024-01-01T00:00:00", "10:00:00", "10:00:00Z",
    "AA==", "AA=", [], {}, [1], {"a": 1},
]  # fmt: skip


@pytest.mark.parametrize("kind", [kind for kind in Kind if kind not in (Kind.JSON, Kind.ANY)])
def test_what_fits_is_what_the_gate_lets_through(kind: Kind) -> None:
    decoder = msgspec.json.Decoder(DECODED[kind])
    for value in VALUES:
        try:
            decoder.decode(msgspec.json.encode(value) if not isinstance(value, int) else str(value).lower().encode())
            through = True
        except msgspec.ValidationError:
            through = False
        assert through is fits(kind, value), (kind, value)


@given(first=st.sampled_from(Kind), second=st.sampled_from(Kind), value=st.sampled_from(VALUES))
def test_a_widened_kind_holds_what_both_held(first: Kind, second: Kind, value: Any) -> None:
    wide = widened(first, second)
    assert widened(wide, second) is wide and widened(wide, first) is wide
    if wide not in (Kind.STRING, Kind.NUMBER) and (fits(first, value) or fits(second, value)):
        assert fits(wide, value)


def test_kind_of_value() -> None:
    values = [True, 5, 2**70, 1.5, Decimal("0.10"), "x", [], {}, None]
    assert [kind_of_value(value) for value in values] == [
        Kind.BOOLEAN, Kind.INTEGER, Kind.BIG_INTEGER, Kind.NUMBER, Kind.NUMBER, Kind.STRING, Kind.JSON, Kind.JSON,
        Kind.ANY,
    ]  # fmt: skip


RULES = [
    NameRules(prefixes=("sqlite_",)),
    NameRules(fold=lambda name: name, limit=63, prefixes=("pg_",), columns=frozenset({"ctid"})),
]


@given(
    names=st.lists(st.text(max_size=30) | st.sampled_from(["id", "ID", "select", "x" * 80, "ü" * 40, "x" * 80 + "y"])),
    rules=st.sampled_from(RULES),
)
def test_names_differ_for_the_database_and_are_the_same_in_every_run(names: list[str], rules: NameRules) -> None:
    made: list[dict[str, str]] = []
    for _ in range(2):
        taken: set[str] = set()
        given: dict[str, str] = {}
        for name in dict.fromkeys(names):
            given[name] = rules.safe(name, taken.__contains__, column=True)
            folded = rules.fold(given[name])
            assert folded not in taken and given[name] and "\0" not in given[name]
            assert not rules.limit or len(given[name].encode()) <= rules.limit
            taken.add(folded)
        made.append(given)
    assert made[0] == made[1]


@pytest.mark.parametrize("name", ["sqlite_x", "SQLite_x", "_headwater_state", *OWN, *LINK, "_AIRBYTE_META", "", "a\0b"])
def test_names_that_somebody_else_keeps(name: str) -> None:
    made = RULES[0].safe(name, lambda _: False)
    assert made != name and not made.lower().startswith(("sqlite_", "_headwater_")) and "\0" not in made


def test_plain_names_stay() -> None:
    for name in ("id", "select", "createdAt", "größe", "a b", 'a"b', "ctid"):
        assert all(rules.safe(name, lambda _: False) == name for rules in RULES)
    assert RULES[1].safe("ctid", lambda _: False, column=True) != "ctid"
