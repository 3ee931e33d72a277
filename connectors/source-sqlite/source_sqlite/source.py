"""A connector to SQLite: facts. What reads is :mod:`headwater.sql.sqlite`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

from headwater import Setting
from headwater.sql import SqlConfig, SqlSource
from headwater.sql.session import Address
from headwater.sql.sqlite import FileAddress, Sqlite

if TYPE_CHECKING:
    from sqlalchemy import URL


class SqliteConfig(SqlConfig, kw_only=True):
    """What the connector can be told."""

    path: Annotated[str, Setting("File", "The database's file.", examples=["/data/shop.db"], extra={"order": 0})]


class SqliteSource(SqlSource):
    """Reads an SQLite file, and never writes to it."""

    name = "sqlite"
    documentation_url = "https://www.sqlite.org/docs.html"
    config: SqliteConfig
    database_class = Sqlite

    def url(self) -> URL | Address:
        return FileAddress(self.config.path)
