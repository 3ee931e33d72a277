"""A connector to PostgreSQL: facts. What reads is :mod:`headwater.sql.postgres`."""

from __future__ import annotations

from typing import Annotated, Literal

from headwater import Config, Setting
from headwater.sql.postgres import Postgres
from headwater.sql.postgres_cdc import Capture
from headwater.sql.server import ServerSource
from headwater.sql.settings import ServerConfig, SslMode


class Standard(Config, tag_field="method", tag="Standard"):
    """New and changed rows are found by a cursor column."""


class Cdc(Config, tag_field="method", tag="CDC", kw_only=True):
    """New, changed and deleted rows are found in the write-ahead log."""

    replication_slot: Annotated[
        str, Setting("Replication slot", "A logical one of the plugin pgoutput, for this sync alone.")
    ]
    publication: Annotated[str, Setting("Publication", "Which tables' changes are told.")]
    plugin: Annotated[Literal["pgoutput"], Setting("Plugin")] = "pgoutput"


class PostgresConfig(ServerConfig, kw_only=True):
    """What the connector can be told; the names are those of Airbyte's source-postgres."""

    port: Annotated[int, Setting("Port", minimum=0, maximum=65536, extra={"group": "db", "order": 1})] = 5432
    schemas: Annotated[
        list[str],
        Setting("Schemas", "The schemas whose tables are streams; upper and lower case differ. Default: public.",
                extra={"group": "db", "order": 3, "uniqueItems": True, "default": ["public"]}),
    ] = []  # fmt: skip
    ssl_mode: Annotated[SslMode | None, Setting("SSL mode", extra={"group": "security", "order": 8})] = None
    replication_method: Annotated[
        Standard | Cdc | None, Setting("Update method", extra={"group": "advanced", "order": 9})
    ] = None


class PostgresSource(ServerSource):
    """Reads PostgreSQL."""

    name = "postgres"
    documentation_url = "https://www.postgresql.org/docs/current/"
    config: PostgresConfig
    database_class = Postgres
    driver = "postgresql+psycopg"

    def capture(self) -> Capture | None:
        method = self.config.replication_method
        if not isinstance(method, Cdc):
            return None
        return Capture.of(self, method.replication_slot, method.publication)
