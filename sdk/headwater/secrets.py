"""Settings that must never be seen, and where they are in a config."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import msgspec

MASK = "****"


class Secret:
    """A setting that must never be seen: printing it gives ``****``; :meth:`reveal` gives the value."""

    __slots__ = ("_value",)

    def __init__(self, value: str) -> None:
        self._value = value

    def reveal(self) -> str:
        """The value itself, for the one place that needs it."""
        return self._value

    def __repr__(self) -> str:
        return MASK

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and other._value == self._value

    def __hash__(self) -> int:
        return hash(self._value)

    def __bool__(self) -> bool:
        return bool(self._value)


def secrets_of(config: Any) -> Iterator[str]:
    """Every secret value in a config, also those in nested configs and lists."""
    if isinstance(config, Secret):
        yield config.reveal()
    elif isinstance(config, msgspec.Struct):
        for name in config.__struct_fields__:
            yield from secrets_of(getattr(config, name))
    elif isinstance(config, (list, tuple)):
        for item in config:
            yield from secrets_of(item)
    elif isinstance(config, Mapping):
        for item in config.values():
            yield from secrets_of(item)


def secrets_in(value: Any, schema: Mapping[str, Any]) -> Iterator[str]:
    """Every secret in a config file's content as it came, valid or not: whatever stands under a name that
    the schema marks with ``airbyte_secret`` anywhere."""
    names = set(_secret_names(schema))

    def walk(node: Any, secret: bool) -> Iterator[str]:
        if isinstance(node, Mapping):
            for key, item in node.items():
                yield from walk(item, secret or key in names)
        elif isinstance(node, list):
            for item in node:
                yield from walk(item, secret)
        elif secret and isinstance(node, (str, int, float)) and not isinstance(node, bool):
            yield str(node)

    return walk(value, False)


def _secret_names(schema: Any) -> Iterator[str]:
    if isinstance(schema, Mapping):
        for name, part in (schema.get("properties") or {}).items():
            if _is_secret(part):
                yield name
        for part in schema.values():
            yield from _secret_names(part)
    elif isinstance(schema, list):
        for part in schema:
            yield from _secret_names(part)


def _is_secret(schema: Any) -> bool:
    """Whether a setting is a secret, or a list or a choice of some."""
    if isinstance(schema, list):
        return any(map(_is_secret, schema))
    if not isinstance(schema, Mapping):
        return False
    parts = ("items", "additionalProperties", "oneOf", "anyOf", "allOf")
    return bool(schema.get("airbyte_secret")) or any(_is_secret(schema.get(part)) for part in parts)
