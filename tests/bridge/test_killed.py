"""kill -9 at any moment: after the next sync the rows are the truth, each exactly once."""

from __future__ import annotations

import json
import random
import signal
import sqlite3
import subprocess
import sys
import time
from contextlib import closing
from pathlib import Path

import pytest

from tests.bridge.killed import NAMES, ROWS

SCRIPT = Path(__file__).with_name("killed.py")
TRIALS = Path(__file__).with_name("kill_trials.py")


def run(path: Path, mode: str, seed: int, seconds: float | None) -> None:
    """Run the sync; kill it after so many seconds of work (seen by the file that it makes)."""
    words = [str(path), mode, str(seed), *(["waits"] if seconds is not None else [])]
    process = subprocess.Popen([sys.executable, str(SCRIPT), *words], stderr=subprocess.PIPE)
    try:
        if seconds is not None:
            while not path.exists() and process.poll() is None:
                time.sleep(0.002)
            time.sleep(seconds)
            process.kill()
        _, told = process.communicate(timeout=200)
    finally:
        process.kill()
    assert process.returncode == (0 if seconds is None else -signal.SIGKILL), told.decode()


def ids(path: Path, name: str) -> list[int]:
    with closing(sqlite3.connect(path)) as connection:
        return [row[0] for row in connection.execute(f"SELECT id FROM {name} ORDER BY id")]


@pytest.mark.parametrize(("mode", "trials"), [("append", 3), ("append_dedup", 1)])
def test_killed_again_and_again(tmp_path: Path, mode: str, trials: int) -> None:
    moments = random.Random(20240501)
    for trial in range(trials):
        path = tmp_path / f"{trial}.db"
        for attempt in range(2):
            run(path, mode, 10 * trial + attempt, moments.uniform(0.02, 0.4))
        run(path, mode, 10 * trial + 9, None)
        for name in NAMES:
            assert ids(path, name) == list(range(ROWS)), f"trial {trial}, stream {name}"


def test_a_hundred_trials_at_chosen_moments(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, str(TRIALS), str(tmp_path), "0", "100"], capture_output=True, timeout=800, check=False
    )
    assert done.returncode == 0, done.stderr.decode()
    killed = json.loads(done.stdout)
    assert set(killed) == {"statement", "steps", "message", "connector"} and sum(killed.values()) > 100
