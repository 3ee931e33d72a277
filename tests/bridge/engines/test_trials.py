"""kill -9 of this process, the connector and the server, crashes of the server: each row is there exactly once.

A hundred trials of each, or as many as ``HEADWATER_TRIALS`` says; see trials.py.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from tests.services.postgres import installed, own

ROOT = Path(__file__).parents[3]
MEMORY = Path("/dev/shm")
ROOM = 1 << 30
TRIALS = int(os.environ.get("HEADWATER_TRIALS", "100")) // 4


@pytest.mark.timeout(900 + 20 * TRIALS)
@pytest.mark.parametrize("quarter", range(4))
@pytest.mark.parametrize("kind", ["duckdb", "postgres"])
def test_killed_again_and_again(tmp_path: Path, kind: str, quarter: int) -> None:
    if kind == "postgres":
        installed()
    # Syncing to a file in memory takes no time, and outlives a process that is killed just as well.
    in_memory = MEMORY.is_dir() and shutil.disk_usage(MEMORY).free > ROOM
    with tempfile.TemporaryDirectory(prefix="trials-", dir=MEMORY if in_memory else tmp_path) as folder:
        own(Path(folder))
        script = Path(__file__).with_name("trials.py")
        command = [sys.executable, str(script), kind, folder, str(quarter * TRIALS), str(TRIALS)]
        environment = {**os.environ, "PYTHONPATH": str(ROOT), **({"TMPDIR": folder} if in_memory else {})}
        done = subprocess.run(command, check=False, capture_output=True, text=True, cwd=ROOT, env=environment)
    assert done.returncode == 0, done.stderr[-6000:]
    dead: dict[str, int] = json.loads(done.stdout)
    print(f"{kind}: {TRIALS} trials, killed: {dead}")
    # How far a sync is at an instant depends on the machine; at a statement or a line it doesn't.
    assert dead["statement"] + dead["connector"] > TRIALS / 2, "hardly anything was killed: the test proves nothing"
