"""Whether records fit their stream's JSON Schema, at the speed of a stream.

jsonschema looks at a record for as long as a connector needs to write a hundred. So a record is looked at if it is
among the first of its stream, if there was none of its build before (its fields and their types, at any depth), or
if it is one in so many.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any

_FIRST = 100
_EVERY = 200
_FRACTION = re.compile(r"(\.\d{6})\d+")


class Conformity:
    """Looks at the records of one stream.

    :param schema: its JSON Schema.
    """

    def __init__(self, schema: Mapping[str, Any]) -> None:
        from jsonschema import Draft7Validator, FormatChecker
        from jsonschema.validators import extend

        formats = FormatChecker(formats=())
        formats.checks("date-time")(_is_date_time)
        formats.checks("date")(_is_date)
        types = Draft7Validator.TYPE_CHECKER.redefine("integer", _is_integer)
        strict: Any = extend(Draft7Validator, type_checker=types)  # type: ignore[no-untyped-call]
        self._validator = strict(dict(schema), format_checker=formats)
        properties = schema.get("properties")
        self._properties: dict[str, Any] = properties if isinstance(properties, dict) else {}
        self._seen: set[int] = set()
        self._count = 0

    def misfits(self, data: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
        """The fields that do not fit, and why; nothing for a record that is not looked at."""
        self._count += 1
        build = hash(_build(data))
        new = build not in self._seen
        if new and len(self._seen) < 100_000:
            self._seen.add(build)
        if not new and self._count > _FIRST and self._count % _EVERY:
            return
        for error in self._validator.iter_errors(data):
            yield error.json_path, _said(error)

    def undeclared(self, data: Mapping[str, Any]) -> list[str]:
        """The record's fields that the schema does not have."""
        return [name for name in data if name not in self._properties]


def _said(error: Any) -> str:
    if error.validator == "type":
        return f"is {_kind(error.instance)}, not {error.validator_value}"
    return f"does not fit `{error.validator}` {str(error.validator_value)[:80]}"


def _kind(value: Any) -> str:
    kinds = {bool: "a boolean", int: "a whole number", float: "a number", str: "a string", list: "an array"}
    return "null" if value is None else kinds.get(type(value), "an object")


def _build(value: Any) -> Any:
    """Fields and types of a value; the items of an array as a set."""
    if isinstance(value, dict):
        return tuple((name, _build(inner)) for name, inner in value.items())
    if isinstance(value, list):
        return frozenset(map(_build, value))
    return type(value)


def _is_integer(checker: Any, value: Any) -> bool:
    """1.0 is none."""
    return isinstance(value, int) and not isinstance(value, bool)


def _is_date_time(value: Any) -> bool:
    if not isinstance(value, str):
        return True
    text = _FRACTION.sub(r"\1", value.removesuffix(" BC").replace("Z", "+00:00").replace("z", "+00:00"))
    if "T" not in text and " " not in text:
        return False
    text = re.sub(r"([+-]\d{2})(\d{2})$", r"\1:\2", text)
    whole, dot, rest = text.partition(".")
    if dot:  # Python 3.10 takes three or six digits only
        digits = re.match(r"\d*", rest)
        count = len(digits.group()) if digits else 0
        text = f"{whole}.{rest[:count].ljust(6, '0')}{rest[count:]}"
    try:
        datetime.fromisoformat(text)
    except ValueError:
        return False
    return True


def _is_date(value: Any) -> bool:
    if not isinstance(value, str):
        return True
    try:
        datetime.strptime(value.removesuffix(" BC"), "%Y-%m-%d")
    except ValueError:
        return False
    return True
