"""Reading one configured stream: its slices, in the protocol's order, with states that never run ahead."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import msgspec

from headwater.cursor import Cursor, earliest, is_ascending, is_before, latest, not_after_now
from headwater.errors import ConfigError, SkipSlice, Stopped
from headwater.projection import Projection
from headwater.protocol.catalog import ConfiguredStream
from headwater.protocol.messages import Message, Records, State, Status, StreamStatus
from headwater.schemas.asked import schema_of
from headwater.state import NO_CURSOR, StreamState
from headwater.stream import Page, Slice, Stream, is_past

if TYPE_CHECKING:
    from headwater.coercion import Coercion

log = logging.getLogger("headwater")

# A setting that is wrong for one partition (a repository that is gone) must not cost the others; one that is
# wrong for all of them (a token) is known after a few.
_FAILED_SLICES_IN_A_ROW = 3
_EMPTY = msgspec.Raw(b"{}")


class StreamReader:
    """One stream in one read.

    :param stream: the stream.
    :param configured: how the sync wants it.
    :param blob: its stored state; None for a first read. A full refresh does not use it.
    :param events: what the source has to say meanwhile; it goes out before the next message.
    """

    def __init__(
        self,
        stream: Stream,
        configured: ConfiguredStream,
        blob: Mapping[str, Any] | None,
        events: Callable[[], Iterable[Message]] = tuple,
    ) -> None:
        self.stream = stream
        self.descriptor = configured.descriptor
        incremental = configured.sync_mode == "incremental" and stream.cursor is not None
        self._cursor: Cursor | None = stream.cursor
        self._state = StreamState(stream.cursor.field, blob) if incremental and stream.cursor else None
        self._projection = _projection(stream, configured)
        self._coercion = _coercion(stream)
        self._events = events
        self._running = False
        self._records_since_state = 0
        self._bytes_since_state = 0
        self._last_blob: Mapping[str, Any] | None = None
        self._empty = 0

    def messages(self) -> Iterator[Message]:
        """The stream's records and states, RUNNING before its first record.

        Where it fails, or where Stopped is thrown into it, the last state that is safe comes first.

        :raises ConfigError: after all other slices were read, if some could not be.
        """
        try:
            for message in self._slices():
                yield from self._give(message)
        except (Exception, Stopped):
            for message in self._state_message(final=False, force=True):
                yield from self._give(message)
            raise
        if self._empty:
            log.warning("Stream %s: %d empty records were left out.", self.descriptor, self._empty)
        for message in self._state_message(final=True, force=True):
            yield from self._give(message)

    def _give(self, message: Records | State) -> Iterator[Message]:
        """Hand out a message. What it means is booked just before, so that a read that is stopped anywhere
        has booked exactly what it gave."""
        yield from self._events()
        if isinstance(message, Records):
            if not self._running:
                self._running = True
                yield StreamStatus(self.descriptor, Status.RUNNING)
            self._records_since_state += len(message)
            self._bytes_since_state += message.size
        else:
            self._last_blob = message.stream_state
            self._records_since_state = self._bytes_since_state = 0
        yield message

    def _slices(self) -> Iterator[Records | State]:
        start = self.stream.start()
        failures: list[ConfigError] = []
        in_a_row = 0
        for partition in self.stream.partitions():
            known = self._state.get(partition) if self._state is not None else None
            try:
                yield from self._slice(Slice(partition, start=latest((known, start))), known)
                in_a_row = 0
            except SkipSlice as reason:
                log.warning("Stream %s: %s", self.descriptor, reason)
                in_a_row = 0
            except ConfigError as error:
                failures.append(error)
                in_a_row += 1
                if in_a_row >= _FAILED_SLICES_IN_A_ROW:
                    break
            yield from self._state_message(final=False, force=False)
        if failures:
            more = f" (and {len(failures) - 1} more of its slices)" if len(failures) > 1 else ""
            first = failures[0]
            raise ConfigError(first.message + more, stream=self.stream.name, internal=first.internal) from first

    def _slice(self, slice: Slice, known: Any) -> Iterator[Records | State]:
        """One slice. Its state is set when it is done, and midway as long as its records come in ascending
        order (protocol rules R3 and R4).

        :param known: what the state says of it.
        """
        cursor = self._cursor
        order = cursor.order if cursor is not None else None
        high = None
        # the last page's last records, which a keyset page gives again; without a key, two records that are the
        # same to the letter may be two
        given: dict[bytes, Any] = {}
        keyed = bool(self.stream.primary_key)
        now = not_after_now()
        for whole in self.stream.pages(slice):
            page = without(whole, given) if given else whole
            seen = page.cursors
            if not _is_in_order(order, high, seen):
                self._complain(slice, order)
                if order == "ascending":
                    yield from self._put_back(slice, known)
                order, given = None, {}
            high = latest((high, _last(seen) if order == "ascending" else latest(seen)))
            yield from self._records(_from(page, slice.start) if cursor and cursor.drops_earlier else page)
            if order == "ascending":
                given = at_end(page) if keyed else given
                if self._state is not None:
                    self._state.set(slice.partition, latest((high, slice.start)))
                    yield from self._state_message(final=False, force=False)
            elif order == "descending" and is_past(seen, slice.start):
                break
        if self._state is not None:
            if order is None:
                high = now(high)  # what changed behind the reader's back is later than its start
            self._state.set(slice.partition, latest((high, slice.start)))

    def _complain(self, slice: Slice, order: str | None) -> None:
        log.warning(
            "Stream %s: records of %s are not in %s order of %s; its state moves at its end.",
            self.descriptor, dict(slice.partition) or "the stream", order,
            self._cursor.field if self._cursor else "",
        )  # fmt: skip

    def _put_back(self, slice: Slice, known: Any) -> Iterator[State]:
        """Take back what the state says of a slice: its order was relied upon, and is not there. A record
        that has not come yet may lie before what a state has already said."""
        if self._state is not None:
            self._state.put_back(slice.partition, known)
            yield from self._state_message(final=False, force=self._last_blob is not None)

    def _records(self, page: Page) -> Iterator[Records]:
        data, changes = page.data, page.changes
        if self._projection is not None:
            data = self._projection(data)
            changes = self._projection.changes(changes)
        if self._coercion is not None:
            data, changes = self._coercion(data, changes)
        if b"{}" in data or _EMPTY in data:  # the platform would drop it without a word, and then miscount
            keep = [place for place, record in enumerate(data) if bytes(record) != b"{}"]
            self._empty += len(data) - len(keep)
            changes = {place: changes[old] for place, old in enumerate(keep) if old in changes}
            data = [data[place] for place in keep]
        if data:
            yield Records(self.descriptor, data, changes=changes)

    def _state_message(self, *, final: bool, force: bool) -> Iterator[State]:
        """The state, when it is due: at the end, and whenever more bytes of records went out than the state
        itself has, so that states never cost more than the records."""
        if self._state is None:
            if final:
                yield State.of_stream(self.descriptor, NO_CURSOR, self._records_since_state)
            return
        if not force and (not self._records_since_state or self._bytes_since_state < 100 * len(self._state)):
            return
        blob = self._state.to_json()
        if blob == self._last_blob and not (final and self._records_since_state):
            return
        if not final and not self._last_blob and (blob == NO_CURSOR or not self._records_since_state):
            return
        yield State.of_stream(self.descriptor, blob, self._records_since_state)


def _projection(stream: Stream, configured: ConfiguredStream) -> Projection | None:
    """None where the sync wants every field that the stream is known to have."""
    wanted = configured.selected
    declared = schema_of(stream)["properties"]
    if wanted is None or (declared and wanted.issuperset(declared)):
        return None
    names = [name for name in declared if name in wanted]
    return Projection([*names, *sorted(wanted.difference(names))])


def _coercion(stream: Stream) -> Coercion | None:
    """None where the stream doesn't ask for it."""
    if not stream.coerce:
        return None
    from headwater.coercion import Coercion

    return Coercion(schema_of(stream), stream.name)


