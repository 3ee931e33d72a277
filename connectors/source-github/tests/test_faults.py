"""What GitHub does when it does not just answer."""

from __future__ import annotations

import threading
import time
from typing import Any

import pytest

from headwater.errors import ConfigError, IncompleteError, TransientError
from headwater.protocol.messages import ErrorTrace, Message, Records, State, Status, StreamStatus
from headwater.testing import ReadResult
from tests.github_api import TOKEN, Drift, GithubApi, Repo

from .conftest import Hurried, catalog, read, source


def numbers(read: ReadResult) -> set[int]:
    """The issues that were read."""
    return {row["number"] for row in read.records["issues"]}


def all_numbers(api: GithubApi) -> set[int]:
    """The issues that there are."""
    return {item["number"] for name in api.repos for item in api.truth("issues", name)}


def collect(connector: Hurried, *names: str) -> tuple[list[Message], Exception | None]:
    """All messages of a read, and what it raised."""
    messages: list[Message] = []
    try:
        for message in connector.read(catalog(connector, *names)):
            messages.append(message)
    except Exception as error:
        return messages, error
    return messages, None


@pytest.mark.parametrize(
    ("kind", "arguments"),
    [
        ("status", {"status": 500}),
        ("status", {"status": 502}),
        ("status", {"status": 503, "retry_after": 0}),
        ("reset", {}),
        ("reset_after_headers", {}),
        ("truncate", {}),
        ("bad_json", {}),
        ("html", {}),
        ("empty", {}),
        ("secondary", {"retry_after": 0}),
    ],
)
def test_a_fault_that_passes_costs_nothing(api: GithubApi, kind: str, arguments: dict[str, Any]) -> None:
    fault = api.fault(kind, "/repos/octo/alpha/issues", nth=2, times=2, **arguments)
    assert numbers(read(source(api), "issues")) == all_numbers(api)
    assert fault.fired == 2


def test_a_fault_that_stays_fails_the_stream_and_leaves_the_others(api: GithubApi) -> None:
    api.fault("status", "/repos/*/issues", times=None, status=500)
    messages, error = collect(source(api), "issues", "comments", "branches")
    assert isinstance(error, IncompleteError)
    assert error.failure_type == "transient_error"
    statuses = {(m.stream.name, m.status) for m in messages if isinstance(m, StreamStatus)}
    assert ("issues", Status.INCOMPLETE) in statuses
    assert {("comments", Status.COMPLETE), ("branches", Status.COMPLETE)} <= statuses
    assert ("issues", Status.COMPLETE) not in statuses
    traces = [m for m in messages if isinstance(m, ErrorTrace)]
    assert [(t.stream.name if t.stream else None, t.failure_type) for t in traces] == [("issues", "transient_error")]


def test_a_used_up_quota_is_waited_for_and_told(api: GithubApi) -> None:
    api.quota(remaining=1, limit=1000, reset_in=4.0)
    began = time.monotonic()
    result = read(source(api, repositories=["octo/alpha"]), "issues")
    assert time.monotonic() - began >= 1.0
    assert numbers(result) == {item["number"] for item in api.truth("issues", "octo/alpha")}
    waits = [m for m in result.messages if isinstance(m, StreamStatus) and m.rate_limited]
    assert waits and waits[0].quota_reset and waits[0].status is Status.RUNNING


def test_a_quota_that_comes_back_too_late_fails_at_once(api: GithubApi) -> None:
    api.quota(remaining=0, limit=1000, reset_in=3000.0)
    _, error = collect(source(api, max_waiting_time=1), "branches")
    assert isinstance(error, IncompleteError)
    assert "max_waiting_time" in str(error)


def test_several_tokens_take_turns() -> None:
    with GithubApi(repos={"octo/alpha": Repo(400)}, tokens=("one", "two")) as api:
        api.quota("one", remaining=2, limit=1000, reset_in=3000.0)
        connector = source(api, credentials={"personal_access_token": "one, two"})
        assert numbers(read(connector, "issues")) == all_numbers(api)
        assert {request.token for request in api.requests} == {"token-0", "token-1"}


