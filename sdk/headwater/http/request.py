"""A request, before it is sent."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any
from urllib.parse import urljoin, urlsplit

from headwater.protocol.values import encode


@dataclass(frozen=True)
class Request:
    """What to ask an API for.

    :ivar path: relative to the source's base URL, or a whole URL.
    :ivar params: the query; a None is left out, a list gives the name several times.
    :ivar json: a body to send as JSON; ``data`` a form.
    """

    path: str
    params: Mapping[str, Any] = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict)
    method: str = "GET"
    json: Any = None
    data: Any = None

    def with_params(self, **params: Any) -> Request:
        """The same with these query parameters besides; None takes one away."""
        return replace(self, params={**self.params, **params})

    def to(self, url: str) -> Request:
        """The same at another place: what a server gives as its next page. The query is the URL's own."""
        return replace(self, path=url, params={})

    def url(self, base: str) -> str:
        """The whole URL, without the query of :attr:`params`."""
        return self.path if "://" in self.path else urljoin(base.rstrip("/") + "/", self.path.lstrip("/"))

    @property
    def identity(self) -> int:
        """Equal for equal requests: what tells a paginator that walks in a circle."""
        return hash((self.method, self.path, encode([dict(self.params), self.json, self.data])))


def origin(url: str) -> tuple[str, str | None, int | None]:
    """Scheme, host and port: credentials given for one origin are never sent to another."""
    parts = urlsplit(url)
    default = {"https": 443, "http": 80}.get(parts.scheme)
    return parts.scheme, parts.hostname, parts.port or default


def shown(url: str) -> str:
    """A URL for people: without its query and user, which may hold secrets."""
    parts = urlsplit(url)
    port = f":{parts.port}" if parts.port else ""
    return f"{parts.scheme}://{parts.hostname}{port}{parts.path}"