def _is_in_order(order: str | None, high: Any, seen: Sequence[Any]) -> bool:
    """Whether a page's cursor values come as its stream says. A descending list moves down while it is read,
    so there only the page itself is looked at."""
    if order == "ascending":
        return is_ascending([high, *seen])
    return order is None or is_ascending(seen[::-1])


def _from(page: Page, start: Any) -> Page:
    """The page without records before the slice's start; a record without a cursor value stays."""
    if start is None or not page.cursors or not page.data:
        return page
    first = earliest(page.cursors)
    if first is None or not is_before(first, start):
        return page
    keep = [i for i, value in enumerate(page.cursors) if value is None or not is_before(value, start)]
    return _only(page, keep)


def _last(values: Sequence[Any]) -> Any:
    """The latest of ascending values."""
    return next((value for value in reversed(values) if value is not None), None)


def at_end(page: Page) -> dict[bytes, Any]:
    """The records at the end of an ascending page that have its last cursor value or the one before it, and
    that value: those that :class:`~headwater.http.paginate.Keyset` asks for again."""
    found: dict[bytes, Any] = {}
    values: list[Any] = []
    for place in range(len(page.data and page.cursors) - 1, -1, -1):
        value = page.cursors[place]
        if value not in values:
            values.append(value)
            if len(values) > 2:
                break
        found[bytes(page.data[place])] = value
    return found


def without(page: Page, given: Mapping[bytes, Any]) -> Page:
    """The page without the records that were given before, to the letter."""
    values = set(given.values())
    if not page.data or values.isdisjoint(page.cursors):
        return page
    cursors = page.cursors
    keep = [i for i, record in enumerate(page.data) if cursors[i] not in values or bytes(record) not in given]
    return page if len(keep) == len(page.data) else _only(page, keep)


def _only(page: Page, keep: Sequence[int]) -> Page:
    changes = {place: page.changes[old] for place, old in enumerate(keep) if old in page.changes}
    cursors = [page.cursors[i] for i in keep] if page.cursors else ()
    return Page([page.data[i] for i in keep], cursors, changes)
