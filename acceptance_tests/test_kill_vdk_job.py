"""Nothing is lost when ``vdk run`` dies at any point and is run again: every row there, none twice by its key."""

from __future__ import annotations

import os
import random
import shutil
import signal
import sqlite3
import subprocess
import sys
import time
from contextlib import closing
from pathlib import Path

import pytest

from tests.github_api import TOKEN, GithubApi, Repo

pytest.importorskip("vdk.plugin.data_sources", reason="needs the extra: pip install headwater[vdk]")

TRIALS = 30
JOB = Path(__file__).parents[1] / "docs" / "examples" / "github-to-sqlite"
KEYS = {"issues": "id", "comments": "id", "pull_requests": "id", "commits": "sha", "reviews": "id", "releases": "id"}


def start(api: GithubApi, job: Path, database: Path) -> subprocess.Popen[bytes]:
    """``vdk run`` on the job."""
    return subprocess.Popen(
        [str(Path(sys.executable).with_name("vdk")), "run", str(job)],
        env={
            **os.environ,
            "GITHUB_TOKEN": TOKEN,
            "GITHUB_API_URL": api.url,
            "GITHUB_REPOSITORIES": " ".join(api.repos),
            "GITHUB_DB": str(database),
        },
        cwd=job.parent,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        start_new_session=True,
    )


def rows(database: Path, stream: str) -> list[tuple[str, str]]:
    """Key and version of each of the stream's rows."""
    version = "updated_at" if stream not in ("commits", "releases") else "created_at"
    with closing(sqlite3.connect(database)) as connection:
        return connection.execute(f'SELECT "{KEYS[stream]}", "{version}" FROM "{stream}"').fetchall()


@pytest.mark.parametrize("trial", range(TRIALS))
def test_killed_and_run_again(tmp_path: Path, trial: int) -> None:
    chance = random.Random(1000 + trial)
    job = shutil.copytree(JOB, tmp_path / "github-to-sqlite")
    database = tmp_path / "github.db"
    repos = {"octo/alpha": Repo(90, reviews_per_pull=1), "octo/beta": Repo(20, reviews_per_pull=1)}
    with GithubApi(repos=repos, seed=trial, page_size_cap=20) as api:
        until = chance.randrange(1, 75)
        api.fault("hang", nth=until + 1, times=None)  # or it might be through before it is killed
        with start(api, job, database) as process:
            while len(api.requests) < until and process.poll() is None:
                time.sleep(0.002)
            time.sleep(chance.random() * 0.05)  # somewhere between two requests
            os.killpg(process.pid, signal.SIGKILL)
        assert process.returncode == -signal.SIGKILL
        api.clear()
        touched = repos["octo/alpha"].touch_issue(chance.randrange(1, 80))
        repos["octo/beta"].add_comment(body="after the crash")
        with start(api, job, database) as process:
            _, said = process.communicate()
        assert process.returncode == 0, said[-3000:]
        for stream, key in KEYS.items():
            found = rows(database, stream)
            truth = {str(item[key]) for name in repos for item in api.truth(stream, name)}
            assert {str(identity) for identity, _ in found} == truth, stream
            assert len(found) == len(truth), f"{stream}: a row twice"
        assert touched in {version for _, version in rows(database, "issues")}
