"""Images of the connectors to databases: their drivers are in them, and they read a server from within a container."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Any

import pytest

from headwater.bridge.foreign import DockerSource
from headwater.image import build_image
from headwater.testing import read
from tests.containers import OWN, one_at_a_time
from tests.services.mariadb import MariaDb
from tests.services.postgres import Postgres
from tests.sql.sources import config_of

CONNECTORS = Path(__file__).parents[2] / "connectors"
ROWS = (
    "CREATE TABLE orders (id int PRIMARY KEY, note varchar(20))",
    "INSERT INTO orders VALUES (1, 'one'), (2, NULL)",
)


@pytest.fixture
def where(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[dict[str, Any]]:
    """The config of a connector to a database with a table; a file of SQLite is where a container sees it."""
    with ExitStack() as stack:
        if request.param == "sqlite":
            with closing(sqlite3.connect(tmp_path / "shop.db")) as connection:
                for statement in ROWS:
                    connection.execute(statement)
                connection.commit()
            tmp_path.chmod(0o755)
            yield {"path": "/data/shop.db"}
            return
        server: Any = stack.enter_context(Postgres() if request.param == "postgres" else MariaDb())
        url = server.database()
        for statement in ROWS:
            server.sql(statement, database=url.rpartition("/")[2])
        yield config_of(url)


@pytest.mark.parametrize(
    ("name", "where"), [(name, name) for name in ("postgres", "mysql", "sqlite")], indirect=["where"]
)
def test_it_reads_a_database(base: str, name: str, where: dict[str, Any], tmp_path: Path) -> None:
    with one_at_a_time(f"source-{name}"):
        tag = f"headwater-tests/source-{name}:{OWN}"
        image = build_image(CONNECTORS / f"source-{name}", base_image=base, tag=tag)
    facts = {
        "image": image, "pull": "never", "read_only": True, "network": "host",
        "mounts": (f"{tmp_path}:/data:ro",),
    }  # fmt: skip
    source = type("Ours", (DockerSource,), facts).from_config(where)
    source.check()
    result = read(source).ok()
    (rows,) = result.records.values()
    assert rows == [{"id": 1, "note": "one"}, {"id": 2, "note": None}]
