"""JSON Schemas without ``$ref``: destinations want them whole."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import unquote

_DEFINITIONS = ("$defs", "definitions")


def resolved(schema: Mapping[str, Any]) -> dict[str, Any]:
    """The schema with every reference into itself (``#/definitions/...``) replaced by what it names.

    A definition that contains itself ends as any object; a reference to another document, or to nothing, as
    anything, its other words kept.
    """
    found: dict[str, Any] = _resolve(schema, schema, ())
    return {key: value for key, value in found.items() if key not in _DEFINITIONS}


def _resolve(node: Any, root: Mapping[str, Any], inside: tuple[str, ...]) -> Any:
    if isinstance(node, (list, tuple)):
        return [_resolve(item, root, inside) for item in node]
    if not isinstance(node, Mapping):
        return node
    reference = node.get("$ref")
    if not isinstance(reference, str):  # a property may have this name
        return {
            key: item if key in _DEFINITIONS and node is root else _resolve(item, root, inside)
            for key, item in node.items()
        }
    beside = {key: _resolve(item, root, inside) for key, item in node.items() if key != "$ref"}
    if reference in inside:
        return {"type": "object", **beside}
    target = _target(root, reference)
    if not isinstance(target, Mapping):
        return beside
    return {**_resolve(target, root, (*inside, reference)), **beside}


def _target(root: Mapping[str, Any], reference: str) -> Any:
    """What a JSON pointer leads to; None where it leads nowhere."""
    if not reference.startswith("#"):
        return None
    node: Any = root
    for name in reference[1:].split("/")[1:]:
        key = unquote(name).replace("~1", "/").replace("~0", "~")
        if isinstance(node, Mapping) and key in node:
            node = node[key]
        elif isinstance(node, list) and key.isdecimal() and int(key) < len(node):
            node = node[int(key)]
        else:
            return None
    return node
