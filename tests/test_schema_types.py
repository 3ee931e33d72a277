"""Types as schemas: what the catalog says of a dataclass, a TypedDict or a msgspec Struct."""

from __future__ import annotations

import enum
import json
import uuid
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from typing import Annotated, Any, Literal, NamedTuple, Optional, TypedDict, Union

import jsonschema
import msgspec
import pytest

from headwater.errors import SourceError
from headwater.schema import json_schema

Local = Annotated[datetime, msgspec.Meta(tz=False)]


class State(enum.Enum):
    OPEN = "open"
    CLOSED = "closed"


class Level(enum.IntEnum):
    LOW = 1


class Point(NamedTuple):
    x: int
    y: float


class Card(msgspec.Struct, tag_field="kind", tag="card"):
    number: str


class Cash(msgspec.Struct, tag_field="kind", tag="cash"):
    amount: Decimal


class Owner(TypedDict, total=False):
    login: str
    since: date
    boss: Owner


@dataclass
class Everything:
    """One field of each type."""

    text: str
    whole: int
    number: float
    exact: Decimal
    yes: bool
    at: datetime
    local: Local
    day: date
    clock: time
    took: timedelta
    ident: uuid.UUID
    raw: bytes
    state: State
    level: Level
    choice: Literal["a", "b", None]
    mixed: Literal[1, "a"]
    owner: Owner
    owners: list[Owner] | None
    names: set[str]
    pair: tuple[int, str]
    many: tuple[int, ...]
    point: Point
    counts: dict[str, int]
    anything: Any
    other: object
    either: Union[int, str, None]  # noqa: UP007 - as authors write it
    paid: Card | Cash | None
    maybe_at: Optional[datetime]  # noqa: UP045
    maybe_state: State | None
    noted: Annotated[int, msgspec.Meta(description="how many")]
    parent: Everything | None = None
    size: int = 5


OWNER = {
    "type": "object",
    "properties": {
        "login": {"type": "string"},
        "since": {"type": "string", "format": "date"},
        "boss": {"type": "object"},
    },
}
ZONED = {"format": "date-time", "airbyte_type": "timestamp_with_timezone"}
DUE: dict[str, Any] = {
    "text": {"type": "string"},
    "whole": {"type": "integer"},
    "number": {"type": "number"},
    "exact": {"type": "number", "airbyte_type": "big_number"},
    "yes": {"type": "boolean"},
    "at": {"type": "string", **ZONED},
    "local": {"type": "string", "format": "date-time", "airbyte_type": "timestamp_without_timezone"},
    "day": {"type": "string", "format": "date"},
    "clock": {"type": "string", "format": "time", "airbyte_type": "time_with_timezone"},
    "took": {"type": "string", "format": "duration"},
    "ident": {"type": "string", "format": "uuid"},
    "raw": {"type": "string", "contentEncoding": "base64"},
    "state": {"type": "string", "enum": ["open", "closed"]},
    "level": {"type": "integer", "enum": [1]},
    "choice": {"type": ["null", "string"], "enum": [None, "a", "b"]},
    "mixed": {"type": ["integer", "string"], "enum": [1, "a"]},
    "owner": OWNER,
    "owners": {"type": ["null", "array"], "items": OWNER},
    "names": {"type": "array", "items": {"type": "string"}},
    "pair": {"type": "array", "items": {"type": ["integer", "string"]}},
    "many": {"type": "array", "items": {"type": "integer"}},
    "point": {"type": "array", "items": {"type": ["integer", "number"]}},
    "counts": {"type": "object", "additionalProperties": {"type": "integer"}},
    "anything": {},
    "other": {},
    "either": {"type": ["null", "integer", "string"]},
    "paid": {
        "anyOf": [
            {"type": "null"},
            {
                "type": "object",
                "properties": {"kind": {"type": "string", "enum": ["card"]}, "number": {"type": "string"}},
            },
            {
                "type": "object",
                "properties": {
                    "kind": {"type": "string", "enum": ["cash"]},
                    "amount": {"type": "number", "airbyte_type": "big_number"},
                },
            },
        ]
    },
    "maybe_at": {"type": ["null", "string"], **ZONED},
    "maybe_state": {"type": ["null", "string"], "enum": ["open", "closed", None]},
    "noted": {"type": "integer", "description": "how many"},
    "parent": {"type": ["null", "object"]},
    "size": {"type": "integer"},
}


@pytest.mark.parametrize("name", DUE)
def test_each_type(name: str) -> None:
    assert json_schema(Everything, "s")["properties"][name] == DUE[name]


def test_the_whole_is_a_schema_without_references_or_demands() -> None:
    schema = json_schema(Everything, "s")
    jsonschema.Draft7Validator.check_schema(schema)
    assert list(schema) == ["type", "properties"]
    assert list(schema["properties"]) == list(DUE)
    for word in ("$ref", "$defs", "required", "title", "default"):
        assert f'"{word}"' not in json.dumps(schema)


class Renamed(msgspec.Struct, rename="camel"):
    created_at: datetime


def test_a_field_has_the_name_that_it_has_in_json() -> None:
    assert list(json_schema(Renamed, "s")["properties"]) == ["createdAt"]


@dataclass
class Complex:
    number: complex


@dataclass
class Missing:
    thing: Nowhere  # type: ignore[name-defined]  # noqa: F821


@pytest.mark.parametrize("kind", [Complex, Missing, Point, int])
def test_what_has_no_schema_is_told_with_the_stream(kind: type) -> None:
    with pytest.raises(SourceError, match="Stream 'orders'.*" + kind.__name__) as caught:
        json_schema(kind, "orders")
    assert caught.value.stream == "orders"


def test_references_of_a_dictionary_are_resolved() -> None:
    schema = {
        "properties": {"a": {"$ref": "#/definitions/A", "description": "first"}, "$ref": {"type": "string"}},
        "definitions": {"A": {"type": "object", "properties": {"a": {"$ref": "#/definitions/A"}}}},
    }
    assert json_schema(schema, "s") == {
        "type": "object",
        "properties": {
            "a": {"type": "object", "properties": {"a": {"type": "object"}}, "description": "first"},
            "$ref": {"type": "string"},
        },
    }


@pytest.mark.parametrize("reference", ["other.json#/a", "#/definitions/none", "#/definitions/A/x/y"])
def test_a_reference_to_nothing_is_anything(reference: str) -> None:
    schema = {"properties": {"a": {"$ref": reference}}, "definitions": {"A": {}}}
    assert json_schema(schema, "s")["properties"] == {"a": {}}
