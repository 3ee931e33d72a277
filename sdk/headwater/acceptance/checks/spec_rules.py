"""B5 to B20, but for secrets: the rules for what a specification may be made of."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

from headwater.acceptance.checks import check
from headwater.acceptance.connector import Connector
from headwater.acceptance.results import Finding, Severity
from headwater.acceptance.schemas import at, fields, has_path, nodes, types

_FORBIDDEN = ("not", "anyOf", "patternProperties", "prefixItems", "allOf", "if", "then", "else", "dependentSchemas",
              "dependentRequired")  # fmt: skip
_DATE = re.compile(r"\^?\[?0-9\]?.*\{?4\}?.*-.*-")


def _found(connector: Connector, message: str) -> Finding:
    return Finding(message, connector.spec_run)


@check("B5", "Enumerations have no member twice")
def enums(connector: Connector) -> Iterator[Finding]:
    """Of any field."""
    for path, node in nodes(connector.connection_specification):
        members = [json.dumps(member) for member in node.get("enum") or ()]
        if len(set(members)) < len(members):
            yield _found(connector, f"{at(path)}: `enum` has a member twice.")


@check("B6", "Variants of a `oneOf` are told apart by one constant")
def one_of(connector: Connector) -> Iterator[Finding]:
    """Objects with properties, of which exactly one is in all of them with a `const`, not the same in any two."""
    for path, node in nodes(connector.connection_specification):
        variants = node.get("oneOf")
        if not isinstance(variants, list):
            continue
        if "object" not in types(node):
            yield _found(connector, f"{at(path)}: a `oneOf` needs `type: object` beside it.")
        if not all(isinstance(one, dict) and one.get("properties") for one in variants):
            yield _found(connector, f"{at(path)}: each variant of a `oneOf` needs properties.")
            continue
        shared = set.intersection(*(set(one["properties"]) for one in variants))
        constant = [name for name in shared if all("const" in one["properties"][name] for one in variants)]
        if len(constant) != 1:
            yield _found(connector, f"{at(path)}: exactly one property with a `const` must be in all variants.")
            continue
        values = [one["properties"][constant[0]]["const"] for one in variants]
        if len({json.dumps(value) for value in values}) < len(values):
            yield _found(connector, f"{at(path)}: two variants have the same `{constant[0]}`.")
        for one, value in zip(variants, values, strict=True):
            field = one["properties"][constant[0]]
            if field.get("default", value) != value or (field.get("enum") or [value]) != [value]:
                yield _found(
                    connector, f"{at(path)}: `{constant[0]}` has a default or enum beside its const {value!r}."
                )


@check("B8", "A property has one type, or one and null")
def one_type(connector: Connector) -> Iterator[Finding]:
    """Forms can't ask for more."""
    for path, field in fields(connector.connection_specification):
        kinds = field.get("type")
        if isinstance(kinds, list) and (len(kinds) > 2 or (len(kinds) == 2 and "null" not in kinds)):
            yield _found(connector, f"{at(path)}: `type` is {kinds}.")


@check("B9", "Nested objects have properties or variants")
def objects(connector: Connector) -> Iterator[Finding]:
    """An object without is a form without fields."""
    for path, field in fields(connector.connection_specification):
        if "object" in types(field) and not field.get("properties") and not field.get("oneOf"):
            yield _found(connector, f"{at(path)}: an object without `properties` or `oneOf`.")


@check("B10", "Arrays have items of one simple kind")
def arrays(connector: Connector) -> Iterator[Finding]:
    """Strings, numbers, objects or an enumeration."""
    for path, field in fields(connector.connection_specification):
        if "array" not in types(field):
            continue
        items = field.get("items")
        simple = {"object", "string", "number", "integer"}
        if not isinstance(items, dict) or not (set(types(items)) & simple or "enum" in items):
            yield _found(connector, f"{at(path)}: `items` must be one schema of a simple type.")


@check("B11", "There are no keywords that forms can't show")
def forbidden(connector: Connector) -> Iterator[Finding]:
    """not, anyOf, allOf, patternProperties, if and the like."""
    for path, node in nodes(connector.connection_specification):
        for keyword in _FORBIDDEN:
            if keyword in node:
                yield _found(connector, f"{at(path)}: `{keyword}`.")


@check("B12", "Patterns of dates have a `format`, and formats of dates a pattern", Severity.WARNING)
def dates(connector: Connector) -> Iterator[Finding]:
    """So that a form shows a calendar, and what is typed is looked at."""
    for path, field in fields(connector.connection_specification):
        pattern, form = field.get("pattern"), field.get("format")
        if isinstance(pattern, str) and _DATE.match(pattern) and form not in ("date", "date-time"):
            yield _found(connector, f"{at(path)}: a pattern of a date without `format: date` or `date-time`.")
        if form in ("date", "date-time") and not pattern:
            yield _found(connector, f"{at(path)}: `format: {form}` without a `pattern`.")


