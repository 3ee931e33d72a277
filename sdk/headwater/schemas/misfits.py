"""Where records and a schema disagree: types, nulls, dates, and fields that the schema doesn't have."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from headwater.protocol.messages import Change
from headwater.protocol.values import NULLED, TRUNCATED, encode
from headwater.schemas.conversions import decode_exactly
from headwater.schemas.nodes import Node, Text, kind_of, node_of
from headwater.schemas.temporal import FITS

_TEXTS: dict[Text, str] = {
    "date-time": "a date-time with a time zone (RFC 3339)",
    "local date-time": "a date-time without a time zone (RFC 3339)",
    "date": "a date (YYYY-MM-DD)",
    "time": "a time with a time zone",
    "local time": "a time without a time zone",
}


Coerce = Callable[[Sequence[bytes]], tuple[Sequence[Any], Mapping[int, Sequence[Change]]]]


@dataclass
class Misfit:
    """One disagreement, in however many records.

    :ivar field: the field's path: names joined by dots, ``[]`` for an array's items.
    :ivar what: what is wrong with it.
    :ivar undeclared: whether it is a field that the schema doesn't have.
    :ivar first: the place of the first record that has it, from 1.
    :ivar records: how many have it.
    """

    field: str
    what: str
    undeclared: bool
    first: int
    records: int = 0

    def __str__(self) -> str:
        count = f"{self.records} records" if self.records > 1 else "1 record"
        return f"{self.field or 'the record'}: {self.what} ({count}, first: {self.first})"


def misfits(
    records: Iterable[Any], schema: Mapping[str, Any], coercion: Coerce | None = None
) -> tuple[list[Misfit], int]:
    """Every disagreement once, sorted by field, and how many records there were.

    :param coercion: brings the records to the schema first; then what it loses, and what is left.
    """
    node = node_of({"type": "object", **schema})
    found: dict[tuple[str, str], Misfit] = {}
    number = 0
    for number, given in enumerate(records, 1):
        record = given
        told: list[tuple[str, str]] = []
        if coercion is not None:
            (data,), changes = coercion([encode(given)])
            told = [(change.field, _LOSSES[change.change]) for change in changes.get(0, ())]
            record = decode_exactly(data)
        lost = {field for field, _ in told}
        told += [(field, what) for field, what in _of(record, node, "") if field not in lost]
        for field, what in dict.fromkeys(told):
            misfit = found.setdefault((field, what), Misfit(field, what, what == _UNDECLARED, number))
            misfit.records += 1
    return sorted(found.values(), key=lambda misfit: (misfit.field, misfit.what)), number


_UNDECLARED = "not in the schema"
_LOSSES = {NULLED: "can't be coerced, it would become null", TRUNCATED: "can't be coerced whole, a part would be lost"}


def _of(value: Any, node: Node, path: str) -> Iterable[tuple[str, str]]:
    if not node.kinds:
        return
    if value is None:
        if not node.nullable:
            yield path, "null, and not nullable"
        return
    kind = kind_of(value)
    if kind not in node.kinds and not (kind == "integer" and "number" in node.kinds):
        yield path, f"{kind}, where {' or '.join(sorted(node.kinds))} is declared"
    elif node.text and not FITS[node.text](value):
        yield path, f"not {_TEXTS[node.text]}"
    elif kind == "object":
        yield from _of_fields(value, node, path)
    elif kind == "array" and node.items is not None:
        for item in value:
            yield from _of(item, node.items, f"{path}[]")


def _of_fields(value: Mapping[str, Any], node: Node, path: str) -> Iterable[tuple[str, str]]:
    below = f"{path}." if path else ""
    for name, item in value.items():
        part = node.properties.get(name)
        if part is not None:
            yield from _of(item, part, below + name)
        elif node.values is not None:
            yield from _of(item, node.values, below + "*")
        elif node.properties:
            yield below + name, _UNDECLARED
