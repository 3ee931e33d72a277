"""Connectors to databases: a source whose streams are tables, on SQLAlchemy. Needs the extra ``sql``."""

from headwater.sql.config import SqlConfig, TableSettings
from headwater.sql.database import Database, Timeouts
from headwater.sql.source import SqlSource
from headwater.sql.stream import SqlStream
from headwater.sql.tables import Column, Kind, Table

__all__ = ["Column", "Database", "Kind", "SqlConfig", "SqlSource", "SqlStream", "Table", "TableSettings", "Timeouts"]
