"""Reads SQLite. The source and its settings are what other connectors extend."""

from source_sqlite.source import SqliteConfig, SqliteSource

__all__ = ["SqliteConfig", "SqliteSource"]
