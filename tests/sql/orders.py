"""A table in a fresh database of PostgreSQL, and what is asked of a read of it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from headwater.sql.postgres import Postgres as Database
from headwater.testing.reading import ReadResult
from tests.services.postgres import Postgres
from tests.sql.sources import rows_of

Sql = Callable[..., list[tuple[Any, ...]]]


@pytest.fixture
def sql(postgres: Postgres, database: str) -> Sql:
    """Runs a statement in the test's database."""
    return lambda statement: postgres.sql(statement, database=database.rpartition("/")[2])


@pytest.fixture
def orders(sql: Sql) -> Sql:
    sql("CREATE TABLE orders (id bigint PRIMARY KEY, at timestamptz, note text)")
    sql("INSERT INTO orders SELECT g, timestamptz '2024-01-01 00:00+00' + g * interval '1 minute', 'n' || g"
        " FROM generate_series(1, 100) g")  # fmt: skip
    return sql


def ids(result: ReadResult, stream: str = "orders") -> list[int]:
    return [row["id"] for row in rows_of(result, stream)]


def state_of(result: ReadResult) -> dict[str, Any]:
    (state,) = result.states
    assert state.stream_state is not None
    return dict(state.stream_state)


def small_parts(monkeypatch: pytest.MonkeyPatch, part: int = 8192) -> None:
    monkeypatch.setattr(Database, "part_size", part)
    monkeypatch.setattr(Database, "page_size", 500)
    monkeypatch.setattr(Database, "rows_per_step", 5)


def listening(json: Any, asked: list[str]) -> Any:
    def listen(self: Any, selection: Any) -> str:
        asked.append(json(self, selection))
        return asked[-1]

    return listen
