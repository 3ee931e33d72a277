"""Connections that can be cut while a thread waits for their other side.

A read that is stopped must not wait for a server that does not answer. Nothing wakes a thread from a ``recv``
but the end of the connection, so each thread's :class:`~headwater.waiting.Bell` knows the one that it uses.
"""

from __future__ import annotations

import ssl
from http.client import HTTPException
from typing import Any

from requests import PreparedRequest, Response
from requests.adapters import HTTPAdapter
from requests.exceptions import ConnectionError as NoConnection
from requests.exceptions import ReadTimeout, SSLError
from requests.utils import select_proxy
from urllib3 import HTTPConnectionPool, HTTPSConnectionPool
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.exceptions import HTTPError

from headwater.http.direct import exchange, response_of
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
    """requests' adapter, with such connections, and with a short way to hosts that no proxy is between."""

    def send(
        self,
        request: PreparedRequest,
        stream: bool = False,
        timeout: Any = None,
        verify: bool | str = True,
        cert: Any = None,
        proxies: Any = None,
    ) -> Response:
        """As the adapter's; the body of the answer is read, where the short way can be taken."""
        url = str(request.url)
        origin = "/".join(url.split("/", 3)[:3])
        pool = self._pool(origin, request, verify, cert, proxies)
        if pool is None:
            return super().send(request, stream, timeout, verify, cert, proxies)
        target = url[len(origin) :].split("#", 1)[0]
        connection = None
        try:
            connection = pool._get_conn()
            received = exchange(connection, request, target, timeout)
            response = response_of(received, request, self)
        except BaseException as error:
            if connection is not None:
                connection.close()
            if isinstance(error, ssl.SSLError):
                raise SSLError(error, request=request) from error
            if isinstance(error, TimeoutError):
                raise ReadTimeout(error, request=request) from error
            if isinstance(error, (OSError, HTTPException, HTTPError)):
                raise NoConnection(error, request=request) from error
            raise
        finally:
            bell().line = None
            if connection is not None:
                pool._put_conn(connection)
        return response

    def _pool(self, origin: str, request: PreparedRequest, verify: bool | str, cert: Any, proxies: Any) -> Any:
        """The pool of a host's connections; None: only the long way leads there."""
        if HTTPAdapter.send.__module__ != "requests.adapters":  # a library for tests is at work: not past it
            return None
        if not isinstance(request.body, (bytes, str, type(None))):
            return None
        key = (origin, verify, cert)
        pool = self._direct.get(key, self)
        if pool is self or (pool is not None and pool.pool is None):  # not known, or given up meanwhile
            pool = None
            if not select_proxy(str(request.url), proxies):
                pool = self.get_connection_with_tls_context(request, verify, proxies=None, cert=cert)
                self.cert_verify(pool, str(request.url), verify, cert)  # type: ignore[no-untyped-call]
                pool = pool if isinstance(pool, _Watched) else None
            self._direct[key] = pool
        return pool

    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
        """As the adapter's."""
        self._direct: dict[Any, Any] = {}
        super().init_poolmanager(*args, **kwargs)
        self.poolmanager.pool_classes_by_scheme = _POOLS

    def proxy_manager_for(self, proxy: str, **kwargs: Any) -> Any:
        """As the adapter's."""
        manager = super().proxy_manager_for(proxy, **kwargs)
        if not proxy.lower().startswith("socks"):  # which has connections of its own
            manager.pool_classes_by_scheme = _POOLS
        return manager
