"""The GitHub connector through airbyte_cdk.test.entrypoint_wrapper gives what its own command line gives."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.cdk.conftest import Worker
from tests.cdk.ours import GITHUB, as_dumped, comparable, github, run
from tests.connectors.process import Toy
from tests.github_api import TOKEN, GithubApi

pytestmark = pytest.mark.timeout(1200)  # the first one may have to make the environment


def configured(connector: Toy, *names: str, mode: str = "incremental") -> dict[str, Any]:
    """A configured catalog of what the connector's own command line discovers."""
    (found,) = run(connector, "discover").of("CATALOG")
    streams = [stream for stream in found["streams"] if not names or stream["name"] in names]
    return {
        "streams": [
            {
                "stream": stream,
                "sync_mode": mode if mode in stream["supported_sync_modes"] else "full_refresh",
                "destination_sync_mode": "append",
            }
            for stream in streams
        ]
    }


def both(worker: Worker, connector: Toy, command: str, **options: Any) -> tuple[list[Any], list[Any]]:
    """What the wrapper and what the command line gave."""
    theirs = worker.wrapped(source=GITHUB, command=command, config=connector.config, **options)
    return comparable(theirs["messages"]), as_dumped(comparable(run(connector, command, **options).messages))


def test_the_spec_is_the_same(worker: Worker, tmp_path: Path) -> None:
    (theirs,) = worker.wrapped(source=GITHUB, command="spec")["messages"][:1]
    (ours,) = run(Toy(tmp_path, github(tmp_path, _Nowhere()).command), "spec").of("SPEC")
    assert theirs == {"type": "SPEC", "spec": {**ours, "supportsNormalization": False, "supportsDBT": False}}


class _Nowhere:
    url = "http://127.0.0.1:9"
    repos = ("octo/alpha",)


@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"credentials": {"personal_access_token": "ghp_wrong"}},
        {"repositories": ["octo/none"]},
        {"repositories": ["octo/none*", "octo/alpha"]},
        {"api_url": "ftp://127.0.0.1"},
    ],
)
def test_a_check_answers_the_same(worker: Worker, tmp_path: Path, api: GithubApi, settings: dict[str, Any]) -> None:
    theirs, ours = both(worker, github(tmp_path, api, **settings), "check")
    assert theirs == ours
    assert theirs[0]["connectionStatus"]["status"] == ("FAILED" if settings else "SUCCEEDED")


def test_a_config_that_violates_the_spec_fails_the_check(worker: Worker, tmp_path: Path, api: GithubApi) -> None:
    theirs, ours = both(worker, github(tmp_path, api, repositories="octo/alpha", branches=7), "check")
    for answers in (theirs, ours):
        assert [answer["connectionStatus"]["status"] for answer in answers] == ["FAILED"]


def test_a_config_of_an_older_form_is_taken(worker: Worker, tmp_path: Path, api: GithubApi) -> None:
    connector = github(tmp_path, api)
    connector.config = {"repository": "octo/alpha octo/beta", "access_token": TOKEN, "api_url": api.url}
    theirs, ours = both(worker, connector, "check")
    assert theirs == ours == [{"type": "CONNECTION_STATUS", "connectionStatus": {"status": "SUCCEEDED"}}]
    config, files = worker.configured(source=GITHUB, config={**connector.config, "other": 1})
    assert config["repositories"] == ["octo/alpha", "octo/beta"] and config["other"] == 1
    assert config["credentials"] == {"option_title": "OAuth Credentials", "access_token": TOKEN}
    assert "start_date" not in config and files == 0
    today = github(tmp_path, api).config
    assert worker.configured(source=GITHUB, config=today) == [today, 0]


def test_the_catalog_is_the_same(worker: Worker, tmp_path: Path, api: GithubApi) -> None:
    theirs, ours = both(worker, github(tmp_path, api), "discover")
    for stream in ours[0]["catalog"]["streams"]:
        stream.pop("primary_key_scope", None)  # no field of the protocol's, which the airbyte-cdk's models drop
    assert theirs == ours
    assert len(theirs[0]["catalog"]["streams"]) > 10


@pytest.mark.parametrize("mode", ["incremental", "full_refresh"])
def test_a_read_is_the_same_record_by_record(worker: Worker, tmp_path: Path, api: GithubApi, mode: str) -> None:
    connector = github(tmp_path, api)
    catalog = configured(connector, mode=mode)
    theirs, ours = both(worker, connector, "read", catalog=catalog)
    assert theirs == ours
    read = {message["record"]["stream"] for message in theirs if message["type"] == "RECORD"}
    assert read == {stream["stream"]["name"] for stream in catalog["streams"]}
    issues = [m["record"]["data"]["number"] for m in theirs if m.get("record", {}).get("stream") == "issues"]
    assert len(issues) == 80


@pytest.mark.parametrize("form", ["STREAM", "GLOBAL"])
def test_a_read_goes_on_from_its_state(worker: Worker, tmp_path: Path, api: GithubApi, form: str) -> None:
    connector = github(tmp_path, api, repositories=["octo/alpha"])
    catalog = configured(connector, "issues", "comments", "branches")
    first, _ = both(worker, connector, "read", catalog=catalog)
    last = {m["state"]["stream"]["stream_descriptor"]["name"]: m["state"] for m in first if m["type"] == "STATE"}
    assert len(last) == 3
    states = list(last.values())
    if form == "GLOBAL":
        states = [{"type": "GLOBAL", "global": {"stream_states": [state["stream"] for state in states]}}]
    theirs, ours = both(worker, connector, "read", catalog=catalog, state=states)
    assert theirs == ours
    before, after = (
        [m for m in messages if m.get("record", {}).get("stream") == "issues"] for messages in (first, theirs)
    )
    assert 0 < len(after) < len(before)


def test_a_failing_stream_leaves_the_others(worker: Worker, tmp_path: Path, api: GithubApi) -> None:
    api.fault("status", "/repos/*/releases", status=404, times=None)
    connector = github(tmp_path, api)
    catalog = configured(connector, "releases", "tags")
    theirs, ours = both(worker, connector, "read", catalog=catalog)
    *same, last = theirs
    assert same == ours
    statuses = [m["trace"]["stream_status"] for m in same if "stream_status" in m.get("trace", {})]
    ends = {s["stream_descriptor"]["name"]: s["status"] for s in statuses}
    assert ends == {"releases": "INCOMPLETE", "tags": "COMPLETE"}
    (own,) = [m["trace"]["error"] for m in same if "error" in m.get("trace", {})]
    assert own["stream_descriptor"] == {"name": "releases"} and own["failure_type"] == "config_error"
    # the airbyte-cdk wants the read itself to fail as well
    assert last["trace"]["error"]["failure_type"] == "config_error"
    assert last["trace"]["error"]["message"].startswith("Incomplete: releases.")


@pytest.mark.parametrize(
    ("settings", "word"),
    [
        ({"repositories": 5}, "repositories"),
        ({"credentials": {"personal_access_token": 7}}, "personal_access_token"),
        ({"api_url": "http://github.test"}, "https"),
    ],
)
def test_a_bad_config_is_the_users_error(
    worker: Worker, tmp_path: Path, api: GithubApi, settings: dict[str, Any], word: str
) -> None:
    catalog = configured(github(tmp_path, api), "tags")
    connector = github(tmp_path, api, **settings)
    said = worker.wrapped(source=GITHUB, command="read", config=connector.config, catalog=catalog)
    (error, *_) = [m["trace"]["error"] for m in said["messages"] if "error" in m.get("trace", {})]
    assert error["failure_type"] == "config_error" and word in error["message"]
    assert TOKEN not in str(said)
