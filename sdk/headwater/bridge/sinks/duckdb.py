"""DuckDB as a destination, with the states in it. What the tables look like is in docs/destinations.md."""

from __future__ import annotations

import os
from importlib.util import find_spec

from headwater.bridge.sinks.duckdb_engine import DuckdbEngine
from headwater.bridge.sinks.options import SqlOptions
from headwater.bridge.sinks.sql import SqlSink
from headwater.errors import FlowError

LOCK_SECONDS = 30.0


class DuckdbSink(SqlSink):
    """Writes each stream into a table of one DuckDB file; see :class:`~headwater.bridge.sinks.sql.SqlSink`.

    :param path: the file; it is created if missing.
    :raises FlowError: when DuckDB is not installed.
    """

    def __init__(self, path: str | os.PathLike[str], flow: str = "default", options: SqlOptions | None = None) -> None:
        if find_spec("duckdb") is None:
            raise FlowError("DuckDB is not installed: pip install 'headwater[duckdb]'.")
        self.path = os.fspath(path)
        super().__init__(DuckdbEngine(self.path, LOCK_SECONDS), flow, options)
