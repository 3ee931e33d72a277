"""What a column holds, for every SQL destination: from JSON Schema, from a value, and how columns widen.

The kinds are Airbyte's data types; what a kind is called in a database is its engine's business. A kind says
which JSON values it takes without loss. Any other value is a misfit; see :mod:`headwater.bridge.sinks.fit`.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Callable, Mapping
from datetime import date
from decimal import Decimal
from enum import Enum
from typing import Annotated, Any

import msgspec

from headwater.schemas.nodes import Node, Text, node_of
from headwater.schemas.temporal import FITS, LOCAL, LOCAL_TIME, ZONED, ZONED_TIME

INT64 = range(-(2**63), 2**63)
EXACT = range(-(2**53), 2**53 + 1)
"""The integers that a float holds exactly."""


class Kind(str, Enum):
    """What a column holds."""

    BOOLEAN = "boolean"
    INTEGER = "integer"  # 64 bits
    BIG_INTEGER = "big integer"  # any integer
    NUMBER = "number"  # a 64-bit float
    DECIMAL = "decimal"  # any number, to the last digit
    STRING = "string"
    DATE = "date"
    TIME = "time"
    TIME_TZ = "time with time zone"
    TIMESTAMP = "timestamp"
    TIMESTAMP_TZ = "timestamp with time zone"
    BINARY = "binary"  # base64 in JSON
    JSON = "json"
    ANY = "any"  # a union of scalars, or nothing is known

    @property
    def numeric(self) -> bool:
        """Whether it is a kind of number."""
        return self in _NUMERIC


_NUMERIC = (Kind.INTEGER, Kind.BIG_INTEGER, Kind.NUMBER, Kind.DECIMAL)
_TEXTS: Mapping[Text, Kind] = {
    "": Kind.STRING,
    "date": Kind.DATE,
    "date-time": Kind.TIMESTAMP_TZ,
    "local date-time": Kind.TIMESTAMP,
    "time": Kind.TIME_TZ,
    "local time": Kind.TIME,
}
_KINDS = {"boolean": Kind.BOOLEAN, "integer": Kind.INTEGER, "number": Kind.NUMBER}
_BIG = {
    "big_integer": Kind.BIG_INTEGER,
    "big_number": Kind.DECIMAL,
    "decimal": Kind.DECIMAL,
}
TEXT_OF: Mapping[Kind, Text] = {kind: text for text, kind in _TEXTS.items() if text}
"""What the text of a date or time is, in the words of :mod:`headwater.schemas`."""

_WHOLE = r"^-?[0-9]{1,4000}$"
_NUMBER = r"^-?[0-9]{1,4000}(\.[0-9]{1,4000})?([eE][+-]?[0-9]{1,3})?$"

DECODED: Mapping[Kind, Any] = {
    Kind.BOOLEAN: bool | None,
    Kind.INTEGER: Annotated[int, msgspec.Meta(ge=INT64.start, le=INT64.stop - 1)] | None,
    Kind.BIG_INTEGER: int | Annotated[str, msgspec.Meta(pattern=_WHOLE)] | None,
    Kind.NUMBER: Annotated[int, msgspec.Meta(ge=EXACT.start, le=EXACT.stop - 1)] | float | None,
    Kind.DECIMAL: int | float | Annotated[str, msgspec.Meta(pattern=_NUMBER)] | None,
    Kind.STRING: str | None,
    Kind.DATE: date | None,
    Kind.TIME: LOCAL_TIME | None,
    Kind.TIME_TZ: ZONED_TIME | None,
    Kind.TIMESTAMP: LOCAL | None,
    Kind.TIMESTAMP_TZ: ZONED | None,
    Kind.BINARY: bytes | None,
    Kind.JSON: msgspec.Raw,
    Kind.ANY: msgspec.Raw,
}
"""What msgspec decodes a value of each kind to; it refuses what the kind can't hold."""


