"""A file of SQLite, and a source that reads it."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from source_sqlite import SqliteSource


@pytest.fixture
def db(tmp_path: Path) -> Iterator[sqlite3.Connection]:
    with closing(sqlite3.connect(tmp_path / "it's ä?.db", isolation_level=None)) as connection:
        connection.execute("PRAGMA synchronous = OFF")
        yield connection


def source_of(db: sqlite3.Connection, **settings: Any) -> SqliteSource:
    (_, _, path) = db.execute("PRAGMA database_list").fetchone()
    return SqliteSource.from_config({"path": path, **settings})
