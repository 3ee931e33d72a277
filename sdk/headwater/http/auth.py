"""Credentials: put on a request just before it is sent, and only for the API's own host.

Anything that requests takes as ``auth`` will do, also a ``requests.auth.AuthBase`` of another library. An
:class:`Auth` of this module can besides recover from a refusal, as :class:`OAuth2` and
:class:`RotatingTokens` do.
"""

from __future__ import annotations

import base64
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote_plus, urlsplit, urlunsplit

from headwater.errors import ConfigError, TransientError
from headwater.secrets import Secret

if TYPE_CHECKING:
    from requests import PreparedRequest, Response


class Auth:
    """Credentials of an API."""

    def __call__(self, request: PreparedRequest) -> PreparedRequest:
        """Put the credentials on a request. Called for every try of it."""
        return request

    def observe(self, response: Response) -> None:
        """Called with every answer, whatever it says: for what it tells of the credentials' quota."""

    def recover(self, response: Response) -> bool:
        """Called with an answer that refused the request (401, 403 or 429): whether to send it again at once,
        because there are other or newer credentials now. Asked at most ten times for one request."""
        return False

    def withheld(self, url: str) -> str:
        """A URL of another host without what :meth:`__call__` would have put in it."""
        return url


class Bearer(Auth):
    """A token in the ``Authorization`` header.

    :param scheme: the word before it (RFC 6750's, or an API's own).
    """

    def __init__(self, token: Secret | str, scheme: str = "Bearer") -> None:
        self._value = f"{scheme} {reveal(token)}"

    def __call__(self, request: PreparedRequest) -> PreparedRequest:
        """Set the header."""
        request.headers["Authorization"] = self._value
        return request


class Basic(Auth):
    """User and password (RFC 7617), in UTF-8."""

    def __init__(self, user: Secret | str, password: Secret | str = "") -> None:
        pair = f"{reveal(user)}:{reveal(password)}".encode()
        self._value = "Basic " + base64.b64encode(pair).decode()

    def __call__(self, request: PreparedRequest) -> PreparedRequest:
        """Set the header."""
        request.headers["Authorization"] = self._value
        return request


class ApiKey(Auth):
    """A key in a header or a query parameter.

    :param header: the header's name; or
    :param param: the query parameter's name.
    """

    def __init__(self, key: Secret | str, *, header: str | None = None, param: str | None = None) -> None:
        if (header is None) == (param is None):
            raise ValueError("ApiKey: say either header= or param=.")
        self._key, self._header, self._param = key, header, param

    def __call__(self, request: PreparedRequest) -> PreparedRequest:
        """Set the header, or add the parameter."""
        if self._header is not None:
            request.headers[self._header] = reveal(self._key)
        else:
            request.prepare_url(self.withheld(str(request.url)), {str(self._param): reveal(self._key)})
        return request

    def withheld(self, url: str) -> str:
        """Without the parameter: servers repeat the query that they got in their links and redirects."""
        if self._param is None or "?" not in url:
            return url
        parts = urlsplit(url)
        kept = [pair for pair in parts.query.split("&") if unquote_plus(pair.split("=", 1)[0]) != self._param]
        return urlunsplit(parts._replace(query="&".join(kept)))


