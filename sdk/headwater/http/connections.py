"""Connections that can be cut while a thread waits for their other side.

A read that is stopped must not wait for a server that does not answer. Nothing wakes a thread from a ``recv``
but the end of the connection, so each thread's :class:`~headwater.waiting.Bell` knows the one that it uses.
"""

from __future__ import annotations

import re
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
_LONG: tuple[Any, str] = (None, "")
_PLAIN = re.compile(r"https?://([a-z0-9]+(?:[a-z0-9.-]*[a-z0-9])?(?::[1-9][0-9]*)?)")


def _host(origin: str) -> str:
    """Host and port as a request names them; empty where that takes more than to cut them out."""
    found = _PLAIN.fullmatch(origin)
    return "" if found is None else found[1].removesuffix(":443" if origin.startswith("https") else ":80")


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
        pool, host = self._way(origin, request, verify, cert, proxies)
        if pool is None:
            return super().send(request, stream, timeout, verify, cert, proxies)
        target = url[len(origin) :].split("#", 1)[0]
        connection = None
        try:
            connection = pool._get_conn()
            received = exchange(connection, request, target, host, timeout)
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

    def _way(
        self, origin: str, request: PreparedRequest, verify: bool | str, cert: Any, proxies: Any
    ) -> tuple[Any, str]:
        """The pool of a host's connections, and what requests call it; None: only the long way leads there."""
        if HTTPAdapter.send.__module__ != "requests.adapters":  # a library for tests is at work: not past it
            return _LONG
        if not isinstance(request.body, (bytes, str, type(None))):
            return _LONG
        key = (origin, verify, cert)
        way = self._direct.get(key)
        if way is None or (way is not _LONG and way[0].pool is None):  # not known, or given up meanwhile
            way = _LONG
            if not select_proxy(str(request.url), proxies):
                pool = self.get_connection_with_tls_context(request, verify, proxies=None, cert=cert)
                self.cert_verify(pool, str(request.url), verify, cert)  # type: ignore[no-untyped-call]
                way = (pool, _host(origin)) if isinstance(pool, _Watched) else _LONG
            self._direct[key] = way
        return way

    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
        """As the adapter's."""
        self._direct: dict[Any, tuple[Any, str]] = {}
        super().init_poolmanager(*args, **kwargs)
        self.poolmanager.pool_classes_by_scheme = _POOLS

    def proxy_manager_for(self, proxy: str, **kwargs: Any) -> Any:
        """As the adapter's."""
        manager = super().proxy_manager_for(proxy, **kwargs)
        if not proxy.lower().startswith("socks"):  # which has connections of its own
            manager.pool_classes_by_scheme = _POOLS
        return manager
