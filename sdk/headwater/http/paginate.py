"""Paginators: from the first request to the ones that follow.

A paginator is a generator of requests. It yields one, is given the page that came back, and yields the next;
when it returns, there are no more. Its state is its frame, so it is tested without a server::

    pages = LinkHeader().requests(Request("issues"))
    request = next(pages)
    request = pages.send(page)
"""

from __future__ import annotations

import re
from collections.abc import Callable, Generator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol, cast

from headwater.cursor import Key
from headwater.http.request import Request, at_host_of, joined

if TYPE_CHECKING:
    from requests import Response

    from headwater.http.resume import Resumable

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

    def last(self) -> Any:
        """The last record that the server gave; None: it gave none."""

    @property
    def key(self) -> Key:
        """In which order cursor values are."""

    instead: Any
    """The pages that are given in its place; None: itself. A paginator may set it."""

    def mark(self) -> Any:
        """What another page has only if its records are the same, to the letter."""

    def unseen(self, seen: set[bytes]) -> Any:
        """The page without the records whose marks are there; adds those of the others."""


class Paginator(Protocol):
    """Says which requests follow the first one. One that can go on from any of them has a method ``resumed``, see
    :class:`~headwater.http.resume.Resumable`: then so can a full refresh."""

    def requests(self, first: Request) -> Requests:
        """The requests of one slice; each ``yield`` gives back the page of its request."""


@dataclass(frozen=True)
class SinglePage:
    """There is only the one page."""

    def requests(self, first: Request) -> Requests:
        """The first request alone."""
        yield first

    def resumed(self, first: Request, request: Request) -> Requests:
        """As :class:`~headwater.http.resume.Resumable`."""
        yield request


@dataclass(frozen=True)
class LinkHeader:
    """The next page is the ``Link`` header's ``rel="next"`` (RFC 8288).

    :ivar same_host: the pages stay at the first one's scheme, host and port: for a server that gives links under
        a name of its own, as one behind a proxy may, where credentials would not follow.
    """

    same_host: bool = False

    def requests(self, first: Request) -> Requests:
        """Follow the header until there is none."""
        return self.resumed(first, first)

    def resumed(self, first: Request, request: Request) -> Requests:
        """As :class:`~headwater.http.resume.Resumable`."""
        page = yield request
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
        return self.resumed(first, first)

    def resumed(self, first: Request, request: Request) -> Requests:
        """As :class:`~headwater.http.resume.Resumable`."""
        page = yield request
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
        return self.resumed(first, first)

    def resumed(self, first: Request, request: Request) -> Requests:
        """As :class:`~headwater.http.resume.Resumable`."""
        page = yield request
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
        return self._from(_sized(first, self.size_param, self.size), self.start)

    def resumed(self, first: Request, request: Request) -> Requests:
        """From the page before: what was deleted meanwhile has moved others into it."""
        return self._from(request, max(self.start, int(request.params[self.param]) - 1))

    def _from(self, first: Request, number: int) -> Requests:
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
        return self._from(_sized(first, self.size_param, self.size), 0)

    def resumed(self, first: Request, request: Request) -> Requests:
        """From a page before: what was deleted meanwhile has moved others into it."""
        return self._from(request, max(0, int(request.params[self.param]) - self.size))

    def _from(self, first: Request, offset: int) -> Requests:
        page = yield first.with_params(**{self.param: offset})
        while len(page) and len(page) >= self.size:
            offset += len(page)
            page = yield first.with_params(**{self.param: offset})


@dataclass(frozen=True)
class LastRecord:
    """The next page is asked for with a value of this one's last record; an empty page is the last.

    :ivar param: the query parameter of the value.
    :ivar field: of the record; a dot leads into an object.
    :ivar more: where the body says whether there are more (``has_more``); empty: it doesn't.
    """

    param: str
    field: str = "id"
    more: str = ""

    def requests(self, first: Request) -> Requests:
        """Go on from the last record until there is none."""
        return self.resumed(first, first)

    def resumed(self, first: Request, request: Request) -> Requests:
        """As :class:`~headwater.http.resume.Resumable`."""
        page = yield request
        while (value := _at(page.last(), self.field)) is not None and (not self.more or _at(page.json(), self.more)):
            page = yield first.with_params(**{self.param: value})


@dataclass(frozen=True)
class StopWhen:
    """Another paginator's pages, up to the first of which a rule says that it is the last.

    ::

        StopWhen(PageNumbers(), lambda page: page.json()["page"] >= page.json()["pages"])

    :ivar inner: the other paginator.
    :ivar stop: asked of every page: its ``json()``, its ``response``, its length.
    """

    inner: Paginator
    stop: Callable[[Answer], bool]

    def requests(self, first: Request) -> Requests:
        """The inner paginator's, until the rule says so."""
        return self._until(self.inner.requests(first))

    def resumed(self, first: Request, request: Request) -> Requests:
        """As :class:`~headwater.http.resume.Resumable`."""
        return self._until(cast("Resumable", self.inner).resumed(first, request))

    def _until(self, pages: Requests) -> Requests:
        request = next(pages, None)
        while request is not None:
            page = yield request
            try:
                request = None if self.stop(page) else pages.send(page)
            except StopIteration:
                return


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
