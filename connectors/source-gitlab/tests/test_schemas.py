"""The stream schemas are plain, nullable JSON Schemas that generated records fit."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft7Validator, FormatChecker

from headwater.testing import read
from tests.gitlab_api import STREAMS, GitlabApi

from .conftest import source

SCHEMAS = Path(__file__).resolve().parents[1] / "source_gitlab" / "schemas"
FORMATS = {
    "date-time": re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)"),
    "date": re.compile(r"\d{4}-\d\d-\d\d"),
}


def schema_of(stream: str) -> dict[str, Any]:
    """A stream's schema file."""
    schema: dict[str, Any] = json.loads((SCHEMAS / f"{stream}.json").read_text("utf-8"))
    return schema


def unknown(value: Any, schema: dict[str, Any], path: str = "") -> Iterator[str]:
    """The fields of a record that its schema does not name."""
    for key, inner in value.items() if isinstance(value, dict) and schema.get("properties") else ():
        if key in schema["properties"]:
            yield from unknown(inner, schema["properties"][key], f"{path}.{key}")
        else:
            yield f"{path}.{key}"
    for inner in value if isinstance(value, list) else ():
        yield from unknown(inner, schema["items"], f"{path}[]")


def check_shape(schema: dict[str, Any], path: str) -> None:
    """Raise where a field is not nullable, or an object or array not fully told."""
    assert schema["type"][0] == "null" and len(schema["type"]) == 2, path
    if schema["type"][1] == "object":
        assert schema["additionalProperties"] is True and "properties" in schema, path
    if schema["type"][1] == "array":
        check_shape(schema["items"], f"{path}[]")
    if schema.get("format") == "date-time":
        assert schema["airbyte_type"] == "timestamp_with_timezone", path
    for name, inner in schema.get("properties", {}).items():
        check_shape(inner, f"{path}.{name}")


@pytest.mark.parametrize("stream", STREAMS)
def test_schemas_are_plain_and_nullable(stream: str) -> None:
    schema = schema_of(stream)
    Draft7Validator.check_schema(schema)
    assert schema["type"] == "object" and schema["additionalProperties"] is True
    for name, inner in schema["properties"].items():
        check_shape(inner, name)


def test_there_is_a_schema_for_every_stream(api: GitlabApi) -> None:
    names = [stream.name for stream in source(api).discover().streams]
    assert {path.stem for path in SCHEMAS.glob("*.json")} == set(STREAMS) == set(names)


def test_records_fit_and_have_no_unknown_fields(api: GitlabApi) -> None:
    formats = FormatChecker(formats=())
    for name, pattern in FORMATS.items():
        formats.checks(name)(lambda value, known=pattern: not isinstance(value, str) or bool(known.fullmatch(value)))
    result = read(source(api, groups_list=["acme/web"])).ok()
    for stream in STREAMS:
        validator = Draft7Validator(schema_of(stream), format_checker=formats)
        assert result.records[stream]
        for row in result.records[stream]:
            validator.validate(row)
            assert not set(unknown(row, schema_of(stream)) if stream != "groups" else ()), stream
