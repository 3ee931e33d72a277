"""One request over requests' session: sent as it is, its body read whole, its failure told without secrets."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Literal

from headwater.errors import ConfigError, HeadwaterError, SourceError, TransientError
from headwater.http.request import shown

if TYPE_CHECKING:
    from requests import PreparedRequest, Response, Session


Kind = Literal["time-out", "no connection", "closed", "cut", "tls", "not json"]


class Trouble(TransientError):
    """A request without a whole answer: tried again, unless a source's faults know better.

    :ivar kind: what went wrong; None: something else.
    """

    def __init__(self, message: str, kind: Kind | None, internal: str | None = None) -> None:
        super().__init__(message, internal=internal)
        self.kind = kind


def open_session() -> Session:
    """A session that keeps its connections; any thread may use it."""
    import requests

    from headwater.http.connections import Connections

    session = requests.Session()
    adapter = Connections(pool_connections=10, pool_maxsize=100)
    session.mount("https://", adapter)
    session.mount("http://", adapter)
    logging.getLogger("urllib3.connectionpool").addFilter(_without_query)
    return session


def send_once(session: Session, prepared: PreparedRequest, **settings: Any) -> Response:
    """Send a request and read the whole body of its answer; no redirect is followed.

    :raises requests.RequestException: urllib3.exceptions.HTTPError, OSError: when it fails on the way.
    :raises ConfigError: when a header can't be sent.
    :raises SourceError: when the answer redirects to what is no URL.
    """
    import requests
    import urllib3
    from requests.cookies import extract_cookies_to_jar

    try:
        # the long way for hooks, of credentials that want to see the answer, as Digest's do; and where a library
        # for tests has put itself in the way
        if prepared.hooks["response"] or requests.Session.send.__module__ != "requests.sessions":
            response = session.send(prepared, stream=True, allow_redirects=False, **settings)
        else:
            adapter = session.get_adapter(str(prepared.url))
            response = adapter.send(prepared, stream=True, **settings)
            if "set-cookie" in response.headers:
                jar: Any = session.cookies
                extract_cookies_to_jar(jar, prepared, response.raw)  # type: ignore[no-untyped-call]
    except (requests.RequestException, urllib3.exceptions.HTTPError):  # some of which are ValueErrors
        raise
    except ValueError:  # also of http.client, with a header's value in its words
        where = f"{prepared.method} {shown(str(prepared.url))}"
        for name, value in prepared.headers.items():
            if not _can_be_sent(value):
                raise ConfigError(
                    f"{where}: the header {name!r} has characters that can't be sent (a line break, or letters "
                    "beyond Latin-1). Check the credentials in the config."
                ) from None
        raise SourceError(f"{where}: the server redirects to a URL that is none.") from None
    _read_whole(response)
    return response


def _can_be_sent(value: str | bytes) -> bool:
    try:
        text = value.decode("latin-1") if isinstance(value, bytes) else value.encode("latin-1").decode("latin-1")
    except UnicodeError:
        return False
    return not set("\r\n\0").intersection(text)


def _read_whole(response: Response) -> None:
    """Read the body in one call: requests does it in steps of 10 KB, which costs as much again as the rest.

    :raises urllib3.exceptions.HTTPError: when the body is cut or can't be decompressed.
    """
    state = vars(response)
    if response.raw is not None and not state.get("_content_consumed", True):
        state["_content"] = response.raw.read(decode_content=True)
        state["_content_consumed"] = True
        response.raw.release_conn()


def redirected(response: Response) -> str | None:
    """Where an answer sends its request to; None where it does not. Servers write UTF-8 there, which HTTP reads
    as Latin-1."""
    if response.status_code not in (301, 302, 303, 307, 308):
        return None
    target: str = response.headers.get("Location", "")
    try:
        return target.encode("latin-1").decode()
    except UnicodeError:
        return target


def anonymous(request: PreparedRequest) -> PreparedRequest:
    """No credentials, neither the source's nor those in the URL."""
    return request


def _without_query(record: logging.LogRecord) -> bool:
    """At the debug level urllib3 logs each request with its query, which may hold an API key."""
    if isinstance(record.args, tuple):
        record.args = tuple(
            item.split("?", 1)[0] if isinstance(item, str) and item.startswith("/") else item for item in record.args
        )
    return True


def failure(error: BaseException, method: str, url: str, base: str) -> HeadwaterError:
    """What a failed try is; an error of the user where the base URL is wrong, of the server's or the
    author's where another one is."""
    import requests

    kind = ConfigError if url.startswith(base.rstrip("/")) else SourceError
    if isinstance(error, requests.exceptions.InvalidSchema):
        return kind(f"{method} {shown(url)}: a URL must begin with https:// or http://.")
    if isinstance(error, (requests.exceptions.InvalidURL, requests.exceptions.MissingSchema)):
        return kind(f"{method} {shown(url)}: this is no URL that can be asked for.")
    if isinstance(error, requests.exceptions.InvalidHeader):
        return SourceError(f"{method} {shown(url)}: a header has a name or value that can't be sent.")
    if isinstance(error, requests.exceptions.InvalidJSONError):
        return SourceError(f"{method} {shown(url)}: the request's own body is no JSON (NaN in it?).")
    said, what = reason(error)
    return Trouble(f"{method} {shown(url)}: {said}.", what)


@contextmanager
def plain_errors(response: Response) -> Iterator[None]:
    """What requests raises in an author's code, as it should be told: its own words hold the whole URL."""
    import requests

    try:
        yield
    except requests.exceptions.JSONDecodeError:
        where = f"{response.request.method} {shown(str(response.url))}"
        raise Trouble(
            f"{where}: the answer is not JSON.", "not json", f"It begins: {response.content[:200]!r}"
        ) from None
    except requests.RequestException as error:
        raise SourceError(
            f"{response.request.method} {shown(str(response.url))}: the connector can't make use of the answer "
            f"({response.status_code}, {type(error).__name__})."
        ) from None


def reason(error: BaseException) -> tuple[str, Kind | None]:
    """What went wrong on the way, without the URL, whose query may hold a secret; and of what kind it is."""
    name = type(error).__name__
    inner: object = error
    while isinstance(inner, BaseException) and type(inner).__name__ not in _REASONS:
        causes = [cause for cause in (*inner.args, getattr(inner, "reason", None)) if isinstance(cause, BaseException)]
        inner = causes[-1] if causes else None
    if inner is not None:
        name = type(inner).__name__
    return _REASONS.get(name, (f"the connection failed ({name})", None))


_REASONS: dict[str, tuple[str, Kind | None]] = {
    "ReadTimeout": ("no answer in time (read time-out)", "time-out"),
    "ReadTimeoutError": ("no answer in time (read time-out)", "time-out"),
    "ConnectTimeout": ("no connection in time", "time-out"),
    "ConnectTimeoutError": ("no connection in time", "time-out"),
    "NewConnectionError": ("no connection (refused or unreachable)", "no connection"),
    "NameResolutionError": ("the host's name can't be resolved", "no connection"),
    "IncompleteRead": ("the answer was cut off", "cut"),
    "RemoteDisconnected": ("the connection was closed in the middle", "closed"),
    "ConnectionResetError": ("the connection was closed in the middle", "closed"),
    "BrokenPipeError": ("the connection was closed in the middle", "closed"),
    "DecodeError": ("the answer can't be decompressed", "cut"),
    "TimeoutError": ("no answer in time (read time-out)", "time-out"),
    "SSLCertVerificationError": ("no trusted TLS connection (certificate or protocol)", "tls"),
    "SSLError": ("no trusted TLS connection (certificate or protocol)", "tls"),
}
