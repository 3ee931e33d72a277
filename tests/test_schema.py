"""A stream's schema, from whatever the author has."""

from __future__ import annotations

import json
import sys
import types
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypedDict

import jsonschema
import msgspec
import pytest

from headwater.errors import SourceError
from headwater.schema import ANY, SchemaFile, json_schema


class User(msgspec.Struct):
    login: str
    boss: User | None = None


@dataclass
class Issue:
    id: int
    title: str | None
    user: User
    labels: list[User]


class Row(TypedDict):
    id: int
    note: str


class TestTypes:
    @pytest.mark.parametrize("kind", [User, Issue, Row])
    def test_become_plain_schemas(self, kind: type) -> None:
        schema = json_schema(kind, "s")
        jsonschema.Draft7Validator.check_schema(schema)
        text = json.dumps(schema)
        assert "$ref" not in text
        assert "$defs" not in text
        assert schema["type"] == "object"
        assert schema["properties"]

    def test_one_that_contains_itself_ends(self) -> None:
        boss = json_schema(User, "s")["properties"]["boss"]
        assert json.dumps(boss).count("login") <= 1


class TestDictionaries:
    def test_get_a_type_and_properties(self) -> None:
        assert json_schema({}, "s") == {"type": "object", "properties": {}}
        assert json_schema(ANY, "s") == ANY

    def test_are_not_changed(self) -> None:
        given: dict[str, Any] = {"properties": {"id": {"type": "integer"}}, "additionalProperties": True}
        found = json_schema(given, "s")
        assert given == {"properties": {"id": {"type": "integer"}}, "additionalProperties": True}
        assert found == {"type": "object", **given}


class TestFiles:
    @pytest.fixture
    def owner(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
        module = types.ModuleType("author")
        module.__file__ = str(tmp_path / "author.py")
        monkeypatch.setitem(sys.modules, "author", module)
        return type("Base", (), {"__module__": "author", "schema": SchemaFile("schemas/{name}.json")})

    def test_are_found_beside_the_module(self, owner: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        (tmp_path / "schemas").mkdir()
        (tmp_path / "schemas" / "issues.json").write_text('{"properties": {"ä": {}}}', encoding="utf-8")
        monkeypatch.chdir("/")
        assert json_schema(owner.schema, "issues") == {"type": "object", "properties": {"ä": {}}}

    @pytest.mark.parametrize("text", [None, "{", "[]", "5"])
    def test_what_is_wrong_is_told(self, owner: Any, tmp_path: Path, text: str | None) -> None:
        (tmp_path / "schemas").mkdir()
        if text is not None:
            (tmp_path / "schemas" / "issues.json").write_text(text)
        with pytest.raises(SourceError, match=r"'issues'.*issues\.json"):
            json_schema(owner.schema, "issues")
