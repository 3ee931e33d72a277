"""A page as a state has it: what its request has that the first request has not."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Protocol, cast
from urllib.parse import parse_qsl, quote, quote_plus, unquote_plus, urlsplit

import msgspec

from headwater.errors import ConfigError
from headwater.http.paginate import Paginator, Requests
from headwater.http.request import Request, joined, origin
from headwater.secrets import secrets_of

if TYPE_CHECKING:
    from requests import PreparedRequest

_SHORTEST = 4
"""A secret of fewer characters is found everywhere."""


class Resumable(Protocol):
    """A paginator that can go on from any of its requests."""

    def resumed(self, first: Request, request: Request) -> Requests:
        """The requests from one on that :meth:`requests` gave for the same first one, in this run or an earlier one."""


def resumed_by(paginator: Paginator) -> Callable[[Request, Request], Requests] | None:
    """How a paginator goes on; None: it can't."""
    found = getattr(paginator, "resumed", None)
    inner = getattr(paginator, "inner", None)
    if found is None or (inner is not None and resumed_by(inner) is None):
        return None
    return cast("Resumable", paginator).resumed


def page_of(first: Request, request: Request, base: str) -> dict[str, Any] | None:
    """What a state says of a request; None where it can't.

    :param base: the source's URL. A page at the same place is told without it.
    """
    if (request.method, request.headers) != (first.method, first.headers) or request.data != first.data:
        return None
    page: dict[str, Any] = {}
    if request.path != first.path:
        url = request.url(base)
        parts = urlsplit(url)
        page["url"] = (
            url if origin(url) != origin(base) else f"{parts.path}?{parts.query}" if parts.query else parts.path
        )
    changed = {name: value for name, value in request.params.items() if first.params.get(name) != value}
    changed.update({name: None for name in first.params if name not in request.params})
    if changed:
        page["params"] = changed
    if request.json != first.json:
        page["json"] = request.json
    try:
        return cast("dict[str, Any]", msgspec.to_builtins(page))
    except (TypeError, ValueError, OverflowError, RecursionError):
        return None


def request_of(first: Request, page: Mapping[str, Any], base: str, stream: str) -> Request:
    """The request that a state tells of.

    :raises ConfigError: when it tells of none.
    """
    url, params = page.get("url"), page.get("params") or {}
    if not (isinstance(url, str) or url is None) or not isinstance(params, Mapping):
        raise ConfigError(
            f"state of stream {stream!r}: `next_page` is no page of it. Correct it, or reset the stream.", stream=stream
        )
    request = first if url is None else first.to(joined(base, url))
    if params:
        request = request.with_params(**params)
    return request if "json" not in page else replace(request, json=page["json"])


def holds_secret(page: Mapping[str, Any], config: Any, sent: PreparedRequest, request: Request) -> bool:
    """Whether what a state would say of a page has a secret in it: one of the config, or what the credentials have
    added to a request's query, which a server may repeat in its next link.

    :param sent: the request as it went out.
    """
    text = unquote_plus(msgspec.json.encode(page).decode())
    return any(secret in text for secret in _secrets(config, sent, request) if len(secret) >= _SHORTEST)


def _secrets(config: Any, sent: PreparedRequest, request: Request) -> Iterator[str]:
    for secret in secrets_of(config):
        yield from (secret, quote(secret, safe=""), quote_plus(secret), unquote_plus(secret))
    if sent is None:  # an answer that nobody was asked for
        return
    ours = {*request.query(), *(name for name, _ in parse_qsl(urlsplit(request.path).query))}
    yield from (value for name, value in parse_qsl(urlsplit(str(sent.url)).query) if name not in ours)
    yield str(sent.headers.get("Authorization") or "").partition(" ")[2]
