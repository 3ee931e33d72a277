"""The Python environments of the two SDKs."""

from __future__ import annotations

import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from .process import ROOT, Failed, environment

CDK = "airbyte-cdk>=7.39,<8"
_FOLDER = ROOT / ".venv-cdk"
_CONNECTORS = Path(__file__).parent / "connectors"


@dataclass(frozen=True)
class Room:
    """An SDK: its name, its Python, and the benchmark's connector written on it."""

    name: str
    python: str
    connector: Path

    def command(self, *arguments: str) -> list[str]:
        """The connector's command line."""
        return [self.python, str(self.connector), *arguments]


def ours() -> Room:
    """Headwater, in the environment that this runs in, with its bytecode compiled."""
    compiled = [sys.executable, "-m", "compileall", "-q", str(ROOT / "sdk")]
    subprocess.run(compiled, check=False, env=environment(), cwd=ROOT)
    return Room("headwater", sys.executable, _CONNECTORS / "ours.py")


def floor() -> Room:
    """A hand-written loop, in our environment."""
    return Room("floor", sys.executable, _CONNECTORS / "floor.py")


def theirs() -> Room:
    """airbyte-cdk, in an environment of its own, which is made when it is not there.

    :raises Failed: when it can't be installed.
    """
    python = _FOLDER / "bin" / "python"
    if not _usable(python):
        shutil.rmtree(_FOLDER, ignore_errors=True)
        for command in _installation(python):
            print(f"  {' '.join(command[-3:])}", file=sys.stderr)
            made = subprocess.run(command, capture_output=True, text=True, check=False, cwd=ROOT)
            if made.returncode:
                shutil.rmtree(_FOLDER, ignore_errors=True)
                raise Failed(f"{CDK} can't be installed: {made.stderr.strip()[-600:]}")
    return Room("airbyte-cdk", str(python), _CONNECTORS / "theirs.py")


def manifest() -> Room:
    """A declarative manifest, in the environment that :func:`theirs` has made."""
    return Room("cdk manifest", str(_FOLDER / "bin" / "python"), _CONNECTORS / "manifest.py")


def versions(*rooms: Room) -> dict[str, str]:
    """What is installed where."""
    found = {"python": sys.version.split()[0]}
    for room in rooms:
        ask = f"from importlib.metadata import version; print(version({room.name!r}))"
        said = subprocess.run([room.python, "-c", ask], capture_output=True, text=True, check=True)
        found[room.name] = said.stdout.strip()
    return found


def _usable(python: Path) -> bool:
    if not python.exists():
        return False
    ask = "import importlib.metadata as m; print(m.version('airbyte-cdk').split('.')[0])"
    said = subprocess.run([str(python), "-c", ask], capture_output=True, text=True, check=False)
    return said.stdout.strip() == "7"


def _installation(python: Path) -> list[list[str]]:
    """Its commands, whichever tool there is; both leave compiled bytecode, without which the CDK would start
    twice as slowly."""
    beside = Path(sys.executable).with_name("uv")
    uv = str(beside) if beside.exists() else shutil.which("uv")
    if uv:
        return [
            [uv, "venv", "-q", "--python", sys.executable, str(_FOLDER)],
            [uv, "pip", "install", "-q", "--compile-bytecode", "--python", str(python), CDK],
        ]
    return [
        [sys.executable, "-m", "venv", str(_FOLDER)],
        [str(python), "-m", "pip", "install", "-q", "--compile", CDK],
    ]
