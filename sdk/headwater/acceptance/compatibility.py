"""What would break whoever uses the last version: the rules of Airbyte's connector-acceptance-test, and of its
documentation those that it never tested (keys, sync modes)."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

from headwater.acceptance.schemas import at, nodes, types
from headwater.acceptance.streams import name_of


def spec_breaks(before: Mapping[str, Any], after: Mapping[str, Any]) -> Iterator[str]:
    """Why a config that was valid need not be any more."""
    old, new = _by_path(before), _by_path(after)
    for path, node in old.items():
        now = new.get(path)
        if now is None:
            if len(path) >= 2 and path[-2] == "properties":
                yield f"{at(path)}: the setting is gone."
            continue
        added = set(_list(now.get("required"))) - set(_list(node.get("required")))
        if added:
            yield f"{at(path)}: {', '.join(sorted(added))} became required."
        yield from (f"{at(path)}: {message}" for message in _narrower(node, now))
        if node.get("enum") is not None and now.get("enum") is not None:
            gone = {json.dumps(one) for one in node["enum"]} - {json.dumps(one) for one in now["enum"]}
            if gone:
                yield f"{at(path)}: `enum` lost {', '.join(sorted(gone))}."
        elif now.get("enum") is not None:
            yield f"{at(path)}: `enum` was added."
        for word in ("format", "airbyte_type", "pattern", "const"):
            if word in node and word in now and node[word] != now[word] and word != "pattern":
                yield f"{at(path)}: `{word}` was {node[word]!r} and is {now[word]!r}."
            elif word in now and word not in node and word in ("pattern", "const"):
                yield f"{at(path)}: `{word}` was added."


def _by_path(schema: Mapping[str, Any]) -> dict[tuple[str, ...], dict[str, Any]]:
    """Its parts by path; variants by what tells them apart, not by their place."""
    found = {}
    for path, node in nodes(schema):
        names: list[str] = []
        inner: Any = schema
        for word in path:
            inner = inner[int(word)] if isinstance(inner, list) else inner[word]
            names.append(_variant(inner) or word if names and names[-1] == "oneOf" else word)
        found[tuple(names)] = node
    return found


def _variant(node: Any) -> str | None:
    properties = node.get("properties") if isinstance(node, dict) else None
    for name, field in properties.items() if isinstance(properties, dict) else ():
        if isinstance(field, dict) and "const" in field:
            return f"{name}={field['const']}"
    return None


def _narrower(before: Mapping[str, Any], after: Mapping[str, Any]) -> Iterator[str]:
    old, new = set(types(before)), set(types(after))
    if old and new and not old <= new | ({"integer"} if "number" in new else set()):
        yield f"`type` was {before['type']} and is {after['type']}."


def catalog_breaks(before: Mapping[str, Any], after: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """What breaks whoever has tables of the last catalog: the stream, and why."""
    new = {name_of(stream): stream for stream in after["streams"]}
    for stream in before["streams"]:
        name = name_of(stream)
        now = new.get(name)
        if now is None:
            yield name, "the stream is gone."
            continue
        for message in _field_breaks(stream.get("json_schema") or {}, now.get("json_schema") or {}):
            yield name, message
        for word in ("default_cursor_field", "source_defined_primary_key"):
            if stream.get(word) and stream.get(word) != now.get(word):
                yield name, f"`{word}` was {stream[word]} and is {now.get(word)}."
        gone = set(stream.get("supported_sync_modes") or ()) - set(now.get("supported_sync_modes") or ())
        if gone:
            yield name, f"the sync mode {', '.join(sorted(gone))} is gone."


def _field_breaks(before: Mapping[str, Any], after: Mapping[str, Any]) -> Iterator[str]:
    new = dict(nodes(after))
    for path, node in nodes(before):
        now = new.get(path)
        field = at(path[1::2]) if path else "the top"
        if now is None:
            if len(path) >= 2 and path[-2] == "properties":
                yield f"{field}: the field is gone."
            continue
        old_types, new_types = set(types(node)), set(types(now))
        if old_types and (not old_types <= new_types | {"null"} or new_types - old_types - {"null"}):
            yield f"{field}: `type` was {node.get('type')} and is {now.get('type')}."
        for word in ("format", "airbyte_type"):
            if node.get(word) != now.get(word):
                yield f"{field}: `{word}` was {node.get(word)!r} and is {now.get(word)!r}."


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []
