"""Published connectors, installed from PyPI and run: of the Airbyte protocol, a manifest, and taps of three makes."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from headwater.bridge import sync
from headwater.bridge.foreign import CdkSource, ForeignSource, VenvSource, open_source
from headwater.bridge.runners.environments import CACHE as CACHE_VARIABLE
from headwater.bridge.sinks.memory import MemorySink
from headwater.bridge.states.memory import MemoryStates
from headwater.errors import ConfigError
from headwater.protocol.messages import StreamDescriptor
from source_github import GithubSource
from tests.bridge.foreign import rooms
from tests.github_api import TOKEN, GithubApi, Repo
from tests.gitlab_api import TOKEN as GITLAB_TOKEN
from tests.gitlab_api import GitlabApi, Project

pytestmark = pytest.mark.timeout(1800)  # the first run may have to make the environments

MANIFEST = Path(__file__).with_name("manifest.yaml")


@pytest.fixture(autouse=True)
def _own_cache(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(CACHE_VARIABLE, str(rooms.CACHE))


@pytest.fixture
def github() -> Iterator[GithubApi]:
    with GithubApi(repos={"octo/alpha": Repo(30)}) as api:
        yield api


def landed(source: Any, *names: str, states: MemoryStates | None = None) -> dict[str, list[dict[str, Any]]]:
    sink = MemorySink()
    sync(source, source.discover().configured(names or None), sink, states or MemoryStates())
    return sink.rows


# --- of the Airbyte protocol ---------------------------------------------------------------------------------


def test_faker_into_sqlite_by_a_vdk_job(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("vdk.plugin.data_sources", reason="needs the extra: pip install headwater[vdk]")
    from tests.bridge.vdk.conftest import Vdk

    rooms.prepared(rooms.FAKER)
    job, database = tmp_path / "job", tmp_path / "faker.db"
    job.mkdir()
    (job / "10_faker.py").write_text(
        f"""
from headwater.bridge.vdk.data_flow import DataFlowInput, DestinationDefinition, SourceDefinition

def run(job_input):
    config = {{"count": 500, "seed": 7, "parallelism": 1}}
    source = SourceDefinition("people", "airbyte", {{"package": {rooms.FAKER!r}, "config": config}})
    with DataFlowInput(job_input) as flow_input:
        flow_input.start(source, DestinationDefinition("db", "headwater-sqlite", {str(database)!r}))
"""
    )
    vdk = Vdk(tmp_path, tmp_path)
    process = vdk.start("run", job)
    output, _ = process.communicate(timeout=900)
    assert process.returncode == 0, output
    with closing(sqlite3.connect(database)) as connection:
        counts = [
            connection.execute(f"SELECT count(*), count(DISTINCT id) FROM {name}").fetchone()
            for name in ("users", "products", "purchases")
        ]
        (states,) = connection.execute("SELECT count(*) FROM _headwater_state").fetchone()
    assert counts == [(500, 500), (100, 100), (500, 500)]
    assert states == 3


def test_their_github_gives_what_ours_gives(github: GithubApi) -> None:
    """Record by record; theirs leaves out fields that are null. Of two streams they ask GraphQL, which the stand-in
    does not have, and of repositories they take the list's form."""
    rooms.prepared(rooms.GITHUB)
    config = {
        "credentials": {"option_title": "PAT Credentials", "personal_access_token": TOKEN},
        "repositories": ["octo/alpha"],
        "api_url": github.url,
        "start_date": "2000-01-01T00:00:00Z",
    }

    class Github(VenvSource):
        requirement = rooms.GITHUB

    theirs = Github.from_config(config)
    ours = GithubSource.from_config(config)
    names = [
        "issues", "comments", "pull_requests", "commits", "stargazers", "issue_labels", "issue_milestones", "branches",
        "tags", "collaborators", "workflow_runs",
    ]  # fmt: skip
    found, expected = landed(theirs, *names), landed(ours, *names)
    assert sorted(found) == sorted(expected) == sorted(names)
    for name in names:
        assert _sorted(found[name]) == _sorted(expected[name]), name
    assert len(found["issues"]) == 30


def _sorted(rows: list[dict[str, Any]]) -> list[str]:
    without_nulls = ({key: value for key, value in row.items() if value is not None} for row in rows)
    return sorted(json.dumps(row, sort_keys=True) for row in without_nulls)


def test_a_class_of_the_airbyte_cdk(tmp_path: Path) -> None:
    python = rooms.prepared(rooms.FAKER).python

    class Faker(CdkSource):
        source = "source_faker:SourceFaker"

        def transform(self, stream: StreamDescriptor, record: dict[str, Any]) -> dict[str, Any]:
            return {"id": record["id"], "of": stream.name}

    Faker.python = str(python)
    rows = landed(Faker({"count": 10, "seed": 1, "parallelism": 1}), "users")
    assert sorted(row["id"] for row in rows["users"]) == list(range(1, 11))
    assert rows["users"][0]["of"] == "users"


def test_a_manifest_goes_on_from_its_state(github: GithubApi) -> None:
    rooms.prepared(rooms.CDK)
    settings = {"manifest": "manifest.yaml", "cdk": rooms.CDK}
    config = {"api_url": github.url, "token": TOKEN, "repository": "octo/alpha"}
    source = open_source(settings, config, base=MANIFEST.parent)
    specification = source.spec().raw["connectionSpecification"]
    assert specification["properties"]["token"]["airbyte_secret"]
    states = MemoryStates()
    assert len(landed(source, states=states)["issues"]) == 30
    (state,) = states.load()
    github.clear()
    assert len(landed(source, states=states)["issues"]) < 30
    assert github.requests[-1].query["since"] == (state.stream_state or {})["updated_at"]


def test_a_manifest_with_a_wrong_token(github: GithubApi) -> None:
    rooms.prepared(rooms.CDK)
    config = {"api_url": github.url, "token": "wr0ng-token", "repository": "octo/alpha"}
    source = open_source({"manifest": str(MANIFEST), "cdk": rooms.CDK}, config)
    with pytest.raises(ConfigError) as caught:
        source.check()
    assert "wr0ng" not in str(caught.value)


# --- taps ----------------------------------------------------------------------------------------------------


def test_an_old_tap_without_discovery(caplog: pytest.LogCaptureFixture) -> None:
    rooms.prepared(rooms.OLD_TAP, *rooms.OLD_TAP_NEEDS)
    caplog.set_level("INFO")
    settings = {"package": rooms.OLD_TAP, "requirements": list(rooms.OLD_TAP_NEEDS)}
    with GitlabApi(projects={"acme/one": Project(12)}) as api:
        config = {
            "api_url": f"{api.url}/api/v4",
            "private_token": GITLAB_TOKEN,
            "projects": "acme/one",
            "start_date": "2000-01-01T00:00:00Z",
            "groups": "",
        }
        tap = open_source(settings, config)
        states = MemoryStates()
        rows = landed(tap, "issues", "commits", states=states)
        assert {name: len(found) for name, found in rows.items()} == {"issues": 12, "commits": 12}
        assert {row["id"] for row in rows["issues"]} == {item["id"] for item in api.truth("issues", "acme/one")}
        (state,) = states.load()
        assert state.raw["global"]["shared_state"].keys() == {"project_501"}
        assert landed(tap, "issues", "commits", states=states).get("issues", []) == []
    assert GITLAB_TOKEN not in caplog.text  # which the tap itself writes with every request
    assert "private_token=****" in caplog.text


def test_a_tap_of_meltano_s_sdk_against_an_api(github: GithubApi) -> None:
    rooms.prepared(rooms.REST_TAP, *rooms.REST_TAP_NEEDS)
    stream = {
        "name": "issues",
        "path": "/repos/octo/alpha/issues",
        "params": {"state": "all", "per_page": 100},
        "primary_keys": ["id"],
        "replication_key": "updated_at",
        "records_path": "$[*]",
        "num_inference_records": 100,
    }
    config = {"api_url": github.url, "auth_method": "bearer_token", "bearer_token": TOKEN, "streams": [stream]}
    settings = {"package": rooms.REST_TAP, "requirements": list(rooms.REST_TAP_NEEDS)}
    tap: ForeignSource = open_source(settings, config)
    (offered,) = tap.discover().streams
    assert offered.primary_key == (("id",),)
    states = MemoryStates()
    rows = landed(tap, states=states)
    assert {row["number"] for row in rows["issues"]} == {
        item["number"] for item in github.truth("issues", "octo/alpha")
    }
    (state,) = states.load()
    assert state.stream == StreamDescriptor("issues")


def test_a_tap_that_needs_no_network(tmp_path: Path) -> None:
    rooms.prepared(rooms.FILE_TAP)
    (tmp_path / "a.jsonl").write_text('{"id": 1, "price": 1.5}\n{"id": 2, "price": 2.25}\n')
    config = {"path": str(tmp_path / "*.jsonl"), "stream_name": "things", "primary_keys": ["id"]}
    tap = open_source({"package": rooms.FILE_TAP}, config)
    assert "path" in tap.spec().raw["connectionSpecification"]["properties"]
    tap.check()
    rows = landed(tap)["things"]
    assert [(row["id"], row["price"]) for row in rows] == [(1, 1.5), (2, 2.25)]
