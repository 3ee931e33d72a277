"""Values that are hard to write down in JSON."""

from __future__ import annotations

import enum
import uuid
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta, timezone
from decimal import Decimal
from typing import Any


class Colour(enum.Enum):
    RED = "red"


class Number(int):
    pass


class Text(str):
    pass


class Foreign:
    pass


@dataclass
class Point:
    x: int
    y: float


def nested(depth: int) -> Any:
    value: Any = 1
    for _ in range(depth):
        value = {"n": [value]}
    return value


VALUES: dict[str, Any] = {
    "nan": float("nan"),
    "inf": float("inf"),
    "minus_inf": float("-inf"),
    "huge_float": 1.7976931348623157e308,
    "tiny_float": 5e-324,
    "minus_zero": -0.0,
    "int64": 2**63 - 1,
    "uint64": 2**64 - 1,
    "int70": 2**70,
    "int_minus": -(2**70),
    "int_very_long": 10**5000,
    "decimal": Decimal("12345678901234567890.12345678901234567890"),
    "decimal_nan": Decimal("NaN"),
    "decimal_inf": Decimal("-Infinity"),
    "decimal_exponent": Decimal("1E+400"),
    "nul": "a\0b",
    "separators": "a\u2028b\u2029c\u0085d",
    "newlines": "a\nb\r\nc",
    "emoji": "😀🏳️‍🌈",
    "rtl": "\u202eabc عربي",
    "surrogate": "a\ud83db",
    "surrogates": ["\udc00", {"k\ud800": 1}],
    "text_nan": "NaN",
    "bytes": b"\x00\xff",
    "bytearray": bytearray(b"abc"),
    "set": {1},
    "frozenset": frozenset({"a"}),
    "sets": [{(1, 2)}, {frozenset({3})}],
    "tuple": (1, (2, 3)),
    "datetime": datetime(2024, 1, 2, 3, 4, 5, 6, tzinfo=timezone.utc),
    "naive": datetime(2024, 1, 2, 3, 4, 5),
    "date": date(2024, 1, 2),
    "time": time(1, 2, 3),
    "delta": timedelta(seconds=90),
    "uuid": uuid.UUID(int=1),
    "enum": Colour.RED,
    "number": Number(7),
    "text": Text("t"),
    "dataclass": Point(1, float("nan")),
    "foreign": Foreign(),
    "complex": 1j,
    "keys": {2: "a", None: "b", True: "c", 2.5: "d", (1, 2): "e", date(2024, 1, 1): "f"},
    "same_keys": {1: "a", "1": "b"},
    "deep": nested(60),
    "deeper": nested(5000),
    "null": None,
    "nothing": {},
    "empty": [],
    "false": False,
}

TORTURE: list[dict[str, Any]] = [{"name": name, "value": value} for name, value in VALUES.items()]
