"""Paginators: from the first request to the ones that follow.

A paginator is a generator of requests. It yields one, is given the page that came back, and yields the next;
when it returns, there are no more. Its state is its frame, so it is tested without a server::

    pages = LinkHeader().requests(Request("issues"))
    request = next(pages)
    request = pages.send(page)
"""

from __future__ import annotations

import re
from collections.abc import Generator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

from headwater.cursor import Key, is_ascending, is_before
from headwater.http.request import Request, at_host_of, joined

if TYPE_CHECKING:
    from requests import Response

Requests = Generator[Request, "Answer", None]


class Answer(Protocol):
    """What a paginator sees of a page that came back."""

    @property
    def response(self) -> Response:
        """The HTTP answer."""

    def json(self) -> Any:
        """Its body."""

    def __len__(self) -> int:
        """How many records it has."""

    def cursor_values(self) -> list[Any]:
        """The cursor value of each of its records, in order."""

    @property
    def key(self) -> Key:
        """In which order cursor values are."""


class Paginator(Protocol):
    """Says which requests follow the first one."""

    def requests(self, first: Request) -> Requests:
        """The requests of one slice; each ``yield`` gives back the page of its request."""


@dataclass(frozen=True)
class SinglePage:
    """There is only the one page."""

    def requests(self, first: Request) -> Requests:
        """The first request alone."""
        yield first


@dataclass(frozen=True)
class LinkHeader:
    """The next page is the ``Link`` header's ``rel="next"`` (RFC 8288).

    :ivar same_host: the pages stay at the first one's scheme, host and port: for a server that gives links under
        a name of its own, as one behind a proxy may, where credentials would not follow.
    """

    same_host: bool = False

    def requests(self, first: Request) -> Requests:
        """Follow the header until there is none."""
        page = yield first
        while url := _next_link(page.response.headers.get("Link")):
            page = yield _followed(first, page, url, same_host=self.same_host)


@dataclass(frozen=True)
class NextUrl:
    """The next page is a URL in the body, whole or relative to the page's own.

    :ivar path: where in the body, names joined by dots (``paging.next``).
    :ivar same_host: as of :class:`LinkHeader`.
    """

    path: str = "next"
    same_host: bool = False

    def requests(self, first: Request) -> Requests:
        """Follow the URL until it is null, empty or absent."""
        page = yield first
        while url := _at(page.json(), self.path):
            page = yield _followed(first, page, str(url), same_host=self.same_host)


@dataclass(frozen=True)
class TokenPages:
    """The next page is asked for with a token from the body.

    :ivar path: where the token is in the body.
    :ivar param: as which query parameter it is sent.
    """

    path: str
    param: str

    def requests(self, first: Request) -> Requests:
        """Follow the token until it is null, empty or absent."""
        page = yield first
        while (token := _at(page.json(), self.path)) not in (None, ""):
            page = yield first.with_params(**{self.param: token})


@dataclass(frozen=True)
class PageNumbers:
    """Pages have numbers; one with fewer records than asked for, or none, is the last.

    :ivar param: the query parameter of the number.
    :ivar start: the first page's number.
    :ivar size: records a page; 0: unknown, then only an empty page is the last.
    :ivar size_param: the query parameter of the size; empty: it is not sent.
    """

    param: str = "page"
    start: int = 1
    size: int = 0
    size_param: str = ""

    def requests(self, first: Request) -> Requests:
        """Count up until a page is not full."""
        first = _sized(first, self.size_param, self.size)
        number = self.start
        page = yield first.with_params(**{self.param: number})
        while len(page) and len(page) >= self.size:
            number += 1
            page = yield first.with_params(**{self.param: number})


