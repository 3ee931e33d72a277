"""Rows into a SQLite file and out again."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

from headwater.bridge import sync
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
    namespace: str | None = None,
    sync_mode: Any = None,
    generation: int | None = None,
) -> ConfiguredCatalog:
    whole = "full_refresh" if mode.startswith("overwrite") else "incremental"
    return ConfiguredCatalog(
        (
            ConfiguredStream(
                CatalogStream(name, {"properties": properties or {}}, namespace=namespace),
                sync_mode or whole,
                mode,
                tuple(cursor),
                tuple(map(tuple, key)),
                generation_id=generation,
            ),
        )
    )


def both(*catalogs: ConfiguredCatalog) -> ConfiguredCatalog:
    return ConfiguredCatalog(tuple(s for catalog in catalogs for s in catalog.streams))


def land(path: Path, catalog: ConfiguredCatalog, *rows: Any, flow: str = "default", **options: Any) -> None:
    """One sync of these rows (dictionaries, or JSON as it is) of the catalog's first stream."""
    of = catalog.streams[0].descriptor
    data = [row if isinstance(row, bytes) else json.dumps(row).encode() for row in rows]
    script = [Records(of, data, 1234)] if data else []
    complete = [StreamStatus(s.descriptor, Status.COMPLETE) for s in catalog.streams]
    sync(Scripted(*script, *complete), catalog, SqliteSink(path, flow), **options)


def query(path: Path, sql: str) -> list[Any]:
    with closing(sqlite3.connect(path)) as connection:
        return connection.execute(sql).fetchall()


KEYED = {"id": {"type": "integer"}, "v": {"type": "string"}, "at": {"type": "string", "format": "date-time"}}
