"""D3 to D10 and D16: the streams' JSON Schemas."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from headwater.acceptance.checks import check
from headwater.acceptance.checks.discovery import streams_of
from headwater.acceptance.connector import Connector
from headwater.acceptance.results import Finding, Severity
from headwater.acceptance.schemas import at, has_path, nodes, types

_FORBIDDEN = ("allOf", "not")
_TYPES = {"string", "boolean", "integer", "number", "array", "object", "null"}
_FORMATS = {"date", "date-time", "time"}
_AIRBYTE: dict[str, tuple[str, set[str | None]]] = {
    "timestamp_with_timezone": ("string", {"date-time"}),
    "timestamp_without_timezone": ("string", {"date-time"}),
    "time_with_timezone": ("string", {"time"}),
    "time_without_timezone": ("string", {"time"}),
    "integer": ("number", {None}),
}


def _found(connector: Connector, name: str, message: str) -> Finding:
    return Finding(f"{name}: {message}", connector.discover_run, stream=name)


def _schemas(connector: Connector) -> Iterator[tuple[str, dict[str, Any]]]:
    for name, stream in streams_of(connector):
        if isinstance(stream.get("json_schema"), dict):
            yield name, stream["json_schema"]


@check("D3", "Streams' schemas are valid JSON Schemas")
def valid(connector: Connector) -> Iterator[Finding]:
    """By the meta-schema of draft 7."""
    from jsonschema import Draft7Validator
    from jsonschema.exceptions import SchemaError

    for name, schema in _schemas(connector):
        try:
            Draft7Validator.check_schema(schema)
        except SchemaError as error:
            yield _found(connector, name, f"{error.json_path}: {error.message}")


@check("D4", "Streams' schemas are objects with properties")
def properties(connector: Connector) -> Iterator[Finding]:
    """The platform fails a sync of a stream whose schema has no `properties`."""
    for name, schema in _schemas(connector):
        if "object" not in types(schema):
            yield _found(connector, name, "`type` at the top of the schema is not `object`.")
        if not isinstance(schema.get("properties"), dict):
            yield _found(connector, name, "no `properties` at the top of the schema.")


@check("D5", "References in streams' schemas are resolved")
def references(connector: Connector) -> Iterator[Finding]:
    """No `$ref` is left."""
    for name, schema in _schemas(connector):
        for path, node in nodes(schema):
            if "$ref" in node:
                yield _found(connector, name, f"{at(path)}: `$ref` {node['$ref']!r} is not resolved.")


@check("D6", "Streams' schemas have no keywords that destinations don't know")
def forbidden(connector: Connector) -> Iterator[Finding]:
    """allOf and not."""
    for name, schema in _schemas(connector):
        for path, node in nodes(schema):
            for keyword in _FORBIDDEN:
                if keyword in node:
                    yield _found(connector, name, f"{at(path)}: `{keyword}`.")


@check("D7", "Types are those that Airbyte knows", Severity.WARNING)
def known_types(connector: Connector) -> Iterator[Finding]:
    """type, format and airbyte_type fit together."""
    for name, schema in _schemas(connector):
        for path, node in nodes(schema):
            if len(path) < 2 or path[-2] != "properties":
                continue
            message = _unknown(node)
            if message:
                yield _found(connector, name, f"{at(path[1::2])}: {message}.")


def _unknown(node: dict[str, Any]) -> str | None:
    kinds = types(node)
    if not kinds and not any(word in node for word in ("oneOf", "anyOf", "const", "enum")):
        return "no `type`" if node else None
    strange = set(kinds) - _TYPES
    if strange:
        return f"`type` {', '.join(strange)} is unknown"
    airbyte = node.get("airbyte_type")
    if isinstance(airbyte, str) and airbyte in _AIRBYTE:
        kind, formats = _AIRBYTE[airbyte]
        if not {kind, "integer" if kind == "number" else kind} & set(kinds) or node.get("format") not in formats:
            return f"`airbyte_type` {airbyte} with type {kinds} and format {node.get('format')}"
    elif airbyte is not None and airbyte not in ("json", "big_integer", "big_number", "binary"):
        return f"`airbyte_type` {airbyte!r} is unknown"
    if node.get("format") in _FORMATS and "string" not in kinds:
        return f"`format` {node['format']} with type {kinds}"
    return None


@check("D8", "Cursors are fields of their streams")
def cursors(connector: Connector) -> Iterator[Finding]:
    """Each `default_cursor_field` is in the schema."""
    for name, stream in streams_of(connector):
        path = stream.get("default_cursor_field") or []
        if path and has_path(stream.get("json_schema") or {}, path) is None:
            yield _found(connector, name, f"the cursor {'.'.join(path)} is not in the schema.")


def _keys(connector: Connector) -> Iterator[tuple[str, list[str], dict[str, Any] | None]]:
    for name, stream in streams_of(connector):
        for path in stream.get("source_defined_primary_key") or []:
            yield name, path, has_path(stream.get("json_schema") or {}, path)


@check("D9", "Primary keys are fields of their streams")
def keys(connector: Connector) -> Iterator[Finding]:
    """Each path of `source_defined_primary_key` is in the schema."""
    for name, path, node in _keys(connector):
        if node is None:
            yield _found(connector, name, f"the primary key {'.'.join(path)} is not in the schema.")


@check("D10", "Primary keys are neither objects nor arrays")
def scalar_keys(connector: Connector) -> Iterator[Finding]:
    """The platform fails a sync that is to merge by such a key."""
    for name, path, node in _keys(connector):
        if node is not None and set(types(node)) & {"object", "array"}:
            yield _found(connector, name, f"the primary key {'.'.join(path)} is of type {node.get('type')}.")


@check("D16", "Streams' schemas allow further fields")
def open_schemas(connector: Connector) -> Iterator[Finding]:
    """`additionalProperties` is never false: an API adds fields."""
    for name, schema in _schemas(connector):
        for path, node in nodes(schema):
            if node.get("additionalProperties") is False:
                yield _found(connector, name, f"{at(path)}: `additionalProperties` is false.")
