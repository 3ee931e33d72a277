"""A connector to MySQL and MariaDB: facts. What reads is :mod:`headwater.sql.mysql`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

from headwater import Config, Setting
from headwater.sql.mysql import Mysql
from headwater.sql.server import ServerSource
from headwater.sql.settings import ServerConfig, Verified


class Preferred(Config, tag_field="mode", tag="preferred"):
    """The connection is encrypted where the server can."""


class Required(Config, tag_field="mode", tag="required"):
    """The connection is encrypted; whoever answers is taken for the server."""


class VerifyCa(Verified, tag_field="mode", tag="verify_ca"):
    """The connection is encrypted, and the server's certificate is of this authority."""


class VerifyIdentity(Verified, tag_field="mode", tag="verify_identity"):
    """As verify_ca, and the certificate is of this host."""


class Standard(Config, tag_field="method", tag="STANDARD"):
    """New and changed rows are found by a cursor column."""


class MysqlConfig(ServerConfig, kw_only=True):
    """What the connector can be told; the names are those of Airbyte's source-mysql."""

    port: Annotated[int, Setting("Port", minimum=0, maximum=65536, extra={"group": "db", "order": 1})] = 3306
    ssl_mode: Annotated[
        Preferred | Required | VerifyCa | VerifyIdentity | None,
        Setting("SSL mode", extra={"group": "security", "order": 8}),
    ] = None
    replication_method: Annotated[
        Standard | None, Setting("Update method", extra={"group": "advanced", "order": 9})
    ] = None


class MysqlSource(ServerSource):
    """Reads MySQL and MariaDB: the tables of one database."""

    name = "mysql"
    documentation_url = "https://mariadb.com/kb/en/documentation/"
    config: MysqlConfig
    database_class = Mysql
    driver = "mysql+pymysql"

    def schemas(self) -> Sequence[str]:
        return (self.config.database,)
