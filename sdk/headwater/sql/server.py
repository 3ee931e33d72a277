"""The base class of connectors to database servers: one that is reached over a network, perhaps through SSH."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar

from headwater.sql.session import Address
from headwater.sql.settings import KeyTunnel, PasswordTunnel, ServerConfig
from headwater.sql.source import SqlSource
from headwater.sql.tunnel import Private, Tunnel

if TYPE_CHECKING:
    from sqlalchemy import URL


class ServerSource(SqlSource):
    """A connector to a kind of database server.

    :cvar driver: SQLAlchemy's name of dialect and driver.
    """

    config: ServerConfig
    driver: ClassVar[str]

    def __init__(self, config: ServerConfig) -> None:
        super().__init__(config)
        self._tunnel: Tunnel | None = None
        self._private: Private | None = None

    def url(self) -> URL | Address:
        config: Any = self.config
        password = config.password.reveal() if config.password is not None else None
        return Address(self.driver, config.username, password, config.host, config.port, config.database)

    def connect_arguments(self) -> Mapping[str, Any]:
        tunnel = self.tunnel()
        way = ("127.0.0.1", tunnel.local) if tunnel is not None else None
        return self.database_class.arguments(
            getattr(self.config, "ssl_mode", None), self.private(), self.config.host, way
        )

    def schemas(self) -> Sequence[str]:
        return tuple(getattr(self.config, "schemas", ()))

    def reach(self) -> None:
        tunnel = self.tunnel()
        if tunnel is not None:
            tunnel.open()

    def tunnel(self) -> Tunnel | None:
        """The way to the database, where there is no direct one."""
        config: Any = self.config
        if self._tunnel is None and isinstance(config.tunnel_method, (KeyTunnel, PasswordTunnel)):
            self._tunnel = Tunnel(config.tunnel_method, config.host, config.port)
        return self._tunnel

    def private(self) -> Private:
        """Where files of this connection are."""
        if self._private is None:
            self._private = Private()
        return self._private

    def close(self) -> None:
        super().close()
        tunnel, self._tunnel = self._tunnel, None
        private, self._private = self._private, None
        for each in (tunnel, private):
            if each is not None:
                each.close()
