"""The pages of one slice, one request after another, and what keeps them from going on for ever."""

from __future__ import annotations

import logging
from collections.abc import Generator, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from headwater.errors import ConfigError, SourceError, TransientError
from headwater.http.decode import HttpPage
from headwater.http.paginate import Requests
from headwater.http.request import Request
from headwater.http.resume import holds_secret, page_of, request_of, resumed_by
from headwater.stream import Next, Page, Slice

if TYPE_CHECKING:
    from headwater.http.stream import HttpStream

log = logging.getLogger("headwater")

# Three equal full pages in a row are a server that does not honour the page it is asked for.
_EQUAL_PAGES = 3

# An API that filters what it has paged may give some empty pages before a full one; so many never end.
_EMPTY_PAGES = 1000


class Listing:
    """The pages of one slice.

    :param slice: where it has a ``resume``, each page tells which comes next, and a page that an earlier try has
        reached is where it begins.
    """

    def __init__(self, stream: HttpStream, slice: Slice) -> None:
        self._stream = stream
        self._slice = slice
        self._first = stream.request(slice)
        self._paginator = stream.paginator or stream.source.paginator
        self._asked: set[int] = set()
        self._last: Sequence[Any] = ()
        self._equal, self._empty = 1, 0

    def pages(self) -> Iterator[Page]:
        """All of them.

        :raises SourceError: when they go round in a circle, or seem to have no end.
        """
        requests = self._resumed(self._slice.resume) if self._slice.resume else self._paginator.requests(self._first)
        request = next(requests, None)
        if self._slice.resume and request is not None:
            try:
                page = self._sent(request)
            except SourceError as error:
                if isinstance(error, TransientError):
                    raise
                log.warning(
                    "Stream %s: the page where an earlier try had come to is refused, so it is read anew. %s",
                    self._stream.name, error,
                )  # fmt: skip
                requests = self._paginator.requests(self._first)
                request = next(requests, None)
            else:
                request = yield from self._given(requests, request, page)
        while request is not None:
            request = yield from self._given(requests, request, self._sent(request))

    def _resumed(self, page: Mapping[str, Any]) -> Requests:
        stream = self._stream
        resumed = resumed_by(self._paginator)
        assert resumed is not None
        request = request_of(self._first, page, stream.source.transport.base, stream.name)
        try:
            return resumed(self._first, request)
        except (KeyError, ValueError, TypeError):
            raise ConfigError(
                f"state of stream {stream.name!r}: `next_page` is no page of it. Correct it, or reset the stream.",
                stream=stream.name,
            ) from None

    def _given(self, requests: Requests, request: Request, page: HttpPage) -> Generator[Page, None, Request | None]:
        """What a page gives; returns the request that follows."""
        following: Request | None = None
        error: Exception | None = None
        try:
            following = requests.send(page)
        except StopIteration:
            pass
        except Exception as found:  # noqa: BLE001 - raised again, after what is good
            error = found
        for each in (page,) if page.instead is None else page.instead:
            if self._slice.resume is not None and following is not None:
                each.page.next = self._told(each, request, following)
            yield each.page
        if error is not None:
            raise error
        return following

    def _told(self, page: HttpPage, request: Request, following: Request) -> Next:
        """What a state says of the request that follows; None: nothing. Worked out when a state goes out."""
        source, sent = self._stream.source, page.response.request

        def told() -> Mapping[str, Any] | None:
            found = page_of(self._first, following, source.transport.base)
            return None if found is None or holds_secret(found, source.config, sent, request) else found

        return told

    def _sent(self, request: Request) -> HttpPage:
        if request.identity in self._asked:
            raise self._wrong(
                "the pages go round in a circle; one was asked for twice. The server repeats its next page, or the "
                "paginator does not fit it."
            )
        self._asked.add(request.identity)
        stream = self._stream
        page = stream.source.send(request, lambda response: stream.page(response, self._slice), stream.descriptor)
        data = page.page.data
        self._equal = self._equal + 1 if data and data == self._last else 1
        if self._equal >= _EQUAL_PAGES:
            raise self._wrong(
                f"the server gave the same page {self._equal} times. It seems not to honour the page that it is asked "
                "for; another paginator is needed."
            )
        self._empty = 0 if data or len(page) else self._empty + 1  # what parse() left out, the server gave
        if self._empty >= _EMPTY_PAGES:
            raise self._wrong(
                f"the server gave {self._empty} pages without a record, each with a next page. It seems to have no "
                "last one."
            )
        self._last = data
        return page

    def _wrong(self, what: str) -> SourceError:
        return SourceError(f"Stream {self._stream.name}: {what}", stream=self._stream.name)
