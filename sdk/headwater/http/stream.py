"""A resource of an HTTP API: its path, its query, and where the records are in the answer."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import msgspec

from headwater.cursor import Cursor, Key, is_ascending, is_before, plain_key
from headwater.errors import SkipSlice
from headwater.http.decode import HttpPage, RawRecords, raw_records, records_of, rows_of, rows_page
from headwater.http.listing import Listing
from headwater.http.paginate import Paginator
from headwater.http.path import fill
from headwater.http.request import Request
from headwater.http.resume import resumed_by
from headwater.http.source import HttpSource
from headwater.slices import at_end, without
from headwater.stream import Page, Record, Slice, Stream, is_past

if TYPE_CHECKING:
    from requests import Response

log = logging.getLogger("headwater")


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
    :cvar records: where the list of records is in the body: names joined by dots; empty: the body is the list. With
        a dot at its end, one object is there, which is the record: ``"data."``; ``"."``: the body is the record.
    :cvar paginator: None: the source's.
    :cvar resumable: a full refresh that failed goes on from the page where it was, when the platform tries again
        within the same job. Say no where a page's number or token means something else by then.
    :cvar parent: a stream whose every record gives requests of this one; it may have a parent itself. Slices,
        and their state, are the parent's: this stream is read for the parent's records that are new since the
        slice's start. Under a parent without a cursor it is read for all of them, and its own cursor counts.
    """

    path: str = ""
    params: Mapping[str, Any] = {}
    records: str = ""
    paginator: Paginator | None = None
    resumable: bool = True
    parent: type[HttpStream] | None = None
    source: HttpSource

    def __init__(self, source: HttpSource) -> None:
        super().__init__(source)
        if self.parent is not None and self.cursor is not None:  # its records come in the order of its parent's
            above = self.parent(source).cursor
            self.cursor = _driven(self.cursor, above)

    def request(self, slice: Slice) -> Request:
        """The first request of a slice; the paginator makes the others of it.

        Called once a slice (once a parent's record). ``slice.start`` is where a request for less comes from::

            return super().request(slice).with_params(since=slice.start)

        :raises SourceError: when the path needs a value that the parent's record does not have.
        """
        return Request(fill(self.path, slice.partition, slice.parent, self.name), params=self.params)

    def parse(self, response: Response, slice: Slice) -> Iterable[Record]:
        """The records of an answer. Called once a page.

        The default takes the list at :attr:`records`. An override may add to, change or drop records; it
        costs their decoding, which a stream without one does not pay.
        """
        return records_of(response, self.records)

    def read(self, slice: Slice) -> Iterator[Record]:
        """The records of one slice, one by one. Where it is overridden, it is what is read."""
        pages = self.pages if type(self).read is HttpStream.read else self._asked
        for page in pages(slice):
            yield from rows_of(page.data)

    def partitions(self) -> Iterable[Mapping[str, Any]]:
        """The parent's, where there is one."""
        return ({},) if self.parent is None else self.parent(self.source).partitions()

    def start(self) -> Any:
        """The parent's, where there is one."""
        return None if self.parent is None else self.parent(self.source).start()

    # --- for the SDK ----------------------------------------------------------------------------------------

    @property
    def is_whole(self) -> bool:
        """As :attr:`Stream.is_whole`; with a parent, as the parent."""
        if type(self).partitions is not HttpStream.partitions:
            return False
        return self.parent is None or self.parent(self.source).is_whole

    @property
    def is_resumable(self) -> bool:
        """Where the paginator can go on from any page, and nothing is between it and the records."""
        kind = type(self)
        return (
            self.resumable
            and self.parent is None
            and kind.read is HttpStream.read
            and kind.pages is HttpStream.pages
            and (self.cursor is None or self.cursor.window is None)
            and resumed_by(self.paginator or self.source.paginator) is not None
        )

    def pages(self, slice: Slice) -> Iterator[Page]:
        """The slice's pages; with a parent, those of each of its records."""
        return self._asked(slice) if type(self).read is HttpStream.read else super().pages(slice)

    def _asked(self, slice: Slice) -> Iterator[Page]:
        if self.parent is None or slice.parent is not None:
            yield from self._pages(slice)
            return
        parent = self.parent(self.source)
        order = parent.cursor.order if parent.cursor is not None else None
        key = parent._key
        given: Mapping[bytes, Any] = {}  # the last page's last records, which a keyset page gives again
        for whole in parent.pages(slice):
            above = without(whole, given)
            given = at_end(whole) if order == "ascending" and parent.primary_key else given
            for record in _since(above, slice.start, key):
                try:
                    for page in self._pages(Slice(slice.partition, slice.start, record)):
                        if parent.cursor is not None:
                            page.cursors = ()  # the parent says how far this stream was read
                        yield page
                except SkipSlice as reason:  # of this record's alone
                    log.warning("Stream %s: %s", self.name, reason)
            if above.cursors:
                yield Page([], above.cursors)
                if order == "descending" and _is_over(above.cursors, slice.start, key):
                    return

    def _pages(self, slice: Slice) -> Iterator[Page]:
        return Listing(self, slice).pages()

    def page(self, response: Response, slice: Slice) -> HttpPage:
        """The records of an answer as they travel: as they came, unless :meth:`parse` is overridden."""
        if type(self).parse is HttpStream.parse:
            try:
                return HttpPage(response, self._raw.page(response.content), key=self._key)
            except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
                pass  # what is wrong with it, or unusual, the slow way finds out
        rows = rows_page(self.parse(response, slice), self.cursor)
        return HttpPage(response, rows, lambda: self._raw.count(response.content), self._key)

    @property
    def _key(self) -> Key:
        return self.cursor.key if self.cursor is not None else plain_key

    @property
    def _raw(self) -> RawRecords:
        return raw_records(self.records, self.cursor.field if self.cursor is not None else None)


def _driven(cursor: Cursor, above: Cursor | None) -> Cursor:
    """The cursor of a child: how it is read, and what its values are, its parent's says."""
    if above is None:
        return replace(cursor, order=None)
    return replace(above, field=cursor.field, drops_earlier=cursor.drops_earlier)


def _is_over(cursors: Sequence[Any], start: Any, key: Key) -> bool:
    """Whether a descending parent's page goes back beyond the start."""
    return is_ascending(cursors[::-1], key) and is_past(cursors, start, key)


def _since(page: Page, start: Any, key: Key) -> Iterator[Record]:
    """A parent's records that are not before the slice's start."""
    wanted = page.data
    if start is not None and len(page.cursors) == len(wanted):
        wanted = [
            record
            for record, value in zip(wanted, page.cursors, strict=True)
            if value is None or not is_before(value, start, key)
        ]
    return rows_of(wanted)
