"""airbyte_cdk.entrypoint.launch as a process: what comes when, and how it ends."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests.benchmarks.process import ROOT
from tests.cdk.ours import GITHUB, TOY, github
from tests.cdk.rooms import variables
from tests.connectors.process import Run, Toy, catalog, execute
from tests.github_api import GithubApi

pytestmark = pytest.mark.timeout(1200)


def launched(cdk: Path, source: str, arguments: list[str]) -> list[str]:
    """A command line that launches the source."""
    module, _, name = source.partition(":")
    code = (
        "import sys; from airbyte_cdk.entrypoint import launch; from headwater.cdk import to_airbyte_cdk; "
        f"from {module} import {name}; launch(to_airbyte_cdk({name})(), sys.argv[1:])"
    )
    return [str(cdk), "-c", code, *arguments]


def run(cdk: Path, toy: Toy, command: str, *streams: str, **options: Any) -> Run:
    arguments = toy.arguments(command, *streams, **options)[len(toy.command) :]
    return execute(launched(cdk, TOY, arguments), env=variables())


def test_a_read_ends_with_0_or_1(cdk: Path, tmp_path: Path) -> None:
    toy = Toy(tmp_path)
    done = run(cdk, toy, "read", "rotating", "numbers")
    assert done.code == 0
    assert [m["type"] for m in done.messages if m["type"] in ("RECORD", "CONTROL")][:8] == [
        *["RECORD"] * 3, "CONTROL", *["RECORD"] * 3, "CONTROL",
    ]  # fmt: skip
    (big,) = run(cdk, toy, "read", "ready", token="t").records("ready")[:1]
    assert big["big"] == 12345678901234567890123
    assert done.statuses("numbers") == ["STARTED", "RUNNING", "COMPLETE"]
    failed = run(cdk, toy, "read", "broken", "numbers")
    assert failed.code == 1
    assert [error["failure_type"] for error in failed.of("ERROR")] == ["system_error", "system_error"]
    assert failed.statuses("numbers")[-1] == "COMPLETE" and failed.statuses("broken")[-1] == "INCOMPLETE"
    assert b"s3cr3t-t0ken" not in failed.stdout + failed.stderr


def test_a_wait_is_told_while_it_lasts(cdk: Path, tmp_path: Path, api: GithubApi) -> None:
    api.fault("secondary", "/repos/octo/alpha/tags", retry_after=8)
    connector = github(tmp_path, api, repositories=["octo/alpha"])
    arguments = [
        "read", "--config", connector.file("config.json", connector.config),
        "--catalog", connector.file("catalog.json", catalog("tags", mode="full_refresh")),
    ]  # fmt: skip
    asked: dict[str, int] = {}  # how often, when the first of each kind of message came
    with subprocess.Popen(
        launched(cdk, GITHUB, arguments), stdout=subprocess.PIPE, env=variables(), cwd=ROOT
    ) as process:
        assert process.stdout is not None
        for line in process.stdout:
            message = json.loads(line)
            reasons = message.get("trace", {}).get("stream_status", {}).get("reasons") or []
            kind = reasons[0]["type"] if reasons else message["type"]
            asked.setdefault(kind, sum(request.path.endswith("/tags") for request in api.requests))
    assert process.returncode == 0
    assert (asked["RATE_LIMITED"], asked["RECORD"]) == (1, 2)
