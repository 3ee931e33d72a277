"""One exchange over a kept connection, and its answer as requests has it.

What requests and urllib3 do around it for each request (a pool key, a retry policy, three response objects) costs
five times the exchange itself. The connections are urllib3's all the same, which knows of TLS, and the answer is a
:class:`requests.Response`, whole.
"""

from __future__ import annotations

import io
import logging
from contextlib import suppress
from functools import cached_property, lru_cache
from http.client import HTTPConnection, HTTPMessage
from typing import TYPE_CHECKING, Any

from requests import PreparedRequest, Response
from requests.cookies import RequestsCookieJar, extract_cookies_to_jar
from requests.structures import CaseInsensitiveDict
from requests.utils import get_encoding_from_headers
from urllib3 import HTTPResponse

from headwater.http.request import shown
from headwater.http.wire import Received, head_of, receive

if TYPE_CHECKING:
    from requests.adapters import HTTPAdapter

log = logging.getLogger("headwater")


class Raw:
    """What requests' own code looks for at ``Response.raw``: the headers, for cookies. Nothing is left to read."""

    __slots__ = ("_fields", "reason", "status")
    closed = True

    def __init__(self, received: Received) -> None:
        self.status, self.reason, self._fields = received.status, received.reason, received.fields

    @property
    def headers(self) -> HTTPMessage:
        """As they came."""
        found = HTTPMessage()
        for name, value in self._fields:
            found[name] = value  # adds one
        return found

    msg = headers

    @property
    def _original_response(self) -> Raw:
        return self

    def read(self, *_: Any, **__: Any) -> bytes:
        """Nothing more."""
        return b""

    def close(self) -> None:
        """It is."""

    def release_conn(self) -> None:
        """It was."""


class Whole(Response):
    """An answer; of its cookies a jar is made when somebody asks for it."""

    def __init__(self, received: Received, request: PreparedRequest, adapter: HTTPAdapter) -> None:
        self.status_code, self.reason, self.raw = received.status, received.reason, Raw(received)
        self.url, self.request, self.connection = str(request.url), request, adapter
        self.headers = _headers(received.fields)
        self.encoding = _encoding(self.headers.get("content-type"))
        vars(self).update(_NEW, history=[])
        vars(self).update(_content=_decoded(received.body, self.headers), _content_consumed=True)

    @cached_property
    def cookies(self) -> RequestsCookieJar:  # type: ignore[override]
        """Those that it sets."""
        jar = RequestsCookieJar()
        if "set-cookie" in self.headers:
            extract_cookies_to_jar(jar, self.request, self.raw)  # type: ignore[no-untyped-call]
        return jar


_NEW = {name: value for name, value in vars(Response()).items() if name in ("elapsed", "_next")}


def _headers(fields: Any) -> CaseInsensitiveDict[str]:
    """Headers as requests has them: those with one name as one."""
    headers: CaseInsensitiveDict[str] = CaseInsensitiveDict()
    store: dict[str, tuple[str, str]] = headers._store  # type: ignore[attr-defined]
    for name, value in fields:
        key = name.lower()
        store[key] = (name, f"{store[key][1]}, {value}" if key in store else value)
    return headers


def _decoded(body: bytes, headers: CaseInsensitiveDict[str]) -> bytes:
    """:raises urllib3.exceptions.DecodeError: when it can't be decompressed."""
    encoding = headers.get("content-encoding")
    if encoding is None or not body:
        return body
    coded = HTTPResponse(io.BytesIO(body), {"content-encoding": encoding}, preload_content=False)
    return coded.read(decode_content=True)


@lru_cache(maxsize=64)
def _encoding(content_type: str | None) -> str | None:
    told = CaseInsensitiveDict({} if content_type is None else {"content-type": content_type})
    return get_encoding_from_headers(told)


def exchange(
    connection: Any,
    request: PreparedRequest,
    target: str,
    host: str,
    timeout: tuple[float | None, float | None],
) -> Received:
    """Send a request, and read its answer.

    :param connection: urllib3's; may be closed.
    :param target: path and query.
    :param host: and port, as the request names it; empty: only ``http.client`` knows how.
    :param timeout: seconds for connecting, and for each read.
    :raises OSError: http.client.HTTPException, urllib3.exceptions.HTTPError: when it fails on the way.
    :raises ValueError: for a header that can't be sent.
    """
    connect, read = timeout
    if connection.sock is None:
        connection.timeout = connect
        connection.connect()
    connection.timeout = read
    if connection.sock.gettimeout() != read:
        connection.sock.settimeout(read)
    headers, method = request.headers, str(request.method)
    body = request.body.encode() if isinstance(request.body, str) else request.body
    plain = host and "host" not in headers
    head = head_of(method, target, host, headers._store.values()) if plain else None  # type: ignore[attr-defined]
    with suppress(BrokenPipeError):  # a server may answer and close before it has read everything
        if head is not None:
            connection.sock.sendall(head + body if body else head)
        else:
            _send(connection, method, target, headers, body)
    received = receive(connection.sock, method)
    if received.closes:
        connection.close()
    return received


def _send(connection: Any, method: str, target: str, headers: CaseInsensitiveDict[str], body: bytes | None) -> None:
    """As ``http.client`` does. One of its own connections for each request, which looks at every letter of it."""
    writer = HTTPConnection(connection.host, connection.port)
    writer.default_port, writer.sock = connection.default_port, connection.sock
    writer.putrequest(method, target, skip_host="host" in headers, skip_accept_encoding=True)
    for name, value in headers.items():
        writer.putheader(name, value)
    writer.endheaders(body)


def response_of(received: Received, request: PreparedRequest, adapter: HTTPAdapter) -> Response:
    """The whole answer, as requests has it.

    :raises urllib3.exceptions.DecodeError: when it can't be decompressed.
    """
    response = Whole(received, request, adapter)
    if log.isEnabledFor(logging.DEBUG):
        where = shown(str(request.url))
        log.debug("%s %s: %d, %d bytes", request.method, where, received.status, len(response.content))
    return response
