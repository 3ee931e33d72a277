"""One value to one of the schema's kinds: the same value, another one that says the same, or a :class:`Lost`."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import msgspec

from headwater.protocol.values import NULLED, SIZE_LIMITATION, encode
from headwater.schemas.lost import Lost, lost, truncated

# Python reads no whole number with more digits; headwater.protocol.values makes them null likewise.
MAX_DIGITS = 4300
_NUMBER = re.compile(r"[+-]?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][+-]?[0-9]{1,9})?")
_WORDS = {
    **dict.fromkeys(("true", "t", "yes", "y", "on", "1"), True),
    **dict.fromkeys(("false", "f", "no", "n", "off", "0"), False),
}
_TOO_LONG = Lost(None, NULLED, SIZE_LIMITATION)


def exact_number(text: str) -> float | Decimal:
    """A number of JSON that isn't whole, to the last digit: a float if that writes it the same."""
    number = float(text)
    return number if repr(number) == text else Decimal(text)


def _whole(text: str) -> int | Decimal:
    return int(text) if len(text) <= MAX_DIGITS else Decimal(text)


_DECODER = msgspec.json.Decoder(float_hook=exact_number)


def decode_exactly(record: bytes | msgspec.Raw) -> Any:
    """A JSON text as Python values that are written as they were read.

    :raises ValueError: or RecursionError, when it can't be.
    """
    try:
        return _DECODER.decode(record)
    except msgspec.DecodeError:  # lone surrogates, and whole numbers of thousands of digits
        return json.loads(bytes(record), parse_float=exact_number, parse_int=_whole)


def to_boolean(value: Any) -> Any:
    """From the usual words, 1 and 0."""
    kind = value.__class__
    if kind is bool:
        return value
    if kind is str:
        found = _WORDS.get(value.strip().lower())
    else:
        found = bool(value) if kind in (int, float, Decimal) and value in (0, 1) else None
    return lost() if found is None else found


def to_number(value: Any) -> Any:
    """From a text of JSON's form, to the last digit, and from a boolean."""
    kind = value.__class__
    if kind is float or kind is int or kind is Decimal:
        return value
    if kind is bool:
        return int(value)
    if kind is not str:
        return lost()
    try:  # most are written as Python writes them, which is quickly known
        if repr(quick := float(value)) == value and value[-1].isdigit():
            return quick
    except ValueError:
        return lost()
    text = value.strip()
    if not _NUMBER.fullmatch(text):
        return lost()
    if len(text) > MAX_DIGITS:
        return _TOO_LONG
    if text.lstrip("+-").isdigit():
        return int(text)
    number = float(text)
    exact = Decimal(text)
    return number if math.isfinite(number) and Decimal(repr(number)) == exact else exact


def to_integer(value: Any) -> Any:
    """From a whole number however it is written; a fraction is cut off, which is told."""
    if value.__class__ is str and len(value) < 19 and value.isdecimal() and value.isascii():  # most of all
        return int(value)
    number = to_number(value)
    if number.__class__ is int or number.__class__ is Lost:
        return number
    if number.__class__ is Decimal and number.adjusted() >= MAX_DIGITS:
        return _TOO_LONG
    whole = int(number)
    return whole if whole == number else truncated(whole)


def to_string(value: Any) -> Any:
    """Anything has a text: that of its JSON."""
    return value if value.__class__ is str else encode(value).decode()


def to_object(value: Any) -> Any:
    """From the JSON text of an object, and from an empty array, which is how PHP writes an empty object."""
    if value.__class__ is dict:
        return value
    if value == [] and value.__class__ is list:
        return {}
    found = _parsed(value, "{")
    return found if found.__class__ is dict else lost()


def to_array(value: Any) -> Any:
    """From the JSON text of an array, and from a single item."""
    if value.__class__ is list:
        return value
    found = _parsed(value, "[")
    return found if found.__class__ is list else [value]


CONVERSIONS: dict[str, Callable[[Any], Any]] = {
    "boolean": to_boolean,
    "integer": to_integer,
    "number": to_number,
    "string": to_string,
    "object": to_object,
    "array": to_array,
}


def _parsed(value: Any, first: str) -> Any:
    """The JSON in a text that begins so; None where there is none."""
    if value.__class__ is not str or value.lstrip()[:1] != first:
        return None
    try:
        return decode_exactly(value.encode("utf-8", "surrogatepass"))
    except (ValueError, RecursionError):
        return None
