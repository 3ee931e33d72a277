"""Each test of a fixture ``db`` runs on every engine."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.bridge.databases import Database
from tests.services.postgres import Postgres

ENGINES = ("sqlite", "duckdb", "postgres")


@pytest.fixture(params=ENGINES)
def db(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Database]:
    """An empty database."""
    kind: str = request.param
    if kind != "postgres":
        yield Database(kind, f"{kind}:///{tmp_path / 'out.db'}")
        return
    server: Postgres = request.getfixturevalue("postgres")
    url = server.database()
    yield Database(kind, url)
    server.sql(f'DROP DATABASE "{url.rpartition("/")[2]}" WITH (FORCE)')


@pytest.fixture
def pg(postgres: Postgres, database: str) -> Database:
    """An empty PostgreSQL database."""
    return Database("postgres", database)


@pytest.fixture
def duck(tmp_path: Path) -> Database:
    """A DuckDB file that isn't there yet."""
    return Database("duckdb", f"duckdb:///{tmp_path / 'out.duckdb'}")
