"""APIs that want a login: the session that it gives goes with every request."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from headwater.errors import ConfigError, SourceError
from headwater.http.auth import Auth, Bearer
from headwater.http.auth_renewed import Renewed, Sent, ask, body_of, refusal
from headwater.http.request import Request

if TYPE_CHECKING:
    from requests import PreparedRequest, Response

_LOGIN = "The login"


class SessionLogin(Renewed):
    """Logs in before the first request, and again after a 401 or when the session's time is over.

    ::

        SessionLogin(
            Request(f"{url}/login", method="POST", json={"user": ..., "password": ...reveal()}),
            token="data.session",
            sent=lambda token: ApiKey(token, header="X-Session"),
        )

    :param login: the request that logs in, with a whole URL.
    :param token: where in the answer's body the token is, names joined by dots; or
    :param header: the header of the answer that it is in; neither: the answer's cookies are the session.
    :param sent: what is made of the token.
    :param lasts: for how many seconds a session holds, as far as is known.
    """

    def __init__(
        self,
        login: Request,
        *,
        token: str = "",
        header: str = "",
        sent: Sent = Bearer,
        lasts: float = 1e9,
        timeout: float = 30.0,
    ) -> None:
        if token and header:
            raise ValueError("SessionLogin: say either token= or header=.")
        super().__init__()
        self._login, self._token, self._header, self._sent = login, token, header, sent
        self._lasts, self._timeout = lasts, timeout

    def obtain(self) -> tuple[Auth, float]:
        """Log in."""
        login = self._login
        response = ask(
            _LOGIN, login.method, login.path, params=login.query(), headers=dict(login.headers), json=login.json,
            data=login.data, timeout=self._timeout,
        )  # fmt: skip
        # who logs in by a form is often sent on to a page, with the session's cookie
        if response.status_code >= (300 if self._token or self._header else 400):
            raise refusal(_LOGIN, response)
        return self._session(response), self._lasts

    def _session(self, response: Response) -> Auth:
        if not self._token and not self._header:
            if not response.cookies:
                raise ConfigError(f"{_LOGIN} gave no cookie ({response.status_code}). Check the credentials.")
            return Cookies({str(cookie.name): str(cookie.value) for cookie in response.cookies})
        found: Any = response.headers.get(self._header) if self._header else _at(body_of(response), self._token)
        if found in (None, "") or isinstance(found, (Mapping, list)):
            place = f"header {self._header!r}" if self._header else f"{self._token!r} in its body"
            raise SourceError(f"{_LOGIN}'s answer ({response.status_code}) has no {place}.")
        return self._sent(str(found))


class Cookies(Auth):
    """Cookies of a session; those that the server replaces are replaced."""

    def __init__(self, cookies: Mapping[str, str]) -> None:
        self._cookies = dict(cookies)

    def __call__(self, request: PreparedRequest) -> PreparedRequest:
        """Set the header, beside the cookies that the API's other answers set."""
        others = request.headers.get("Cookie", "").split("; ")
        kept = [pair for pair in others if pair and pair.split("=", 1)[0] not in self._cookies]
        request.headers["Cookie"] = "; ".join([*kept, *(f"{name}={value}" for name, value in self._cookies.items())])
        return request

    def observe(self, response: Response) -> None:
        """Take the new value of a cookie."""
        for cookie in response.cookies:
            if cookie.name in self._cookies and cookie.value:
                self._cookies = {**self._cookies, cookie.name: cookie.value}


def _at(body: Any, path: str) -> Any:
    for name in path.split("."):
        body = body.get(name) if isinstance(body, Mapping) else None
    return body
