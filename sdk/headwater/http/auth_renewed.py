"""Credentials that hold for a time: what OAuth 2, JWTs and logins have in common."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from headwater.errors import ConfigError, TransientError
from headwater.http.auth import Auth
from headwater.http.limits import retry_after

if TYPE_CHECKING:
    from requests import PreparedRequest, Response

Sent = Callable[[str], Auth]
"""What is made of a token: :class:`~headwater.http.auth.Bearer`, or for another place
``lambda token: ApiKey(token, header="X-Session")``."""


class Renewed(Auth):
    """Credentials that are got, hold for a time, and are got anew: a minute before they expire, and after a
    401. A child says how they are got; threads share them.

    :param held: what there is already; None: nothing yet.
    :param lasts: for how many seconds it holds.
    """

    def __init__(self, held: Auth | None = None, lasts: float = 0.0) -> None:
        self._lock = threading.Lock()
        self._held = held
        self._until = until(lasts)
        self._number = 0  # of the credentials: which ones a request carried
        self._refused = False  # they were refused; the next request gets others
        self._doubtful = False  # they were got after a refusal, and have not been accepted since

    def obtain(self) -> tuple[Auth, float]:
        """New credentials, and for how many seconds they hold. Called by one thread at a time. May raise
        ConfigError (refused) or TransientError (not now)."""
        raise NotImplementedError(f"{type(self).__name__} needs an obtain().")

    def __call__(self, request: PreparedRequest) -> PreparedRequest:
        """Put them on the request; new ones, if there are none that will last."""
        with self._lock:
            held = self._held
            if held is None or time.monotonic() >= self._until:
                held, lasts = self.obtain()
                self._held, self._until = held, until(lasts)
                self._number += 1
                self._refused, self._doubtful = False, self._refused
            vars(request)["_credentials"] = self, self._number
        return held(request)

    def observe(self, response: Response) -> None:
        """Remember that they work."""
        held = self._held
        if held is not None and self._carried(response):
            held.observe(response)
            if self._doubtful and response.status_code != 401:
                self._doubtful = False

    def recover(self, response: Response) -> bool:
        """After a 401: forget what was used, unless another thread already did. What was got anew for this and
        is refused again is not the reason."""
        if response.status_code != 401:
            return False
        with self._lock:
            if self._carried(response) and not self._refused:
                if self._doubtful:
                    return False
                self._until, self._refused = float("-inf"), True
        return True

    def withheld(self, url: str) -> str:
        """Without what they put there."""
        return url if self._held is None else self._held.withheld(url)

    def wait(self) -> float | None:
        """As those that are held."""
        return None if self._held is None else self._held.wait()

    def _carried(self, response: Response) -> bool:
        """Whether an answer's request carried the credentials of now."""
        return vars(response.request).get("_credentials") == (self, self._number)


def until(lasts: float) -> float:
    """When to get others (by the monotonic clock): a minute before the end, of a short time at its half."""
    return time.monotonic() + max(lasts - 60.0, lasts / 2)


def seconds(value: Any) -> float:
    """How long a token lasts (RFC 6749, 5.1: a number of seconds); an hour where it is not said."""
    try:
        found = float(value)
    except (TypeError, ValueError):
        return 3600.0
    return found if 0.0 < found < 1e9 else 3600.0


def ask(what: str, method: str, url: str, **settings: Any) -> Response:
    """Ask for credentials: not by the source's own transport, which waits for them.

    :param what: whom, for errors ("The token endpoint").
    """
    import requests

    from headwater.http.session import anonymous

    # else requests takes credentials of a .netrc file
    settings = {"auth": anonymous, "allow_redirects": False, **settings}
    try:
        return requests.request(method, url, **settings)  # noqa: S113 - a timeout is in the settings
    except (requests.exceptions.InvalidURL, requests.exceptions.MissingSchema, requests.exceptions.InvalidSchema):
        raise ConfigError(f"The URL of {_lower(what)} can't be asked for.") from None
    except requests.RequestException as error:
        raise TransientError(f"{what} can't be reached: {type(error).__name__}.") from None


def refusal(what: str, response: Response, reason: str = "") -> ConfigError | TransientError:
    """Why an answer has no credentials in it: the user's turn, or the server's."""
    status = response.status_code
    said = f"{status}, {reason}" if reason else str(status)
    if status in (408, 425, 429) or status >= 500:
        return TransientError(f"{what} gives none now ({said}).", retry_after=retry_after(response))
    return ConfigError(f"{what} refused the credentials ({said}). Log in again and set the new credentials.")


def body_of(response: Response) -> Mapping[str, Any]:
    """An answer's JSON object; an empty one where it is anything else."""
    try:
        body = response.json()
    except ValueError:
        return {}
    return body if isinstance(body, dict) else {}


def _lower(text: str) -> str:
    return text[:1].lower() + text[1:]