def kind_of_schema(schema: Any) -> Kind:
    """The kind for a property's JSON Schema, after Airbyte's data types.

    Objects and arrays, and unions with them, are JSON. A union of scalars, or a schema that says nothing, is
    ANY. A string may be said to be base64 (``contentEncoding``), a number to be beyond 64 bits
    (``airbyte_type``).
    """
    if not isinstance(schema, Mapping):
        return Kind.ANY
    said = schema.get("airbyte_type")
    if said == "json":
        return Kind.JSON
    node = node_of(schema)
    if node.kinds & {"object", "array"}:
        return Kind.JSON
    if not node.kind:
        return Kind.ANY
    if node.kind in ("number", "string", "integer") and said in _BIG:
        return _BIG[str(said)]
    if node.kind == "string":
        return _text(node, schema)
    return _KINDS[node.kind]


def may_be_null(schema: Any) -> bool:
    """Whether a property's JSON Schema says that its values may be null; where it says nothing, they may."""
    return not isinstance(schema, Mapping) or node_of(schema).nullable


def _text(node: Node, schema: Mapping[str, Any]) -> Kind:
    if schema.get("contentEncoding") == "base64":
        return Kind.BINARY
    return Kind.DECIMAL if schema.get("format") == "decimal" else _TEXTS[node.text]


def kind_of_value(value: Any) -> Kind:
    """The kind for a field that the schema does not have, of its first value.

    Only a schema can ask for decimals: APIs write floats with all their digits.
    """
    if isinstance(value, (dict, list)):
        return Kind.JSON
    if type(value) is int:
        return Kind.INTEGER if value in INT64 else Kind.BIG_INTEGER
    kinds = {bool: Kind.BOOLEAN, float: Kind.NUMBER, Decimal: Kind.NUMBER, str: Kind.STRING}
    return kinds.get(type(value), Kind.ANY)


def widened(present: Kind, wanted: Kind) -> Kind:
    """The kind that holds what a column has and what it is to have.

    JSON and ANY hold everything. Numbers widen among themselves where nothing is lost; whatever else meets
    becomes text.
    """
    if present == wanted or present in (Kind.JSON, Kind.ANY):
        return present
    both = {present, wanted}
    if both <= {Kind.INTEGER, Kind.BIG_INTEGER, Kind.DECIMAL}:
        return Kind.DECIMAL if Kind.DECIMAL in both else Kind.BIG_INTEGER
    if both == {Kind.INTEGER, Kind.NUMBER}:
        return Kind.NUMBER
    return Kind.STRING


def fits(kind: Kind, value: Any) -> bool:
    """Whether a kind takes a value of JSON (a number maybe as Decimal) as it is, without loss."""
    test = _FITS.get(kind)
    return test is None or test(value)


def _integer(value: Any) -> bool:
    if type(value) is int:
        return value in INT64
    return type(value) is float and value.is_integer() and int(value) in EXACT


def _big_integer(value: Any) -> bool:
    if type(value) is str:
        return re.match(_WHOLE, value) is not None
    return type(value) is int or _integer(value)


def _number(value: Any) -> bool:
    return type(value) in (float, Decimal) or (type(value) is int and value in EXACT)


def _decimal(value: Any) -> bool:
    if type(value) is str:
        return re.match(_NUMBER, value) is not None
    return type(value) in (int, float, Decimal)


def _bytes(value: Any) -> bool:
    try:
        return type(value) is str and base64.b64decode(value, validate=True) is not None
    except (binascii.Error, ValueError):
        return False


def _temporal(text: Text) -> Callable[[Any], bool]:
    exact = FITS[text]
    return lambda value: type(value) is str and exact(value)


_FITS: Mapping[Kind, Callable[[Any], bool]] = {
    Kind.BOOLEAN: lambda value: type(value) is bool,
    Kind.INTEGER: _integer,
    Kind.BIG_INTEGER: _big_integer,
    Kind.NUMBER: _number,
    Kind.DECIMAL: _decimal,
    Kind.STRING: lambda value: type(value) is str,
    Kind.BINARY: _bytes,
    **{kind: _temporal(text) for kind, text in TEXT_OF.items()},
}
