"""Every stream, record by record, against what the API has."""

from __future__ import annotations

from typing import Any

import pytest

from source_github import GithubSource
from tests.github_api import GithubApi

from .conftest import read, source

PLAIN = ("issue_labels", "issue_milestones", "branches", "tags", "collaborators", "releases")
SHAPED = (
    "repositories",
    "issues",
    "comments",
    "pull_requests",
    "commits",
    "stargazers",
    "reviews",
    "workflow_runs",
)


def key_of(stream: str) -> tuple[str, ...]:
    """What tells records apart: the primary key, and the repository where one person is in several."""
    kinds = {kind.name: kind for kind in GithubSource.streams(GithubSource.__new__(GithubSource))}
    key = tuple(map(str, kinds[stream].primary_key))
    return ("repository", *key) if stream in ("collaborators", "stargazers") else key


def expected(stream: str, item: dict[str, Any], repository: str) -> dict[str, Any]:
    """What Airbyte's source makes of the API's item (facts of its manifest, version 2.7.1)."""
    item = dict(item)
    if stream == "repositories":
        return {**item, "organization": repository.split("/")[0]}
    if stream == "workflow_runs":
        return item
    item["repository"] = repository
    if stream in ("issues", "comments") and item.get("reactions"):
        reactions = dict(item["reactions"])
        reactions["plus_one"] = reactions.pop("+1")
        reactions["minus_one"] = reactions.pop("-1")
        item["reactions"] = reactions
    if stream == "pull_requests":
        head, base = dict(item["head"]), dict(item["base"])
        head["repo_id"] = (head.pop("repo") or {}).get("id")
        base["repo_id"] = (base["repo"] or {}).get("id")
        item.update(head=head, base=base)
    if stream == "commits":
        item.update(branch="main", created_at=item["commit"]["author"]["date"])
    if stream == "stargazers":
        item["user_id"] = item["user"]["id"]
    if stream == "reviews":
        item.update(created_at=item["submitted_at"], updated_at=item["submitted_at"])
    return item


def truth(api: GithubApi, stream: str) -> list[dict[str, Any]]:
    """All records that a full read must give."""
    if stream == "repositories":
        return [expected(stream, item, "octo/alpha") for item in api.truth("repositories", "octo")]
    return [expected(stream, item, name) for name in api.repos for item in api.truth(stream, name)]


def by_key(rows: list[dict[str, Any]], key: tuple[str, ...]) -> dict[Any, dict[str, Any]]:
    """The rows by their key."""
    return {tuple(row[name] for name in key): row for row in rows}


@pytest.mark.parametrize("stream", PLAIN + SHAPED)
def test_a_full_read_gives_every_record_once(api: GithubApi, stream: str) -> None:
    rows = read(source(api), stream).records[stream]
    key = key_of(stream)
    wanted = by_key(truth(api, stream), key)
    if stream == "repositories":  # one repository asked for by name has the same fields as in a list, and more
        assert {name: row["full_name"] for name, row in by_key(rows, key).items()} == {
            name: row["full_name"] for name, row in wanted.items()
        }
        assert {row["organization"] for row in rows} == {"octo"}
    else:
        assert by_key(rows, key) == wanted
    assert len(rows) == len(wanted) > 0


def test_a_second_read_gives_what_is_new_and_changed(api: GithubApi) -> None:
    connector = source(api)
    first = read(connector)
    alpha = api.repos["octo/alpha"]
    changed = {
        "issues": {alpha.touch_issue(5) and 5, alpha.add_issue()},
        "comments": {alpha.add_comment(5)},
        "commits": {alpha.add_commit()},
        "reviews": {alpha.add_review()},
        "releases": {alpha.add_release()},
    }
    api.clear()
    second = read(source(api), state=first)
    found = {name: {row["id"] for row in second.records[name]} for name in changed if name not in ("issues", "commits")}
    found["issues"] = {row["number"] for row in second.records["issues"]}
    found["commits"] = {row["sha"] for row in second.records["commits"]}
    for name, keys in changed.items():
        assert keys <= found[name], name
    for name in ("issues", "comments", "pull_requests", "commits"):
        everything = len(first.records[name])
        assert len(second.records[name]) < everything / 3, name


def test_a_third_read_without_changes_gives_the_same_states(api: GithubApi) -> None:
    first = read(source(api))
    second = read(source(api), state=first)
    third = read(source(api), state=second)
    assert [s.stream_state for s in third.states] == [s.stream_state for s in second.states]
    assert {s.stream.name for s in third.states if s.stream} == {s.name for s in source(api).discover().streams}


def test_the_config_says_from_when_on(api: GithubApi) -> None:
    dates = sorted(item["updated_at"] for item in api.truth("issues", "octo/alpha"))
    start = dates[len(dates) // 2]
    rows = read(source(api, start_date=start, repositories=["octo/alpha"]), "issues").records["issues"]
    assert {row["updated_at"] for row in rows} == {date for date in dates if date >= start}


def test_branches_are_chosen_by_the_config(api: GithubApi) -> None:
    connector = source(api, branches=["octo/alpha/develop"], repositories=["octo/alpha", "octo/beta"])
    rows = read(connector, "commits").records["commits"]
    assert {(row["repository"], row["branch"]) for row in rows} == {
        ("octo/alpha", "develop"), ("octo/beta", "main")}  # fmt: skip
    mine = {row["sha"] for row in rows if row["repository"] == "octo/alpha"}
    assert mine == {item["sha"] for item in api.truth("commits", "octo/alpha", branch="develop")}
