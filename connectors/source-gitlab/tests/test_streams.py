"""Every stream, record by record, against what the API has."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest

from headwater.testing import read
from source_gitlab import GitlabSource
from tests.gitlab_api import GitlabApi, Project
from tests.gitlab_api.project_item import statistics

from .conftest import source

MINE = ("acme/api", "acme/web/site")
OF_PROJECTS = ("projects", "issues", "merge_requests", "commits", "pipelines", "jobs", "users", "releases", "tags")
INCREMENTAL = ("issues", "merge_requests", "commits", "pipelines", "jobs")
IDS = {
    "issues": ("author", "assignee", "closed_by", "milestone"),
    "merge_requests": ("author", "assignee", "closed_by", "milestone", "merged_by"),
    "releases": ("author", "commit"),
    "tags": ("commit",),
    "jobs": ("user", "pipeline", "runner", "commit"),
}
ONLY_IDS = {"issues": "assignees", "merge_requests": "assignees", "releases": "milestones"}


def expected(api: GitlabApi, stream: str, item: dict[str, Any], project: str) -> dict[str, Any]:
    """What Airbyte's source makes of the API's item (facts of its manifest, version 4.3.7)."""
    ident = api.projects[project].item["id"]
    item = {**item, **{f"{name}_id": (item[name] or {}).get("id") for name in IDS.get(stream, ())}}
    if stream in ONLY_IDS:
        item[ONLY_IDS[stream]] = [one["id"] for one in item[ONLY_IDS[stream]]]
    if stream in ("commits", "jobs", "releases", "tags"):
        item["project_id"] = ident
    if stream == "projects":
        item["statistics"] = statistics()
    if stream == "jobs":
        item["pipeline_updated_at"] = item["pipeline"]["updated_at"]
    return item


def truth(api: GitlabApi, stream: str, *projects: str) -> list[dict[str, Any]]:
    """All records that a full read must give."""
    return [expected(api, stream, item, name) for name in projects for item in api.truth(stream, name)]


def counted(rows: list[dict[str, Any]]) -> Counter[str]:
    """The rows in any order, each as often as it comes."""
    return Counter(repr(sorted(row.items())) for row in rows)


@pytest.mark.parametrize("stream", OF_PROJECTS)
def test_a_full_read_gives_every_record_once(api: GitlabApi, stream: str) -> None:
    rows = read(source(api), stream).ok().records[stream]
    assert counted(rows) == counted(truth(api, stream, *MINE))
    assert rows


def test_groups_come_with_their_subgroups_and_projects(api: GitlabApi) -> None:
    rows = read(source(api), "groups").ok().records["groups"]
    found = {row["full_path"]: row["projects"] for row in rows}
    ids = {name: project.item["id"] for name, project in api.projects.items()}
    assert found == {
        "acme": [{"id": ids["acme/api"], "path_with_namespace": "acme/api"}],
        "acme/web": [{"id": ids["acme/web/site"], "path_with_namespace": "acme/web/site"}],
    }
    wanted = {item["full_path"]: item for item in api.truth("groups")}
    assert all(
        {**row, "projects": 0} == {**wanted[row["full_path"]], "projects": 0, "shared_projects": []} for row in rows
    )


@pytest.mark.parametrize(
    ("config", "projects", "groups"),
    [
        ({"groups_list": ["acme"]}, set(MINE), {"acme", "acme/web"}),
        ({"groups_list": ["acme/web", "acme"]}, set(MINE), {"acme", "acme/web"}),
        ({"groups_list": ["ACME/web"]}, {"acme/web/site"}, {"acme/web"}),
        ({"projects_list": ["acme/api", "501"]}, {"acme/api"}, {"acme", "acme/web", "other"}),
        ({"projects_list": ["503"]}, {"other/thing"}, {"acme", "acme/web", "other"}),
        ({"groups_list": ["acme"], "projects_list": ["acme/API", "other/thing"]}, {"acme/api"}, {"acme", "acme/web"}),
        ({"groups_list": ["12"]}, {"acme/web/site"}, {"acme/web"}),
        ({"groups_list": []}, {*MINE, "other/thing"}, {"acme", "acme/web", "other"}),
    ],
)
def test_which_projects_are_meant(api: GitlabApi, config: dict[str, Any], projects: set[str], groups: set[str]) -> None:
    result = read(source(api, **config), "groups", "projects").ok()
    assert sorted(row["path_with_namespace"] for row in result.records["projects"]) == sorted(projects)
    assert sorted(row["full_path"] for row in result.records["groups"]) == sorted(groups)


def test_more_projects_than_fit_on_a_page() -> None:
    small = {"merge_requests": 0, "commits": 1, "pipelines": 0, "tags": 0, "releases": 0}
    with GitlabApi({f"acme/sub{n % 7}/p{n}": Project(1, **small) for n in range(130)}) as api:  # type: ignore[arg-type]
        result = read(source(api), "issues", "groups").ok()
        assert counted(result.records["issues"]) == counted(truth(api, "issues", *api.projects))
        assert len(result.records["groups"]) == 8


def test_a_second_read_gives_what_is_new_and_changed(api: GitlabApi) -> None:
    first = read(source(api)).ok()
    project, latest = api.projects["acme/api"], {}
    for name in ("issues", "merge_requests", "pipelines"):
        latest[name] = {project.touch(name, 3)["id"], project.add(name)["id"]}
    latest["commits"] = {project.add("commits")["id"]}
    latest["jobs"] = {job["id"] for ident in latest["pipelines"] for job in project.of_pipeline(ident) or ()}
    api.clear()
    second = read(source(api), state=first).ok()
    for name in INCREMENTAL:
        rows = [row for row in second.records[name] if row["project_id"] == project.item["id"]]
        assert latest[name] <= {row["id"] for row in rows}, name
        again = {row["id"] for row in rows} - latest[name]
        boundary = project.counts["jobs"] * project.shared if name == "jobs" else project.shared
        assert len(again) <= boundary, name  # those at the very moment of the state
        wanted = {item["id"]: item for item in truth(api, name, "acme/api")}
        assert all(row == wanted[row["id"]] for row in rows), name
    asked = {request.path.split("/")[-1]: request.query for request in api.requests if "/acme/api/" in request.path}
    assert all("updated_after" in asked[name] for name in ("issues", "merge_requests", "pipelines"))
    assert "since" in asked["commits"]
    assert counted(second.records["tags"]) == counted(truth(api, "tags", *MINE))


def test_a_third_read_without_changes_gives_the_same_states(api: GitlabApi) -> None:
    first = read(source(api)).ok()
    second = read(source(api), state=first).ok()
    third = read(source(api), state=second).ok()
    assert [s.stream_state for s in third.states] == [s.stream_state for s in second.states]
    assert {s.stream.name for s in third.states if s.stream} == {s.name for s in source(api).discover().streams}
    kept = {s.stream.name: s.stream_state for s in first.states if s.stream and s.stream_state}
    for name in INCREMENTAL:
        assert [entry["partition"] for entry in kept[name]["states"]] == [{"id": 501}, {"id": 502}]


def test_the_config_says_from_when_on(api: GitlabApi) -> None:
    start = "2023-07-01T00:00:00Z"
    result = read(source(api, start_date=start, projects_list=["acme/api"]), *INCREMENTAL).ok()
    for name in ("issues", "merge_requests", "pipelines"):
        wanted = {item["id"] for item in api.truth(name, "acme/api") if item["updated_at"] >= start}
        assert {row["id"] for row in result.records[name]} == wanted
        assert 0 < len(wanted) < len(api.truth(name, "acme/api"))
    jobs = [row["pipeline"]["updated_at"] for row in result.records["jobs"]]
    assert jobs and min(jobs) >= start
    assert 0 < len(result.records["commits"]) < len(api.truth("commits", "acme/api"))


def test_states_of_airbytes_source_are_gone_on_from(api: GitlabApi) -> None:
    """Its partitions name the project twice: by id, and by path as the project's own parent."""
    from headwater.protocol.messages import State, StreamDescriptor

    half = sorted(item["updated_at"] for item in api.truth("issues", "acme/api"))[200]
    partition = {"id": 501, "parent_slice": {"id": "acme%2Fapi", "parent_slice": {}}}
    blob = {"states": [{"partition": partition, "cursor": {"updated_at": half}}], "use_global_cursor": False}
    state = State.of_stream(StreamDescriptor("issues"), blob)
    rows = read(source(api, projects_list=["acme/api"]), "issues", state=[state]).ok().records["issues"]
    assert {row["id"] for row in rows} == {
        item["id"] for item in api.truth("issues", "acme/api") if item["updated_at"] >= half
    }


def test_names_keys_and_cursors_are_airbytes() -> None:
    streams = {stream.name: stream for stream in GitlabSource.from_config({"private_token": "t"}).discover().streams}
    keys = {name: list(map(list, stream.primary_key)) for name, stream in streams.items()}
    assert keys == {
        **{name: [["id"]] for name in streams},
        "users": [["name"]],
        "releases": [["name"]],
        "tags": [["project_id"], ["name"]],
    }
    cursors = {name: list(stream.default_cursor_field) for name, stream in streams.items()}
    assert {name: cursor for name, cursor in cursors.items() if cursor} == {
        "issues": ["updated_at"],
        "merge_requests": ["updated_at"],
        "commits": ["created_at"],
        "pipelines": ["updated_at"],
        "jobs": ["pipeline_updated_at"],  # not Airbyte's, which reads all jobs each time
    }
