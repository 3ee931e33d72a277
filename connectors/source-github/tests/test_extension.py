"""A connector that extends this one, in at most 35 lines."""

from __future__ import annotations

from pathlib import Path

import pytest

from docs.examples import acme_github
from headwater.errors import ConfigError
from tests.github_api import TOKEN, GithubApi

from .conftest import read

CONFIG = {"credentials": {"personal_access_token": TOKEN}, "repositories": ["octo/alpha"]}


def test_the_child_adds_a_setting_refines_a_stream_and_adds_one(api: GithubApi) -> None:
    label = next(item["labels"][0]["name"] for item in api.truth("issues", "octo/alpha") if item["labels"])
    acme = acme_github.AcmeGithub.from_config({**CONFIG, "api_url": api.url, "team_label": label[:3]})
    names = [stream.name for stream in acme.discover().streams]
    assert names.count("issues") == 1
    assert names.index("issues") == 1  # in its parent's place
    result = read(acme, "issues", "release_assets")
    assert any((row["team"] or "").startswith(label[:3]) for row in result.records["issues"])
    assert len(result.records["issues"]) == len(api.truth("issues", "octo/alpha"))
    assets = [asset["id"] for item in api.truth("releases", "octo/alpha") for asset in item["assets"]]
    assert sorted(row["id"] for row in result.records["release_assets"]) == sorted(assets)


def test_the_childs_setting_is_required_and_in_the_spec() -> None:
    with pytest.raises(ConfigError, match="team_label"):
        acme_github.AcmeGithub.from_config(CONFIG)
    schema = acme_github.AcmeGithub.spec().raw["connectionSpecification"]
    assert set(schema["required"]) == {"credentials", "repositories", "team_label"}


def test_it_is_short() -> None:
    lines = Path(str(acme_github.__file__)).read_text().splitlines()
    assert len(lines) <= 35
