"""The suite within pytest: as a class, and as a plugin that takes config files for tests."""

from __future__ import annotations

import shlex
import subprocess
import sys
from pathlib import Path

from headwater.testing.acceptance import AcceptanceTests
from tests.acceptance.suite import CONFIG, RUN, TOKEN, write

COMMAND = shlex.join([sys.executable, "-I", "-S", str(RUN), "correct"])
BROKEN = shlex.join([sys.executable, "-I", "-S", str(RUN), "PrintsToken"])


class TestCorrect(AcceptanceTests):
    command = COMMAND
    config = CONFIG
    only = ("A1", "B", "C", "D14")


def plugin(folder: Path, command: str, *arguments: str) -> tuple[int, str]:
    """pytest with the plugin."""
    words = [sys.executable, "-m", "pytest", "-p", "headwater.testing.plugin", "-p", "no:cacheprovider", "-q", "-rs",
             str(folder), "--rootdir", str(folder), "--acceptance-command", command, *arguments]  # fmt: skip
    done = subprocess.run(words, cwd=folder, capture_output=True, text=True, check=False)
    return done.returncode, done.stdout + done.stderr


def folder(path: Path) -> Path:
    """A connector's folder with a config file."""
    (path / "secrets").mkdir()
    write(path / "secrets" / "config.json", CONFIG)
    tests = {"tests": [{"config_path": "secrets/config.json"}]}
    write(path / "acceptance-test-config.yml", {
        "connector_image": "test/source:dev",
        "acceptance_tests": {"spec": tests, "connection": {"tests": [{"config_path": "secrets/config.json"}]},
                             "discovery": {"bypass_reason": "it is frozen"}},
    })  # fmt: skip
    return path


def test_a_config_file_is_a_file_of_tests(tmp_path: Path) -> None:
    code, said = plugin(folder(tmp_path), COMMAND, "--acceptance-only", "A,C,D1")
    assert code == 0, said
    assert "`discovery` is bypassed: it is frozen" in said
    assert "16 passed, 1 skipped" in said


def test_a_failure_shows_its_findings_and_no_secret(tmp_path: Path) -> None:
    code, said = plugin(folder(tmp_path), BROKEN, "--acceptance-only", "A1")
    assert code == 1
    assert "`check` wrote a line that is no message." in said
    assert "run: " in said
    assert TOKEN not in said
    assert "Traceback" not in said
