"""The worlds of docs/acceptance-findings.md: what each of its published connectors is run with."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from headwater.bridge.foreign import VenvSource
from tests.acceptance.suite import write
from tests.bridge.foreign import rooms
from tests.github_api import TOKEN, GithubApi, Repo

STREAMS = ("issues", "comments", "commits", "issue_labels", "tags")
MANIFEST = Path(__file__).parents[1] / "tests" / "bridge" / "foreign" / "manifest.yaml"


@contextmanager
def faker(folder: Path, config: str) -> Iterator[None]:
    """Nothing but the config that the page has."""
    rooms.prepared(rooms.FAKER)
    (folder / "faker.json").write_text(config)
    yield


@contextmanager
def github(folder: Path, config: str) -> Iterator[None]:
    """A stand-in of the API, and a catalog of some streams."""
    rooms.prepared(rooms.GITHUB)
    with GithubApi(repos={"octo/alpha": Repo(36, reviews_per_pull=1), "octo/beta": Repo(8)}, page_size_cap=10) as api:
        given = {
            "credentials": {"option_title": "PAT Credentials", "personal_access_token": TOKEN},
            "repositories": ["octo/alpha", "octo/beta"], "api_url": api.url, "start_date": "2000-01-01T00:00:00Z",
        }  # fmt: skip
        write(folder / "theirs.json", given)
        source = type("Theirs", (VenvSource,), {"requirement": rooms.GITHUB})(given)
        found: Any = source.discover().configured(STREAMS).to_json()
        write(folder / "catalog.json", found)
        yield


@contextmanager
def manifest(folder: Path, config: str) -> Iterator[None]:
    """A folder with nothing but a manifest, behind the same stand-in."""
    (folder / "source-issues").mkdir()
    shutil.copy(MANIFEST, folder / "source-issues")
    with GithubApi(repos={"octo/alpha": Repo(36)}, page_size_cap=10) as api:
        write(folder / "manifest.json", {"api_url": api.url, "token": TOKEN, "repository": "octo/alpha"})
        yield


WORLDS = {"airbyte-source-faker": faker, "airbyte-source-github": github, "A manifest": manifest}
CONFIG = '{"count": 60, "seed": 1, "parallelism": 2, "records_per_slice": 20, "always_updated": false}'


def main() -> None:
    """Runs one of them with more options: ``python -m acceptance_tests.findings NAME FOLDER ...``."""
    name, folder, *options = sys.argv[1:]
    place = Path(folder)
    place.mkdir(parents=True)
    commands = {
        "airbyte-source-faker": ["--package", rooms.FAKER, "--config", "faker.json"],
        "airbyte-source-github": [
            "--package", rooms.GITHUB, "--config", "theirs.json", "--catalog", "catalog.json",
        ],
        "A manifest": ["source-issues", "--config", "manifest.json"],
    }  # fmt: skip
    with WORLDS[name](place, CONFIG):
        program = [sys.executable, "-m", "headwater", "acceptance", *commands[name], *options]
        sys.exit(subprocess.run(program, cwd=place, check=False).returncode)


if __name__ == "__main__":
    main()
