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


def config_breaks(before: Mapping[str, Any], after: Mapping[str, Any]) -> Iterator[str]:
    """Configs made of the last specification that do not fit the new one: what the rules don't know, such as limits of
    numbers and lengths, shows so."""
    from jsonschema import Draft7Validator

    old, new = Draft7Validator(dict(before)), Draft7Validator(dict(after))
    told: set[str] = set()
    for config in values_of(before):
        if not old.is_valid(config):
            continue
        for error in new.iter_errors(config):
            where = error.json_path.removeprefix("$").lstrip(".") or "the config"
            message = f"{where}: a value that was valid does not fit `{error.validator}` any more."
            if message not in told:
                told.add(message)
                yield message


def values_of(schema: Any, depth: int = 0) -> Iterator[Any]:
    """Values that a schema describes, of many kinds: the least and the most of what it allows, each member and each
    variant; of an object one with what it requires, and one for each value of each property besides the others."""
    if not isinstance(schema, dict) or depth > 4:
        return
    known = [*(schema.get("enum") or ()), *(schema.get("examples") or () if isinstance(schema.get("examples"), list)
                                            else ())]  # fmt: skip
    known += [schema[word] for word in ("const", "default") if word in schema]
    yield from known
    for variant in schema.get("oneOf") or schema.get("anyOf") or ():
        yield from values_of({**schema, "oneOf": None, "anyOf": None, **variant}, depth + 1)
    for kind in types(schema):
        yield from _of_kind(kind, schema, depth)


def _of_kind(kind: str, schema: Mapping[str, Any], depth: int) -> Iterator[Any]:
    if kind in ("integer", "number"):
        yield from (schema[word] for word in ("minimum", "maximum") if word in schema)
        yield from (-1_000_000, 0, 1, 1_000_000)
    elif kind == "string":
        least, most = int(schema.get("minLength") or 0), min(int(schema.get("maxLength") or 1000), 1000)
        yield from ("", "x" * least, "x" * most, "2024-01-01", "2024-01-01T00:00:00Z", "https://example.com/path")
    elif kind == "boolean":
        yield from (True, False)
    elif kind == "null":
        yield None
    elif kind == "array":
        yield []
        yield from ([item] for item in values_of(schema.get("items"), depth + 1))
    elif kind == "object":
        found = schema.get("properties")
        properties = found if isinstance(found, dict) else {}
        values = {name: list(values_of(inner, depth + 1)) for name, inner in properties.items()}
        whole = {name: _fitting(properties[name], some) for name, some in values.items() if some}
        yield {name: whole[name] for name in _list(schema.get("required")) if name in whole}
        for name, some in values.items():
            yield from ({**whole, name: value} for value in some)


def _fitting(schema: Any, values: list[Any]) -> Any:
    """The first of these values that fits."""
    from jsonschema import Draft7Validator

    validator = Draft7Validator(schema)
    return next((value for value in values if validator.is_valid(value)), values[0])


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
