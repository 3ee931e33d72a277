"""Connections that can be cut while a thread waits for their other side.

A read that is stopped must not wait for a server that does not answer. Nothing wakes a thread from a ``recv``
but the end of the connection, so each thread's :class:`~headwater.waiting.Bell` knows the one that it uses.
"""

from __future__ import annotations

from typing import Any

from requests.adapters import HTTPAdapter
from urllib3 import HTTPConnectionPool, HTTPSConnectionPool
from urllib3.connection import HTTPConnection, HTTPSConnection

from headwater.waiting import bell


class _Http(HTTPConnection):
    def connect(self) -> None:
        super().connect()
        _use(self)


class _Https(HTTPSConnection):
    def connect(self) -> None:
        super().connect()
        _use(self)


def _use(connection: Any) -> None:
    """This thread waits for what comes over it.

    :raises Stopped: when it should not.
    """
    mine = bell()
    mine.line = connection.sock
    mine.check()


class _Watched:
    """A pool whose connections are waited for by the thread that has them."""

    def _get_conn(self, timeout: float | None = None) -> Any:
        connection = super()._get_conn(timeout)  # type: ignore[misc]
        _use(connection)
        return connection

    def _put_conn(self, conn: Any) -> None:
        bell().line = None
        super()._put_conn(conn)  # type: ignore[misc]


class _HttpPool(_Watched, HTTPConnectionPool):
    ConnectionCls = _Http


class _HttpsPool(_Watched, HTTPSConnectionPool):
    ConnectionCls = _Https


_POOLS = {"http": _HttpPool, "https": _HttpsPool}


class Connections(HTTPAdapter):
    """requests' adapter, with such connections."""

    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
        """As the adapter's."""
        super().init_poolmanager(*args, **kwargs)
        self.poolmanager.pool_classes_by_scheme = _POOLS

    def proxy_manager_for(self, proxy: str, **kwargs: Any) -> Any:
        """As the adapter's."""
        manager = super().proxy_manager_for(proxy, **kwargs)
        if not proxy.lower().startswith("socks"):  # which has connections of its own
            manager.pool_classes_by_scheme = _POOLS
        return manager