def test_a_wrong_token_is_the_users_turn(api: GithubApi) -> None:
    connector = source(api, credentials={"access_token": "wrong-token-value"})
    with pytest.raises(ConfigError, match="credentials") as caught:
        connector.check()
    assert "wrong-token-value" not in str(caught.value)


def test_missing_empty_and_restricted_repositories_are_told_apart() -> None:
    repos = {
        "octo/alpha": Repo(30),
        "octo/empty": Repo(empty=True),
        "octo/quiet": Repo(20, has_issues=False),
        "octo/theirs": Repo(20, push_access=False),
        "octo/zeta": Repo(30),
    }
    with GithubApi(repos=repos) as api:
        connector = source(api)
        connector.check()
        result = read(connector)  # nothing of it is a failure
        assert {row["repository"] for row in result.records["issues"]} >= {"octo/alpha", "octo/zeta"}
        assert "octo/empty" not in {row["repository"] for row in result.records["commits"]}
        assert "octo/theirs" not in {row["repository"] for row in result.records["collaborators"]}

        gone = source(api, repositories=["octo/alpha", "octo/gone", "octo/zeta"])
        with pytest.raises(ConfigError, match="octo/gone"):
            gone.check()
        messages, error = collect(gone, "issues")
        assert isinstance(error, IncompleteError)
        assert error.failure_type == "config_error"
        assert "octo/gone" in str(error)
        there = {row["repository"] for m in messages if isinstance(m, Records) for row in m.rows()}
        assert there == {"octo/alpha", "octo/zeta"}  # the others are read all the same
        last = [m for m in messages if isinstance(m, State)][-1].stream_state or {}
        assert {entry["partition"]["repository"] for entry in last["states"]} == there


def test_nothing_is_lost_while_the_list_changes_under_the_reader() -> None:
    for seed in range(5):
        drift = Drift(every=1, touch=7, stream="issues", repo="octo/alpha")
        with GithubApi(repos={"octo/alpha": Repo(450)}, seed=seed, drift=[drift], page_size_cap=50) as api:
            result = read(source(api), "issues")
            assert numbers(result) == all_numbers(api)


def test_a_next_page_that_repeats_ends_with_an_error(api: GithubApi) -> None:
    api.fault("same_page", "/repos/octo/alpha/pulls", times=None)
    _, error = collect(source(api), "pull_requests")
    assert isinstance(error, IncompleteError)
    assert "circle" in str(error)


def test_credentials_do_not_follow_to_another_host(api: GithubApi) -> None:
    with GithubApi(repos={"octo/alpha": Repo(5)}, anonymous=True, host="127.0.0.2") as other:
        api.fault("redirect", "/repos/octo/alpha/tags", location=other.url, times=None)
        collect(source(api), "tags")
        assert other.requests
        assert {request.token for request in other.requests} == {"anonymous"}


def test_check_does_not_wait_for_a_quota(api: GithubApi) -> None:
    api.quota(remaining=0, limit=1000, reset_in=600.0)
    with pytest.raises(TransientError):
        source(api).check()


@pytest.mark.parametrize("wrong", [0, 1, 2])
def test_of_several_tokens_the_wrong_one_is_named_by_its_place(wrong: int) -> None:
    good = [f"ghp_{number}" + "0" * 32 for number in range(3)]
    tokens = [*good[:wrong], "ghp_wrong" + "0" * 27, *good[wrong + 1 :]]
    with GithubApi(repos={"octo/alpha": Repo(9)}, tokens=good) as api:
        connector = source(api, credentials={"personal_access_token": ",".join(tokens)})
        with pytest.raises(ConfigError, match=rf"refused \(401\).* That was token {wrong + 1} of 3\.") as refused:
            connector.check()
        assert "ghp_" not in refused.value.message
        messages, _ = collect(connector, "issues", "tags", "releases", "branches")
        said = {message.message for message in messages if isinstance(message, ErrorTrace)}
        assert said and all(f"token {wrong + 1} of 3" in text and "ghp_" not in text for text in said)
        good_ones = source(api, credentials={"personal_access_token": ",".join(good)})
        good_ones.check()
        assert {request.token for request in api.requests[-3:]} == {"token-0", "token-1", "token-2"}


