"""What docs/airbyte-cdk.md shows is run."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.benchmarks.process import ROOT
from tests.cdk.ours import github
from tests.cdk.rooms import pyairbyte_python, variables
from tests.connectors.process import catalog
from tests.github_api import GithubApi

pytestmark = pytest.mark.timeout(1200)

PAGE = (ROOT / "docs" / "airbyte-cdk.md").read_text()
CONNECTOR = ROOT / "connectors" / "source-github"
COMMANDS = [line for block in re.findall(r"^```sh\n(.*?)^```", PAGE, re.M | re.S) for line in block.splitlines()]


@pytest.fixture
def folder(tmp_path: Path, api: GithubApi) -> Path:
    """A connector's folder with the page's files, a config and a catalog."""
    made = tmp_path / "source-github"
    shutil.copytree(CONNECTOR / "integration_tests", made / "integration_tests")
    for name in ("metadata.yaml", "acceptance-test-config.yml"):
        shutil.copy(CONNECTOR / name, made / name)
    for block in re.findall(r"^```python\n(.*?)^```", PAGE, re.M | re.S):
        (name,) = re.findall(r"\A# (\S+)\n", block)
        (made / name).write_text(block)
    (made / "secrets").mkdir()
    connector = github(made, api, repositories=["octo/alpha"])
    for name in ("config.json", "secrets/config.json"):
        connector.file(name, connector.config)
    connector.file("catalog.json", catalog("tags", mode="full_refresh"))
    return made


def shell(line: str, folder: Path, python: Path, **more: str) -> str:
    """Run one of the page's commands with an environment's programs first, and the connector's own after them."""
    line = line.replace("python ", f"{python} ", 1).replace("pytest ", f"{python} -m pytest -p no:cacheprovider ", 1)
    inherited = variables(TMPDIR=str(folder), HOME=str(folder))
    path = f"{python.parent}:{Path(sys.executable).parent}:{inherited['PATH']}"
    done = subprocess.run(
        line,
        shell=True,
        cwd=folder,
        env={**inherited, "PATH": path, **more},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-2000:]
    return done.stdout


def passed(said: str) -> int:
    """How many tests passed, as pytest counts them."""
    return int(re.findall(r"(\d+) passed", said)[-1])


def test_no_command_of_the_page_is_left_out() -> None:
    assert len(COMMANDS) == 9
    installed = [line for line in COMMANDS if line.startswith("pip install ")]
    assert installed == ["pip install airbyte", "pip install 'headwater[cdk]' headwater-source-github"]


def test_the_launched_connector_runs(cdk: Path, folder: Path) -> None:
    lines = [line for line in COMMANDS if "main.py" in line]
    assert len(lines) == 3
    said = [shell(line, folder, cdk) for line in lines]
    kinds = [{json.loads(line)["type"] for line in out.splitlines()} - {"LOG", "TRACE"} for out in said]
    assert kinds == [{"SPEC"}, {"CONNECTION_STATUS"}, {"RECORD", "STATE"}]


def test_the_test_with_the_wrapper_passes(cdk: Path, folder: Path) -> None:
    (line,) = [line for line in COMMANDS if "test_issues.py" in line]
    assert "1 passed" in shell(line, folder, cdk)


def test_the_standard_tests_pass(cdk: Path, folder: Path) -> None:
    (line,) = [line for line in COMMANDS if line.startswith("pytest integration_tests")]
    warnings = " -W error::airbyte_cdk.test.standard_tests.DiscoveredCatalogWarning"
    said = shell(line + warnings, folder, cdk)
    assert passed(said) >= 7 and "failed" not in said


def test_the_command_of_the_standard_tests_passes(cdk: Path, folder: Path) -> None:
    (line,) = [line for line in COMMANDS if line.startswith("airbyte-cdk ")]
    said = shell(line, folder, cdk)
    assert passed(said) >= 7 and "failed" not in said


def test_pyairbyte_reads_two_streams(folder: Path, api: GithubApi) -> None:
    python = pyairbyte_python()
    (line,) = [line for line in COMMANDS if "pyairbyte_read.py" in line]
    log = {"AIRBYTE_LOGGING_ROOT": str(folder / "logs"), "DO_NOT_TRACK": "1"}
    first = shell(line, folder, python, **log)
    assert "issues 60\n" in first and "branches" in first
    asked = len(api.requests)
    second = shell(line, folder, python, **log)
    assert "issues 60\n" in second
    # what is read whole is there again, though PyAirbyte gave the state that says it was
    assert (found := re.findall(r"branches [1-9]\d*", first)) and re.findall(r"branches [1-9]\d*", second) == found
    since = [request for request in api.requests[asked:] if request.path.endswith("/issues")]
    assert since and all("since" in request.query for request in since)
