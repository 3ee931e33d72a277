"""Whether records fit a schema, without making them Python dictionaries.

The schema becomes a type that msgspec decodes into: it builds what is declared and passes over the rest. What
a type can't say (RFC 3339 to the letter) is looked at a column at a time.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from datetime import date
from operator import attrgetter
from typing import Any

import msgspec

from headwater.schemas.nodes import Node, Text
from headwater.schemas.temporal import LOCAL, LOCAL_TIME, ZONED, ZONED_TIME

_Getter = Callable[[list[Any]], list[Any]]
_Data = Sequence[bytes | msgspec.Raw]
Check = Callable[[list[str]], bool]
"""Whether all of some texts are what is wanted."""

_SCALARS: dict[str, Any] = {"boolean": bool, "integer": int, "number": float, "string": str}
# Fields that are not there and fields that are null are the same to a destination; so any may be null.
_OBJECT: Any = msgspec.defstruct("Object", [], gc=False)
_OFFSET = re.compile(r".*(Z|[+-][0-9]{2}:[0-9]{2})")
_ALL_MISFITS = 20
_ENCODE = msgspec.json.Encoder().encode
_ERRORS = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)


class Fitting:
    """Tells which records need no coercion.

    :param node: the records' schema.
    :raises TypeError: when no type can say it.
    """

    def __init__(self, node: Node) -> None:
        try:
            kind = _type(node)
        except (ValueError, RecursionError) as error:  # a quote in a field's name
            raise TypeError(str(error)) from error
        self._page: msgspec.json.Decoder[Any] = msgspec.json.Decoder(list[kind])  # type: ignore[valid-type]
        self._one: msgspec.json.Decoder[Any] = msgspec.json.Decoder(kind)
        self._columns = [(CHECKS[text], getter) for text, getter in _texts(node)]

    def misfits(self, data: _Data, page: bytes = b"") -> Sequence[int]:
        """Which records may not fit, by their index; the others surely do.

        :param page: the same as one JSON array, where it is there already.
        """
        try:
            records = self._page.decode(page or array_of(data))
        except _ERRORS:
            return self._one_by_one(data)
        return () if self._texts_fit(records) else range(len(data))

    def _one_by_one(self, data: _Data) -> Sequence[int]:
        decode = self._one.decode
        found, records = [], []
        for place, record in enumerate(data):
            try:
                records.append(decode(record))
            except _ERRORS:
                found.append(place)
                if len(found) == _ALL_MISFITS == place + 1:  # so are the others, probably
                    return range(len(data))
        return found if self._texts_fit(records) else range(len(data))

    def _texts_fit(self, records: list[Any]) -> bool:
        return all(check(getter(records)) for check, getter in self._columns)


def array_of(data: _Data) -> bytes:
    """Records as one JSON array."""
    return b"[" + b",".join(data) + b"]"


def _type(node: Node) -> Any:
    """The type of what fits; null apart."""
    if not node.kinds:
        return msgspec.Raw
    found: Any = None
    for kind in sorted(node.kinds):
        one = _kind(kind, node)
        found = one if found is None else found | one
    return found


def _kind(kind: str, node: Node) -> Any:
    if kind == "object":
        return _object(node)
    if kind == "array":
        items = node.items
        return list[_type(items) | None] if items is not None and items.kinds else list[msgspec.Raw]  # type: ignore[misc]
    if kind == "number" and not node.kind:  # beside others; a whole number is then not built as a float
        return int | float
    return _SCALARS[kind]


def _object(node: Node) -> Any:
    if node.values is not None and node.values.kinds:
        return dict[str, _type(node.values) | None]  # type: ignore[misc]
    declared = [(f"f{place}", name, part) for place, (name, part) in enumerate(node.properties.items()) if part.kinds]
    if not declared:
        return _OBJECT
    fields = [(field, _type(part) | None, None) for field, _, part in declared]
    return msgspec.defstruct("Object", fields, rename={field: name for field, name, _ in declared}, gc=False)


def _texts(node: Node) -> list[tuple[Text, _Getter]]:
    """Where dates and times are: what each is to be, and how to get all of them out of some values."""
    if node.text:
        return [(node.text, lambda values: values)]
    found: list[tuple[Text, _Getter]] = []
    for place, part in enumerate(node.properties.values()):
        found += [(text, _of_field(attrgetter(f"f{place}"), inner)) for text, inner in _texts(part)]
    if node.values is not None:
        found += [(text, _of_many(dict.values, inner)) for text, inner in _texts(node.values)]
    if not node.kind:  # beside other kinds, which have no fields
        found = [(text, _only(dict if node.values is not None else msgspec.Struct, inner)) for text, inner in found]
    if node.items is not None:
        inside = [(text, _of_many(iter, inner)) for text, inner in _texts(node.items)]
        found += inside if node.kind else [(text, _only(list, inner)) for text, inner in inside]
    return found


def _only(kind: type, inner: _Getter) -> _Getter:
    return lambda values: inner([value for value in values if isinstance(value, kind)])


def _of_field(take: Callable[[Any], Any], inner: _Getter) -> _Getter:
    return lambda values: inner([item for item in map(take, values) if item is not None])


def _of_many(each: Callable[[Any], Any], inner: _Getter) -> _Getter:
    return lambda values: inner([item for value in values for item in each(value) if item is not None])


def _check(kind: Any, *, zoned: bool) -> Check:
    """Whether texts are what RFC 3339 says, which msgspec takes more widely: with a blank or a small ``t``
    between date and time, a small ``z``, and an offset without a colon."""
    decode = msgspec.json.Decoder(list[kind]).decode

    def check(values: list[str]) -> bool:
        encoded = _ENCODE(values)
        try:
            decode(encoded)
        except _ERRORS:
            return False
        if b" " in encoded or b"t" in encoded:
            return False
        return not zoned or encoded.count(b"Z") == len(values) or all(map(_OFFSET.fullmatch, values))

    return check


CHECKS: dict[Text, Check] = {
    "date-time": _check(ZONED, zoned=True),
    "local date-time": _check(LOCAL, zoned=False),
    "date": _check(date, zoned=False),
    "time": _check(ZONED_TIME, zoned=True),
    "local time": _check(LOCAL_TIME, zoned=False),
}