@dataclass(frozen=True)
class OffsetPages:
    """Pages start at an offset; one with fewer records than asked for, or none, is the last.

    :ivar size: records a page.
    """

    size: int
    param: str = "offset"
    size_param: str = "limit"

    def requests(self, first: Request) -> Requests:
        """Move the offset by what came until a page is not full."""
        first = _sized(first, self.size_param, self.size)
        offset = 0
        page = yield first.with_params(**{self.param: offset})
        while len(page) and len(page) >= self.size:
            offset += len(page)
            page = yield first.with_params(**{self.param: offset})


@dataclass(frozen=True)
class Keyset:
    """The next page starts where the last records' cursor stands: for APIs that sort by the cursor, ascending,
    and take a lower bound for it.

    Numbered pages of a list that is being changed lose records: what is updated moves to the end, everything
    behind it moves up by one, and the first record of the next page is now the last of this one. Asking by
    value can't lose any; the records at the boundary come twice. The bound is the last value but one, so that
    it may be inclusive or not. Where a page has too few values, or the order is not what it should be, the
    inner paginator goes on from there.

    :ivar param: the query parameter of the lower bound.
    :ivar inner: how the API itself pages.
    """

    param: str
    inner: Paginator

    def requests(self, first: Request) -> Requests:
        """Ask on from the last cursor values, until the inner paginator says that there is no more.

        When a page shows that the server does not sort, or ignores the bound, the listing without a bound goes
        on where it was left: with a bound, a list in no order would lose records.
        """
        pages = self.inner.requests(first)
        request = next(pages)
        asked: Any = None  # the bound that this request was made with
        unbounded: tuple[Requests, Request] | None = None  # the listing without one
        trusted = True
        while True:
            page = yield request
            following = _after(pages, page)
            key = page.key
            values = [value for value in page.cursor_values() if key(value) is not None]
            if trusted and not _as_asked(values, asked, key):
                trusted = False
                if unbounded is not None:
                    pages, request = unbounded
                    continue
            if following is None:
                return
            bound = _last_bound(values, key) if trusted else None
            if bound is None or bound == asked:
                request = following
                continue
            if unbounded is None:
                unbounded = pages, following
            asked = bound
            pages = self.inner.requests(first.with_params(**{self.param: bound}))
            request = next(pages)


def _after(pages: Requests, page: Answer) -> Request | None:
    """The next request; None: there are no more."""
    try:
        return pages.send(page)
    except StopIteration:
        return None


def _as_asked(values: list[Any], asked: Any, key: Key) -> bool:
    """Whether a page is in ascending order and not before the bound that it was asked for with."""
    return is_ascending(values, key) and not (values and asked is not None and is_before(values[0], asked, key))


def _last_bound(values: list[Any], key: Key) -> Any:
    """The value from which on to ask: of ascending ones the last but one; None where they are all alike."""
    return next((value for value in reversed(values) if is_before(value, values[-1], key)), None)


_LINK = re.compile(r'<([^>]*)>((?:[^,"]|"(?:[^"\\]|\\.)*")*)')
_PARAMETER = re.compile(r"""([^\s=;,"]+)\s*=\s*(?:"((?:[^"\\]|\\.)*)"|([^\s;,"]*))""")


def _next_link(header: str | None) -> str | None:
    """The target of ``rel="next"``. Not requests' ``links``: it cuts a URL at a semicolon, and knows neither
    several relations in one link nor other than small letters (RFC 8288, 3)."""
    for target, parameters in _LINK.findall(header or ""):
        for name, quoted, bare in _PARAMETER.findall(parameters):
            if name.lower() == "rel" and "next" in (quoted or bare).lower().split():
                return str(target)
    return None


def _followed(first: Request, page: Answer, url: str, *, same_host: bool) -> Request:
    """The request for a URL that a page gives as the next."""
    here = str(page.response.url)
    there = joined(here, url)
    return first.to(at_host_of(here, there) if same_host else there)


def _sized(request: Request, param: str, size: int) -> Request:
    return request.with_params(**{param: size}) if param and size else request


def _at(body: Any, path: str) -> Any:
    for name in path.split("."):
        body = body.get(name) if isinstance(body, Mapping) else None
    return body
