"""The environments that these tests look in from outside: airbyte-cdk's, which the benchmarks use too, and
PyAirbyte's.

Neither can be this one: the airbyte-cdk needs pydantic 2, VDK pydantic 1. Each is made once, below .venv-cdk.
"""

from __future__ import annotations

import fcntl
import hashlib
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.benchmarks.process import ROOT, Failed, environment
from tests.benchmarks.rooms import CDK, theirs
from tests.needs import missing

PYAIRBYTE = "airbyte>=0.30,<1"
_CONNECTOR = ROOT / "connectors" / "source-github"
_PYAIRBYTE = ROOT / ".venv-cdk" / "pyairbyte"
_HAS_OURS = (
    "import pytest, airbyte_cdk.test, headwater, source_github, pathlib; "
    f"found = pathlib.Path(headwater.__file__); assert found.is_relative_to({str(ROOT)!r})"
)


def cdk_python() -> Path:
    """The Python that has airbyte-cdk, this checkout's headwater and source-github, and pytest.

    Skips the test where it can't be made; fails it in CI.
    """
    with _one_at_a_time(), _or_skip(f"an environment with {CDK}"):
        python = Path(theirs().python)
        if not _runs(python, _HAS_OURS):
            _install(python, "--editable", str(ROOT), "--editable", str(_CONNECTOR), "pytest>=8.3")
    return python


def pyairbyte_python() -> Path:
    """The Python that has PyAirbyte and nothing of ours. Skips the test, or fails it, as :func:`cdk_python`."""
    python = _PYAIRBYTE / "bin" / "python"
    cdk_python()  # makes the folder, and would remove it with all that is in it
    with _one_at_a_time(), _or_skip(f"an environment with {PYAIRBYTE}"):
        if not _runs(python, "from importlib.metadata import version; version('airbyte'); import duckdb_engine"):
            shutil.rmtree(_PYAIRBYTE, ignore_errors=True)
            uv = _uv()
            make = [uv, "venv", "-q"] if uv else [sys.executable, "-m", "venv"]
            _run([*make, *(["--python", sys.executable] if uv else []), str(_PYAIRBYTE)])
            _install(python, PYAIRBYTE)
    return python


def variables(**more: str) -> dict[str, str]:
    """A process's environment: nothing of this one's settings, and these modules to import."""
    return {**environment(), "PYTHONPATH": str(ROOT), **more}


def _runs(python: Path, code: str) -> bool:
    if not python.exists():
        return False
    done = subprocess.run([str(python), "-c", code], capture_output=True, check=False, env=environment(), cwd="/")
    return done.returncode == 0


def _install(python: Path, *what: str) -> None:
    uv = _uv()
    if uv:
        _run([uv, "pip", "install", "-q", "--compile-bytecode", "--python", str(python), *what])
    else:
        _run([str(python), "-m", "pip", "install", "-q", "--compile", *what])


def _uv() -> str | None:
    beside = Path(sys.executable).with_name("uv")
    return str(beside) if beside.exists() else shutil.which("uv")


def _run(command: list[str]) -> None:
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=ROOT)
    if done.returncode:
        raise Failed(f"{' '.join(command[:3])} ... failed: {done.stderr.strip()[-600:]}")


@contextmanager
def _or_skip(what: str) -> Iterator[None]:
    try:
        yield
    except Failed as error:
        reason = (
            f"needs {what} below .venv-cdk, which is made by itself where Python packages can be downloaded, "
            f"once: {error}"
        )
        missing(reason)


@contextmanager
def _one_at_a_time() -> Iterator[None]:
    """Tests run in several processes. The lock is outside of the folder, which may be made anew."""
    name = hashlib.sha256(str(ROOT).encode()).hexdigest()[:16]
    with open(Path(tempfile.gettempdir()) / f"headwater-rooms-{name}.lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
