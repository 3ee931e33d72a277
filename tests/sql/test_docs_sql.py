"""What docs/sql.md shows is run, and is true."""

from __future__ import annotations

import json
import re
import shlex
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from types import ModuleType

import pytest
from sqlalchemy import URL

from headwater.sql import SqlConfig, SqlSource
from headwater.testing import read
from source_mysql import MysqlSource
from source_postgres import PostgresSource
from source_sqlite import SqliteSource
from tests.connectors.process import ROOT, environment

PAGE = (ROOT / "docs" / "sql.md").read_text("utf-8")


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)


class PlainConfig(SqlConfig, kw_only=True):
    path: str


class Plain(SqlSource):
    name = "plain"
    config: PlainConfig

    def url(self) -> URL:
        return URL.create("sqlite", database=self.config.path)


@pytest.fixture(scope="module")
def page() -> ModuleType:
    module = sys.modules["docs_sql"] = ModuleType("docs_sql")
    for block in blocks("python"):
        exec(compile(block, "docs/sql.md", "exec"), vars(module))
    return module


@pytest.fixture
def shop(tmp_path: Path) -> Iterator[Path]:
    """A folder with the page's database and config."""
    with closing(sqlite3.connect(tmp_path / "shop.db")) as db, db:
        db.execute("CREATE TABLE orders (id INTEGER PRIMARY KEY, updated_at DATETIME)")
        db.execute("INSERT INTO orders VALUES (1, '2024-01-01 00:00:00'), (2, '2024-01-02 00:00:00')")
        db.execute("CREATE TABLE payments (customer TEXT, amount INT, paid_at TEXT)")
        db.execute("INSERT INTO payments VALUES ('a', 1, '2024-01-01'), ('a', 2, '2024-01-02'), ('b', 5, '2024-01-03')")
    (tmp_path / "config.json").write_text('{"path": "shop.db"}')
    yield tmp_path


def test_the_commands(shop: Path) -> None:
    catalog = SqliteSource.from_config({"path": str(shop / "shop.db")}).discover().configured()
    (shop / "catalog.json").write_text(json.dumps(catalog.to_json()))
    (shop / "state.json").write_text("[]")
    (commands,) = blocks("sh")
    said = b""
    for line in commands.splitlines():
        program, *arguments = shlex.split(line)
        command = [str(Path(sys.executable).with_name(program)), *arguments]
        done = subprocess.run(command, cwd=shop, capture_output=True, env=environment(), check=False)
        assert done.returncode == 0, done.stdout
        said += done.stdout
    assert b'"status":"SUCCEEDED"' in said and b'"CATALOG"' in said and said.count(b'"RECORD"') == 5


def test_the_flow(shop: Path) -> None:
    (flow,) = blocks("toml")
    (shop / "flow.toml").write_text(flow)
    command = [sys.executable, "-m", "headwater", "run", "flow.toml"]
    done = subprocess.run(command, cwd=shop, capture_output=True, env=environment(), check=False)
    assert done.returncode == 0, done.stderr
    with closing(sqlite3.connect(shop / "copy.db")) as copy:
        assert copy.execute("SELECT id, updated_at FROM orders ORDER BY id").fetchall() == [
            (1, "2024-01-01T00:00:00"),
            (2, "2024-01-02T00:00:00"),
        ]
        assert copy.execute("SELECT count(*) FROM payments").fetchone() == (3,)


def test_the_settings_are_all_there_and_no_others() -> None:
    """Of the table, and of Airbyte's own connectors as far as they mean something here."""
    table = PAGE.partition("### Settings")[2].partition("## What is read")[0]
    told = set(re.findall(r"`([a-z_]+)`", table))
    for source in (PostgresSource, MysqlSource, SqliteSource):
        names = set(source.spec().raw["connectionSpecification"]["properties"])
        assert names <= told, names - told
    (config,) = blocks("json")
    PostgresSource.from_config(json.loads(config))


def test_the_connectors(page: ModuleType, shop: Path) -> None:
    source = page.ShopSource.from_config({"path": str(shop / "shop.db")})
    assert [stream.name for stream in source.discover().streams] == ["orders", "payments", "revenue"]
    rows = read(source, "revenue").ok().records["revenue"]
    assert sorted((row["customer"], row["total"]) for row in rows) == [("a", 3), ("b", 5)]
    assert page.TimescaleSource.database_class is PostgresSource.database_class


def test_what_sqlalchemy_has_a_dialect_for(shop: Path) -> None:
    """The base alone, by SQLAlchemy's own reflection and values."""
    source = Plain.from_config(
        {
            "table_settings": [{"table": "orders", "cursor_field": "id"}],
            "exclude_tables": ["payments"],
            "path": str(shop / "shop.db"),
        }
    )
    first = read(source)
    rows = [row for rows in first.ok().records.values() for row in rows]
    assert rows == [{"id": 1, "updated_at": "2024-01-01T00:00:00"}, {"id": 2, "updated_at": "2024-01-02T00:00:00"}]
    assert [row["id"] for rows in read(source, state=first).ok().records.values() for row in rows] == [2]
