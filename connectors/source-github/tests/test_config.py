"""Configs of Airbyte's source, as they stand."""

from __future__ import annotations

from typing import Any

import jsonschema
import pytest

from headwater.errors import ConfigError
from headwater.secrets import secrets_of
from source_github import GithubSource

PAT = {"personal_access_token": "t"}


@pytest.mark.parametrize(
    "config",
    [
        {"credentials": {"option_title": "PAT Credentials", **PAT}, "repositories": ["a/b"]},
        {"credentials": PAT, "repositories": ["a/b", "a/*", "a/pre*"], "start_date": "2021-03-01T00:00:00Z"},
        {"credentials": {"option_title": "OAuth Credentials", "access_token": "t"}, "repositories": ["a/b"]},
        {
            "credentials": {"access_token": "t", "client_id": "i", "client_secret": "s"},
            "repositories": ["a/b"],
        },
        {"credentials": PAT, "repositories": ["a/b"], "start_date": None, "api_url": None, "branches": []},
        {"credentials": PAT, "repository": "a/b c/d", "branch": "a/b/main"},
        {"access_token": "t", "repositories": ["a/b"], "page_size_for_large_streams": 10},
        {"credentials": PAT, "repositories": ["a/b"], "api_url": "https://github.acme.test/api/v3/"},
        {"credentials": PAT, "repositories": ["a/b"], "num_workers": 4, "something": {"else": 1}},
    ],
)
def test_accepted(config: dict[str, Any]) -> None:
    source = GithubSource.from_config(config)
    assert "t" in list(secrets_of(source.config))
    assert "t'" not in repr(source.config).replace("repositories", "")
    source.auth()
    source.base_url()


@pytest.mark.parametrize(
    ("config", "named"),
    [
        ({"repositories": ["a/b"]}, "credentials"),
        ({"credentials": PAT}, "repositories"),
        ({"credentials": PAT, "repositories": []}, "repositories"),
        ({"credentials": PAT, "repositories": ["nothing"]}, r"repositories\[0\]"),
        ({"credentials": PAT, "repositories": ["a/b.git"]}, r"repositories\[0\]"),
        ({"credentials": {}, "repositories": ["a/b"]}, "credentials.access_token"),
        ({"credentials": {"personal_access_token": 5}, "repositories": ["a/b"]}, "personal_access_token"),
        ({"credentials": PAT, "repositories": ["a/b"], "start_date": "yesterday"}, "start_date"),
        ({"credentials": PAT, "repositories": ["a/b"], "max_waiting_time": 0}, "max_waiting_time"),
        ({"credentials": PAT, "repositories": ["a/b"], "num_workers": 0}, "num_workers"),
        ({"credentials": PAT, "repositories": ["a/b"], "num_workers": 41}, "num_workers"),
        ({"credentials": {"personal_access_token": " , "}, "repositories": ["a/b"]}, "credentials"),
        ({"credentials": PAT, "repositories": ["a/b"], "api_url": "http://github.acme.test"}, "api_url"),
        ({"credentials": PAT, "repositories": ["a/b"], "api_url": "github.acme.test"}, "api_url"),
        ("text", "object"),
    ],
)
def test_refused_with_the_settings_name(config: Any, named: str) -> None:
    with pytest.raises(ConfigError, match=named):
        source = GithubSource.from_config(config)
        source.auth()
        source.base_url()


def test_the_spec_is_a_json_schema_that_takes_the_configs() -> None:
    schema = GithubSource.spec().raw["connectionSpecification"]
    jsonschema.Draft7Validator.check_schema(schema)
    validator = jsonschema.Draft7Validator(schema)
    assert validator.is_valid({"credentials": PAT, "repositories": ["a/b"]})
    assert not validator.is_valid({"credentials": PAT, "repositories": []})
    kinds = schema["properties"]["credentials"]["oneOf"]
    assert [kind["properties"]["option_title"]["const"] for kind in kinds] == [
        "OAuth Credentials",
        "PAT Credentials",
    ]
    assert all(
        kind["properties"][name]["airbyte_secret"]
        for kind in kinds for name in kind["properties"] if name != "option_title"
    )  # fmt: skip
    orders = [part["order"] for part in schema["properties"].values()]
    assert orders == sorted(set(orders))
