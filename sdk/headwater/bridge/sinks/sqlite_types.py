"""Which SQLite column a field gets, and which of its values that column holds without loss.

SQLite converts what it stores to the declared type where it thinks it can: ``'007'`` becomes 7 in an INTEGER
column, 2**60 loses digits in a REAL one. A kind therefore says which values it takes; any other value widens
the column to :data:`ANY`, which is declared without a type and keeps each value as it came.
"""

from __future__ import annotations

import base64
import binascii
import json
import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Annotated, Any

import msgspec

from headwater.protocol.messages import Change
from headwater.protocol.values import NULLED, clean, encode

_INT64 = range(-(2**63), 2**63)
_EXACT = range(-(2**53), 2**53 + 1)  # the integers that a float holds exactly


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of column.

    :ivar declared: its type in ``CREATE TABLE``, by which an existing column is recognised.
    :ivar decoded: what msgspec decodes a value to, ready to be bound; it refuses what the column can't hold.
    :ivar bind: a decoded value as it is bound; raises ValueError for one that the column can't hold.
    """

    name: str
    declared: str
    decoded: Any
    bind: Callable[[Any], Any]
    placeholder: str = "?"


def _integer(value: Any) -> Any:
    if type(value) is int and value in _INT64:
        return value
    if type(value) is float and value.is_integer() and int(value) in _EXACT:
        return int(value)
    raise ValueError


def _number(value: Any) -> Any:
    if type(value) is float or (type(value) is int and value in _EXACT):
        return value
    raise ValueError


def _boolean(value: Any) -> Any:
    if type(value) is bool:
        return value
    raise ValueError


def _string(value: Any) -> Any:
    if type(value) is str:
        return value
    raise ValueError


def _bytes(value: Any) -> Any:
    if type(value) is not str:
        raise ValueError
    try:
        return base64.b64decode(value, validate=True)
    except (binascii.Error, ValueError):
        return value  # a BLOB column converts nothing: the text stays as it came


def _json(value: Any) -> Any:
    return encode(value).decode()


def bind_any(value: Any) -> Any:
    """A value of a column without a type: numbers and text as they are, what SQLite doesn't have as text."""
    kind = type(value)
    if kind is dict or kind is list:
        return encode(value).decode()
    return str(value) if kind is int and value not in _INT64 else value


INTEGER = Kind("integer", "INTEGER", Annotated[int, msgspec.Meta(ge=-(2**63), le=2**63 - 1)] | None, _integer)
NUMBER = Kind("number", "REAL", Annotated[int, msgspec.Meta(ge=-(2**53), le=2**53)] | float | None, _number)
BOOLEAN = Kind("boolean", "BOOLEAN", bool | None, _boolean)
STRING = Kind("string", "TEXT", str | None, _string)
BYTES = Kind("bytes", "BLOB", bytes | None, _bytes)
# Raw JSON reaches SQLite as bytes, which it takes for text here; no Python object is made of it.
JSON = Kind("json", "JSON TEXT", msgspec.Raw, _json, "NULLIF(CAST(? AS TEXT), 'null')")
ANY = Kind("any", "", Any, bind_any)

_BY_DECLARED = {kind.declared: kind for kind in (INTEGER, NUMBER, BOOLEAN, STRING, BYTES, JSON, ANY)}
_BY_TYPE = {"integer": INTEGER, "number": NUMBER, "boolean": BOOLEAN, "string": STRING}


def of_declared(declared: str) -> Kind:
    """The kind of an existing column; one that somebody else declared takes anything."""
    return _BY_DECLARED.get(declared.upper(), ANY)


def of_schema(schema: Any) -> Kind:
    """The kind for a property's JSON Schema, after Airbyte's data types.

    Objects and arrays, and unions with them, are JSON text; a union of scalars, or a schema that says
    nothing, gives a column without a type.
    """
    if not isinstance(schema, Mapping):
        return ANY
    if schema.get("airbyte_type") == "json":
        return JSON
    types = set(_types(schema))
    if types & {"object", "array"}:
        return JSON
    if types == {"integer", "number"}:
        return NUMBER
    if len(types) != 1:
        return ANY
    (only,) = types
    if only == "number" and schema.get("airbyte_type") in ("integer", "big_integer"):
        return INTEGER
    if only == "string" and schema.get("contentEncoding") == "base64":
        return BYTES
    return _BY_TYPE.get(only, ANY)


def _types(schema: Mapping[str, Any]) -> Iterable[str]:
    declared = schema.get("type")
    for one in declared if isinstance(declared, list) else [declared]:
        if isinstance(one, str) and one != "null":
            yield one
    for union in ("oneOf", "anyOf"):
        for branch in schema.get(union) or ():
            if isinstance(branch, Mapping):
                yield from _types(branch)


def of_value(value: Any) -> Kind:
    """The kind for a field that the schema does not have."""
    if isinstance(value, (dict, list)):
        return JSON
    if type(value) is int:
        return INTEGER if value in _INT64 else ANY
    return {bool: BOOLEAN, float: NUMBER, str: STRING}.get(type(value), ANY)


def load_record(data: bytes | msgspec.Raw, changes: list[Change]) -> dict[str, Any]:
    """One record as a dictionary, also where only a lenient reader can read it.

    :param changes: receives what had to be changed: NaN and the infinities are nulled, lone surrogates are
        replaced. A number too large for a float stays, as text.
    :raises ValueError: if it is not a JSON object.
    """
    try:
        record = msgspec.json.decode(data)
    except (msgspec.MsgspecError, UnicodeDecodeError):
        constants: list[str] = []
        text = str(memoryview(data), "utf-8", "replace")
        record = json.loads(text, parse_float=_float_or_text, parse_constant=constants.append)
        if constants:
            changes.append(Change("", NULLED, "DESTINATION_SERIALIZATION_ERROR"))
        record = clean(record, changes)
    if not isinstance(record, dict):
        raise ValueError("it is not a JSON object")
    return record


def _float_or_text(literal: str) -> float | str:
    number = float(literal)
    return number if math.isfinite(number) else literal
