"""Sending requests: the one place that waits, tries again, and follows redirects."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, TypeVar

from headwater.errors import ConfigError, SourceError, TransientError
from headwater.http.auth import Auth, Foreign
from headwater.http.budget import Budget, Budgets
from headwater.http.faults import trouble_of
from headwater.http.limits import quota
from headwater.http.manners import Manners
from headwater.http.request import Request, joined, origin, shown
from headwater.http.retry import Tries
from headwater.http.session import anonymous, failure, open_session, plain_errors, redirected, send_once
from headwater.waiting import bell, pause

if TYPE_CHECKING:
    from requests import PreparedRequest, Response, Session

log = logging.getLogger("headwater")
T = TypeVar("T")

_REDIRECTS = 10
_RECOVERIES = 10
_CONNECT_SECONDS = 15.0
_LONGEST_HEEDED = 60.0
_TOLD = 1.0
"""A wait for the budget of so many seconds is told."""


class _Here(threading.local):
    """What a thread is at.

    :ivar inside: it has a place in the budget.
    :ivar sent: when its last request went out.
    """

    inside: bool = False
    sent: float = 0.0


class Transport:
    """Sends the requests of one source, also from several threads.

    :param base: the API's base URL; credentials and headers go to its origin alone.
    :param auth: puts the credentials on a request.
    :param judge: raises what an answer's status means; ConfigError, TransientError, SkipSlice, SourceError.
    """

    def __init__(
        self,
        base: str,
        *,
        auth: Callable[[PreparedRequest], PreparedRequest] | None,
        headers: dict[str, str],
        manners: Manners,
        judge: Callable[[Response], None],
    ) -> None:
        self.base = base
        self.retry = manners.retry
        self._origin = origin(base)
        self._root = "/".join(base.split("/")[:3]) + "/"
        self._auth = auth if auth is None or isinstance(auth, Auth) else Foreign(auth)
        self._headers = headers
        self._faults = manners.faults
        self._budgets = Budgets(manners.limits)
        self._judge = judge
        self._timeout = (min(_CONNECT_SECONDS, manners.timeout), manners.timeout)
        self._here = _Here()
        self._session: Session | None = None
        self._common: Any = None  # headers to any host
        self._own: Any = None  # to the API's
        self._settings: dict[str, dict[str, Any]] = {}
        self._lock = threading.Lock()

    @contextmanager
    def impatient(self) -> Iterator[None]:
        """While somebody waits for an answer: few tries, no wait for a quota."""
        patient, self.retry = self.retry, self.retry.impatient()
        try:
            yield
        finally:
            self.retry = patient

    def send(
        self,
        request: Request,
        read: Callable[[Response], T],
        waiting: Callable[[float], None] | None = None,
        keep: Callable[[Response], None] | None = None,
    ) -> T:
        """Send a request until an answer is good, or until the policy gives up.

        :param read: reads the body; its TransientError counts as a failed try, as a body may be cut or be
            a proxy's. So does a ``response.json()`` of it that finds none.
        :param waiting: called before a wait for a rate limit or a budget, with its seconds.
        :param keep: called with the API's own answer when it is good.
        :raises ConfigError: SkipSlice, SourceError, as the answer was judged; SourceError also for more than
            ten redirects and for what the server gave as a URL and is none.
        :raises TransientError: the last one, when the policy gave up.
        """
        tries = Tries(self.retry)
        budget = self._budgets.of(request.url(self.base))
        while True:
            status = 0
            try:
                response, own, paused = self._exchange(request, budget, waiting)
                tries.waited += paused
                status = response.status_code if own else 0
                if own and self._auth is not None:
                    self._auth.observe(response)
                    if response.status_code in (401, 403, 429) and tries.recoveries < _RECOVERIES:
                        tries.recoveries += 1
                        if self._auth.recover(response):
                            continue
                if own:
                    self._heed(response, budget)
                found = self.taken(response, read)
                budget.pleased()
                if keep is not None and own:
                    keep(response)
                return found
            except TransientError as failure:
                error = trouble_of(self._faults, failure)
                if not isinstance(error, TransientError):
                    raise error from failure
                delay = tries.delay(error)
                if error.rate_limited or status in (429, 503):
                    budget.complained(self._here.sent)
                self._wait(error, delay, budget, waiting)

    def _wait(
        self, error: TransientError, delay: float, budget: Budget, waiting: Callable[[float], None] | None
    ) -> None:
        """Before the next try."""
        level = logging.INFO if error.rate_limited else logging.WARNING
        log.log(level, "%s Trying again in %.1f s.", error.message, delay)
        if error.rate_limited:
            if error.retry_after:
                budget.hold(error.retry_after)
            if waiting is not None:
                waiting(delay)
        self._rest(delay)

    def _heed(self, response: Response, budget: Budget) -> None:
        """Where an answer says that the quota is used up, send nothing until it comes back. A longer time is left to
        the server, which refuses the next request: what becomes of that, the source's faults say."""
        left = self._auth.wait() if self._auth is not None else None
        if left is None:
            if "rate" not in "".join(response.headers).lower():  # most answers say nothing of it
                return
            told = quota(response)
            left = told.resets - time.time() if told.left == 0 and told.resets is not None else 0.0
        if 0 < left <= min(_LONGEST_HEEDED, self.retry.longest_wait):
            budget.hold(left)

    def _admitted(self, budget: Budget, waiting: Callable[[float], None] | None) -> float:
        """Wait until the budget has a place for a request; the seconds that it took."""
        if self._session is None:
            self._open()  # what it imports must not lie between a request's place in the budget and its sending
        began = time.monotonic()
        told = False
        while (delay := budget.enter(bell())) > 0:
            if not told and waiting is not None and _TOLD <= delay < float("inf"):
                told = True
                waiting(delay)
            self._rest(delay, until_rung=True)
        self._here.sent = time.monotonic()
        return self._here.sent - began

    def _rest(self, seconds: float, *, until_rung: bool = False) -> None:
        """The one place where a request waits for anything but the network.

        :raises Stopped: when the read is stopped.
        """
        pause(seconds, until_rung=until_rung)

    def address(self, request: Request) -> str:
        """A request's URL, without what credentials would put there."""
        url = request.url(self.base)
        return self._auth.withheld(url) if self._auth is not None else url

    def taken(self, response: Response, read: Callable[[Response], T]) -> T:
        """What is read of an answer, if it is good. Where it is not, and there are several credentials, the error says
        which ones it was."""
        with plain_errors(response):
            try:
                self._judge(response)
            except ConfigError as error:
                refused = self._auth is not None and response.status_code in (401, 403, 404)
                which = self._auth.which(response) if refused and self._auth is not None else ""
                if not which:
                    raise
                said = f"{error.message} That was {which}."
                raise ConfigError(said, stream=error.stream, internal=error.internal) from error
            return read(response)

    def credentials(self) -> Iterator[None]:
        """Each of several credentials in turn, which alone is used by this thread until the next: for ``check``."""
        return self._auth.each() if self._auth is not None else iter((None,))

    def _exchange(
        self, request: Request, budget: Budget, waiting: Callable[[float], None] | None
    ) -> tuple[Response, bool, float]:
        """One try: the request, its redirects, and the whole body read; whether the API itself answered; and the
        seconds that it waited for the budget."""
        url, method, body = request.url(self.base), request.method, (request.json, request.data)
        params: Any = request.query()
        history: list[Response] = []
        paused = 0.0
        for _ in range(_REDIRECTS + 1):
            own = url.startswith(self._root) or origin(url) == self._origin
            if not own or self._here.inside:  # credentials may ask the API itself for something
                response = self._send_once(method, url, params, request, body, own=own)
            else:
                paused += self._admitted(budget, waiting)
                self._here.inside = True
                try:
                    response = self._send_once(method, url, params, request, body, own=own)
                finally:
                    self._here.inside = False
                    budget.leave()
            target = redirected(response) if response.status_code >= 300 else None
            if not target:
                response.history = history
                return response, own, paused
            history.append(response)
            url, params = joined(str(response.url), target), None
            if response.status_code == 303 or (response.status_code in (301, 302) and method == "POST"):
                method, body = "GET", (None, None)
        raise SourceError(f"{request.method} {shown(request.url(self.base))}: more than {_REDIRECTS} redirects.")

    def _send_once(
        self, method: str, url: str, params: Any, request: Request, body: tuple[Any, Any], *, own: bool
    ) -> Response:
        import requests
        import urllib3

        from headwater.http.prepare import prepared

        session = self._session or self._open()
        if not own and self._auth is not None:
            url = self._auth.withheld(url)
        try:
            made = prepared(
                method,
                url,
                params=params,
                headers=self._own if own else self._common,
                more=request.headers if own else {},
                body=body,
                auth=self._auth if own else anonymous,
                cookies=session.cookies if own else None,
            )
            return send_once(session, made, timeout=self._timeout, **self._settings_for(session, url))
        except (requests.RequestException, urllib3.exceptions.HTTPError, OSError) as error:
            raise failure(error, method, url, self.base) from None

    def _settings_for(self, session: Session, url: str) -> dict[str, Any]:
        """Proxies and certificates from the environment: looked up once a host, as it costs a third of a
        request."""
        host = "/".join(url.split("/", 3)[:3])
        known = self._settings.get(host)
        if known is not None:
            return known
        found: dict[str, Any] = dict(session.merge_environment_settings(url, {}, True, None, None))
        found.pop("stream", None)
        self._settings[host] = found
        return found

    def _open(self) -> Session:
        with self._lock:
            if self._session is None:
                from headwater.http.prepare import checked

                session = open_session()
                self._common = checked(session.headers)
                self._own = checked({**session.headers, **self._headers})
                self._session = session
            return self._session
