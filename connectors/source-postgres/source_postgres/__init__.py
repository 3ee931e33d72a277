"""Reads PostgreSQL. The source and its settings are what other connectors extend."""

from source_postgres.source import PostgresConfig, PostgresSource

__all__ = ["PostgresConfig", "PostgresSource"]
