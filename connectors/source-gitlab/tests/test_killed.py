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


def test_a_full_refresh_goes_on_within_its_job(tmp_path: Path) -> None:
    """As a platform tries a job again: with the state of the try that failed."""
    projects = {"acme/api": Project(90), "acme/web/site": Project(130)}
    with GitlabApi(projects, seed=1, cap=20) as api:
        config = {"api_url": api.url, "private_token": TOKEN, "groups": "acme", "num_workers": 1}
        source = Connector(COMMAND, config, tmp_path)
        catalog = source.configured("issues", "tags")
        for stream in catalog["streams"]:
            assert stream["stream"]["is_resumable"]
            stream.update(sync_mode="full_refresh", generation_id=3, minimum_generation_id=3, sync_id=7)
        fault = api.fault("status", "/projects/acme/web/site/issues", times=None, nth=4, status=422)
        failed = source.read(catalog)
        assert failed.code == 1
        assert failed.statuses("issues")[-1] == "INCOMPLETE"
        states = failed.states()
        partitions = states["issues"]["stream"]["stream_state"]["states"]
        assert [sorted(entry["cursor"]) for entry in partitions] == [["__ab_full_refresh_sync_complete"], ["next_page"]]
        fault.times = 0
        again = source.read(catalog, states)
        assert again.code == 0
        assert not list(again.records("tags"))  # it was read whole
        rows = [*failed.records("issues"), *again.records("issues")]
        truth = {item["id"] for project in projects.values() for item in project.truth("issues")}
        assert {row["id"] for row in rows} == truth
        assert len(rows) < len(truth) + 20
        assert set(again.states()["issues"]["stream"]["stream_state"]) == {"__ab_full_refresh_sync_complete"}
