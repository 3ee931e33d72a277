"""One exchange over a kept connection, with the standard library's ``http.client`` and nothing above it.

What requests and urllib3 do around it for each request (a pool key, a retry policy, three response objects) costs
five times the exchange itself. The connections are urllib3's all the same, which knows of TLS, and the answer is a
:class:`requests.Response`, whole.
"""

from __future__ import annotations

import io
import logging
import time
from collections import OrderedDict
from contextlib import suppress
from functools import lru_cache
from http.client import HTTPConnection, IncompleteRead
from typing import TYPE_CHECKING, Any

from requests import PreparedRequest, Response
from requests.cookies import extract_cookies_to_jar
from requests.structures import CaseInsensitiveDict
from requests.utils import get_encoding_from_headers
from urllib3 import HTTPResponse

from headwater.http.prepare import stored
from headwater.http.request import shown

if TYPE_CHECKING:
    from collections.abc import Iterable
    from http.client import HTTPResponse as Received

    from requests.adapters import HTTPAdapter

log = logging.getLogger("headwater")

_PIECE = 1 << 17
_LONGEST = 1800.0
"""Seconds for one body: whoever sends for longer never ends."""


class Raw:
    """What requests' own code looks for at ``Response.raw``: the headers, for cookies. Nothing is left to read."""

    __slots__ = ("_original_response",)
    closed = True

    def __init__(self, received: Received) -> None:
        self._original_response = received

    @property
    def headers(self) -> Any:
        """As they came."""
        return self._original_response.headers

    @property
    def status(self) -> int:
        """The status."""
        return self._original_response.status

    @property
    def reason(self) -> str:
        """The words after it."""
        return self._original_response.reason

    @property
    def version(self) -> int:
        """11: HTTP/1.1."""
        return self._original_response.version

    def read(self, *_: Any, **__: Any) -> bytes:
        """Nothing more."""
        return b""

    def close(self) -> None:
        """It is."""

    def release_conn(self) -> None:
        """It was."""


def exchange(
    connection: Any, request: PreparedRequest, target: str, timeout: tuple[float | None, float | None]
) -> Received:
    """Send a request, and read the head of its answer.

    :param connection: urllib3's; may be closed.
    :param target: path and query.
    :param timeout: seconds for connecting, and for each read.
    :raises OSError: http.client.HTTPException, urllib3.exceptions.HTTPError: when it fails on the way.
    :raises ValueError: for a header that can't be sent.
    """
    connect, read = timeout
    if connection.sock is None:
        connection.timeout = connect
        connection.connect()
    connection.timeout = read
    connection.sock.settimeout(read)
    headers = request.headers
    # the standard library's methods, not urllib3's of the same names
    HTTPConnection.putrequest(
        connection, str(request.method), target, skip_host="host" in headers, skip_accept_encoding=True
    )
    for name, value in headers.items():
        HTTPConnection.putheader(connection, name, value)
    body = request.body
    with suppress(BrokenPipeError):  # a server may answer and close before it has read everything
        HTTPConnection.endheaders(connection, body.encode() if isinstance(body, str) else body)
    return HTTPConnection.getresponse(connection)


def _body(received: Received) -> bytes:
    """The body as it came. Read as it arrives: a server that sends a byte now and then must not hold a thread for ever.

    :raises TimeoutError: when it takes longer than :data:`_LONGEST`.
    :raises http.client.IncompleteRead: when it is cut.
    """
    began = time.monotonic()
    parts = []
    while received.length != 0 and (part := received.read1(_PIECE)):
        parts.append(part)
        if time.monotonic() - began > _LONGEST:
            raise TimeoutError
    left = received.length
    if left:
        raise IncompleteRead(b"", left)
    received.close()
    return parts[0] if len(parts) == 1 else b"".join(parts)


def response_of(received: Received, request: PreparedRequest, adapter: HTTPAdapter) -> Response:
    """The whole answer, as requests has it.

    :raises http.client.IncompleteRead: when the body is cut.
    :raises urllib3.exceptions.DecodeError: when it can't be decompressed.
    """
    body = _body(received)
    response = Response()
    response.status_code, response.reason = received.status, received.reason
    response.headers = headers = _headers(received.headers.items())
    encoding = headers.get("content-encoding")
    if encoding is not None and body:
        coded = HTTPResponse(io.BytesIO(body), {"content-encoding": encoding}, preload_content=False)
        body = coded.read(decode_content=True)
    response.encoding = _encoding(headers.get("content-type"))
    response.url, response.request = str(request.url), request
    response.raw = Raw(received)
    if "set-cookie" in headers:
        extract_cookies_to_jar(response.cookies, request, response.raw)  # type: ignore[no-untyped-call]
    vars(response).update(connection=adapter, _content=body, _content_consumed=True)
    if log.isEnabledFor(logging.DEBUG):
        log.debug("%s %s: %d, %d bytes", request.method, shown(str(request.url)), received.status, len(body))
    return response


def _headers(fields: Iterable[tuple[str, str]]) -> CaseInsensitiveDict[str]:
    """Headers as requests has them: those with one name as one."""
    store: dict[str, tuple[str, str]] = OrderedDict()
    for name, value in fields:
        key = name.lower()
        store[key] = (name, f"{store[key][1]}, {value}" if key in store else value)
    return stored(store)


@lru_cache(maxsize=64)
def _encoding(content_type: str | None) -> str | None:
    fields = {} if content_type is None else {"content-type": content_type}
    return get_encoding_from_headers(CaseInsensitiveDict(fields))
