"""Nothing is lost when ``source-github read`` dies at any point and is run again from its last state."""

from __future__ import annotations

import random
import signal
import sys
from pathlib import Path
from typing import Any

import pytest

from acceptance_tests.process import Connector
from tests.github_api import TOKEN, GithubApi, Repo

TRIALS = 30
STREAMS = {
    "issues": ("id", "updated_at"),
    "comments": ("id", "updated_at"),
    "pull_requests": ("id", "updated_at"),
    "commits": ("sha", "created_at"),
    "tags": ("name", "name"),
}
COMMAND = [sys.executable, "-c", "from source_github import GithubSource; GithubSource.main()"]


def connector(api: GithubApi, folder: Path) -> Connector:
    """source-github, pointed at the stand-in."""
    config = {
        "credentials": {"personal_access_token": TOKEN},
        "repositories": list(api.repos),
        "api_url": api.url,
    }
    return Connector(COMMAND, config, folder)


def latest(rows: list[dict[str, Any]], key: str, cursor: str) -> dict[Any, dict[str, Any]]:
    """The rows without duplicates: of each key the one with the latest cursor, the last read of equal ones."""
    found: dict[Any, dict[str, Any]] = {}
    for row in rows:
        identity = (row.get("repository"), row[key])
        if identity not in found or str(row[cursor]) >= str(found[identity][cursor]):
            found[identity] = row
    return found


@pytest.mark.parametrize("trial", range(TRIALS))
def test_killed_and_resumed(tmp_path: Path, trial: int) -> None:
    chance = random.Random(trial)
    repos = {"octo/alpha": Repo(220, reviews_per_pull=0), "octo/beta": Repo(40, reviews_per_pull=0)}
    with GithubApi(repos=repos, seed=trial, page_size_cap=40) as api:
        source = connector(api, tmp_path)
        catalog = source.configured(*STREAMS)
        rows: dict[str, list[dict[str, Any]]] = {name: [] for name in STREAMS}
        states: dict[str, dict[str, Any]] = {}
        for run in range(chance.randint(1, 3)):
            died = source.read(catalog, states, kill_after=chance.randrange(0, 1_600_000))
            assert died.code == -signal.SIGKILL or run > 0  # a resumed one may be done sooner
            for name in STREAMS:
                rows[name] += died.records(name)
            states.update(died.states())
            for number in chance.sample(range(1, 40), 3):
                repos["octo/alpha"].touch_issue(number)
            repos["octo/beta"].add_comment(body="new")
        whole = source.read(catalog, states)
        assert whole.code == 0
        assert not whole.cut
        for name, (key, cursor) in STREAMS.items():
            assert whole.statuses(name)[-1] == "COMPLETE"
            found = latest(rows[name] + list(whole.records(name)), key, cursor)
            truth = {
                (repository, item[key]): item.get("updated_at")
                for repository in repos
                for item in api.truth(name, repository)
            }
            assert {identity: row.get("updated_at") for identity, row in found.items()} == truth
