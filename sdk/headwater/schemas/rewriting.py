"""Records whose texts say what the schema wants (``"5"`` for an integer), written anew without Python objects.

The schema becomes structs that msgspec reads leniently and writes again, both in C. It is done only where the result
is sure to be what :class:`headwater.coercion.Coercion` makes value by value: every field is declared, with one kind
each; nothing is lost, and nothing changed but numbers and booleans in quotes, and dates and times in another form.
Everything else is refused.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from operator import attrgetter
from typing import Any

import msgspec

from headwater.schemas.conversions import to_number
from headwater.schemas.fitting import CHECKS
from headwater.schemas.lost import Lost
from headwater.schemas.nodes import Node, Text
from headwater.schemas.temporal import CONVERSIONS

_Getter = Callable[[Any], Any]

_SCALARS: dict[str, Any] = {"boolean": bool, "integer": int, "string": str}
_MISSING = msgspec.Raw(b"")
_ENCODER = msgspec.json.Encoder(decimal_format="number")
_ERRORS = (msgspec.MsgspecError, UnicodeDecodeError, RecursionError, OverflowError, ValueError)
# Few digits enough to be the same number to anybody who reads it.
_FEW = rb'"-?(?:0|[1-9][0-9]{0,7})(?:\.[0-9]{1,7})?"'
_USUAL = re.compile(_FEW)
# A line for each field of a column: such a text, a number or null, or nothing.
_ALL_USUAL = re.compile(rb"(?:(?:" + _FEW + rb"|[-0-9][-+.eE0-9]*|null)?\n)*")
_NULL = re.compile(rb'"null"', re.IGNORECASE)
_IN_QUOTES, _NUMBERS = ord('"'), frozenset(b"-0123456789n")  # or null


class Rewriting:
    """Records brought to a schema, if all of them can be.

    :param node: the records' schema.
    :raises TypeError: when it is not of the simple kind.
    """

    def __init__(self, node: Node) -> None:
        self._numbers: list[tuple[_Getter | None, str]] = []
        self._texts: list[tuple[Text, _Getter | None, str]] = []
        if node.kind != "object" or not node.properties:
            raise TypeError("no object with declared fields")
        try:
            filled, kind = self._struct(node, None, filled=True), self._struct(node, None)
        except (ValueError, RecursionError) as error:  # a quote in a field's name
            raise TypeError(str(error)) from error
        self._decode = msgspec.json.Decoder(list[kind], strict=False).decode  # type: ignore[valid-type]
        self._decode_filled = msgspec.json.Decoder(list[filled], strict=False).decode  # type: ignore[valid-type]
        self._is_filled = True

    def __call__(self, page: bytes) -> list[bytes] | None:
        """The records as they should be, their fields in the schema's order; None where it takes more than this.

        :param page: the records, as one JSON array.
        """
        try:
            rows = self._rows(page)
            if rows is None:
                return None
            for place, field in self._numbers:
                if not _numbers(rows, place, field):
                    return None
            for text, place, field in self._texts:
                if not _texts(rows, place, field, text):
                    return None
            return list(map(_ENCODER.encode, rows))
        except _ERRORS:
            return None

    def _rows(self, page: bytes) -> list[Any] | None:
        """The records, if none has a text that says null, which would be read as null without a word. It isn't where
        nothing but texts may be null; only a page with nulls is searched."""
        if self._is_filled:
            try:
                return self._decode_filled(page)
            except _ERRORS:
                self._is_filled = False
        return None if _NULL.search(page) else self._decode(page)

    def _struct(self, node: Node, place: str | None, *, filled: bool = False) -> Any:
        """A struct of an object's fields.

        :param place: where it is in the record, as an attribute of an attribute; None: it is the record.
        :param filled: nothing but texts may be null.
        """
        fields: list[Any] = []
        names: dict[str, str] = {}
        for number, (name, part) in enumerate(node.properties.items()):
            field = f"f{number}"
            names[field] = name
            if not part.kinds or part.kind == "number":
                fields.append((field, msgspec.Raw, _MISSING))
                if part.kinds and not filled:
                    self._numbers.append((attrgetter(place) if place else None, field))
                continue
            kind = self._kind(part, f"{place}.{field}" if place else field, filled=filled)
            null = None if not filled or part.kind == "string" else msgspec.UnsetType
            fields.append((field, kind | null | msgspec.UnsetType, msgspec.UNSET))
            if part.text and not filled:
                self._texts.append((part.text, attrgetter(place) if place else None, field))
        return msgspec.defstruct(
            "Rewritten", fields, rename=names, gc=False, omit_defaults=True, forbid_unknown_fields=True
        )

    def _kind(self, part: Node, place: str, *, filled: bool) -> Any:
        if part.kind in _SCALARS:
            return _SCALARS[part.kind]
        if part.kind == "object" and part.properties:
            return self._struct(part, place, filled=filled)
        if part.kind == "object" and part.values is None:
            return dict[str, msgspec.Raw]
        items = part.items
        if part.kind == "array" and (items is None or not items.kinds):
            return list[msgspec.Raw]
        if part.kind == "array" and items is not None and items.kind in _SCALARS and not items.text:
            item: Any = _SCALARS[items.kind]
            return list[item] if filled and items.kind != "string" else list[item | None]
        raise TypeError("a field of several kinds, or too deep")


def _at(rows: list[Any], place: _Getter | None) -> list[Any]:
    """The objects at a place; there may be none."""
    if place is None:
        return rows
    found = []
    for row in rows:
        try:
            item = place(row)
        except AttributeError:  # null, or missing, on the way
            continue
        if isinstance(item, msgspec.Struct):
            found.append(item)
    return found


def _numbers(rows: list[Any], place: _Getter | None, field: str) -> bool:
    """Take numbers out of their quotes; whether all are numbers then."""
    raw_of, usual = msgspec.Raw, _USUAL.fullmatch
    items = _at(rows, place)
    column = b"\n".join([*map(attrgetter(field), items), b""])
    if _ALL_USUAL.fullmatch(column):
        for item, text in zip(items, column.replace(b'"', b"").split(b"\n"), strict=False):
            if text:
                setattr(item, field, raw_of(text))
        return True
    for item, text in zip(items, map(bytes, map(attrgetter(field), items)), strict=True):
        if not text or text[0] in _NUMBERS:
            continue
        if usual(text):
            setattr(item, field, raw_of(text[1:-1]))
            continue
        if text[0] != _IN_QUOTES or b"\\" in text:
            return False
        number = to_number(text[1:-1].decode())
        if number.__class__ is Lost:
            return False
        setattr(item, field, raw_of(_ENCODER.encode(number)))
    return True


def _texts(rows: list[Any], place: _Getter | None, field: str, text: Text) -> bool:
    """Bring dates and times to their form; whether all of them say one."""
    items = _at(rows, place)
    values = list(map(attrgetter(field), items))
    if CHECKS[text]([value for value in values if value.__class__ is str]):
        return True
    convert = CONVERSIONS[text]
    for item, value in zip(items, values, strict=True):
        if value.__class__ is str:
            found = convert(value)
            if found.__class__ is Lost:
                return False
            setattr(item, field, found)
    return True
