"""Reads MySQL and MariaDB. The source and its settings are what other connectors extend."""

from source_mysql.source import MysqlConfig, MysqlSource

__all__ = ["MysqlConfig", "MysqlSource"]
