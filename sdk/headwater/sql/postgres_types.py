"""PostgreSQL's types: their JSON Schemas, and the SQL that gives their values as JSON.

``row_to_json`` writes most of them right. What it does not: ``bytea`` (hexadecimal), ``time with time zone`` (an
offset without minutes), ``money``, and values that RFC 3339 and JSON have no form for: infinity, not a number,
years after 9999, 24:00. These become null; see :mod:`headwater.sql.marks`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from headwater.sql.tables import Kind
from headwater.sql.types import ANY, BASE64, DATE, INTEGER, LOCAL, NUMBER, STRING, TIME, ZONED, exact

_MARK = "to_json(chr(1))"
_TIMETZ = {"type": "string", "format": "time", "airbyte_type": "time_with_timezone"}


@dataclass(frozen=True)
class Type:
    """A row of ``pg_type``.

    :ivar kind: ``b`` base, ``d`` domain, ``e`` enum, ``c`` composite, ``r`` range, ``m`` multirange.
    :ivar category: ``A`` is an array, ``S`` a string.
    :ivar of: the type that an array or a domain is of.
    :ivar modifier: of the type that a domain is of.
    """

    name: str
    kind: str
    category: str
    of: int
    modifier: int


def _until(bound: str, extra: str = "") -> str:
    """The column's value, or the mark where it lies beyond what its form holds."""
    return f"CASE WHEN {{0}} < {bound}{extra} THEN to_json({{0}}) WHEN {{0}} IS NOT NULL THEN {_MARK} END"


_DATES = "isfinite({0})"
# What has an offset of seconds has no form.
_ZONED_TIME = (
    "CASE WHEN {0}::text ~ '^24' THEN chr(1) WHEN {0}::text ~ '[+-]..$' THEN {0}::text || ':00'"
    " WHEN {0}::text ~ '[+-]..:..$' THEN {0}::text WHEN {0} IS NOT NULL THEN chr(1) END"
)
_NUMERIC = (
    "CASE WHEN scale({0}) < 4000 AND abs({0}) < 1e4000 THEN to_json({0}) WHEN {0} IS NOT NULL THEN " + _MARK + " END"
)
_FINITE = (
    "CASE WHEN {0} > '-Infinity' AND {0} < 'Infinity' THEN to_json({0}) WHEN {0} IS NOT NULL THEN " + _MARK + " END"
)
_IS_NUMBER = "CASE WHEN {0} <> 'NaN' THEN to_json({0}) WHEN {0} IS NOT NULL THEN " + _MARK + " END"
# What is none is greater than infinity.
_FLOAT = Kind(NUMBER, _FINITE, "{0}", "{0} > '-Infinity' AND {0} < 'Infinity'", marked=True)
_PLAIN = Kind(STRING)
_ORDERED = Kind(STRING, None, "{0}")

_KINDS: Mapping[str, Kind] = {
    "bool": Kind({"type": "boolean"}, None, "{0}"),
    "int2": Kind(INTEGER, None, "{0}", splits=True),
    "int4": Kind(INTEGER, None, "{0}", splits=True),
    "int8": Kind(INTEGER, None, "{0}", splits=True),
    "oid": Kind(INTEGER, "{0}::bigint", "{0}"),
    "float4": _FLOAT,
    "float8": _FLOAT,
    "money": Kind(exact(19, 2), "{0}::numeric", "{0}"),
    "text": replace(_ORDERED, splits=True),
    "varchar": replace(_ORDERED, splits=True),
    "bpchar": _ORDERED,
    "char": _ORDERED,
    "name": _ORDERED,
    "citext": _ORDERED,
    "uuid": Kind({"type": "string", "format": "uuid"}, None, "{0}", splits=True),
    "bytea": Kind(BASE64, "translate(encode({0}, 'base64'), E'\\n', '')", "decode({0}, 'base64')"),
    "date": Kind(DATE, _until("DATE '10000-01-01'", f" AND {_DATES}"), "{0}", _DATES,
                 marked=True, splits=True),
    "timestamp": Kind(LOCAL,
                      _until("TIMESTAMP '10000-01-01'", f" AND {_DATES}"), "{0}", _DATES, marked=True, splits=True),
    "timestamptz": Kind(ZONED,
                        _until("TIMESTAMPTZ '10000-01-01 00:00:00+00'", f" AND {_DATES}"), "{0}", _DATES,
                        marked=True, splits=True),
    "time": Kind(TIME, _until("TIME '24:00'"), "{0}", marked=True),
    "timetz": Kind(_TIMETZ, _ZONED_TIME, marked=True),
    "json": Kind(ANY, loose=True),
    "jsonb": Kind(ANY),
    "hstore": Kind({"type": "object"}),
    "inet": _ORDERED,
    "cidr": _ORDERED,
    "macaddr": _ORDERED,
    "macaddr8": _ORDERED,
    "bit": _PLAIN,
    "varbit": _PLAIN,
    "interval": _PLAIN,
}  # fmt: skip


