"""Our connectors pass the whole acceptance suite, against stand-ins and real servers, through every runner."""

from __future__ import annotations

import hashlib
import sqlite3
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import pytest

from headwater.acceptance.connector import Connector
from headwater.acceptance.reports.terminal import summary
from headwater.acceptance.results import Outcome, Report
from headwater.acceptance.rooms import CommandRoom, ImageRoom, Room
from headwater.acceptance.running import in_folder
from headwater.acceptance.settings import ConnectionCase, Settings
from headwater.acceptance.suite import chosen, run
from headwater.errors import ConfigError
from tests.acceptance.suite import write
from tests.containers import base_image, one_at_a_time
from tests.github_api import TOKEN, GithubApi, Repo
from tests.gitlab_api import TOKEN as GITLAB_TOKEN
from tests.gitlab_api import GitlabApi, Project
from tests.needs import missing
from tests.services.mariadb import MariaDb
from tests.services.postgres import Postgres

pytestmark = pytest.mark.timeout(1500)  # a hundred processes each, on a machine that may be busy

ROOT = Path(__file__).parents[1]
CONNECTORS = ROOT / "connectors"
SHOP = """
create table customers (id integer primary key, name text, updated_at {time} not null, vip boolean);
create table orders (customer integer, number integer, total {number}, note text, primary key (customer, number));
create table empties (id integer primary key, at {time});
"""


@contextmanager
def github() -> Iterator[tuple[dict[str, Any], dict[str, Any]]]:
    """A config of source-github, and what is known of the data."""
    repos = {"octo/alpha": Repo(36, reviews_per_pull=1), "octo/beta": Repo(8)}
    with GithubApi(repos=repos, page_size_cap=10) as api:
        yield (
            {
                "credentials": {"option_title": "PAT Credentials", "personal_access_token": TOKEN},
                "repositories": list(repos),
                "api_url": api.url,
            },
            {},
        )


@contextmanager
def gitlab() -> Iterator[tuple[dict[str, Any], dict[str, Any]]]:
    """A config of source-gitlab."""
    projects = {"acme/api": Project(30, pipelines=12, jobs=2), "acme/web/site": Project(8)}
    with GitlabApi(projects, seed=3) as api:
        credentials = {"auth_type": "access_token", "access_token": GITLAB_TOKEN}
        yield {"credentials": credentials, "api_url": api.url, "groups_list": ["acme"]}, {}


@contextmanager
def sqlite() -> Iterator[tuple[dict[str, Any], dict[str, Any]]]:
    """A database of source-sqlite."""
    import tempfile

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "shop.db"
        with closing(sqlite3.connect(path)) as connection:
            connection.executescript(SHOP.format(time="datetime", number="real"))
            _fill(lambda text, rows: connection.executemany(text.replace("%s", "?"), rows))
            connection.commit()
        yield {"path": str(path)}, {"empty_streams": {"empties": "is empty"}}


@contextmanager
def postgres() -> Iterator[tuple[dict[str, Any], dict[str, Any]]]:
    """A database of source-postgres."""
    import psycopg

    with Postgres() as server:
        with psycopg.connect(host="127.0.0.1", port=server.port, user="postgres", autocommit=True) as connection:
            connection.execute("create database shop")
        with psycopg.connect(host="127.0.0.1", port=server.port, user="postgres", dbname="shop") as connection:
            connection.execute(SHOP.format(time="timestamptz", number="numeric(20, 4)"))
            with connection.cursor() as cursor:
                _fill(cursor.executemany)
        yield {
            "host": "127.0.0.1", "port": server.port, "database": "shop", "username": "postgres",
            "password": "n0t-needed", "schemas": ["public"],
        }, {"empty_streams": {"public.empties": "is empty"}}  # fmt: skip


@contextmanager
def mysql() -> Iterator[tuple[dict[str, Any], dict[str, Any]]]:
    """A database of source-mysql, in MariaDB."""
    import pymysql

    with MariaDb() as server:
        server.sql("CREATE DATABASE shop")
        server.sql("CREATE USER reader IDENTIFIED BY 'n0t-needed'")
        server.sql("GRANT SELECT ON shop.* TO reader")
        connection = pymysql.connect(host="127.0.0.1", port=server.port, user="root", database="shop", autocommit=True)
        with connection, connection.cursor() as cursor:
            for statement in SHOP.format(time="datetime", number="decimal(20, 4)").split(";")[:-1]:
                cursor.execute(statement)
            _fill(cursor.executemany)
        yield {
            "host": "127.0.0.1", "port": server.port, "database": "shop",
            "username": "reader", "password": "n0t-needed",
        }, {"empty_streams": {"shop.empties": "is empty"}}  # fmt: skip


