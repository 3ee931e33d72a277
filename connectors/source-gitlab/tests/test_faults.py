"""What GitLab does when it does not just answer."""

from __future__ import annotations

import time
from typing import Any

import pytest

from headwater.errors import ConfigError, IncompleteError, TransientError
from headwater.protocol.messages import Status, StreamStatus
from headwater.testing import read
from tests.gitlab_api import TOKEN, Drift, GitlabApi, Project

from .conftest import source


def ids(rows: list[dict[str, Any]]) -> set[int]:
    """Which records came."""
    return {row["id"] for row in rows}


def all_ids(api: GitlabApi, stream: str, *projects: str) -> set[int]:
    """Which records there are."""
    return {item["id"] for name in projects for item in api.truth(stream, name)}


@pytest.mark.parametrize(
    ("kind", "options"),
    [
        ("status", {"status": 500}),
        ("status", {"status": 502}),
        ("status", {"status": 503, "retry_after": 0}),
        ("status", {"status": 429, "retry_after": 0}),
        ("reset", {}),
        ("reset after headers", {}),
        ("cut", {}),
        ("bad json", {}),
        ("html", {}),
        ("empty", {}),
    ],
)
@pytest.mark.parametrize("path", ["/projects/acme/api/issues", "/groups/acme", "/groups/acme/projects"])
def test_a_fault_that_passes_costs_nothing(api: GitlabApi, kind: str, options: dict[str, Any], path: str) -> None:
    fault = api.fault(kind, path, nth=2 if path.endswith("issues") else 1, times=2, **options)  # type: ignore[arg-type]
    rows = read(source(api), "issues").ok().records["issues"]
    assert ids(rows) == all_ids(api, "issues", "acme/api", "acme/web/site")
    assert fault.fired == 2


def test_a_fault_that_stays_fails_the_stream_and_leaves_the_others(api: GitlabApi) -> None:
    api.fault("status", "/projects/*/issues", times=None, status=500)
    result = read(source(api), "issues", "merge_requests", "tags")
    assert isinstance(result.error, IncompleteError)
    assert result.error.failure_type == "transient_error"
    assert [result.statuses[name][-1] for name in ("issues", "merge_requests", "tags")] == [
        Status.INCOMPLETE, Status.COMPLETE, Status.COMPLETE]  # fmt: skip
    assert [(t.stream.name, t.failure_type) for t in result.traces if t.stream] == [("issues", "transient_error")]


def test_a_used_up_limit_is_waited_for_and_told(api: GitlabApi) -> None:
    api.quota(left=1, reset_in=4.0)
    began = time.monotonic()
    result = read(source(api, num_workers=1), "issues").ok()  # of several, one may be on its way already
    assert time.monotonic() - began >= 1.0
    assert ids(result.records["issues"]) == all_ids(api, "issues", "acme/api", "acme/web/site")
    waits = [m for m in result.messages if isinstance(m, StreamStatus) and m.rate_limited]
    assert waits and waits[0].quota_reset and waits[0].status is Status.RUNNING
    assert 429 not in {request.status for request in api.requests}  # it is not asked before there is quota again


def test_check_does_not_wait_for_the_limit(api: GitlabApi) -> None:
    api.quota(left=0, reset_in=600.0)
    with pytest.raises(TransientError):
        source(api).check()


@pytest.mark.parametrize("config", [{"groups_list": ["acme"]}, {"projects_list": ["acme/api"]}, {"groups_list": []}])
def test_a_wrong_token_is_the_users_turn(api: GitlabApi, config: dict[str, Any]) -> None:
    connector = source(api, credentials={"access_token": "wrong-token-value"}, **config)
    with pytest.raises(ConfigError, match="credentials") as caught:
        connector.check()
    assert "wrong-token-value" not in str(caught.value)
    result = read(connector, "issues", "groups")
    assert isinstance(result.error, IncompleteError) and result.error.failure_type == "config_error"
    assert not any(result.records.values())


def test_a_token_without_the_scope_is_told_so() -> None:
    with GitlabApi(tokens={TOKEN: "read_user"}) as api, pytest.raises(ConfigError, match="read_api"):
        source(api).check()


