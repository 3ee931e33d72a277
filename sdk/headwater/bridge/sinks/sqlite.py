"""SQLite as a destination, with the states in it. What the tables look like is in docs/destinations.md."""

from __future__ import annotations

import os

from headwater.bridge.sinks.options import SqlOptions
from headwater.bridge.sinks.sql import SqlSink
from headwater.bridge.sinks.sqlite_engine import SqliteEngine

BUSY_SECONDS = 30.0


class SqliteSink(SqlSink):
    """Writes each stream into a table of one database file; see :class:`~headwater.bridge.sinks.sql.SqlSink`.

    :param path: the file; it is created if missing.
    """

    def __init__(self, path: str | os.PathLike[str], flow: str = "default", options: SqlOptions | None = None) -> None:
        self.path = os.fspath(path)
        super().__init__(SqliteEngine(self.path, BUSY_SECONDS), flow, options)
