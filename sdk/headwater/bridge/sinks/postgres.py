"""PostgreSQL as a destination, with the states in it. What the tables look like is in docs/destinations.md."""

from __future__ import annotations

from importlib.util import find_spec

from headwater.bridge.sinks.options import SqlOptions
from headwater.bridge.sinks.postgres_engine import PostgresEngine
from headwater.bridge.sinks.postgres_url import PostgresUrl
from headwater.bridge.sinks.sql import SqlSink
from headwater.errors import FlowError

LOCK_SECONDS = 30.0


class PostgresSink(SqlSink):
    """Writes each stream into a table of a PostgreSQL database; see :class:`~headwater.bridge.sinks.sql.SqlSink`.

    :param url: ``postgresql://USER:PASSWORD@HOST:PORT/DATABASE``; ``?schema=NAME`` says where tables go that have
        no namespace, every other parameter is libpq's.
    :raises FlowError: when the URL can't be read, or psycopg is not installed.
    """

    def __init__(self, url: str, flow: str = "default", options: SqlOptions | None = None) -> None:
        if find_spec("psycopg") is None:
            raise FlowError("PostgreSQL needs psycopg, which is not installed: pip install 'headwater[postgres]'.")
        super().__init__(PostgresEngine(PostgresUrl.parse(url), LOCK_SECONDS), flow, options)
