"""kill -9 of this process and of the connector, crashes of the server: each row is there exactly once.

``HEADWATER_TRIALS=100`` runs that many of each; see trials.py.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.services.postgres import installed

ROOT = Path(__file__).parents[3]
TRIALS = int(os.environ.get("HEADWATER_TRIALS", "15"))


@pytest.mark.timeout(100 + 20 * TRIALS)
@pytest.mark.parametrize("kind", ["duckdb", "postgres"])
def test_killed_again_and_again(tmp_path: Path, kind: str) -> None:
    if kind == "postgres":
        installed()
    script = Path(__file__).with_name("trials.py")
    command = [sys.executable, str(script), kind, str(tmp_path), "0", str(TRIALS)]
    done = subprocess.run(
        command, check=False, capture_output=True, text=True, cwd=ROOT, env={**os.environ, "PYTHONPATH": str(ROOT)}
    )
    assert done.returncode == 0, done.stderr[-6000:]
    dead: dict[str, int] = json.loads(done.stdout)
    print(f"{kind}: {TRIALS} trials, killed: {dead}")
    assert sum(dead.values()) - dead.get("nobody", 0) > TRIALS, "hardly anything was killed: the test proves nothing"
