"""A fresh database of MariaDB, and sources that read it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from source_mysql import MysqlSource
from tests.services.mariadb import MariaDb
from tests.sql.sources import config_of

Sql = Callable[..., list[Any]]


@pytest.fixture
def sql(mariadb: MariaDb) -> Iterator[Sql]:
    """Runs statements in a fresh database."""
    name = mariadb.database().rpartition("/")[2]

    def run(statement: str, *parameters: Any) -> list[Any]:
        return mariadb.sql(statement, *parameters, database=name)

    run.url = mariadb.url(name)  # type: ignore[attr-defined]
    yield run
    mariadb.sql(f"DROP DATABASE {name}")


def source_of(sql: Any, **settings: Any) -> MysqlSource:
    return MysqlSource.from_config(config_of(sql.url, **settings))
