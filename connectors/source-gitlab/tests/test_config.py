"""Configs of Airbyte's source and of Singer's tap, as they stand."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from typing import Any

import jsonschema
import pytest

from headwater.errors import ConfigError
from headwater.protocol.messages import Control
from headwater.secrets import secrets_in, secrets_of
from headwater.testing import read
from source_gitlab import GitlabSource
from tests.gitlab_api import TOKEN, GitlabApi, Project

from .conftest import source

SINGER = {
    "api_url": "https://gitlab.com/api/v4",
    "private_token": "tok",
    "groups": "acme other",
    "projects": "acme/api, acme/web/site",
    "start_date": "2018-01-01T00:00:00Z",
}
OAUTH = {
    "auth_type": "oauth2.0",
    "client_id": "i",
    "client_secret": "s",
    "refresh_token": "refresh-0",
    "access_token": "tok",
    "token_expiry_date": "2024-01-01T00:00:00Z",
}


@pytest.mark.parametrize(
    ("config", "groups", "projects"),
    [
        (SINGER, ["acme", "other"], ["acme/api", "acme/web/site"]),
        ({**SINGER, "groups": "", "projects": ""}, [], []),
        ({**SINGER, "groups": ["acme"], "projects": None}, ["acme"], []),
        ({**SINGER, "groups": "acme,other", "projects": " a/b  c/d "}, ["acme", "other"], ["a/b", "c/d"]),
        ({"private_token": "tok", "start_date": "", "api_url": ""}, [], []),
        ({"credentials": {"access_token": "tok"}}, [], []),
        ({"credentials": {"auth_type": "access_token", "access_token": "tok"}, "groups_list": ["a"]}, ["a"], []),
        ({"credentials": OAUTH, "projects_list": ["a/b"], "api_url": "gitlab.acme.test"}, [], ["a/b"]),
        ({"credentials": {n: v for n, v in OAUTH.items() if n != "auth_type"}, "groups": "a"}, ["a"], []),
        ({"credentials": {"access_token": "tok"}, "groups": "x", "groups_list": ["a"], "num_workers": 2}, ["a"], []),
        ({"credentials": {"access_token": "tok"}, "groups_list": "a b"}, ["a", "b"], []),
    ],
)
def test_accepted(config: dict[str, Any], groups: list[str], projects: list[str]) -> None:
    found = GitlabSource.from_config(config)
    assert (found.config.groups_list, found.config.projects_list) == (groups, projects)
    assert "tok" in list(secrets_of(found.config))
    assert "tok" in set(secrets_in(config, GitlabSource.spec().raw["connectionSpecification"]))
    assert "tok'" not in repr(found.config)
    found.auth()
    found.base_url()


@pytest.mark.parametrize(
    ("given", "url"),
    [
        ("gitlab.com", "https://gitlab.com/api/v4"),
        ("https://gitlab.com/", "https://gitlab.com/api/v4"),
        ("https://gitlab.com/api/v3", "https://gitlab.com/api/v4"),
        ("https://acme.test/gitlab/api/v4/", "https://acme.test/gitlab/api/v4"),
        ("http://gitlab.internal:8080", "http://gitlab.internal:8080/api/v4"),
    ],
)
def test_where_the_api_is(given: str, url: str) -> None:
    assert GitlabSource.from_config({"private_token": "t", "api_url": given}).base_url() == url


@pytest.mark.parametrize(
    ("config", "named"),
    [
        ({}, "credentials"),
        ({"credentials": {}}, "credentials"),
        ({"credentials": {"auth_type": "oauth2.0", "access_token": "tok"}}, "credentials.client_id"),
        ({"credentials": {"auth_type": "other", "access_token": "tok"}}, "credentials.auth_type"),
        ({"credentials": {"access_token": 5}}, "access_token"),
        ({"private_token": 5}, "private_token"),
        ({"private_token": "tok", "start_date": "yesterday"}, "start_date"),
        ({"private_token": "tok", "groups_list": [5]}, "groups_list"),
        ({"private_token": "tok", "groups": {"a": 1}}, "groups"),
        ({"private_token": "tok", "api_url": "ftp://gitlab.com"}, "api_url"),
        ({"private_token": "tok", "api_url": "https://"}, "api_url"),
        ("text", "object"),
    ],
)
def test_refused_with_the_settings_name(config: Any, named: str) -> None:
    with pytest.raises(ConfigError, match=named) as caught:
        found = GitlabSource.from_config(config)
        found.auth()
        found.base_url()
    assert "tok" not in str(caught.value).replace("token", "")


def test_the_spec_is_a_json_schema_that_takes_the_configs() -> None:
    schema = GitlabSource.spec().raw["connectionSpecification"]
    jsonschema.Draft7Validator.check_schema(schema)
    validator = jsonschema.Draft7Validator(schema)
    assert validator.is_valid(SINGER)
    assert validator.is_valid({"credentials": OAUTH, "groups_list": ["a"]})
    assert not validator.is_valid({"credentials": OAUTH, "groups_list": "a"})
    kinds = schema["properties"]["credentials"]["oneOf"]
    assert [kind["properties"]["auth_type"]["const"] for kind in kinds] == ["oauth2.0", "access_token"]
    secret = {name for kind in kinds for name, part in kind["properties"].items() if part.get("airbyte_secret")}
    assert secret == {"client_id", "client_secret", "refresh_token", "access_token"}
    assert schema["properties"]["private_token"]["airbyte_secret"]
    hidden = {name for name, part in schema["properties"].items() if part.get("airbyte_hidden")}
    assert hidden == {"groups", "projects", "private_token"}


def test_singers_config_reads_the_same_as_airbytes(api: GitlabApi) -> None:
    ours = {"api_url": f"{api.url}/api/v4", "private_token": TOKEN, "groups": "acme", "projects": ""}
    rows = read(GitlabSource.from_config(ours), "issues").ok().records["issues"]
    others = read(source(api), "issues").ok().records["issues"]
    assert sorted(rows, key=lambda row: row["id"]) == sorted(others, key=lambda row: row["id"])


def test_a_rotated_refresh_token_is_told_before_a_record_comes() -> None:
    with GitlabApi({"acme/api": Project(5)}, tokens={"unused": "api"}) as api:
        connector = source(api, credentials=OAUTH)
        result = read(connector, "issues").ok()
        assert len(result.records["issues"]) == 5
        kinds = [type(message).__name__ for message in result.messages]
        assert kinds.index("Control") < kinds.index("Records")
        (told,) = [message for message in result.messages if isinstance(message, Control)]
        assert told.config["credentials"]["refresh_token"] == api.refresh_token == "refresh-1"
        with pytest.raises(ConfigError, match="credentials"):
            source(api, credentials=OAUTH).check()
        read(source(api, credentials={**OAUTH, "refresh_token": "refresh-1"}), "issues").ok()


def test_an_access_token_that_holds_spends_no_refresh_token() -> None:
    with GitlabApi({"acme/api": Project(5)}, tokens={"held": "api"}) as api:
        soon = (datetime.now(timezone.utc) + timedelta(hours=1)).strftime("%Y-%m-%dT%H:%M:%SZ")
        held = {**OAUTH, "access_token": "held", "token_expiry_date": soon}
        source(api, credentials=held).check()
        result = read(source(api, credentials=held), "issues").ok()
        assert api.refresh_token == "refresh-0"
        assert not [message for message in result.messages if isinstance(message, Control)]


def test_the_new_tokens_serve_the_next_run() -> None:
    with GitlabApi({"acme/api": Project(5)}, tokens={"unused": "api"}) as api:
        result = read(source(api, credentials=OAUTH), "issues").ok()
        (told,) = [message for message in result.messages if isinstance(message, Control)]
        credentials = {**OAUTH, **told.config["credentials"]}
        read(source(api, credentials=credentials), "issues").ok()
        assert api.refresh_token == "refresh-1" and credentials["token_expiry_date"] > "2024-01-02"
