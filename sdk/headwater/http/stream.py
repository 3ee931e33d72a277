"""A resource of an HTTP API: its path, its query, and where the records are in the answer."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import msgspec

from headwater.cursor import Key, plain_key
from headwater.errors import ConfigError, SkipSlice
from headwater.http.decode import HttpPage, RawRecords, raw_records, records_of, rows_of, rows_page
from headwater.http.listing import Listing
from headwater.http.paginate import Paginator
from headwater.http.parents import is_over, since, slices_of
from headwater.http.path import fill
from headwater.http.request import Request
from headwater.http.resume import resumed_by
from headwater.http.source import HttpSource
from headwater.slices import at_end, without
from headwater.state import StreamState
from headwater.stream import Page, Record, Slice, Stream

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
        a field of the parent's record, ``{grandparent[name]}`` of that one's parent; all are quoted.
    :cvar params: the query of the first request.
    :cvar records: where the list of records is in the body: names joined by dots; empty: the body is the list. With
        a dot at its end, one object is there, which is the record: ``"data."``; ``"."``: the body is the record.
    :cvar paginator: None: the source's.
    :cvar resumable: a full refresh that failed goes on from the page where it was, when the platform tries again
        within the same job. Say no where a page's number or token means something else by then.
    :cvar parent: a stream whose every record gives requests of this one; it may have a parent itself. A parent with
        a cursor drives this stream: slices, and their state, are the parent's, and this stream is read for those of
        the parent's records that are new or have changed. Under a parent without a cursor each of its records is a
        slice, known by the parent's primary key, and this stream's own cursor counts, for each.
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
        above = self.parent(source).cursor if self.parent is not None else None
        if above is not None and self.cursor is not None:
            # how it is read, and what its values are, its parent says
            self.cursor = replace(above, field=self.cursor.field, drops_earlier=self.cursor.drops_earlier)
        elif self.cursor is not None and self.parent is not None and not self._is_by_record:
            self.cursor = replace(self.cursor, order=None)  # its records come in the order of its parent's

    def request(self, slice: Slice) -> Request:
        """The first request of a slice; the paginator makes the others of it.

        Called once a slice (once a parent's record). ``slice.start`` is where a request for less comes from::

            return super().request(slice).with_params(since=slice.start)

        :raises SourceError: when the path needs a value that the parent's record does not have.
        """
        path = fill(self.path, slice.partition, slice.parent, self.name, slice.grandparent)
        return Request(path, params=self.params)

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
        if type(self).partitions is not HttpStream.partitions or self._is_by_record:
            return False
        if self.cursor is not None and self.cursor.window is not None:
            return False
        return self.parent is None or self.parent(self.source).is_whole

    @property
    def _is_by_record(self) -> bool:
        """Whether each record of the parent is a slice, also in an incremental read."""
        return self._can_be_by_record and self.parent is not None and self.parent(self.source).cursor is None

    @property
    def _can_be_by_record(self) -> bool:
        if self.parent is None or type(self).partitions is not HttpStream.partitions:
            return False
        return bool(self.parent.primary_key)

    def known(self, blob: Mapping[str, Any]) -> Mapping[str, Any]:
        """As :meth:`Stream.known`: of a substream of Airbyte's, what its state says of the parent."""
        parent = self.parent(self.source) if self.parent is not None else None
        states = blob.get("parent_state")
        if parent is None or parent.cursor is None or self.cursor is None or not isinstance(states, Mapping):
            return blob
        found = states.get(parent.name)
        if found is None:
            return blob
        if not isinstance(found, Mapping):
            raise ConfigError(
                f"state of stream {self.name!r}: its `parent_state` of {parent.name!r} must be an object. "
                "Correct it, or reset the stream.",
                stream=self.name,
            )
        return StreamState(parent.cursor, parent.known(found), self.name).to_json(self.cursor.field)

    def slices(self, *, whole: bool = False) -> Iterable[Slice]:
        """As :meth:`Stream.slices`; with a parent, the parent's, or one for each of its records."""
        if self.parent is None or type(self).partitions is not HttpStream.partitions:
            return super().slices()
        parent = self.parent(self.source)
        if self._is_by_record or (whole and self._can_be_by_record):
            return slices_of(parent, self.name, whole=whole)
        return (Slice(above.partition, above=above) for above in parent.slices())

    @property
    def is_resumable(self) -> bool:
        """Where it is read in windows; or the paginator can go on from any page, and nothing is between it and the
        records."""
        if not self.resumable or super().is_resumable:
            return self.resumable
        kind = type(self)
        return (
            (self.parent is None or self._can_be_by_record)
            and kind.read is HttpStream.read
            and kind.pages is HttpStream.pages
            and resumed_by(self.paginator or self.source.paginator) is not None
        )

    def pages(self, slice: Slice) -> Iterator[Page]:
        """The slice's pages; with a parent, those of each of its records."""
        return self._asked(slice) if type(self).read is HttpStream.read else super().pages(slice)

    def _asked(self, slice: Slice) -> Iterator[Page]:
        if self.parent is None or slice.parent is not None:
            driven = self.parent is not None and self.parent(self.source).cursor is not None
            for page in self._pages(slice):
                page.parent = slice.parent
                page.cursors = () if driven else page.cursors
                yield page
            return
        parent = self.parent(self.source)
        order = parent.cursor.order if parent.cursor is not None else None
        key = parent._key
        given: Mapping[bytes, Any] = {}  # the last page's last records, which a keyset page gives again
        for whole in parent.pages(replace(slice.above or slice, start=slice.start, end=slice.end)):
            above = without(whole, given)
            given = at_end(whole, given) if order == "ascending" and parent.primary_key else given
            for record in since(above, slice.start, key):
                try:
                    of = Slice(slice.partition, slice.start, record, end=slice.end, grandparent=above.parent)
                    for page in self._pages(of):
                        page.parent = record
                        if parent.cursor is not None:
                            page.cursors = ()  # the parent says how far this stream was read
                        yield page
                except SkipSlice as reason:  # of this record's alone
                    log.warning("Stream %s: %s", self.name, reason)
            if above.cursors:
                yield Page([], above.cursors)
                if order == "descending" and is_over(above.cursors, slice.start, key):
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
        body = response.content
        return HttpPage(response, rows, lambda: self._raw.count(body), self._key, lambda: self._raw.last(body))

    @property
    def _key(self) -> Key:
        return self.cursor.key if self.cursor is not None else plain_key

    @property
    def _raw(self) -> RawRecords:
        return raw_records(self.records, self.cursor.field if self.cursor is not None else None)
