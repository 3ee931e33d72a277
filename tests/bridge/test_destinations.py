"""docs/destinations.md says what is so: its flow is run, its queries too."""

from __future__ import annotations

import os
import re
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from headwater.bridge.sinks import open_sink
from headwater.bridge.sinks.columns import Kind
from headwater.bridge.sinks.duckdb_engine import _DECLARED as DUCKDB
from headwater.bridge.sinks.names import LINK, OWN, NameRules
from headwater.bridge.sinks.options import CHOICES
from headwater.bridge.sinks.postgres_engine import _DECLARED as POSTGRES
from headwater.bridge.sinks.sqlite_engine import _DECLARED as SQLITE
from tests.github_api import TOKEN, GithubApi, Repo
from tests.test_docs import blocks

PAGE = "docs/destinations.md"
TEXT = (Path(__file__).parents[2] / PAGE).read_text(encoding="utf-8")


@pytest.fixture
def github() -> Iterator[GithubApi]:
    """A small GitHub."""
    with GithubApi(repos={"octo/alpha": Repo(30)}) as api:
        yield api


def test_the_flow_and_the_queries(tmp_path: Path, github: GithubApi) -> None:
    (flow,) = blocks(PAGE, "toml")
    (tmp_path / "flow.toml").write_text(flow.replace("config = { ", f'config = {{ api_url = "{github.url}", '))
    found = re.findall(r"^```(\w*)\n(.*?)^```$", TEXT, re.MULTILINE | re.DOTALL)
    commands, backup = [text for language, text in found if not language]
    for line in commands.splitlines():
        words = [sys.executable, "-m", *line.split()]
        environment = {**os.environ, "GITHUB_TOKEN": TOKEN}
        done = subprocess.run(words, cwd=tmp_path, env=environment, capture_output=True, check=False)
        assert done.returncode == 0, done.stderr.decode()
    refused, labels = blocks(PAGE, "sql")
    with closing(sqlite3.connect(tmp_path / "hub.db")) as connection:
        assert connection.execute("SELECT count(*) FROM issues").fetchone() == (30,)
        assert connection.execute(refused).fetchall() == []
        joined = connection.execute(labels).fetchall()
        assert joined and len(joined) == connection.execute("SELECT count(*) FROM issues__labels").fetchone()[0]
        assert connection.execute("SELECT count(user__login) FROM issues").fetchone() == (30,)
    with closing(sqlite3.connect(tmp_path / "backup.db")) as connection:
        names = {name for _, name, *_ in connection.execute("PRAGMA table_info(issues)")}
        assert {"labels", "user"} <= names
        if shutil.which("sqlite3") is None:  # the same by Python, where there is no such program
            connection.execute(f"VACUUM INTO '{tmp_path / 'copy.db'}'")
    if shutil.which("sqlite3"):
        subprocess.run(backup, shell=True, cwd=tmp_path, check=True)
    with closing(sqlite3.connect(tmp_path / "copy.db")) as connection:
        assert connection.execute("SELECT count(*) FROM issues").fetchone() == (30,)


def test_names_types_and_options() -> None:
    assert all(f"`{name}`" in TEXT for name in (*OWN, *LINK, *CHOICES))
    assert all(f"`{value}`" in TEXT for values in CHOICES.values() for value in values)
    assert f"`{NameRules().safe('ID', lambda name: True)}`" in TEXT
    for declared in (SQLITE, DUCKDB, POSTGRES):
        missing = [kind for kind, name in declared.items() if kind is not Kind.ANY and f"`{name}`" not in TEXT]
        assert not missing


@pytest.mark.parametrize("url", ["sqlite:///x.db", "duckdb:///x.db", "jsonl:///x", "memory://"])
def test_the_modes_in_the_table(url: str, tmp_path: Path) -> None:
    pytest.importorskip("duckdb", reason="needs the extra: pip install headwater[duckdb]")
    scheme = url.partition(":")[0]
    (row,) = [line for line in TEXT.splitlines() if line.startswith(f"| `{scheme}:")]
    modes = open_sink(url, base=tmp_path).modes
    assert ("all" in row) is (len(modes) == 4) and all(f"`{mode}`" in row or "all" in row for mode in modes)
