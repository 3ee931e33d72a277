"""A real connector of Airbyte's, in an image, into SQLite."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from headwater.bridge import sync
from headwater.bridge.foreign import DockerSource
from headwater.bridge.sinks import open_sink
from tests.containers.faker import faker_image

if TYPE_CHECKING:
    from docker import DockerClient

CONFIG = {"count": 500, "seed": 7, "parallelism": 1, "records_per_slice": 100}


@pytest.fixture(scope="session")
def faker(client: DockerClient, base: str) -> type[DockerSource]:
    """The connector as a class."""
    facts = {"image": faker_image(client, base), "pull": "never", "network": "none", "name": "faker"}
    return type("Faker", (DockerSource,), facts)


def rows(database: Path, what: str) -> list[tuple[object, ...]]:
    with closing(sqlite3.connect(database)) as connection:
        return connection.execute(f"SELECT {what}").fetchall()


@pytest.mark.usefixtures("nothing_left")
def test_it_is_asked_and_read_into_sqlite(faker: type[DockerSource], tmp_path: Path) -> None:
    source = faker.from_config(CONFIG)
    assert "count" in source.spec().raw["connectionSpecification"]["properties"]
    source.check()
    catalog = source.discover().configured(["users", "products"])
    for _ in range(2):
        sink = open_sink("sqlite:///faker.db", flow="faker", base=tmp_path)
        sync(source, catalog, sink)
    assert rows(tmp_path / "faker.db", "count(DISTINCT id), min(id), max(id) FROM users") == [(500, 1, 500)]
    assert rows(tmp_path / "faker.db", "count(DISTINCT id) FROM products") == [(100,)]
    assert rows(tmp_path / "faker.db", "count(*) FROM _headwater_state")[0][0]
