"""Credentials: put on a request just before it is sent, and only for the API's own host.

Anything that requests takes as ``auth`` will do, also a ``requests.auth.AuthBase`` of another library. An
:class:`Auth` can besides recover from a refusal, as those that are renewed (:mod:`headwater.http.auth_renewed`) and
several tokens (:mod:`headwater.http.auth_tokens`) do.
"""

from __future__ import annotations

import base64
from collections.abc import Callable, Collection, Iterator
from typing import TYPE_CHECKING
from urllib.parse import parse_qsl, unquote_plus, urlsplit, urlunsplit

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

    def which(self, response: Response) -> str:
        """Of several credentials, which one a request had, for people: by its place, as it is a secret. Empty where
        there is only one."""
        return ""

    def each(self) -> Iterator[None]:
        """Each of several credentials in turn: until the next is asked for, this thread uses that one."""
        yield

    def wait(self) -> float | None:
        """Seconds until there are credentials with some of their quota left; 0: there are. None: they keep no
        account of it, and what the last answer said counts."""
        return None


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
        return _without(url, (self._param,))


class Foreign(Auth):
    """Credentials of another library. What they put in the query is learned from the first request, so that it can be
    kept from other hosts: servers repeat it in links and redirects."""

    def __init__(self, inner: Callable[[PreparedRequest], PreparedRequest]) -> None:
        self._inner = inner
        self._added: set[str] = set()

    def __call__(self, request: PreparedRequest) -> PreparedRequest:
        """As they do it."""
        before = str(request.url)
        made = self._inner(request)
        after = str(made.url)
        if after != before:
            self._added |= _names(after) - _names(before)
        return made

    def withheld(self, url: str) -> str:
        """Without what they added to a query."""
        return _without(url, self._added) if self._added else url


def _names(url: str) -> set[str]:
    return {name for name, _ in parse_qsl(urlsplit(url).query, keep_blank_values=True)}


def _without(url: str, names: Collection[str]) -> str:
    """A URL without some parameters of its query."""
    parts = urlsplit(url)
    kept = [pair for pair in parts.query.split("&") if unquote_plus(pair.split("=", 1)[0]) not in names]
    return urlunsplit(parts._replace(query="&".join(kept)))


def reveal(secret: Secret | str) -> str:
    """The text of a credential, however it is held."""
    return secret.reveal() if isinstance(secret, Secret) else secret
