"""Any Python value to one line of JSON, never a crash and never a silent change.

The fast way is msgspec's encoder. It would write NaN as ``null`` without a word, so a batch is searched for
such numbers first (as MessagePack, where a float keeps its bytes: a third of the cost of walking it in
Python). Whatever the fast way can't do goes through :func:`clean`, value by value, and says what it changed.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from decimal import Decimal
from enum import Enum
from typing import Any

import msgspec

from headwater.protocol.messages import Change

NULLED = "NULLED"
TRUNCATED = "TRUNCATED"
SERIALIZATION_ERROR = "SOURCE_SERIALIZATION_ERROR"
SIZE_LIMITATION = "SOURCE_FIELD_SIZE_LIMITATION"

# A float64 in MessagePack is 0xcb and eight bytes; NaN and the infinities have all exponent bits set.
# A Decimal is written as one too. Something else that looks so only costs the slow way. Without alternatives
# the expression's first byte is found at memchr's pace; with one more, the search takes ten times as long.
_NOT_FINITE = re.compile(rb"\xcb[\x7f\xff][\xf0-\xff]")
_LONE_SURROGATE = re.compile("[\ud800-\udfff]")

_ENCODER = msgspec.json.Encoder(decimal_format="number")
_PROBE = msgspec.msgpack.Encoder(decimal_format="number")


def encode(value: Any) -> bytes:
    """One JSON text of any value that JSON can hold: for messages, states and configs.

    What JSON can't hold is changed as :func:`clean` does.
    """
    try:
        if not _NOT_FINITE.search(_PROBE.encode(value)):
            return _ENCODER.encode(value)
    except (TypeError, ValueError, OverflowError, RecursionError):
        pass
    return _slow(value, [], "")


def encode_rows(rows: Sequence[Mapping[str, Any]]) -> tuple[list[bytes], dict[int, list[Change]]]:
    """Each row as one JSON object, and what had to be changed in which row."""
    try:
        if not _NOT_FINITE.search(_PROBE.encode(rows)):
            return [_ENCODER.encode(row) for row in rows], {}
    except (TypeError, ValueError, OverflowError, RecursionError):
        pass
    data: list[bytes] = []
    changes: dict[int, list[Change]] = {}
    for index, row in enumerate(rows):
        made: list[Change] = []
        data.append(_slow(row, made, ""))
        if made:
            changes[index] = made
    return data, changes


def clean(value: Any, changes: list[Change], field: str = "") -> Any:
    """The value as JSON can hold it: no NaN, lone surrogate or foreign type.

    :param changes: receives what was changed. NaN and the infinities become null, as does what has no JSON
        form; a lone surrogate becomes U+FFFD.
    :param field: the path of the value, for the changes.
    """
    return _clean(value, changes, field, ())


# Deeper than any real record, and well below Python's own recursion limit with a frame or two a level.
_MAX_DEPTH = 200
# Python reads no whole number with more digits (sys.set_int_max_str_digits); it would end the next program.
_MAX_DIGITS = 4300


def _clean(value: Any, changes: list[Change], field: str, above: tuple[int, ...]) -> Any:
    kind = value.__class__
    if kind is str:
        if _LONE_SURROGATE.search(value):
            changes.append(Change(field, TRUNCATED, SERIALIZATION_ERROR))
            return _LONE_SURROGATE.sub("\ufffd", value)
        return value
    if value is None or kind is bool:
        return value
    if kind is int:  # msgspec writes 64 bits, and a Decimal of any length
        return value if -(2**63) <= value < 2**64 else _clean(Decimal(value), changes, field, above)
    if kind is float:
        return value if math.isfinite(value) else _null(changes, field)
    if kind is Decimal:
        if not value.is_finite():
            return _null(changes, field)
        if len(value.as_tuple().digits) > _MAX_DIGITS:
            return _null(changes, field, SIZE_LIMITATION)
        return value
    if isinstance(value, Enum):
        return _clean(value.value, changes, field, above)
    if isinstance(value, str):  # a subclass, whatever it shows itself as
        return _clean(str.__str__(value), changes, field, above)
    for number in (int, float, Decimal):  # likewise, such as numpy's float
        if isinstance(value, number):
            return _clean(number(value), changes, field, above)
    if len(above) > _MAX_DEPTH or id(value) in above:  # without end
        return _null(changes, field)
    above = (*above, id(value))
    if isinstance(value, Mapping):
        return _clean_object(value, changes, field, above)
    if isinstance(value, (list, tuple, set, frozenset)):
        return [_clean(item, changes, field, above) for item in value]
    try:  # dates, UUIDs, bytes, structs, dataclasses
        plain = msgspec.to_builtins(value)
    except (TypeError, ValueError, OverflowError, RecursionError):
        return _null(changes, field)
    return _null(changes, field) if plain.__class__ is kind else _clean(plain, changes, field, above)


def _clean_object(
    value: Mapping[Any, Any], changes: list[Change], field: str, above: tuple[int, ...]
) -> dict[str, Any]:
    cleaned: dict[str, Any] = {}
    inner = f"{field}." if field else ""
    for key, item in value.items():
        name = _LONE_SURROGATE.sub("\ufffd", raw := _key(key))
        if name != raw:
            changes.append(Change(inner + name, TRUNCATED, SERIALIZATION_ERROR))
        if name in cleaned:  # 1 and "1": the first one stays
            changes.append(Change(inner + name, TRUNCATED, SERIALIZATION_ERROR))
        else:
            cleaned[name] = _clean(item, changes, inner + name, above)
    return cleaned


def _key(key: Any) -> str:
    """An object's key as msgspec writes it, or as Python shows it."""
    if isinstance(key, str):
        return str.__str__(key)
    if key is None or isinstance(key, bool):
        return {True: "true", False: "false", None: "null"}[key]
    try:
        (name,) = msgspec.to_builtins({key: None}, str_keys=True)
    except (TypeError, ValueError, OverflowError, RecursionError):
        return str(key)
    return str(name)


def _null(changes: list[Change], field: str, reason: str = SERIALIZATION_ERROR) -> None:
    changes.append(Change(field, NULLED, reason))


def _slow(value: Any, changes: list[Change], field: str) -> bytes:
    return _ENCODER.encode(clean(value, changes, field))
