"""Reading one configured stream: its slices, in the protocol's order, with states that never run ahead."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from headwater.cursor import Cursor, earliest, is_ascending, is_before, latest, not_after_now
from headwater.errors import ConfigError, SkipSlice, Stopped
from headwater.projection import Projection
from headwater.protocol.catalog import ConfiguredStream
from headwater.protocol.messages import Records, State, Status, StreamStatus
from headwater.schema import json_schema
from headwater.state import NO_CURSOR, StreamState
from headwater.stream import Page, Slice, Stream

log = logging.getLogger("headwater")

# A setting that is wrong for one partition (a repository that is gone) must not cost the others; one that is
# wrong for all of them (a token) is known after a few.
_FAILED_SLICES_IN_A_ROW = 3


class StreamReader:
    """One stream in one read.

    :param stream: the stream.
    :param configured: how the sync wants it.
    :param blob: its stored state; None for a first read. A full refresh does not use it.
    """

    def __init__(self, stream: Stream, configured: ConfiguredStream, blob: Mapping[str, Any] | None) -> None:
        self.stream = stream
        self.descriptor = configured.descriptor
        incremental = configured.sync_mode == "incremental" and stream.cursor is not None
        self._cursor: Cursor | None = stream.cursor
        self._state = StreamState(stream.cursor.field, blob) if incremental and stream.cursor else None
        self._projection = _projection(stream, configured)
        self._records_since_state = 0
        self._bytes_since_state = 0
        self._last_blob: Mapping[str, Any] | None = None
        self._empty = 0

    def messages(self) -> Iterator[Records | State | StreamStatus]:
        """The stream's records and states, RUNNING before its first record.

        :raises ConfigError: after all other slices were read, if some could not be.
        """
        running = False
        try:
            for message in self._slices():
                if not running and isinstance(message, Records):
                    running = True
                    yield StreamStatus(self.descriptor, Status.RUNNING)
                yield message
        except (Exception, Stopped):
            yield from self._state_message(final=False, force=True)
            raise
        if self._empty:
            log.warning("Stream %s: %d empty records were left out.", self.descriptor, self._empty)
        yield from self._state_message(final=True, force=True)

    def _slices(self) -> Iterator[Records | State]:
        start = self.stream.start()
        failures: list[ConfigError] = []
        in_a_row = 0
        for partition in self.stream.partitions():
            known = self._state.get(partition) if self._state is not None else None
            slice = Slice(partition, start=latest((known, start)))
            try:
                yield from self._slice(slice)
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
            raise ConfigError(
                first.message + more, stream=self.stream.name, internal=first.internal
            ) from first

    def _slice(self, slice: Slice) -> Iterator[Records | State]:
        """One slice. Its state is set when it is done, and midway as long as its records come in ascending
        order (protocol rules R3 and R4)."""
        cursor = self._cursor
        ordered = cursor is not None and cursor.order == "ascending"
        descending = cursor is not None and cursor.order == "descending"
        high = None
        given: set[bytes] = set()  # the last page's last records, which a keyset page gives again
        now = not_after_now()
        for whole in self.stream.pages(slice):
            page = _without(whole, given) if ordered and given else whole
            seen = page.cursors
            if ordered and not is_ascending([high, *seen]):
                ordered = False
                log.warning(
                    "Stream %s: records of %s are not in ascending order of %s; its state moves at its end.",
                    self.descriptor, dict(slice.partition) or "the stream", cursor.field if cursor else "",
                )  # fmt: skip
            high = latest((high, page.reached if page.reached is not None else latest(seen)))
            wanted = _from(page, slice.start) if cursor is None or cursor.drops_earlier else page
            yield from self._records(wanted)
            if ordered:
                given = _at_end(page)
            if ordered and self._state is not None:
                self._state.set(slice.partition, high)
                yield from self._state_message(final=False, force=False)
            if descending and slice.start is not None:
                first = earliest(seen)
                if first is not None and is_before(first, slice.start):
                    break
        if self._state is not None:
            if cursor is not None and cursor.order is None:
                high = now(high)  # what changed behind the reader's back is later than its start
            self._state.set(slice.partition, latest((high, slice.start)))

    def _records(self, page: Page) -> Iterator[Records]:
        data = page.data
        if b"{}" in data:  # the platform would drop it without a word, and then miscount
            keep = [place for place, record in enumerate(data) if bytes(record) != b"{}"]
            self._empty += len(data) - len(keep)
            page = _only(page, keep)
            data = page.data
        if self._projection is not None:
            data = self._projection(data)
        if data:
            records = Records(self.descriptor, data, changes=page.changes)
            self._records_since_state += len(data)
            self._bytes_since_state += records.size
            yield records

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
        if not final and (blob == NO_CURSOR or (not self._last_blob and not self._records_since_state)):
            return
        count, self._records_since_state, self._bytes_since_state = self._records_since_state, 0, 0
        self._last_blob = blob
        yield State.of_stream(self.descriptor, blob, count)  # Stopped may come here, and asks again


def _projection(stream: Stream, configured: ConfiguredStream) -> Projection | None:
    """None where the sync wants every field that the stream is known to have."""
    wanted = configured.selected
    declared = json_schema(stream.schema, stream.name)["properties"]
    if wanted is None or (declared and wanted.issuperset(declared)):
        return None
    names = [name for name in declared if name in wanted]
    return Projection([*names, *sorted(wanted.difference(names))])


def _from(page: Page, start: Any) -> Page:
    """The page without records before the slice's start; a record without a cursor value stays."""
    if start is None or not page.cursors:
        return page
    first = earliest(page.cursors)
    if first is None or not is_before(first, start):
        return page
    keep = [i for i, value in enumerate(page.cursors) if value is None or not is_before(value, start)]
    return _only(page, keep)


def _at_end(page: Page) -> set[bytes]:
    """The records at the end of an ascending page that have its last cursor value or the one before it: those
    that :class:`~headwater.http.paginate.Keyset` asks for again."""
    found: set[bytes] = set()
    values: list[Any] = []
    for place in range(len(page.cursors) - 1, -1, -1):
        value = page.cursors[place]
        if value not in values:
            values.append(value)
            if len(values) > 2:
                break
        found.add(bytes(page.data[place]))
    return found


def _without(page: Page, given: set[bytes]) -> Page:
    """The page without the records that were given before, to the letter."""
    keep = [i for i, record in enumerate(page.data) if bytes(record) not in given]
    return page if len(keep) == len(page.data) else _only(page, keep)


def _only(page: Page, keep: Sequence[int]) -> Page:
    changes = {place: page.changes[old] for place, old in enumerate(keep) if old in page.changes}
    cursors = [page.cursors[i] for i in keep] if page.cursors else ()
    return Page([page.data[i] for i in keep], cursors, changes, page.reached)
