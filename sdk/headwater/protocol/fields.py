"""Reading the fields of a catalog that somebody else wrote: each raises ConfigError naming the field at fault."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from headwater.errors import ConfigError

FieldPath = tuple[str, ...]
"""The names that lead to a field, from the record inwards."""


def stream_objects(value: Any, where: str) -> list[Mapping[str, Any]]:
    """The objects of a catalog's ``streams``."""
    streams = value.get("streams") if isinstance(value, Mapping) else None
    if not isinstance(streams, list) or not all(isinstance(s, Mapping) for s in streams):
        raise ConfigError(f"{where}: an object with a list of objects in `streams` is needed.")
    return streams


def list_of(value: Mapping[str, Any], name: str, where: str) -> list[Any]:
    """A field that is a list, or absent."""
    found = value.get(name)
    if found is None:
        return []
    if not isinstance(found, list):
        raise ConfigError(f"{where}: `{name}` must be a list, not {kind_of(found)}.")
    return found


def path_of(value: Any, where: str) -> FieldPath:
    """A path of field names; absent: the empty one."""
    if value is None:
        return ()
    if not isinstance(value, list) or not all(isinstance(part, str) for part in value):
        raise ConfigError(f"{where} must be a list of names.")
    return tuple(value)


def paths_of(value: Mapping[str, Any], name: str, where: str) -> tuple[FieldPath, ...]:
    """A field that is a list of paths."""
    return tuple(path_of(path, f"{where}: each entry of `{name}`") for path in list_of(value, name, where))


def integer_of(value: Mapping[str, Any], name: str, where: str) -> int | None:
    """A field that is a whole number, or absent."""
    found = value.get(name)
    if found is not None and (isinstance(found, bool) or not isinstance(found, int)):
        raise ConfigError(f"{where}: `{name}` must be a whole number, not {kind_of(found)}.")
    return found


def choice_of(value: Mapping[str, Any], name: str, default: str, allowed: tuple[str, ...], where: str) -> Any:
    """A field that is one of some words; absent: the default."""
    found = value.get(name)
    if found is None:
        return default
    if found not in allowed:
        raise ConfigError(f"{where}: `{name}` is {found!r}; it must be one of {', '.join(allowed)}.")
    return found


def kind_of(value: Any) -> str:
    """What a JSON value is, for people."""
    return {dict: "an object", list: "a list", str: "a string", bool: "a boolean"}.get(
        type(value), "null" if value is None else "a number"
    )
