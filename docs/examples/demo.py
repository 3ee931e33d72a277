"""The main job, to look at: GitHub into SQLite by a VDK data job, again and again.

``make demo`` serves a stand-in of GitHub's API on this machine, runs ``vdk run`` on the data job beside this
file and shows what landed. Run again, some issues and commits are new and some changed meanwhile, and only
those are read. ``make demo LIVE=1`` reads api.github.com with ``GITHUB_TOKEN`` instead.
"""

from __future__ import annotations

import argparse
import json
import os
import sqlite3
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
JOB = Path(__file__).parent / "github-to-sqlite"
LIVE_REPOSITORIES = "PyGithub/PyGithub airbytehq/airbyte-python-cdk"


def main() -> int:
    """Run the job once and show the database before and after."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--out", default="demo-out", help="the folder of the database (default: demo-out)")
    parser.add_argument("--live", action="store_true", help="read api.github.com with GITHUB_TOKEN")
    options = parser.parse_args()
    out = Path(options.out).resolve()
    out.mkdir(parents=True, exist_ok=True)
    kind = "live" if options.live else "local"
    database, rounds = out / f"github-{kind}.db", out / f"rounds-{kind}"
    done = int(rounds.read_text()) if rounds.exists() and database.exists() else 0
    before = tables(database)
    if options.live:
        if not os.environ.get("GITHUB_TOKEN"):
            sys.exit("make demo LIVE=1 needs a token in the environment variable GITHUB_TOKEN.")
        repositories = os.environ.get("GITHUB_REPOSITORIES", LIVE_REPOSITORIES)
        code = run_job(database, "https://api.github.com", os.environ["GITHUB_TOKEN"], repositories)
    else:
        with stand_in(done) as (url, token, names):
            say(f"GitHub's stand-in serves {', '.join(names)} at {url}")
            code = run_job(database, url, token, " ".join(names))
            asked = control(url, "stats")
            say(f"It was asked {asked.get('requests', '?')} times.")
    show(database, before)
    if code == 0:
        rounds.write_text(str(done + 1))
        more = "" if options.live else " Meanwhile a few issues, comments and commits will be new or changed."
        say(f"Now run it again: only what is new or changed will be read.{more}")
    return code


def run_job(database: Path, url: str, token: str, repositories: str) -> int:
    """``vdk run`` of the data job; what it prints goes to this terminal."""
    vdk = Path(sys.executable).with_name("vdk")
    say(f"$ vdk run {JOB.relative_to(ROOT)}")
    return subprocess.run(
        [str(vdk), "run", str(JOB)],
        env={
            **os.environ,
            "GITHUB_TOKEN": token,
            "GITHUB_API_URL": url,
            "GITHUB_REPOSITORIES": repositories,
            "GITHUB_DB": str(database),
            "VDK_LOG_LEVEL_VDK": os.environ.get("VDK_LOG_LEVEL_VDK", "WARNING"),
            "PYTHONWARNINGS": "ignore::UserWarning",  # VDK's own, about pkg_resources
        },
        check=False,
    ).returncode


@contextmanager
def stand_in(rounds: int) -> Iterator[tuple[str, str, list[str]]]:
    """The stand-in as it is after so many rounds of changes: its URL, a token and its repositories."""
    recorded = Path(os.environ.get("HEADWATER_GITHUB_DATA", ROOT.parent / "shared" / "data" / "github"))
    command = [sys.executable, "-m", "tests.github_api", "--port", "0", "--repos", "2", "--size", "300"]
    token = "demo-token"
    command += ["--seed", "7", "--token", token]
    names = ["octo/alpha", "octo/beta"]
    if recorded.is_dir():
        command += ["--real", str(recorded)]
        names.append("PyGithub/PyGithub")
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as server:
        try:
            assert server.stdout is not None
            url = server.stdout.readline().strip()
            if not url:
                sys.exit("The stand-in did not start.")
            for _ in range(rounds):
                for change in (("touch", "issues", 5), ("grow", "issues", 3), ("grow", "commits", 4)):
                    verb, stream, count = change
                    control(url, verb, {"repo": "octo/alpha", "stream": stream, "count": count})
            control(url, "clear", {})
            yield url, token, names
        finally:
            server.terminate()


def control(url: str, verb: str, body: dict[str, object] | None = None) -> dict[str, object]:
    """One call of the stand-in's control routes."""
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(f"{url}/_control/{verb}", data=data)
    with urllib.request.urlopen(request, timeout=30) as answer:
        found: dict[str, object] = json.loads(answer.read() or b"{}")
        return found


def tables(database: Path) -> dict[str, tuple[int, str]]:
    """Rows and time of the last landed one, of each stream's table."""
    if not database.exists():
        return {}
    with closing(sqlite3.connect(database)) as connection:
        names = connection.execute(
            "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE '\\_%' ESCAPE '\\' "
            "AND name NOT LIKE 'sqlite%' ORDER BY name"
        )
        return {
            name: connection.execute(
                f"SELECT count(*), coalesce(max(_airbyte_extracted_at), '') FROM \"{name}\""
            ).fetchone()
            for (name,) in names.fetchall()
        }


def show(database: Path, before: dict[str, tuple[int, str]]) -> None:
    """Rows per table, how many of them this run wrote, and the states."""
    after = tables(database)
    say(f"{database}\n")
    print(f"  {'table':<20}{'rows':>8}{'new':>8}{'read':>8}")
    with closing(sqlite3.connect(database)) as connection:
        for name, (rows, _) in after.items():
            had, last = before.get(name, (0, ""))
            read = connection.execute(
                f'SELECT count(*) FROM "{name}" WHERE _airbyte_extracted_at > ?',
                (last,),
            ).fetchone()[0]
            print(f"  {name:<20}{rows:>8}{rows - had:>8}{read if had else rows:>8}")
        print("\n  state")
        for name, state in connection.execute("SELECT stream, state FROM _headwater_state ORDER BY stream"):
            blob = json.loads(state).get("stream", {}).get("stream_state", {})
            text = json.dumps(blob)
            print(f"  {name:<20}{text if len(text) < 150 else text[:147] + '...'}")
    print()


def say(text: str) -> None:
    """A line of the demo's own."""
    print(f"\n== {text}", flush=True)


if __name__ == "__main__":
    sys.exit(main())