def test_check_looks_up_branches(api: GithubApi, caplog: pytest.LogCaptureFixture) -> None:
    source(api, branches=["octo/alpha/main", "octo/beta/develop"]).check()
    for branch in ("octo/alpha/gone", "octo/alpha/feature/none"):
        with pytest.raises(ConfigError, match=f"config: '{branch}' in `branches`: .*not found"):
            source(api, branches=["octo/alpha/main", branch]).check()
    assert not caplog.text
    source(api, repositories=["octo/al*"], branches=["octo/alpha/main", "octo/beta/main", "main"]).check()
    assert "octo/beta/main (in `branches`)" in caplog.text
    assert ": main (in `branches`)" in caplog.text


@pytest.mark.parametrize(
    ("pattern", "names"),
    [
        (["octo/*"], {"octo/alpha", "octo/alps", "octo/beta"}),
        (["octo/al*"], {"octo/alpha", "octo/alps"}),
        (["octo/al*", "octo/alpha", "OCTO/alpha"], {"octo/alpha", "octo/alps"}),
        (["someone/*"], {"someone/own"}),
    ],
)
def test_repositories_by_pattern(pattern: list[str], names: set[str]) -> None:
    small = {"size": 3, "stargazers": 1, "commits": 2}
    repos = {name: Repo(**small) for name in ("octo/alpha", "octo/alps", "octo/beta")}
    repos["someone/own"] = Repo(**small, owner_type="User")
    with GithubApi(repos=repos, tokens=(TOKEN,)) as api:
        result = read(source(api, repositories=pattern), "tags", "repositories")
        assert {row["repository"] for row in result.records["tags"]} == names
        rows = [row["full_name"] for row in result.records["repositories"]]
        assert sorted(set(rows)) == sorted(names)


def test_a_pattern_without_a_match_is_the_users_turn(api: GithubApi) -> None:
    with pytest.raises(ConfigError, match=r"octo/zz\*"):
        source(api, repositories=["octo/zz*"]).check()


class Crowded(GithubApi):
    """Answers no listing before more are asked for at once than it likes."""

    crowd = threading.Event()

    def _answer(self, request: Any, crowded: bool) -> Any:
        if crowded:
            self.crowd.set()
        if request.path.count("/") > 3:
            assert self.crowd.wait(60.0)
        return super()._answer(request, crowded)


def test_more_at_once_than_github_likes_becomes_less(monkeypatch: pytest.MonkeyPatch) -> None:
    """The secondary limit: all wait as long as it says, and then fewer ask at a time; nothing is lost."""
    monkeypatch.setattr("headwater.pool._LOOK", 0.0)
    monkeypatch.setattr("headwater.pool._BUSY", float("inf"))
    repos = {f"octo/r{number}": Repo(30) for number in range(8)}
    with Crowded(repos, latency=0.05, max_concurrency=3) as api:
        connector = source(api, num_workers=8)
        found = read(connector, "issues", "branches", "tags")
        names = sorted(row["title"] for row in found.records["issues"])
        assert names == sorted(item["title"] for name in repos for item in api.truth("issues", name))
        assert api.peak_concurrency > 3  # so it did complain
        refused = [request for request in api.requests if request.status == 403]
        assert 0 < len(refused) <= 24
        waits = [m for m in found.messages if isinstance(m, StreamStatus) and m.rate_limited]
        assert waits and waits[0].status is Status.RUNNING
