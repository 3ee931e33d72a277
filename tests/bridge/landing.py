"""Rows into an SQL destination and out again, for tests."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

from headwater.bridge import SyncResult, sync
from headwater.bridge.sinks.options import SqlOptions
from headwater.bridge.sinks.sqlite import SqliteSink
from headwater.protocol.catalog import CatalogStream, ConfiguredCatalog, ConfiguredStream
from headwater.protocol.messages import Records, Status, StreamStatus
from tests.bridge.fakes import Scripted


def stream(
    name: str = "issues",
    properties: dict[str, Any] | None = None,
    *,
    mode: Any = "append",
    key: Sequence[Sequence[str]] = (),
    cursor: Sequence[str] = (),
    sync_mode: Any = None,
    generation: int | None = None,
    minimum: int | None = None,
) -> ConfiguredCatalog:
    """A catalog of one stream."""
    whole = "full_refresh" if mode.startswith("overwrite") else "incremental"
    one = ConfiguredStream(
        CatalogStream(name, {"properties": properties or {}}),
        sync_mode or whole,
        mode,
        tuple(cursor),
        tuple(map(tuple, key)),
        generation,
        minimum,
    )
    return ConfiguredCatalog((one,))


def records_of(catalog: ConfiguredCatalog, *rows: Any) -> Records:
    """Rows (dictionaries, or JSON as it is) of the catalog's first stream."""
    data = [row if isinstance(row, bytes) else json.dumps(row).encode() for row in rows]
    return Records(catalog.streams[0].descriptor, data, 1234)


def land(path: Path, catalog: ConfiguredCatalog, *rows: Any, flow: str = "default", **options: Any) -> SyncResult:
    """One sync of these rows."""
    script = [records_of(catalog, *rows)] if rows else []
    complete = [StreamStatus(s.descriptor, Status.COMPLETE) for s in catalog.streams]
    return sync(Scripted(*script, *complete), catalog, SqliteSink(path, flow, SqlOptions(**options)))


def query(path: Path, sql: str) -> list[Any]:
    """What a query gives."""
    with closing(sqlite3.connect(path)) as connection:
        return connection.execute(sql).fetchall()


def execute(path: Path, sql: str) -> None:
    """Run a script."""
    with closing(sqlite3.connect(path)) as connection:
        connection.executescript(sql)
        connection.commit()
