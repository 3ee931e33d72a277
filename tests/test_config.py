"""Settings: from a class to a spec and from a user's file to a value, or to a message that helps."""

from __future__ import annotations

import enum
import json
from datetime import date, datetime
from typing import Annotated, Any, Literal

import jsonschema
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from headwater.config import Config, Setting
from headwater.errors import ConfigError
from headwater.secrets import Secret, secrets_in, secrets_of


class Colour(enum.Enum):
    RED = "red"
    BLUE = "blue"


class OAuth(Config, tag_field="kind", tag="OAuth Credentials"):
    client_id: Annotated[str, Setting("Client ID")]
    client_secret: Annotated[Secret, Setting("Client secret")]


class Token(Config, tag_field="kind", tag="Token"):
    """A personal access token."""

    token: Annotated[Secret, Setting("Token", "One, or several with commas.")]


class Window(Config):
    days: Annotated[int, Setting(minimum=1, maximum=90)] = 30


class Full(Config):
    """All kinds of settings."""

    credentials: Annotated[OAuth | Token, Setting("Credentials")]
    repositories: Annotated[
        list[str], Setting("Repositories", examples=["octo/alpha"], pattern="^[^/ ]+/[^/ ]+$", min_length=1)
    ]
    start: Annotated[datetime | None, Setting("Start")] = None
    day: date | None = None
    branch: Annotated[
        str | None, Setting("Branch", pattern="^[a-z]+$", extra={"pattern_descriptor": "small letters"})
    ] = None
    keys: list[Secret] = []
    headers: dict[str, Secret] = {}
    window: Window = Window()
    colour: Colour = Colour.RED
    mode: Literal["fast", "slow"] = "fast"
    ratio: float = 0.5
    deep: bool = False


GOOD: dict[str, Any] = {
    "credentials": {"kind": "Token", "token": "t0k3n"},
    "repositories": ["octo/alpha"],
    "start": "2024-01-01T00:00:00Z",
    "keys": ["k3y-1", "k3y-2"],
    "headers": {"X-Key": "h3ader"},
}


def nodes(value: Any) -> list[Any]:
    inner = list(value.values()) if isinstance(value, dict) else value if isinstance(value, list) else []
    return [value, *(node for part in inner for node in nodes(part))]


class TestSchema:
    schema = Full.json_schema()

    def test_is_plain_draft_7(self) -> None:
        jsonschema.Draft7Validator.check_schema(self.schema)
        assert self.schema["additionalProperties"] is True
        assert "$ref" not in json.dumps(self.schema)
        assert "$defs" not in json.dumps(self.schema)

    def test_takes_what_parse_takes(self) -> None:
        jsonschema.validate(GOOD, self.schema)
        Full.parse(GOOD)

    def test_required_are_those_without_a_default(self) -> None:
        assert self.schema["required"] == ["credentials", "repositories"]

    def test_a_choice_has_a_constant_in_each_kind(self) -> None:
        choice = self.schema["properties"]["credentials"]
        assert choice["type"] == "object"
        assert [kind["properties"]["kind"]["const"] for kind in choice["oneOf"]] == ["OAuth Credentials", "Token"]
        assert [kind["title"] for kind in choice["oneOf"]] == ["OAuth Credentials", "Token"]
        assert choice["oneOf"][1]["description"] == "A personal access token."

    def test_every_secret_is_marked(self) -> None:
        marked = [node for node in nodes(self.schema) if isinstance(node, dict) and node.get("airbyte_secret")]
        assert len(marked) == 4
        assert all(node["type"] == "string" for node in marked)

    def test_orders_are_unique(self) -> None:
        for node in nodes(self.schema):
            if isinstance(node, dict) and isinstance(node.get("properties"), dict):
                orders = [part["order"] for part in node["properties"].values()]
                assert len(set(orders)) == len(orders)

    def test_defaults_and_examples_fit(self) -> None:
        for part in self.schema["properties"].values():
            if "default" in part:
                jsonschema.validate(part["default"], part)

    def test_bounds_are_where_json_schema_looks_for_them(self) -> None:
        repositories = self.schema["properties"]["repositories"]
        assert repositories["minItems"] == 1
        assert repositories["items"]["pattern"] == "^[^/ ]+/[^/ ]+$"
        assert self.schema["properties"]["branch"]["pattern"] == "^[a-z]+$"
        assert not jsonschema.Draft7Validator(self.schema).is_valid({**GOOD, "repositories": ["nonsense"]})

    def test_is_the_same_each_time(self) -> None:
        assert json.dumps(Full.json_schema()) == json.dumps(Full.json_schema())