def kind_of(oid: int, modifier: int, types: Mapping[int, Type], written: str) -> Kind:
    """How a type's values are read.

    :param modifier: as ``atttypmod`` has it.
    :param types: the types that there are.
    :param written: the type as the database writes it.
    """
    found = types[oid]
    while found.kind == "d":
        oid, modifier = found.of, modifier if modifier >= 0 else found.modifier
        found = types[oid]
    if found.kind == "b" and found.category == "A" and found.of:
        return _array(kind_of(found.of, modifier, types, written.removesuffix("[]")))
    kind = _numeric(modifier) if found.name == "numeric" else _KINDS.get(found.name)
    if found.kind == "e":
        kind = _ORDERED
    elif found.kind == "c":
        return Kind({"type": "object"})
    elif kind is None:  # a text whatever it is: some types would have themselves written as an object
        kind = Kind(STRING, "{0}::text")
    if kind.literal is None:
        return kind
    if "(" in kind.literal:
        return kind
    return replace(kind, literal="{0}::" + written.replace("{", "{{").replace("}", "}}"))


def _numeric(modifier: int) -> Kind:
    """A numeric's kind: whole where its scale is 0. Its digits are whole in the record, however many."""
    precision = modifier - 4 >> 16 if modifier >= 4 else None
    scale = modifier - 4 & 0x7FF if modifier >= 4 else None
    scale = scale - 0x800 if scale is not None and scale >= 0x400 else scale
    return Kind(
        exact(precision, scale),
        _NUMERIC if scale is None else _IS_NUMBER,
        "{0}",
        "abs({0}) < 1e4000",
        marked=True,
        splits=True,
    )


def _array(item: Kind) -> Kind:
    """An array of any number of dimensions: PostgreSQL does not hold a column to the number that was declared.

    An array of one dimension is taken apart where its items need it. Of those with more, what ``to_json`` can't
    write is marked.
    """
    kinds = item.schema["type"]
    listed = [kinds] if isinstance(kinds, str) else list(kinds)
    items = {**item.schema, "type": list(dict.fromkeys(["null", *listed, "array"]))}
    schema = {"type": "array", "items": items}
    # Of numbers there may be many; to_json names those that are none.
    if item.sql is None or item.sql in (_FINITE, _IS_NUMBER):
        return Kind(schema, None, marked=item.marked, loose=item.loose)
    each = item.sql.format("e.item").replace("{", "{{").replace("}", "}}")
    deep = "to_json({0})" if item.marked and "to_json" in item.sql else _MARK
    items_of = "unnest({0}) WITH ORDINALITY e(item, place)"
    taken = f"(SELECT coalesce(json_agg({each} ORDER BY e.place), '[]') FROM {items_of})"
    sql = f"CASE WHEN array_ndims({{0}}) > 1 THEN {deep} WHEN {{0}} IS NOT NULL THEN {taken} END"
    return Kind(schema, sql, marked=True, loose=item.loose)
