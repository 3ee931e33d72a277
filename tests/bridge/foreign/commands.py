"""The command line, run on connectors that do not behave."""

from __future__ import annotations

import json
import os
import shlex
import subprocess
import sys
from pathlib import Path
from typing import Any

from tests.bridge.foreign.landed import NASTY
from tests.bridge.foreign.taps import TAP

PYTHON = shlex.quote(sys.executable)


BIG = """
import json
for n in range(300000):
    print(json.dumps({"type": "RECORD", "record": {"stream": "a", "data": {"id": n}, "emitted_at": 1}}))
"""


def nasty(way: str) -> str:
    return f"{PYTHON} {NASTY} {way}"


def tap(make: str) -> str:
    return f"{PYTHON} {TAP} {make}"


def headwater(*words: str, folder: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "headwater", *words]
    environ = {**os.environ, "TMPDIR": str(folder), **environment}
    return subprocess.run(command, cwd=folder, env=environ, capture_output=True, text=True, timeout=200, check=False)


def messages(done: subprocess.CompletedProcess[str]) -> list[dict[str, Any]]:
    return [json.loads(line) for line in done.stdout.split("\n") if line]


def records(done: subprocess.CompletedProcess[str]) -> list[int]:
    return [m["record"]["data"]["id"] for m in messages(done) if m["type"] == "RECORD"]
