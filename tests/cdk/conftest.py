"""airbyte-cdk's environment, and GitHub's stand-in."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.benchmarks.process import ROOT
from tests.cdk.rooms import cdk_python, variables
from tests.github_api import GithubApi, Repo


class Worker:
    """A process in airbyte-cdk's environment; its attributes are the functions of :mod:`tests.cdk.inside`."""

    def __init__(self, python: Path) -> None:
        self._process = subprocess.Popen(
            [str(python), "-m", "tests.cdk.worker"], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
            env=variables(), cwd=ROOT, text=True,
        )  # fmt: skip

    def __getattr__(self, function: str) -> Any:
        def call(**arguments: Any) -> Any:
            stdin, stdout = self._process.stdin, self._process.stdout
            assert stdin is not None and stdout is not None
            stdin.write(json.dumps({"function": function, "arguments": arguments}) + "\n")
            stdin.flush()
            line = stdout.readline()
            assert line, "the process in airbyte-cdk's environment died; its standard error says why"
            answer = json.loads(line)
            assert "raised" not in answer, answer["stack"]
            return answer["result"]

        return call

    def close(self) -> None:
        """End it."""
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._process.wait(120)


@pytest.fixture(scope="session")
def cdk() -> Path:
    """The Python of airbyte-cdk's environment."""
    return cdk_python()


@pytest.fixture(scope="module")
def worker(cdk: Path) -> Iterator[Worker]:
    """A process in it."""
    made = Worker(cdk)
    yield made
    made.close()


@pytest.fixture
def api() -> Iterator[GithubApi]:
    """Two repositories."""
    with GithubApi(repos={"octo/alpha": Repo(60), "octo/beta": Repo(20)}, seed=4) as served:
        yield served
