"""A type as the JSON Schema of what it holds, in the words that the protocol knows.

=========================================  =================================================================
str, int, float, bool                      string, integer, number, boolean
Decimal                                    number, big_number: all of its digits count
datetime                                   string, date-time, timestamp_with_timezone; without one where the
                                           type is ``Annotated[datetime, msgspec.Meta(tz=False)]``
date; time                                 string, date; string, time, time_with_timezone (``Meta`` likewise)
timedelta, UUID                            string, with its format
bytes                                      string, base64
Enum, Literal                              the values' type, and ``enum``
list, set, tuple                           array
dict                                       object, the values under ``additionalProperties``
dataclass, TypedDict, NamedTuple, Struct   object with ``properties``; one that contains itself ends as any
``X | None``                               ``["null", ...]``
other unions                               all their types, if these say it; otherwise ``anyOf``
Any, object, Raw                           nothing, which is anything
=========================================  =================================================================
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

import msgspec.inspect as types

Schema = dict[str, Any]


def schema_of_type(kind: Any) -> Schema:
    """The JSON Schema of a type; no references in it.

    :raises TypeError: when there is none for it, or for a part of it.
    """
    return _schema(types.type_info(kind), ())


def _schema(info: types.Type, inside: tuple[type, ...]) -> Schema:
    if isinstance(info, types.Metadata):
        return {**_schema(info.type, inside), **(info.extra_json_schema or {})}
    if isinstance(info, types.UnionType):
        return _union([_schema(one, inside) for one in info.types])
    scalar = _SCALARS.get(type(info))
    if scalar is not None:
        return scalar(info)
    if isinstance(info, (types.EnumType, types.LiteralType)):
        members = [m.value for m in info.cls] if isinstance(info, types.EnumType) else info.values
        return _values(members)
    if isinstance(info, types.TupleType):
        return {"type": "array", "items": _union(_distinct(_schema(one, inside) for one in info.item_types))}
    if isinstance(info, types.CollectionType):
        return {"type": "array", "items": _schema(info.item_type, inside)}
    if isinstance(info, types.DictType):
        values = _schema(info.value_type, inside)
        return {"type": "object", "additionalProperties": values} if values else {"type": "object"}
    if isinstance(info, _OBJECTS):
        return _object(info, inside)
    if isinstance(info, (types.AnyType, types.RawType)) or getattr(info, "cls", None) is object:
        return {}
    raise TypeError(f"{getattr(info, 'cls', info)!r} has no form in JSON")


_OBJECTS = (types.StructType, types.DataclassType, types.TypedDictType, types.NamedTupleType)


def _object(info: Any, inside: tuple[type, ...]) -> Schema:
    if info.cls in inside:
        return {"type": "object"}
    properties: Schema = {}
    if isinstance(info, types.StructType) and info.tag_field is not None:
        properties[info.tag_field] = _values([info.tag])
    for field in info.fields:
        properties[field.encode_name] = _schema(field.type, (*inside, info.cls))
    found: Schema = {"type": "object", "properties": properties}
    if isinstance(info, types.NamedTupleType) or getattr(info, "array_like", False):
        return {"type": "array", "items": _union(_distinct(properties.values()))}
    return found


def _text(format: str, airbyte_type: str = "") -> Schema:
    return {"type": "string", "format": format, **({"airbyte_type": airbyte_type} if airbyte_type else {})}


def _zoned(info: Any) -> str:
    return "without_timezone" if info.tz is False else "with_timezone"


_SCALARS: dict[type, Callable[[Any], Schema]] = {
    types.NoneType: lambda _: {"type": "null"},
    types.BoolType: lambda _: {"type": "boolean"},
    types.IntType: lambda _: {"type": "integer"},
    types.FloatType: lambda _: {"type": "number"},
    types.DecimalType: lambda _: {"type": "number", "airbyte_type": "big_number"},
    types.StrType: lambda _: {"type": "string"},
    types.BytesType: lambda _: {"type": "string", "contentEncoding": "base64"},
    types.ByteArrayType: lambda _: {"type": "string", "contentEncoding": "base64"},
    types.MemoryViewType: lambda _: {"type": "string", "contentEncoding": "base64"},
    types.DateTimeType: lambda info: _text("date-time", f"timestamp_{_zoned(info)}"),
    types.TimeType: lambda info: _text("time", f"time_{_zoned(info)}"),
    types.DateType: lambda _: _text("date"),
    types.TimeDeltaType: lambda _: _text("duration"),
    types.UUIDType: lambda _: _text("uuid"),
}


def _values(members: Iterable[Any]) -> Schema:
    """The type and the values of an enumeration."""
    listed = list(members)
    names = {bool: "boolean", int: "integer", float: "number", type(None): "null"}
    kinds = _distinct(names.get(type(value), "string") for value in listed)
    kinds.sort(key=lambda kind: kind != "null")
    return {"type": kinds[0] if len(kinds) == 1 else kinds, "enum": listed}


def _union(schemas: Sequence[Schema]) -> Schema:
    """Any of several schemas; destinations look for ``type`` first, and ``null`` first in it."""
    some = [one for one in _distinct(schemas) if one != {"type": "null"}]
    nullable = len(some) < len(_distinct(schemas))
    if not some:
        return {"type": "null"} if nullable else {}
    if any(not one for one in some):
        return {}
    if len(some) == 1 or all(set(one) == {"type"} for one in some):
        kinds = _distinct(kind for one in some for kind in _kinds(one))
        if nullable and "null" not in kinds:
            kinds.insert(0, "null")
        found = {**some[0], "type": kinds[0] if len(kinds) == 1 else kinds} if kinds else dict(some[0])
        if nullable and "enum" in found and None not in found["enum"]:
            found["enum"] = [*found["enum"], None]
        return found
    return {"anyOf": [*([{"type": "null"}] if nullable else []), *some]}


def _kinds(schema: Schema) -> list[str]:
    kind = schema.get("type", [])
    return [kind] if isinstance(kind, str) else list(kind)


def _distinct(items: Iterable[Any]) -> list[Any]:
    found: list[Any] = []
    for item in items:
        if item not in found:
            found.append(item)
    return found
