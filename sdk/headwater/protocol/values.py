"""Any Python value to one line of JSON, never a crash and never a silent change.

The fast way is msgspec's encoder. It would write NaN as ``null`` without a word, so a batch is searched for
such numbers first (as MessagePack, where a float keeps its bytes: a third of the cost of walking it in
Python). Whatever the fast way can't do goes through :func:`clean`, value by value, and says what it changed.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any

import msgspec

from headwater.protocol.messages import Change

NULLED = "NULLED"
TRUNCATED = "TRUNCATED"
SERIALIZATION_ERROR = "SOURCE_SERIALIZATION_ERROR"

# A float64 in MessagePack is 0xcb and eight bytes; NaN and the infinities have all exponent bits set.
# A Decimal is written as text. Something else that looks so only costs the slow way.
_NOT_FINITE = re.compile(rb"\xcb[\x7f\xff][\xf0-\xff]|NaN|Infinity")
_LONE_SURROGATE = re.compile("[\ud800-\udfff]")

_ENCODER = msgspec.json.Encoder(decimal_format="number")
_PROBE = msgspec.msgpack.Encoder()


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
    return _clean(value, changes, field, 0)


# Deeper than any real record, and well below Python's own recursion limit with a frame or two a level.
_MAX_DEPTH = 200


def _clean(value: Any, changes: list[Change], field: str, depth: int) -> Any:
    kind = value.__class__
    if kind is str:
        if _LONE_SURROGATE.search(value):
            changes.append(Change(field, TRUNCATED, SERIALIZATION_ERROR))
            return _LONE_SURROGATE.sub("\ufffd", value)
        return value
    if value is None or kind is bool or kind is int:
        return value
    if kind is float:
        return value if math.isfinite(value) else _null(changes, field)
    if kind is Decimal:
        return value if value.is_finite() else _null(changes, field)
    if depth > _MAX_DEPTH:
        return _null(changes, field)
    if isinstance(value, Mapping):
        inner = f"{field}." if field else ""
        return {
            (name := _key(key)): _clean(item, changes, inner + name, depth + 1) for key, item in value.items()
        }
    if isinstance(value, (list, tuple, set, frozenset)):
        return [_clean(item, changes, field, depth + 1) for item in value]
    try:  # dates, UUIDs, bytes, enums, structs, dataclasses, subclasses of str and int
        plain = msgspec.to_builtins(value)
    except (TypeError, ValueError, OverflowError, RecursionError):
        return _null(changes, field)
    return _null(changes, field) if plain.__class__ is kind else _clean(plain, changes, field, depth + 1)


def _key(key: Any) -> str:
    if isinstance(key, str):
        return _LONE_SURROGATE.sub("\ufffd", key)
    return {True: "true", False: "false", None: "null"}.get(key) or str(key)


def _null(changes: list[Change], field: str) -> None:
    changes.append(Change(field, NULLED, SERIALIZATION_ERROR))


def _slow(value: Any, changes: list[Change], field: str) -> bytes:
    cleaned = clean(value, changes, field)
    try:
        return _ENCODER.encode(cleaned)
    except (TypeError, ValueError, OverflowError):  # what msgspec refuses, the standard library may not
        return json.dumps(cleaned, ensure_ascii=False, separators=(",", ":"), default=str).encode()
