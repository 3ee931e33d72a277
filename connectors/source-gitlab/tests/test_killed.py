"""Nothing is lost when ``source-gitlab read`` dies at any point and is run again from its last state."""

from __future__ import annotations

import random
import signal
import sys
from pathlib import Path
from typing import Any

import pytest

from acceptance_tests.process import Connector
from tests.gitlab_api import TOKEN, GitlabApi, Project

STREAMS = {
    "issues": "updated_at",
    "merge_requests": "updated_at",
    "commits": "created_at",
    "pipelines": "updated_at",
    "jobs": "pipeline_updated_at",
    "tags": "name",
}
COMMAND = [sys.executable, "-c", "from source_gitlab import GitlabSource; GitlabSource.main()"]


def latest(stream: str, rows: list[dict[str, Any]]) -> dict[Any, dict[str, Any]]:
    """The rows without duplicates: of each key the one with the latest cursor, the last read of equal ones."""
    found: dict[Any, dict[str, Any]] = {}
    for row in rows:
        identity = row.get("id") or (row["project_id"], row["name"])
        if identity not in found or str(row[STREAMS[stream]]) >= str(found[identity][STREAMS[stream]]):
            found[identity] = row
    return found


@pytest.mark.parametrize("trial", range(5))
def test_killed_and_resumed(tmp_path: Path, trial: int) -> None:
    chance = random.Random(trial)
    projects = {"acme/api": Project(180), "acme/web/site": Project(40)}
    with GitlabApi(projects, seed=trial, cap=40) as api:
        config = {"api_url": api.url, "private_token": TOKEN, "groups": "acme"}
        source = Connector(COMMAND, config, tmp_path)
        catalog = source.configured(*STREAMS)
        rows: dict[str, list[dict[str, Any]]] = {name: [] for name in STREAMS}
        states: dict[str, dict[str, Any]] = {}
        for run in range(chance.randint(1, 2)):
            died = source.read(catalog, states, kill_after=chance.randrange(0, 1_200_000))
            assert died.code == -signal.SIGKILL or run > 0  # a resumed one may be done sooner
            for name in STREAMS:
                rows[name] += died.records(name)
            states.update(died.states())
            for place in chance.sample(range(40), 3):
                projects["acme/api"].touch("issues", place)
                projects["acme/api"].touch("pipelines", place)
            projects["acme/web/site"].add("merge_requests")
            projects["acme/web/site"].add("commits")
        whole = source.read(catalog, states)
        assert whole.code == 0
        assert not whole.cut
        for name in STREAMS:
            assert whole.statuses(name)[-1] == "COMPLETE"
            found = latest(name, rows[name] + list(whole.records(name)))
            every = [
                {"project_id": project.item["id"], **item}
                for project in projects.values()
                for item in project.truth(name)
            ]
            truth = {item.get("id") or (item["project_id"], item["name"]): item.get("status") for item in every}
            assert {identity: row.get("status") for identity, row in found.items()} == truth
            updates = {item["id"]: item["updated_at"] for item in every if "updated_at" in item}
            assert all(row["updated_at"] == updates[ident] for ident, row in found.items() if ident in updates)
