"""A request, before it is sent."""

from __future__ import annotations

import datetime
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any
from urllib.parse import urljoin, urlsplit, urlunsplit

import msgspec

from headwater.errors import SourceError


@dataclass(frozen=True)
class Request:
    """What to ask an API for.

    :ivar path: relative to the source's base URL, or a whole URL.
    :ivar params: the query; a None is left out, a list gives the name several times, a True is ``true``.
    :ivar json: a body to send as JSON; ``data`` a form.
    :ivar repeated: how often a paginator asked for the same before, on purpose; nothing of it is sent.
    """

    path: str
    params: Mapping[str, Any] = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict)
    method: str = "GET"
    json: Any = None
    data: Any = None
    repeated: int = 0

    def again(self) -> Request:
        """The same once more."""
        return replace(self, repeated=self.repeated + 1)

    def with_params(self, **params: Any) -> Request:
        """The same with these query parameters besides; None takes one away."""
        return replace(self, params={**self.params, **params})

    def to(self, url: str) -> Request:
        """The same at another place: what a server gives as its next page. The query is the URL's own."""
        return replace(self, path=url, params={})

    def url(self, base: str) -> str:
        """The whole URL, without the query of :attr:`params`."""
        if _ABSOLUTE.match(self.path):
            return self.path
        return f"{base.rstrip('/')}/{self.path.lstrip('/')}" if self.path else base

    def query(self) -> dict[str, Any]:
        """The query as it is sent: without None, ``true`` and ``false`` as JSON has them, times in ISO 8601."""
        return {str(name): _queried(value) for name, value in self.params.items() if value is not None}

    @property
    def identity(self) -> int:
        """Equal for equal requests: what tells a paginator that walks in a circle."""
        what = (self.method, self.path, self.params, self.headers, self.json, self.data, self.repeated)
        try:
            return hash(_IDENTITY.encode(what))
        except (TypeError, ValueError, OverflowError, RecursionError):
            return hash(repr(what))


_ABSOLUTE = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://")
_IDENTITY = msgspec.json.Encoder(enc_hook=str, order="deterministic")


def _queried(value: Any) -> Any:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, (datetime.date, datetime.time)):
        return value.isoformat()
    return [_queried(item) for item in value] if isinstance(value, (list, tuple)) else value


def origin(url: str) -> tuple[str, str | None, int | None]:
    """Scheme, host and port: credentials given for one origin are never sent to another.

    A URL that programs read in different ways (a backslash, a port that is no number) has an origin of none.
    """
    try:
        parts = urlsplit(url)
        port = parts.port or {"https": 443, "http": 80}.get(parts.scheme)
    except ValueError:
        return "", None, None
    if "\\" in url or not url.isprintable() or " " in parts.netloc:
        return "", None, None
    return parts.scheme, parts.hostname, port


def joined(base: str, target: str) -> str:
    """A URL that a server gave, relative to the one that it answered (RFC 3986, 5.2).

    :raises SourceError: when it is none.
    """
    try:
        return urljoin(base, target)
    except ValueError:
        raise SourceError(f"{shown(base)}: the server names a next URL that is none.") from None


def at_host_of(base: str, url: str) -> str:
    """A URL's path and query at another's scheme, host and port.

    :raises SourceError: when it is none.
    """
    try:
        ours, parts = urlsplit(base), urlsplit(url)
    except ValueError:
        raise SourceError(f"{shown(base)}: the server names a next URL that is none.") from None
    return urlunsplit((ours.scheme, ours.netloc, parts.path, parts.query, ""))


def shown(url: str) -> str:
    """A URL for people: without its query and user, which may hold secrets."""
    try:
        parts = urlsplit(url)
        host = f"[{parts.hostname}]" if ":" in (parts.hostname or "") else parts.hostname or ""
        port = f":{parts.port}" if parts.port else ""
    except ValueError:
        return "(a URL that can't be read)"
    if not parts.netloc:  # it lacks its beginning, and whatever it has for a user would be no user
        return re.split(r"[?#]", url)[0].rpartition("@")[2]
    return f"{parts.scheme}://{host}{port}{parts.path}"