class TestParse:
    def test_values(self) -> None:
        config = Full.parse(GOOD)
        assert isinstance(config.credentials, Token)
        assert config.credentials.token.reveal() == "t0k3n"
        assert config.start is not None
        assert config.start.year == 2024
        assert config.window.days == 30

    def test_the_tag_is_inferred(self) -> None:
        assert isinstance(Full.parse({**GOOD, "credentials": {"token": "t"}}).credentials, Token)
        oauth = {"client_id": "i", "client_secret": "s"}
        assert isinstance(Full.parse({**GOOD, "credentials": oauth}).credentials, OAuth)
        assert isinstance(Full.parse({**GOOD, "credentials": {**oauth, "kind": None}}).credentials, OAuth)

    def test_nulls_and_unknown_settings_are_passed_over(self) -> None:
        config = Full.parse({**GOOD, "start": None, "window": None, "keys": None, "new": {"x": 1}, "_technical": 1})
        assert (config.start, config.window, config.keys) == (None, Window(), [])

    @pytest.mark.parametrize(
        ("change", "named", "said"),
        [({"credentials": None}, "credentials", ""), ({"repositories": None}, "repositories", ""),
         ({"credentials": {"kind": "Magic"}}, "credentials", "choices"),
         ({"credentials": {"kind": "Token"}}, "credentials.token", "required"),
         ({"credentials": {"kind": "Token", "token": 5}}, "credentials.token", "str"),
         ({"credentials": "t0k3n"}, "credentials", "object"),
         ({"repositories": "octo/alpha"}, "repositories", "array"),
         ({"repositories": []}, "repositories", "at least 1"),
         ({"repositories": ["octo/alpha", "bad"]}, "repositories", "match"),
         ({"repositories": ["octo/alpha", 5]}, "repositories", "str"),
         ({"start": "yesterday"}, "start", "2024-01-31T00:00:00Z"), ({"start": 5}, "start", ""),
         ({"day": "2024-13-01"}, "day", "2024-01-31"), ({"branch": "MAIN"}, "branch", "small letters"),
         ({"window": {"days": 0}}, "window.days", "at least 1"),
         ({"window": {"days": 99}}, "window.days", "at most 90"),
         ({"window": {"days": "x"}}, "window.days", "int"), ({"colour": "green"}, "colour", "choices"),
         ({"mode": "warp"}, "mode", "choices"), ({"deep": "yes"}, "deep", "bool"), ({"ratio": "x"}, "ratio", "float"),
         ({"keys": ["k", 1]}, "keys", "str"), ({"headers": {"X": 1}}, "headers", "str")],
    )  # fmt: skip
    def test_what_is_wrong_is_named(self, change: dict[str, Any], named: str, said: str) -> None:
        with pytest.raises(ConfigError) as error:
            Full.parse({**GOOD, **change})
        assert f"`{named}" in error.value.message
        assert said in error.value.message
        for value in ("Magic", "t0k3n", "yesterday", "MAIN", "green", "warp", "bad", "2024-13-01"):
            assert value not in error.value.message

    @pytest.mark.parametrize("value", [None, [], "x", 5, True])
    def test_not_an_object(self, value: Any) -> None:
        with pytest.raises(ConfigError, match="object"):
            Full.parse(value)

    json_values = st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | st.sampled_from(["canary-1", "Token", "red"]),
        lambda inner: st.lists(inner, max_size=2)
        | st.dictionaries(st.sampled_from(["kind", "token", "days", "client_id", "x"]), inner, max_size=3),
        max_leaves=6,
    )  # fmt: skip

    @settings(max_examples=300, deadline=None)
    @given(st.dictionaries(st.sampled_from([*Full.__struct_fields__, "other"]), json_values))
    def test_anything_is_a_config_or_a_helpful_error(self, value: dict[str, Any]) -> None:
        """And what the schema's own validator takes, parse takes too."""
        try:
            Full.parse({**GOOD, **value})
        except ConfigError as error:
            assert "setting `" in error.message
            assert "canary" not in error.message
        list(secrets_in({**GOOD, **value}, Full.json_schema()))


class TestSecrets:
    def test_are_never_seen(self) -> None:
        config = Full.parse(GOOD)
        shown = f"{config!r} {config} {config.credentials}"
        for secret in ("t0k3n", "k3y-1", "h3ader"):
            assert secret not in shown
        assert "****" in shown

    def test_are_found_in_the_value(self) -> None:
        assert sorted(secrets_of(Full.parse(GOOD))) == ["h3ader", "k3y-1", "k3y-2", "t0k3n"]

    def test_are_found_in_the_file(self) -> None:
        assert sorted(secrets_in(GOOD, Full.json_schema())) == ["h3ader", "k3y-1", "k3y-2", "t0k3n"]

    def test_are_found_in_a_wrong_file(self) -> None:
        wrong = {"token": "a1", "credentials": [{"client_secret": {"x": "b2"}}], "keys": "c3", "other": "d4", "x": None}
        assert sorted(secrets_in(wrong, Full.json_schema())) == ["a1", "b2", "c3"]

    def test_numbers_are_secrets_too(self) -> None:
        assert sorted(secrets_in({"token": 1234, "keys": [True, 5.5]}, Full.json_schema())) == ["1234", "5.5"]


class TestInheritance:
    def test_a_child_adds_a_required_setting(self) -> None:
        class Child(Full):
            tenant: Annotated[str, Setting("Tenant")]

        assert Child.json_schema()["required"] == ["credentials", "repositories", "tenant"]
        with pytest.raises(ConfigError, match="`tenant` is required"):
            Child.parse(GOOD)
        with pytest.raises(AttributeError):
            Child.parse({**GOOD, "tenant": "x"}).tenant = "y"  # type: ignore[misc]


class Endpoint(Config):
    api_url: str = "https://api.example"
    page_size: int = 100


class Service(Config):
    endpoint: Endpoint = Endpoint()
    start_date: str | None = None


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ({"start_dat": "s3cret"}, "no setting `start_dat`, so it is ignored. Is `start_date` meant?"),
        ({"endpoint": {"api_ulr": "s3cret"}}, "no setting `endpoint.api_ulr`, so it is ignored. Is `api_url` meant?"),
        ({"start_date": "2024-01-01", "start_dat": "s3cret"}, ""),
        ({"__injected": 1, "endpoint": {"other": 1}}, ""),
    ],
)
def test_a_misspelt_setting_is_told(given: Any, told: str, caplog: pytest.LogCaptureFixture) -> None:
    Service.parse(given)
    assert told in caplog.text if told else not caplog.text
    assert "s3cret" not in caplog.text