def test_what_is_missing_is_named_and_the_rest_is_read(api: GitlabApi) -> None:
    projects = ["acme/gone1", "acme/gone2", "acme/gone3", "acme/api", "acme/gone4"]
    connector = source(api, projects_list=projects)
    with pytest.raises(ConfigError, match=r"acme%2Fgone1.*projects_list"):
        connector.check()
    result = read(connector, "issues", "jobs", "users")
    assert isinstance(result.error, IncompleteError) and result.error.failure_type == "config_error"
    assert "gone1" in str(result.error)
    assert ids(result.records["issues"]) == all_ids(api, "issues", "acme/api")
    assert ids(result.records["jobs"]) == all_ids(api, "jobs", "acme/api")
    states = {state.stream.name: state.stream_state or {} for state in result.states if state.stream}
    assert [entry["partition"] for entry in states["issues"]["states"]] == [{"id": 501}]

    groups = source(api, groups_list=["nobody", "acme/web"])
    result = read(groups, "groups", "tags")
    assert isinstance(result.error, IncompleteError) and "nobody" in str(result.error)
    assert [row["full_path"] for row in result.records["groups"]] == ["acme/web"]
    assert {row["project_id"] for row in result.records["tags"]} == {502}
    api.clear()
    assert not any("nobody" in request.path for request in api.requests)


def test_features_that_a_project_lacks_are_skipped_and_refusals_are_told() -> None:
    small = {"merge_requests": 4, "commits": 4, "pipelines": 3}
    projects = {
        "acme/all": Project(6, **small),  # type: ignore[arg-type]
        "acme/bare": Project(6, empty=True, merge_requests=2),
        "acme/few": Project(
            6, **small, levels={"builds": "disabled", "merge_requests": "disabled", "releases": "disabled"}
        ),  # type: ignore[arg-type]
        "acme/codeless": Project(6, **small, levels={"repository": "disabled"}),  # type: ignore[arg-type]
        "acme/shy": Project(6, **small, levels={"builds": "private"}, member=False),  # type: ignore[arg-type]
        "acme/zoo": Project(6, **small),  # type: ignore[arg-type]
    }
    with GitlabApi(projects) as api:
        number = {project.item["id"]: name.split("/")[1] for name, project in projects.items()}
        result = read(source(api), "merge_requests", "commits", "pipelines", "jobs", "tags", "releases").ok()
        having = {name: {number[row["project_id"]] for row in rows} for name, rows in result.records.items()}
        assert having["merge_requests"] == {"all", "bare", "codeless", "shy", "zoo"}
        assert having["commits"] == having["tags"] == {"all", "few", "shy", "zoo"}
        assert having["pipelines"] == having["jobs"] == {"all", "codeless", "zoo"}
        assert having["releases"] == {"all", "codeless", "shy", "zoo"}

        api.fault("status", "/projects/acme/all/pipelines", times=None, status=403)
        refused = read(source(api), "pipelines")
        assert isinstance(refused.error, IncompleteError) and refused.error.failure_type == "config_error"
        assert {number[row["project_id"]] for row in refused.records["pipelines"]} == {"codeless", "zoo"}


@pytest.mark.parametrize("stream", ["issues", "merge_requests", "pipelines", "jobs"])
def test_nothing_is_lost_while_the_list_changes_under_the_reader(stream: str) -> None:
    changing, often = ("pipelines", 20) if stream == "jobs" else (stream, 1)  # a job costs a request a pipeline
    for seed in range(3):
        drift = Drift(every=often, touch=5, project="acme/api", stream=changing)
        every = Project(200, merge_requests=200, pipelines=60 if stream == "jobs" else 200, jobs=2)
        with GitlabApi({"acme/api": every}, seed=seed, drift=[drift], cap=30) as api:
            rows = read(source(api), stream).ok().records[stream]
            assert ids(rows) == all_ids(api, stream, "acme/api")


def test_a_next_page_that_repeats_ends_with_an_error(api: GitlabApi) -> None:
    api.fault("same page", "/projects/acme/api/releases", times=None)
    result = read(source(api), "releases")
    assert isinstance(result.error, IncompleteError)
    assert "circle" in str(result.error) or "same page" in str(result.error)


def test_credentials_do_not_follow_to_another_host(api: GitlabApi) -> None:
    with GitlabApi({"acme/api": Project(5)}, anonymous=True, host="127.0.0.2") as other:
        moved = other.routes.pager.base_url
        api.routes.pager = type(api.routes.pager)(moved, cap=2)
        read(source(api, projects_list=["acme/api"]), "users")
        assert other.requests
        assert {request.token for request in other.requests} == {None}
