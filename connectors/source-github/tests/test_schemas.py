"""The stream schemas are plain, nullable JSON Schemas that real and generated records fit."""

from __future__ import annotations

import json
import os
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft7Validator, FormatChecker

CONNECTOR = Path(__file__).resolve().parents[1]
ROOT = CONNECTOR.parents[1]
SCHEMAS = CONNECTOR / "source_github" / "schemas"
DATA = Path(os.environ.get("HEADWATER_GITHUB_DATA") or ROOT.parent / "shared" / "data" / "github")
if str(ROOT) not in sys.path:
    sys.path.insert(0, str(ROOT))

STREAMS = (
    "repositories", "issues", "comments", "pull_requests", "commits", "releases", "stargazers",
    "issue_labels", "issue_milestones", "branches", "tags", "collaborators", "reviews", "workflow_runs",
)  # fmt: skip
RECORDED = {
    "repositories": "repositories",
    "issues": "issues",
    "comments": "issue_comments",
    "pull_requests": "pulls",
    "commits": "commits",
    "releases": "releases",
    "stargazers": "stargazers",
    "issue_labels": "labels",
    "issue_milestones": "milestones",
    "tags": "tags",
}
KEYWORDS = {"type", "properties", "items", "additionalProperties", "format", "airbyte_type"}
DATE_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)")


def schema_of(stream: str) -> dict[str, Any]:
    schema: dict[str, Any] = json.loads((SCHEMAS / f"{stream}.json").read_text("utf-8"))
    return schema


def validator(stream: str) -> Draft7Validator:
    formats = FormatChecker(formats=())
    formats.checks("date-time")(lambda value: not isinstance(value, str) or bool(DATE_TIME.fullmatch(value)))
    return Draft7Validator(schema_of(stream), format_checker=formats)


def as_record(stream: str, item: dict[str, Any]) -> dict[str, Any]:
    """The record that the connector makes of an item, as far as the added fields go."""
    if stream == "stargazers" and "user" not in item:
        item = {"user": item, "starred_at": "2012-05-01T00:00:00Z"}
    added: dict[str, Any] = {} if stream == "workflow_runs" else {"repository": "octo/alpha"}
    if stream == "repositories":
        added = {"organization": "octo"}
    if stream == "stargazers":
        added["user_id"] = item["user"]["id"]
    if stream == "commits":
        added |= {"branch": "main", "created_at": item["commit"]["author"]["date"]}
    if stream == "reviews":
        added |= {"created_at": item["submitted_at"], "updated_at": item["submitted_at"]}
    if item.get("reactions"):
        names = {"+1": "plus_one", "-1": "minus_one"}
        added["reactions"] = {names.get(key, key): value for key, value in item["reactions"].items()}
    if stream == "pull_requests":
        head = {key: value for key, value in item["head"].items() if key != "repo"}
        added["head"] = head | {"repo_id": (item["head"]["repo"] or {}).get("id")}
        added["base"] = item["base"] | {"repo_id": (item["base"]["repo"] or {}).get("id")}
    return item | added


def unknown_fields(value: Any, schema: dict[str, Any], path: str = "") -> Iterator[str]:
    """The fields of a record that its schema does not name."""
    if isinstance(value, dict):
        for key, inner in value.items():
            if key in schema.get("properties", {}):
                yield from unknown_fields(inner, schema["properties"][key], f"{path}.{key}")
            else:
                yield f"{path}.{key}"
    if isinstance(value, list):
        for inner in value:
            yield from unknown_fields(inner, schema["items"], f"{path}[]")


def check_shape(schema: dict[str, Any], path: str) -> None:
    assert set(schema) <= KEYWORDS, path
    assert schema["type"][0] == "null" and len(schema["type"]) == 2, path
    if schema["type"][1] == "object":
        assert schema["additionalProperties"] is True and "properties" in schema, path
    if schema["type"][1] == "array":
        check_shape(schema["items"], f"{path}[]")
    if schema.get("format"):
        assert (schema["format"], schema["airbyte_type"]) == ("date-time", "timestamp_with_timezone"), path
    for name, inner in schema.get("properties", {}).items():
        check_shape(inner, f"{path}.{name}")


@pytest.mark.parametrize("stream", STREAMS)
def test_schemas_are_plain_and_nullable(stream: str) -> None:
    schema = schema_of(stream)
    Draft7Validator.check_schema(schema)
    assert schema["$schema"] == "http://json-schema.org/draft-07/schema#"
    assert schema["type"] == "object" and schema["additionalProperties"] is True
    for name, inner in schema["properties"].items():
        check_shape(inner, name)
    assert (SCHEMAS / f"{stream}.json").read_text("utf-8") == json.dumps(schema, indent=2) + "\n"


def test_there_is_a_schema_for_every_stream() -> None:
    assert {path.stem for path in SCHEMAS.glob("*.json")} == set(STREAMS)


@pytest.mark.parametrize("stream", STREAMS)
def test_generated_items_fit_and_have_no_unknown_fields(stream: str) -> None:
    from tests.github_api import Repo

    repo = Repo(60)
    repo.bind("octo/alpha", 5)
    for _ in range(2):
        for item in repo.truth(stream):
            record = as_record(stream, item)
            validator(stream).validate(record)
            assert not set(unknown_fields(record, schema_of(stream)))
        if stream not in ("repositories", "branches"):
            repo.grow(stream)


@pytest.mark.skipif(not DATA.is_dir(), reason=f"the recorded payloads are not at {DATA}")
@pytest.mark.parametrize("stream", RECORDED)
def test_recorded_items_fit(stream: str) -> None:
    lines = (DATA / f"{RECORDED[stream]}.jsonl").read_text("utf-8").split("\n")
    records = [as_record(stream, json.loads(line)) for line in lines if line]
    assert records
    for record in records:
        errors = [f"{error.json_path}: {error.message}" for error in validator(stream).iter_errors(record)]
        assert not errors
