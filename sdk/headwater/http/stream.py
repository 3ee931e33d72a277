"""A resource of an HTTP API: its path, its query, and where the records are in the answer."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from functools import cached_property
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import msgspec

from headwater.cursor import earliest, is_before, latest
from headwater.errors import SourceError
from headwater.http.decode import HttpPage, RawRecords, records_of, rows_page
from headwater.http.paginate import Paginator
from headwater.http.request import Request
from headwater.http.source import HttpSource
from headwater.stream import Page, Record, Slice, Stream

if TYPE_CHECKING:
    from requests import Response

# Three equal full pages in a row are a server that does not honour the page it is asked for.
_EQUAL_PAGES = 3


class HttpStream(Stream):
    """One resource of an HTTP API.

    ::

        class Orders(HttpStream):
            name = "orders"
            path = "shops/{shop}/orders"
            primary_key = ("id",)
            params = {"per_page": 100}

    :cvar path: below the source's base URL. ``{name}`` is a value of the slice's partition, ``{parent[name]}``
        a field of the parent's record; both are quoted.
    :cvar params: the query of the first request.
    :cvar records: where the list of records is in the body: names joined by dots; empty: the body is the list.
    :cvar paginator: None: the source's.
    :cvar parent: a stream whose every record gives requests of this one. Slices, and their state, are the
        parent's: this stream is read for the parent's records that are new since the slice's start.
    """

    path: str = ""
    params: Mapping[str, Any] = {}
    records: str = ""
    paginator: Paginator | None = None
    parent: type[HttpStream] | None = None
    source: HttpSource

    def __init__(self, source: HttpSource) -> None:
        super().__init__(source)

    def request(self, slice: Slice) -> Request:
        """The first request of a slice; the paginator makes the others of it.

        Called once a slice (once a parent's record). ``slice.start`` is where a request for less comes from::

            return super().request(slice).with_params(since=slice.start)
        """
        values = {name: quote(str(value), safe="/") for name, value in slice.partition.items()}
        parent = {name: quote(str(value), safe="") for name, value in (slice.parent or {}).items()}
        return Request(self.path.format(parent=parent, **values), params=self.params)

    def parse(self, response: Response, slice: Slice) -> Iterable[Record]:
        """The records of an answer. Called once a page.

        The default takes the list at :attr:`records`. An override may add to, change or drop records; it
        costs their decoding, which a stream without one does not pay.
        """
        return records_of(response, self.records)

    def read(self, slice: Slice) -> Iterator[Record]:
        """The records of one slice, one by one."""
        for page in self.pages(slice):
            yield from msgspec.json.decode(b"[" + b",".join(page.data) + b"]")

    def partitions(self) -> Iterable[Mapping[str, Any]]:
        """The parent's, where there is one."""
        return ({},) if self.parent is None else self.parent(self.source).partitions()

    def start(self) -> Any:
        """The parent's, where there is one."""
        return None if self.parent is None else self.parent(self.source).start()

    # --- for the SDK ----------------------------------------------------------------------------------------

    def pages(self, slice: Slice) -> Iterator[Page]:
        """The slice's pages; with a parent, those of each of its records."""
        if self.parent is None or slice.parent is not None:
            yield from self._pages(slice)
            return
        parent = self.parent(self.source)
        newest_first = parent.cursor is not None and parent.cursor.order == "descending"
        for above in parent.pages(slice):
            for record in _since(above, slice.start, parent):
                for page in self._pages(Slice(slice.partition, slice.start, record)):
                    page.cursors = ()  # the parent says how far this stream was read
                    yield page
            yield Page([], reached=latest(above.cursors))
            oldest = earliest(above.cursors)
            if newest_first and slice.start is not None and oldest is not None:
                if is_before(oldest, slice.start):
                    return

    def _pages(self, slice: Slice) -> Iterator[Page]:
        paginator = self.paginator or self.source.paginator
        requests = paginator.requests(self.request(slice))
        request: Request | None = next(requests, None)
        asked: set[int] = set()
        last, equal = b"", 1
        while request is not None:
            if request.identity in asked:
                raise SourceError(
                    f"Stream {self.name}: the pages go round in a circle; one was asked for twice. The server "
                    "repeats its next page, or the paginator does not fit it.",
                    stream=self.name,
                )
            asked.add(request.identity)
            page = self.source.send(request, lambda response: self._page(response, slice), self.descriptor)
            body = page.response.content
            equal = equal + 1 if len(page) and body == last else 1
            if equal >= _EQUAL_PAGES:
                raise SourceError(
                    f"Stream {self.name}: the server gave the same page {equal} times. It seems not to honour "
                    "the page that it is asked for; another paginator is needed.",
                    stream=self.name,
                )
            last = body
            yield page.page
            try:
                request = requests.send(page)
            except StopIteration:
                return

    def _page(self, response: Response, slice: Slice) -> HttpPage:
        if type(self).parse is HttpStream.parse:
            try:
                return HttpPage(response, self._raw.page(response.content))
            except (msgspec.DecodeError, UnicodeDecodeError):
                pass  # what is wrong with it, or unusual, the slow way finds out
        return HttpPage(response, rows_page(self.parse(response, slice), self.cursor))

    @cached_property
    def _raw(self) -> RawRecords:
        return RawRecords(self.records, self.cursor)


def _since(page: Page, start: Any, parent: HttpStream) -> Iterator[Record]:
    """The parent's records that are not before the slice's start."""
    cursor = parent.cursor
    for record in msgspec.json.decode(b"[" + b",".join(page.data) + b"]"):
        value = cursor.value_in(record) if cursor else None
        if start is None or value is None or not is_before(value, start):
            yield record
