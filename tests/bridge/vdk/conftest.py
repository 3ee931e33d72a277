"""What the tests of data jobs share: an installed connector, and jobs in a directory."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import textwrap
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[3]
NEEDS_VDK = "needs VDK: install the extra `vdk` and the group `test`"


@pytest.fixture
def installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The connector ``numbers`` is installed: a directory with its metadata, which is on the path."""
    site = tmp_path / "site"
    info = site / "source_numbers-1.0.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: source-numbers\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(
        "[headwater.sources]\nnumbers = tests.bridge.vdk.numbers_source:NumbersSource\n"
    )
    monkeypatch.syspath_prepend(str(site))
    monkeypatch.syspath_prepend(str(ROOT))
    return site


Step = Callable[..., Path]


@pytest.fixture
def job(tmp_path: Path) -> Step:
    """Writes a data job of one step, and further files."""

    def make(step: str, name: str = "a-job", **files: str) -> Path:
        directory = tmp_path / name
        directory.mkdir(exist_ok=True)
        (directory / "step.py").write_text(textwrap.dedent(step))
        # bytecode of an older step of the same length and second would be taken for this one's
        shutil.rmtree(directory / "__pycache__", ignore_errors=True)
        for file, text in files.items():
            (directory / file.replace("_", ".")).write_text(textwrap.dedent(text))
        return directory

    return make


@pytest.fixture
def run(installed: Path) -> Any:
    """Runs a job within this process, with these VDK plugins and no entry points; gives click's result.

    ``run.states()`` is what was kept in the job's properties, which last for the test.
    """

    from vdk.plugin.test_utils.util_funcs import CliEntryBasedTestRunner
    from vdk.plugin.test_utils.util_plugins import TestPropertiesPlugin

    class Runner:
        def __init__(self) -> None:
            self.kept = TestPropertiesPlugin()

        def __call__(self, directory: Path, *plugins: Any) -> Any:
            runner = CliEntryBasedTestRunner(self.kept, *plugins)
            runner.clear_default_plugins()
            return runner.invoke(["run", str(directory)])

        def states(self, name: str = "a-job") -> Any:
            from headwater.bridge.vdk.states import KEY

            return self.kept.properties_client.read_properties(name, "").get(KEY)

    return Runner()


class Vdk:
    """The ``vdk`` command in a process of its own, with entry points, as a user runs it."""

    def __init__(self, site: Path, home: Path) -> None:
        self.env = {
            **{key: value for key, value in os.environ.items() if not key.startswith("VDK_")},
            "PYTHONPATH": f"{site}{os.pathsep}{ROOT}",
            "VDK_FS_PROPERTIES_DIRECTORY": str(home),
            "VDK_LOG_EXECUTION_RESULT": "true",
            "HOME": str(home),
        }

    def start(self, *args: Any, **settings: str) -> subprocess.Popen[str]:
        """Start ``vdk ARGS`` with VDK_ settings."""
        return subprocess.Popen(
            [sys.executable, "-m", "vdk.internal.cli_entry", *map(str, args)],
            env={**self.env, **{f"VDK_{key}": value for key, value in settings.items()}},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def __call__(self, *args: Any, **settings: str) -> tuple[int, str]:
        """Run it to the end; gives the exit code and everything it printed."""
        process = self.start(*args, **settings)
        output, _ = process.communicate(timeout=200)
        return process.returncode, output


@pytest.fixture
def vdk(installed: Path, tmp_path: Path) -> Iterator[Vdk]:
    """The ``vdk`` command."""
    home = tmp_path / "home"
    home.mkdir()
    yield Vdk(installed, home)