class OAuth2(Auth):
    """An access token got with a refresh token or with client credentials (RFC 6749, sections 6 and 4.4),
    renewed a minute before it expires and after a 401.

    :param url: the token endpoint.
    :param refresh_token: None for client credentials.
    :param scopes: asked for, where the API wants it.
    :param rotated: called with the new refresh token when the server gives one, before it is used: the place
        to keep it, since the old one may be worthless from then on.
    """

    def __init__(
        self,
        url: str,
        *,
        client_id: Secret | str,
        client_secret: Secret | str,
        refresh_token: Secret | str | None = None,
        scopes: Sequence[str] = (),
        rotated: Callable[[str], None] | None = None,
        timeout: float = 30.0,
    ) -> None:
        self._url = url
        self._form = {"client_id": reveal(client_id), "client_secret": reveal(client_secret)}
        self._refresh_token = reveal(refresh_token) if refresh_token is not None else None
        self._scopes = tuple(scopes)
        self._rotated = rotated
        self._timeout = timeout
        self._lock = threading.Lock()
        self._token = ""
        self._until = 0.0
        self._refused = False  # the token was refused; the next request renews it
        self._doubtful = False  # the token was got after a refusal, and has not been accepted since

    def __call__(self, request: PreparedRequest) -> PreparedRequest:
        """Set the header, with a new token if there is none that will last."""
        with self._lock:
            if time.monotonic() >= self._until:
                self._renew()
            request.headers["Authorization"] = f"Bearer {self._token}"
        return request

    def observe(self, response: Response) -> None:
        """Remember that the token works."""
        if self._doubtful and response.status_code != 401 and self._is_of(response):
            self._doubtful = False

    def recover(self, response: Response) -> bool:
        """After a 401: forget the token that was used, unless another thread already did. A token that was
        renewed for this and is refused again is not the reason."""
        if response.status_code != 401:
            return False
        with self._lock:
            if self._is_of(response) and not self._refused:
                if self._doubtful:
                    return False
                self._until, self._refused = 0.0, True
        return True

    def _is_of(self, response: Response) -> bool:
        return response.request.headers.get("Authorization") == f"Bearer {self._token}"

    def _renew(self) -> None:
        form = dict(self._form)
        if self._refresh_token is not None:
            form.update(grant_type="refresh_token", refresh_token=self._refresh_token)
        else:
            form["grant_type"] = "client_credentials"
        if self._scopes:
            form["scope"] = " ".join(self._scopes)
        body = self._answer(form)
        fresh = body.get("refresh_token")
        if isinstance(fresh, str) and self._refresh_token is not None and fresh != self._refresh_token:
            self._refresh_token = fresh
            if self._rotated is not None:
                self._rotated(fresh)
        self._token = str(body["access_token"])
        self._refused, self._doubtful = False, self._refused
        lasts = _seconds(body.get("expires_in"))
        self._until = time.monotonic() + max(lasts - 60.0, lasts / 2)

    def _answer(self, form: Mapping[str, str]) -> Mapping[str, Any]:
        """The token endpoint's answer; it holds an ``access_token``."""
        import requests

        from headwater.http.session import anonymous

        try:
            response = requests.post(
                self._url,
                data=form,
                headers={"Accept": "application/json"},
                auth=anonymous,  # else requests takes those of a .netrc file
                timeout=self._timeout,
                allow_redirects=False,
            )
        except (requests.exceptions.InvalidURL, requests.exceptions.MissingSchema, requests.exceptions.InvalidSchema):
            raise ConfigError("The URL of the token endpoint can't be asked for.") from None
        except requests.RequestException as error:
            raise TransientError(f"The token endpoint can't be reached: {type(error).__name__}.") from None
        status, body = response.status_code, _object(response)
        reason = body.get("error") if isinstance(body.get("error"), str) else "no reason given"
        if 200 <= status < 300 and isinstance(body.get("access_token"), str):
            return body
        busy = status in (408, 425, 429) or status >= 500
        if busy or reason in ("temporarily_unavailable", "server_error") or (status == 200 and not body):
            raise TransientError(f"The token endpoint has no token now ({status}, {reason}).")
        raise ConfigError(
            f"The token endpoint refused the credentials ({status}, {reason}). "
            "Log in again and set the new credentials."
        )


class RotatingTokens(Auth):
    """Several tokens that take turns; one whose quota is used up rests until its reset.

    :param tokens: at least one.
    :param quota: what an answer says of its token: how many requests are left, and the epoch second of the
        reset; None where it says nothing.
    """

    def __init__(
        self,
        tokens: Sequence[Secret | str],
        *,
        quota: Callable[[Response], tuple[int, float] | None],
        scheme: str = "Bearer",
    ) -> None:
        self._values = [f"{scheme} {reveal(token)}" for token in tokens]
        if not self._values:
            raise ValueError("RotatingTokens: at least one token is needed.")
        self._quota = quota
        self._resting: dict[str, float] = {}  # until which epoch second
        self._turn = 0
        self._lock = threading.Lock()

    def __call__(self, request: PreparedRequest) -> PreparedRequest:
        """Set the header to the next token that has quota left, or to the one that gets some first."""
        with self._lock:
            now = time.time()
            for _ in self._values:
                value = self._values[self._turn % len(self._values)]
                self._turn += 1
                if self._resting.get(value, 0.0) <= now:
                    break
            else:
                value = min(self._values, key=lambda value: self._resting[value])
            request.headers["Authorization"] = value
        return request

    def recover(self, response: Response) -> bool:
        """After a used-up quota: whether another token has some left."""
        with self._lock:
            used = str(response.request.headers.get("Authorization"))
            now = time.time()
            return self._resting.get(used, 0.0) > now and any(
                self._resting.get(value, 0.0) <= now for value in self._values
            )

    def observe(self, response: Response) -> None:
        """Remember when a token's quota is used up."""
        quota = self._quota(response)
        if quota is not None and quota[0] <= 0:
            with self._lock:
                self._resting[str(response.request.headers.get("Authorization"))] = quota[1]

    def wait(self) -> float:
        """Seconds until the first token has quota again; 0 if one has some now."""
        with self._lock:
            return max(0.0, min(self._resting.get(value, 0.0) for value in self._values) - time.time())


def reveal(secret: Secret | str) -> str:
    """The text of a credential, however it is held."""
    return secret.reveal() if isinstance(secret, Secret) else secret


def _seconds(value: Any) -> float:
    """How long a token lasts (RFC 6749, 5.1: a number of seconds); an hour where it is not said."""
    try:
        seconds = float(value)
    except (TypeError, ValueError):
        return 3600.0
    return seconds if 0.0 < seconds < 1e9 else 3600.0


def _object(response: Response) -> Mapping[str, Any]:
    try:
        body = response.json()
    except ValueError:
        return {}
    return body if isinstance(body, dict) else {}
