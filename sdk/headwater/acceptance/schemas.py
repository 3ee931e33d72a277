"""Walks over JSON Schemas."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

Path = tuple[str, ...]


def nodes(schema: Any, path: Path = ()) -> Iterator[tuple[Path, dict[str, Any]]]:
    """Every schema inside a schema, with the path of keywords that leads to it, outermost first."""
    if not isinstance(schema, dict):
        return
    yield path, schema
    for name in ("properties", "patternProperties", "definitions", "$defs", "dependentSchemas"):
        found = schema.get(name)
        if isinstance(found, dict):
            for key, value in found.items():
                yield from nodes(value, (*path, name, key))
    for name in ("oneOf", "anyOf", "allOf", "prefixItems"):
        found = schema.get(name)
        if isinstance(found, list):
            for number, value in enumerate(found):
                yield from nodes(value, (*path, name, str(number)))
    items = schema.get("items")
    for number, value in enumerate(items if isinstance(items, list) else [items]):
        yield from nodes(value, (*path, "items", *([str(number)] if isinstance(items, list) else [])))
    for name in ("additionalProperties", "not", "if", "then", "else"):
        yield from nodes(schema.get(name), (*path, name))


def fields(schema: Any, path: Path = ()) -> Iterator[tuple[Path, dict[str, Any]]]:
    """Every property, at any depth and in any variant, with the names that lead to it."""
    if not isinstance(schema, dict):
        return
    properties = schema.get("properties")
    for name, value in properties.items() if isinstance(properties, dict) else ():
        if isinstance(value, dict):
            yield (*path, name), value
            yield from fields(value, (*path, name))
    for keyword in ("oneOf", "anyOf", "allOf"):
        for variant in schema.get(keyword) or () if isinstance(schema.get(keyword), list) else ():
            yield from fields(variant, path)
    yield from fields(schema.get("items"), path)


def types(schema: Mapping[str, Any]) -> list[str]:
    """The types that a schema names."""
    found = schema.get("type")
    return [one for one in (found if isinstance(found, list) else [found]) if isinstance(one, str)]


def has_path(schema: Any, path: list[str]) -> dict[str, Any] | None:
    """The schema at a path of property names; None if there is none."""
    for name in path:
        found = None
        for variant in [schema, *(schema.get("oneOf") or []), *(schema.get("anyOf") or [])]:
            properties = variant.get("properties") if isinstance(variant, dict) else None
            if isinstance(properties, dict) and isinstance(properties.get(name), dict):
                found = properties[name]
                break
        if found is None:
            return None
        schema = found
    return schema if isinstance(schema, dict) else None


def at(path: Path) -> str:
    """A path, for people."""
    return "/".join(path) or "the top"
