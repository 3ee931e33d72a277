"""docs/acceptance.md: its commands and code are run, every option and every check is in it."""

from __future__ import annotations

import argparse
import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from headwater.acceptance.checks import CHECKS, load
from headwater.acceptance.results import Outcome
from headwater.acceptance.suite import run_one
from headwater.cli_acceptance import add_acceptance
from tests.acceptance.listing import table
from tests.acceptance.suite import CONFIG, RUN, write
from tests.github_api import TOKEN, GithubApi, Repo
from tests.test_docs import ROOT, blocks

PAGE = "docs/acceptance.md"
TEXT = (ROOT / PAGE).read_text()


def test_every_check_is_in_it() -> None:
    assert "\n".join(table()).strip() in TEXT, "python -m tests.acceptance.listing writes the tables anew"


def test_every_option_is_in_it() -> None:
    commands = argparse.ArgumentParser().add_subparsers()
    parser = add_acceptance(commands, int)
    options = [word for action in parser._actions for word in action.option_strings if word.startswith("--")]
    assert [word for word in options if word != "--help" and f"`{word}" not in TEXT] == []
    plugin = (ROOT / "sdk/headwater/testing/plugin.py").read_text()
    assert [word for word in re.findall(r'addoption\("(--[\w-]+)', plugin) if f"`{word}`" not in TEXT] == []


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder in which the page's commands can be run: with configs, and a source-acme."""
    (tmp_path / "secrets").mkdir()
    folder = tmp_path / "connectors" / "source-acme"
    folder.mkdir(parents=True)
    write(folder / "acceptance-test-config.yml", {"acceptance_tests": {"spec": {"tests": [{}]}}})
    write(tmp_path / "config.json", CONFIG)
    script = tmp_path / "bin" / "source-acme"
    script.parent.mkdir()
    script.write_text(f'#!/bin/sh\nexec {sys.executable} -I -S {RUN} correct "$@"\n')
    script.chmod(0o755)
    here = Path(sys.executable).parent
    monkeypatch.setenv("PATH", f"{script.parent}{os.pathsep}{here}{os.pathsep}{os.environ['PATH']}")
    return tmp_path


def commands(program: str) -> list[str]:
    return [line for block in blocks(PAGE, "sh") for line in block.splitlines() if line.startswith(program)]


def test_the_command_line_runs(world: Path) -> None:
    (line,) = commands("headwater acceptance")
    with GithubApi(repos={"octo/alpha": Repo(10)}) as api:
        credentials = {"option_title": "PAT Credentials", "personal_access_token": TOKEN}
        config = {"credentials": credentials, "repositories": ["octo/alpha"], "api_url": api.url}
        write(world / "secrets" / "config.json", config)
        words = [*shlex.split(line), "--only", "B1,C1,E1"]
        done = subprocess.run(words, cwd=world, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "3 passed, 0 failed" in done.stdout


def test_the_plugin_runs(world: Path) -> None:
    (line,) = commands("pytest")
    words = [*shlex.split(line), "-q", "-p", "no:cacheprovider", "--rootdir", ".", "--acceptance-only", "B1,C1"]
    done = subprocess.run(words, cwd=world, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "2 passed" in done.stdout


def test_the_class_runs(world: Path) -> None:
    (code,) = [block for block in blocks(PAGE, "python") if "AcceptanceTests" in block]
    only = code.replace('    skip = ("X6", "X7")\n', '    skip = ("X6", "X7")\n    only = ("B1", "C1")\n')
    config = ", ".join(f'"{name}": {value!r}' for name, value in CONFIG.items())
    (world / "test_acme.py").write_text(only.replace('"token": "t0ken"', config))
    words = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "--rootdir", ".", "test_acme.py"]
    done = subprocess.run(words, cwd=world, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "2 passed" in done.stdout


def test_the_check_of_the_page_is_one(tmp_path: Path) -> None:
    from headwater.acceptance.connector import Connector
    from tests.acceptance.suite import room, settings

    load()
    (code,) = [block for block in blocks(PAGE, "python") if '"C99"' in block]
    try:
        exec(compile(code, PAGE, "exec"), {"__name__": "docs_acceptance"})
        result = run_one(Connector(room("correct"), settings(tmp_path), tmp_path), CHECKS["C99"])
    finally:
        CHECKS.pop("C99", None)
    assert result.outcome is Outcome.PASSED
