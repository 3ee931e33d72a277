"""A flow whose source is an image is killed, and run again: every row is there once."""

from __future__ import annotations

import os
import sqlite3
import subprocess
import sys
import time
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

from headwater.bridge.runners.docker_engine import OWNER
from tests.github_api import TOKEN, GithubApi, Repo

if TYPE_CHECKING:
    from docker import DockerClient

FLOW = """
[sources.hub]
image = "{image}"
pull = "never"
network = "host"
[sources.hub.config]
credentials = {{ personal_access_token = "${{TOKEN}}" }}
repositories = ["octo/alpha"]
api_url = "{url}"
start_date = "2000-01-01T00:00:00Z"

[destinations.db]
target = "sqlite:///hub.db"

[[flows]]
from = "hub"
to = "db"
streams = ["issues"]
"""


def stored(database: Path) -> bool:
    """Whether a state is there, and so rows."""
    try:
        with closing(sqlite3.connect(f"file:{database}?mode=ro", uri=True)) as connection:
            return bool(connection.execute("SELECT count(*) FROM _headwater_state").fetchone()[0])
    except sqlite3.Error:  # not made yet, or being made
        return False


def test_every_row_is_there_once(github: str, client: DockerClient, tmp_path: Path) -> None:
    environment = {**os.environ, "TOKEN": TOKEN, "TMPDIR": str(tmp_path)}
    command = [sys.executable, "-m", "headwater", "run", "flow.toml"]
    # slow, so that it is read for longer than rows wait for their batch to fill
    with GithubApi(repos={"octo/alpha": Repo(2400)}, latency=0.8) as api:
        (tmp_path / "flow.toml").write_text(FLOW.format(image=github, url=api.url))
        with subprocess.Popen(command, cwd=tmp_path, env=environment, stderr=subprocess.DEVNULL) as first:
            end = time.monotonic() + 200
            while not stored(tmp_path / "hub.db") and time.monotonic() < end and first.poll() is None:
                time.sleep(0.1)
            first.kill()
        assert stored(tmp_path / "hub.db")
        assert first.returncode == -9, "it was through before it could be killed"
        api.latency = 0
        done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr[-3000:]
        expected = sorted(row["id"] for row in api.truth("issues", "octo/alpha"))
    with closing(sqlite3.connect(tmp_path / "hub.db")) as connection:
        assert [row[0] for row in connection.execute("SELECT id FROM issues ORDER BY id")] == expected
    owners = [found["Labels"][OWNER] for found in client.api.containers(all=True, filters={"label": OWNER})]
    assert not [owner for owner in owners if f" {first.pid} " in owner]