def _fill(execute: Callable[[str, Any], object]) -> None:
    customers = [(n, f"name {n}", f"2024-03-01 00:{n // 60:02}:{n % 60:02}", n % 3 == 0) for n in range(1, 41)]
    execute("insert into customers values (%s, %s, %s, %s)", customers)
    execute(
        "insert into orders values (%s, %s, %s, %s)", [(n % 5, n, n / 4, None if n % 2 else "x") for n in range(60)]
    )


WORLDS = {
    "source-github": github,
    "source-gitlab": gitlab,
    "source-sqlite": sqlite,
    "source-mysql": mysql,
    "source-postgres": postgres,
}
WRONG: dict[str, dict[str, Any]] = {
    "source-github": {"credentials": {"option_title": "PAT Credentials", "personal_access_token": "wr0ng-token"}},
    "source-gitlab": {"credentials": {"auth_type": "access_token", "access_token": "wr0ng-token"}},
    "source-sqlite": {"path": "/nowhere/shop.db"},
    "source-mysql": {"database": "nowhere"},
    "source-postgres": {"database": "nowhere"},
}
TOLD = {
    "source-gitlab": {
        "B12": "nobody types when a token expires",
        "C3": "Airbyte's configs have an empty text where no groups are chosen",
        "E10": "a user of several projects comes once for each, as from Airbyte's source",
    },
}
"""What is found, and why it is as it should be."""
_SOME = ("B", "C", "D", "E", "F1", "F2", "F4", "H", "X1", "X2", "X4", "X10")
ONLY = {"source-sqlite": _SOME, "source-mysql": _SOME}
"""They differ from source-postgres, which is checked for all, by the database alone."""


def checked(name: str, room: Room, folder: Path, only: Sequence[str] = (), skip: Sequence[str] = ()) -> Report:
    """The report on one of our connectors, in its world."""
    with WORLDS[name]() as (config, known):
        runs = folder / "runs"
        runs.mkdir(0o755)
        found = in_folder(CONNECTORS / name)
        wrong = write(folder / "wrong.json", {**config, **WRONG[name]})
        settings = Settings(
            folder=found.folder, metadata=found.metadata, config=write(folder / "config.json", config),
            connection=[ConnectionCase(wrong, "failed")], trials=2, **known,
        )  # fmt: skip
        return run(Connector(room, settings, runs), chosen(only, skip), jobs=2)


def command(name: str) -> CommandRoom:
    """As it is installed beside this test."""
    return CommandRoom((str(Path(sys.executable).with_name(name)),), f"--command {name}")


@pytest.mark.parametrize("name", WORLDS)
def test_our_connectors_pass(name: str, tmp_path: Path) -> None:
    report = checked(name, command(name), tmp_path, ONLY.get(name, ()))
    said = "\n".join(summary(report))
    found = report.of(Outcome.FAILED) + report.of(Outcome.WARNED) + report.of(Outcome.BROKEN)
    assert {result.id for result in found} - {"E7"} == set(TOLD.get(name, ())), said
    print(said.splitlines()[-1])


def test_an_image_of_ours_passes(tmp_path: Path) -> None:
    from headwater.image import build_image

    base = base_image()
    name = "source-github"
    own = hashlib.sha256(str(ROOT).encode()).hexdigest()[:8]
    with one_at_a_time(name):
        image = build_image(CONNECTORS / name, base_image=base, tag=f"headwater-tests/{name}:{own}")
    only = ["G", "A1", "A4", "B1", "C1", "C2", "D1", "E", "F1", "F2", "X1", "X12"]
    report = checked(name, ImageRoom.of(image), tmp_path, only, skip=["E21", "E22", "E23", "E24"])
    said = "\n".join(summary(report))
    assert {result.id for result in report.of(Outcome.FAILED) + report.of(Outcome.BROKEN)} == set(), said
    assert {"G3", "G4", "G5", "G6", "G7", "X1", "X12"} <= {result.id for result in report.of(Outcome.PASSED)}, said
    print(said.splitlines()[-1])


def test_a_package_of_ours_passes_in_an_environment_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from headwater.bridge.runners.venv import VenvRunner

    monkeypatch.setenv("HEADWATER_CACHE", str(tmp_path / "cache"))  # never of yesterday's code
    runner = VenvRunner(str(CONNECTORS / "source-github"), executable="source-github", more=(str(ROOT),))
    try:
        words = runner.command(runner.prepare())
    except ConfigError as error:
        missing(f"needs to install what headwater depends on: {error}")
    room = CommandRoom(tuple(words), "--package source-github")
    report = checked("source-github", room, tmp_path, ["A", "B", "D1", "E1", "E16", "X1"])
    said = "\n".join(summary(report))
    assert report.of(Outcome.FAILED) + report.of(Outcome.WARNED) + report.of(Outcome.BROKEN) == [], said
    assert str(tmp_path) in words[0]
    print(said.splitlines()[-1])