@check("B13", "`order` is unique in its object and group")
def orders(connector: Connector) -> Iterator[Finding]:
    """Else the order of a form's fields is chance."""
    for path, node in nodes(connector.connection_specification):
        seen: dict[tuple[Any, Any], str] = {}
        properties = node.get("properties")
        for name, field in properties.items() if isinstance(properties, dict) else ():
            if not isinstance(field, dict) or "order" not in field:
                continue
            key = (field.get("group"), field["order"])
            if key in seen:
                yield _found(connector, f"{at(path)}: {seen[key]} and {name} both have `order` {field['order']}.")
            seen[key] = name


@check("B14", "Groups are at the top, and display types where variants are")
def groups(connector: Connector) -> Iterator[Finding]:
    """`group` only on the top level; `display_type` dropdown or radio, only with oneOf."""
    for path, field in fields(connector.connection_specification):
        if len(path) > 1 and "group" in field:
            yield _found(connector, f"{at(path)}: `group` on a nested field.")
        if "display_type" in field and (field["display_type"] not in ("dropdown", "radio") or "oneOf" not in field):
            yield _found(connector, f"{at(path)}: `display_type` must be dropdown or radio, beside a oneOf.")


@check("B15", "References are resolved")
def references(connector: Connector) -> Iterator[Finding]:
    """No `$ref` is left."""
    for path, node in nodes(connector.connection_specification):
        if "$ref" in node:
            yield _found(connector, f"{at(path)}: `$ref` {node['$ref']!r} is not resolved.")


def _oauth_paths(advanced: Any) -> Iterator[list[str]]:
    if isinstance(advanced, dict):
        for name, value in advanced.items():
            if name in ("path_in_connector_config", "predicate_key") and isinstance(value, list):
                yield value
            else:
                yield from _oauth_paths(value)


@check("B16", "Where OAuth reads and writes is in the specification")
def oauth_paths(connector: Connector) -> Iterator[Finding]:
    """`predicate_key` and every `path_in_connector_config`."""
    for path in _oauth_paths(connector.spec.get("advanced_auth")):
        if path and has_path(connector.connection_specification, path) is None:
            yield _found(connector, f"advanced_auth: there is no field {'/'.join(path)}.")


@check("B17", "OAuth is the first variant where it is offered")
def oauth_first(connector: Connector) -> Iterator[Finding]:
    """What a form offers by itself."""
    advanced = connector.spec.get("advanced_auth") or {}
    key, value = advanced.get("predicate_key"), advanced.get("predicate_value")
    if not key or value is None or len(key) < 2:
        return
    field = has_path(connector.connection_specification, key[:-1]) or {}
    variants = field.get("oneOf") or []
    if variants and variants[0].get("properties", {}).get(key[-1], {}).get("const") != value:
        yield _found(connector, f"{'/'.join(key[:-1])}: the variant {value!r} is not the first one.")


@check("B18", "Unknown settings are allowed")
def open_objects(connector: Connector) -> Iterator[Finding]:
    """`additionalProperties` is never false: a config of another version is to be read."""
    for path, node in nodes(connector.connection_specification):
        if node.get("additionalProperties") is False:
            yield _found(connector, f"{at(path)}: `additionalProperties` is false.")


@check("B19", "Defaults fit their own schema")
def defaults(connector: Connector) -> Iterator[Finding]:
    """By draft 7."""
    yield from _fitting(connector, "default", lambda field: [field["default"]])


@check("B20", "Examples fit their own schema")
def examples(connector: Connector) -> Iterator[Finding]:
    """Each of them, or as one value."""
    for path, field in fields(connector.connection_specification):
        shown = field.get("examples")
        if shown is None:
            continue
        if not isinstance(shown, list):
            yield _found(connector, f"{at(path)}: `examples` must be a list.")
        elif not all(_fits(field, example) for example in shown) and not _fits(field, shown):
            yield _found(connector, f"{at(path)}: an example does not fit its own schema.")


def _fitting(connector: Connector, keyword: str, values: Any) -> Iterator[Finding]:
    for path, field in fields(connector.connection_specification):
        if keyword in field and not all(_fits(field, value) for value in values(field)):
            yield _found(connector, f"{at(path)}: `{keyword}` does not fit its own schema.")


def _fits(field: dict[str, Any], value: Any) -> bool:
    from jsonschema import Draft7Validator

    return bool(Draft7Validator(field).is_valid(value))


@check("B21", "Required settings have a title and a description", Severity.WARNING)
def documented(connector: Connector) -> Iterator[Finding]:
    """Whoever fills in the form knows nothing else."""
    for path, node in nodes(connector.connection_specification):
        properties = node.get("properties")
        required = node.get("required")
        for name in required if isinstance(required, list) else ():
            field = properties.get(name) if isinstance(properties, dict) else None
            if isinstance(field, dict) and "const" not in field:
                lacking = [word for word in ("title", "description") if not field.get(word)]
                if lacking:
                    yield _found(connector, f"{at((*path, name))}: no {' and no '.join(lacking)}.")
