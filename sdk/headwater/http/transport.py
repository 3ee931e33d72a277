"""Sending requests: the one place that waits, tries again, and follows redirects."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, TypeVar
from urllib.parse import urljoin

from headwater.errors import ConfigError, SourceError, TransientError
from headwater.http.auth import Auth
from headwater.http.ratelimit import RateLimit
from headwater.http.request import Request, origin, shown
from headwater.http.retry import RetryPolicy

if TYPE_CHECKING:
    from requests import PreparedRequest, Response, Session

log = logging.getLogger("headwater")
T = TypeVar("T")

_REDIRECTS = 10
_CONNECT_SECONDS = 15.0


class Transport:
    """Sends the requests of one source.

    :param base: the API's base URL; credentials and headers go to its origin alone.
    :param auth: puts the credentials on a request.
    :param judge: raises what an answer's status means; ConfigError, TransientError, SkipSlice, SourceError.
    :param waiting: called before a wait for a rate limit, with its seconds.
    :param timeout: seconds without a byte after which a request has failed.
    """

    def __init__(
        self,
        base: str,
        *,
        auth: Callable[[PreparedRequest], PreparedRequest] | None,
        headers: dict[str, str],
        retry: RetryPolicy,
        rate_limit: RateLimit | None,
        judge: Callable[[Response], None],
        waiting: Callable[[float], None],
        timeout: float,
    ) -> None:
        self.base = base
        self.retry = retry
        self._origin = origin(base)
        self._root = "/".join(base.split("/")[:3]) + "/"
        self._auth = auth
        self._headers = headers
        self._rate_limit = rate_limit
        self._judge = judge
        self._waiting = waiting
        self._timeout = (min(_CONNECT_SECONDS, timeout), timeout)
        self._session: Session | None = None
        self._common: dict[str, str | bytes] = {}  # headers to any host
        self._settings: dict[str, dict[str, Any]] = {}
        self._never = threading.Event()

    @contextmanager
    def impatient(self) -> Iterator[None]:
        """While somebody waits for an answer: few tries, no wait for a quota."""
        patient, self.retry = self.retry, self.retry.impatient()
        try:
            yield
        finally:
            self.retry = patient

    def send(self, request: Request, read: Callable[[Response], T]) -> T:
        """Send a request until an answer is good, or until the policy gives up.

        :param read: reads the body; its TransientError counts as a failed try, as a body may be cut or be
            a proxy's.
        :raises ConfigError: SkipSlice, SourceError, as the answer was judged.
        :raises TransientError: the last one, when the policy gave up.
        """
        failures = waits = recoveries = 0
        while True:
            try:
                response = self._exchange(request)
                if isinstance(self._auth, Auth):
                    self._auth.observe(response)
                if response.status_code in (401, 403, 429) and recoveries < 10 and self._recover(response):
                    recoveries += 1
                    continue
                self._judge(response)
                return read(response)
            except TransientError as error:
                if error.rate_limited:
                    waits += 1
                else:
                    failures += 1
                delay = self.retry.delay(error, failures, waits)
                if delay is None:
                    tried = f" Given up after {failures + waits} tries." if failures + waits > 1 else ""
                    raise TransientError(
                        error.message + tried,
                        retry_after=error.retry_after,
                        rate_limited=error.rate_limited,
                        internal=error.internal,
                    ) from error
                level = logging.INFO if error.rate_limited else logging.WARNING
                log.log(level, "%s Trying again in %.1f s.", error.message, delay)
                if error.rate_limited:
                    self._waiting(delay)
                self._sleep(delay)

    def _recover(self, response: Response) -> bool:
        return isinstance(self._auth, Auth) and self._auth.recover(response)

    def _sleep(self, seconds: float) -> None:
        """Unlike ``time.sleep``, this ends at once when a signal's handler raises."""
        until = time.monotonic() + seconds
        while (left := until - time.monotonic()) > 0:
            self._never.wait(left)

    def _exchange(self, request: Request) -> Response:
        """One try: the request, its redirects, and the whole body read."""
        if self._rate_limit is not None and (pause := self._rate_limit.reserve()) > 0:
            self._sleep(pause)
        url, method, body = request.url(self.base), request.method, (request.json, request.data)
        params: Any = {name: value for name, value in request.params.items() if value is not None}
        for _ in range(_REDIRECTS):
            response = self._send_once(method, url, params, request, body)
            target = response.headers.get("Location")
            if response.status_code not in (301, 302, 303, 307, 308) or not target:
                return response
            url, params = urljoin(str(response.url), target), None
            if response.status_code == 303 or (response.status_code in (301, 302) and method == "POST"):
                method, body = "GET", (None, None)
        raise SourceError(f"{request.method} {shown(request.url(self.base))}: more than {_REDIRECTS} redirects.")

    def _send_once(
        self, method: str, url: str, params: Any, request: Request, body: tuple[Any, Any]
    ) -> Response:
        import requests
        import urllib3

        session = self._session or self._open()
        own = url.startswith(self._root) or origin(url) == self._origin
        # not Session.prepare_request: it merges the session's settings anew for each request
        prepared = requests.PreparedRequest()
        try:
            prepared.prepare(
                method,
                url,
                params=params,
                headers={**self._common, **self._headers, **request.headers} if own else self._common,
                json=body[0],
                data=body[1],
                auth=self._auth if own and self._auth is not None else _anonymous,
                cookies=session.cookies,
            )
            settings = self._settings_for(session, url)
            response = session.send(
                prepared, stream=True, allow_redirects=False, timeout=self._timeout, **settings
            )
            read_whole(response)
        except (requests.exceptions.InvalidURL, requests.exceptions.MissingSchema) as error:
            raise ConfigError(f"{shown(url)} is not a URL that can be asked for: {error}.") from None
        except requests.exceptions.InvalidSchema as error:
            raise ConfigError(f"{shown(url)} must begin with https:// or http://.") from error
        except (requests.RequestException, urllib3.exceptions.HTTPError, OSError) as error:
            raise TransientError(f"{method} {shown(url)}: {_reason(error)}.") from None
        return response

    def _settings_for(self, session: Session, url: str) -> dict[str, Any]:
        """Proxies and certificates from the environment: looked up once a host, as it costs a third of a
        request."""
        host = url.split("/", 3)[2] if "://" in url else url
        found = self._settings.get(host)
        if found is None:
            found = session.merge_environment_settings(url, {}, True, None, None)
            found.pop("stream", None)
            self._settings[host] = found
        return found

    def _open(self) -> Session:
        import requests
        from requests.adapters import HTTPAdapter

        session = requests.Session()
        adapter = HTTPAdapter(pool_connections=10, pool_maxsize=32)
        session.mount("https://", adapter)
        session.mount("http://", adapter)
        self._common = dict(session.headers)
        self._session = session
        return session


