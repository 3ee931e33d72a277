"""The environments of the peers, each its own."""

from __future__ import annotations

import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from ..process import ROOT, Failed

_FOLDER = ROOT / ".venv-peers"
_SCRIPTS = Path(__file__).parent
PACKAGES = {
    "dlt": ("dlt[duckdb,postgres,parquet,sqlalchemy]>=1.5,<2",),
    "airbyte": ("airbyte>=0.20,<1",),
}


@dataclass(frozen=True)
class Peer:
    """A script, and the Python that it runs with."""

    python: str
    script: Path

    def command(self, *arguments: str) -> list[str]:
        """Its command line."""
        return [self.python, str(self.script), *arguments]


def headwater() -> Peer:
    """Headwater, in the environment that this runs in."""
    return Peer(sys.executable, _SCRIPTS / "with_headwater.py")


def floor() -> Peer:
    """DuckDB alone, in the environment that this runs in."""
    return Peer(sys.executable, _SCRIPTS / "with_duckdb.py")


def dlt() -> Peer:
    """dlt.

    :raises Failed: when it can't be installed.
    """
    return Peer(_python("dlt"), _SCRIPTS / "with_dlt.py")


def pyairbyte() -> Peer:
    """PyAirbyte.

    :raises Failed: when it can't be installed.
    """
    return Peer(_python("airbyte"), _SCRIPTS / "with_pyairbyte.py")


def versions() -> dict[str, str]:
    """What is installed where."""
    found = {}
    for name, packages in {"dlt": ("dlt", "duckdb"), "airbyte": ("airbyte", "duckdb")}.items():
        python = _FOLDER / name / "bin" / "python"
        if python.exists():
            ask = f"from importlib.metadata import version as v; print(*(p + ' ' + v(p) for p in {packages!r}))"
            said = subprocess.run([str(python), "-c", ask], capture_output=True, text=True, check=True)
            found[name] = said.stdout.strip()
    return found


def _python(name: str) -> str:
    python = _FOLDER / name / "bin" / "python"
    if python.exists() and _imports(python, name):
        return str(python)
    folder = _FOLDER / name
    shutil.rmtree(folder, ignore_errors=True)
    beside = Path(sys.executable).with_name("uv")
    uv = str(beside) if beside.exists() else shutil.which("uv")
    if not uv:
        raise Failed(f"{name} can't be installed: there is no uv.")
    for command in (
        [uv, "venv", "-q", "--python", sys.executable, str(folder)],
        [uv, "pip", "install", "-q", "--compile-bytecode", "--python", str(python), *PACKAGES[name]],
    ):
        print(f"  {' '.join(command[-2:])}", file=sys.stderr)
        made = subprocess.run(command, capture_output=True, text=True, check=False, cwd=ROOT)
        if made.returncode:
            shutil.rmtree(folder, ignore_errors=True)
            raise Failed(f"{name} can't be installed: {made.stderr.strip()[-600:]}")
    return str(python)


def _imports(python: Path, name: str) -> bool:
    ask = f"import importlib.metadata as m; m.version({name!r})"
    return subprocess.run([str(python), "-c", ask], capture_output=True, check=False).returncode == 0