def read_whole(response: Response) -> None:
    """Read the body in one call: requests does it in steps of 10 KB, which costs as much again as the rest.

    :raises urllib3.exceptions.HTTPError: when the body is cut or can't be decompressed.
    """
    if response.raw is not None and not response._content_consumed:
        response._content = response.raw.read(decode_content=True)
        response._content_consumed = True
        response.raw.release_conn()


def _anonymous(request: PreparedRequest) -> PreparedRequest:
    """No credentials, and none from a .netrc file either, which requests would look for at each request."""
    return request


def _reason(error: BaseException) -> str:
    """What went wrong on the way, without the URL, whose query may hold a secret."""
    name = type(error).__name__
    inner = error.args[0] if error.args else None
    reason = getattr(inner, "reason", inner)
    if isinstance(reason, BaseException):
        name = type(reason).__name__
    return {
        "ReadTimeout": "no answer in time (read time-out)",
        "ReadTimeoutError": "no answer in time (read time-out)",
        "ConnectTimeout": "no connection in time",
        "ConnectTimeoutError": "no connection in time",
        "NewConnectionError": "no connection (refused or unreachable)",
        "NameResolutionError": "the host's name can't be resolved",
        "IncompleteRead": "the answer was cut off",
        "ProtocolError": "the connection was closed in the middle",
        "SSLError": "no trusted TLS connection (certificate or protocol)",
    }.get(name, f"the connection failed ({name})")
