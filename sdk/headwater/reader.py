"""Reading one configured stream: its slices, in the protocol's order, with states that never run ahead."""

from __future__ import annotations

import itertools
import logging
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

from headwater.cursor import Cursor, latest
from headwater.errors import ConfigError, SkipSlice, Stopped
from headwater.places import WHOLE
from headwater.protocol.catalog import ConfiguredStream
from headwater.protocol.messages import Message, State, Status, StreamStatus
from headwater.resume import COMPLETE, PagesState, WindowsState
from headwater.slices import SliceReader, Step, Task
from headwater.state import NO_CURSOR, StreamState
from headwater.stream import Slice, Stream
from headwater.windows import windows_of

log = logging.getLogger("headwater")

# A setting that is wrong for one partition (a repository that is gone) must not cost the others; one that is
# wrong for all of them (a token) is known after a few.
_FAILED_SLICES_IN_A_ROW = 3

_SHARE = 400
"""Bytes of records for each partition, after which its 100 bytes of state may go out again."""
_SECONDS = 60.0
_SECONDS_EACH = 0.005
"""For each partition: a state of 50,000 of them, 5 MB, goes out every four minutes, if not for its share."""
_PAGES_BYTES = 1 << 20
_PAGES_SECONDS = 10.0
"""A full refresh is rarely gone on with: its state goes out less often, and when the stream fails."""
_SENTINELS = {"__ab_no_cursor_state_message", "__ab_full_refresh_sync_complete"}


class StreamReader:
    """One stream in one read.

    Its slices may be read by several threads (:meth:`tasks`, :meth:`steps`, :meth:`ended`); what they give is
    booked, and becomes messages, in the one that writes.

    :param stream: the stream.
    :param configured: how the sync wants it.
    :param blob: its stored state; None for a first read. A full refresh uses it where the stream is resumable:
        platforms give it within one job.
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
        self._state: StreamState | PagesState | None = None
        if incremental and stream.cursor is not None:
            self._state = StreamState(stream.cursor, stream.known(blob) if blob else None, stream.name)
        elif configured.sync_mode == "full_refresh" and stream.is_resumable:
            in_job = (configured.generation_id, configured.sync_id) != (None, None)
            if stream.cursor is not None and stream.cursor.window is not None:
                self._state = WindowsState(stream.cursor, blob, stream.name, in_job=in_job)
            else:
                self._state = PagesState(blob, stream.name, in_job=in_job)
        if blob and incremental and self._state is not None and self._state.is_empty and not _SENTINELS & blob.keys():
            log.warning(
                "Stream %s: its state says nothing of %r, so it is read from the beginning. It has: %s.",
                self.descriptor, stream.cursor.field if stream.cursor else "", ", ".join(map(repr, list(blob)[:8])),
            )  # fmt: skip
        self._doubted = stream.cursor.doubted(configured.stream.json_schema) if stream.cursor is not None else None
        resumable = isinstance(self._state, PagesState)
        stateful = self._state is not None and not resumable
        self.steps = SliceReader(stream, configured, stateful=stateful, resumable=resumable).steps
        self._events = events
        self._running = False
        self._records_since_state = 0
        self._bytes_since_state = 0
        self._told: int | None = None  # the version of the last state that was given
        self._told_at = time.monotonic()
        self._empty = 0
        self._failures: list[ConfigError] = []
        self._ended: dict[int, ConfigError | None] = {}  # those after one that has not ended
        self._next = self._in_a_row = 0

    def messages(self) -> Iterator[Message]:
        """The stream's records and states, RUNNING before its first record; its slices one after another.

        Where it fails, or where Stopped is thrown into it, the last state that is safe comes first.

        :raises ConfigError: after all other slices were read, if some could not be.
        """
        try:
            for task in self.tasks():
                error: ConfigError | None = None
                try:
                    for step in self.steps(task):
                        yield from self.give(step)
                except SkipSlice as reason:
                    self.skipped(reason)
                except ConfigError as reason:
                    error = reason
                self.ended(task, error)
                yield from self.due()
                if self.gives_up:
                    break
            self.complain()
        except (Exception, Stopped):
            yield from self.safe()
            raise
        yield from self.last()

    def tasks(self) -> Iterator[Task]:
        """The slices that are to be read."""
        if isinstance(self._state, WindowsState) and self._state.is_complete:
            return
        start, cursor = self.stream.start(), self.stream.cursor
        index = itertools.count()
        for slice in self.stream.slices(whole=isinstance(self._state, PagesState)):
            place, known = self._state.expect(slice.partition) if self._state is not None else (WHOLE, None)
            if isinstance(self._state, PagesState):
                if known is not COMPLETE:
                    begin = self._begin(cursor, None, start) if cursor is not None else start
                    yield Task(next(index), _begun(slice, begin, known or {}), place)
                continue
            if cursor is None:
                yield Task(next(index), _begun(slice, start), place, known)
                continue
            for part, window in windows_of(_begun(slice, self._begin(cursor, known, start)), cursor, known):
                # a later window's start is where an earlier one ends, which says nothing of what was read
                floor = known if window is not None and window.place else latest((part.start, known), cursor.key)
                yield Task(next(index), part, place, known, floor, window)

    def _begin(self, cursor: Cursor, known: Any, start: Any) -> Any:
        if known is not None and self._doubted is not None and self._doubted(known):
            self._doubted = None  # said once
            log.warning(
                "Stream %s: its state says %r of %r, which is no value of that field by its schema. What is before it "
                "is not read; take it out of the state to read everything.", self.descriptor, known, cursor.field,
            )  # fmt: skip
        try:
            return cursor.begin(known, start)
        except ConfigError as error:
            raise ConfigError(f"Stream {self.descriptor}: {error.message}", stream=self.stream.name) from None

    def skipped(self, reason: SkipSlice) -> None:
        """Say why a slice is not read."""
        log.warning("Stream %s: %s", self.descriptor, reason)

    def ended(self, task: Task, error: ConfigError | None) -> None:
        """Remember how a slice ended; by one thread at a time.

        :param error: why it could not be read, or not whole.
        """
        self._ended[task.index] = error
        while self._next in self._ended and not self.gives_up:  # in the order of the slices, not of their ends
            failure = self._ended.pop(self._next)
            self._next += 1
            self._in_a_row = 0 if failure is None else self._in_a_row + 1
            if failure is not None:
                self._failures.append(failure)

    @property
    def gives_up(self) -> bool:
        """Whether so many slices failed that the others would fail too."""
        return self._in_a_row >= _FAILED_SLICES_IN_A_ROW

    # --- in the thread that writes ------------------------------------------------------------------------

    def give(self, step: Step) -> Iterator[Message]:
        """A step's records, and the state where it is due. What a message means is booked just before, so that
        a read that is stopped anywhere has booked exactly what it gave."""
        yield from self._events()
        self._empty += step.empty
        if step.move == "back":
            self._book(step)
            yield from self._state_message(final=False, force=self._told is not None)
            return
        if step.records is not None:
            if not self._running:
                self._running = True
                yield StreamStatus(self.descriptor, Status.RUNNING)
            self._records_since_state += len(step.records)
            self._bytes_since_state += step.size
            yield step.records
        if step.move == "to":
            self._book(step)
            yield from self._state_message(final=False, force=False)

    def due(self) -> Iterator[Message]:
        """Between two slices: the state, where it is due."""
        yield from self._state_message(final=False, force=False)

    def complain(self) -> None:
        """At the end:

        :raises ConfigError: when some slices could not be read.
        """
        failures = [*self._failures, *filter(None, self._ended.values())]
        if failures:
            more = f" (and {len(failures) - 1} more of its slices)" if len(failures) > 1 else ""
            first = failures[0]
            raise ConfigError(first.message + more, stream=self.stream.name, internal=first.internal) from first

    def safe(self) -> Iterator[Message]:
        """After a failure, or when the read is stopped: the last state that is safe."""
        yield from self._state_message(final=False, force=True)

    def last(self) -> Iterator[Message]:
        """At the end: the last state."""
        if self._empty:
            log.warning("Stream %s: %d empty records were left out.", self.descriptor, self._empty)
        if self._state is not None:
            self._state.finish()
        yield from self._state_message(final=True, force=True)

    def _book(self, step: Step) -> None:
        """What a step means for the state of its partition."""
        if self._state is None:
            return
        if step.move == "back":
            value = step.value if step.window is None else step.window.frontier.reached
            if step.window is None or step.window.place == step.window.frontier.next:
                self._state.put_back(step.place, value)
        else:
            value = step.value if step.window is None else step.window.moved(step.value, step.done)
            self._state.set(step.place, value)

    @property
    def _is_due(self) -> bool:
        """Whether so many bytes of records went out that the state, of some 100 bytes a partition, costs little; or
        so much time passed that its loss would."""
        partitions = len(self._state) if self._state is not None else 0
        if not self._records_since_state:
            return False
        least, seconds = (0, _SECONDS)
        if isinstance(self._state, (PagesState, WindowsState)):
            least, seconds = _PAGES_BYTES, _PAGES_SECONDS
        if self._bytes_since_state >= max(least, _SHARE * partitions):
            return True
        return time.monotonic() - self._told_at >= max(seconds, partitions * _SECONDS_EACH)

    def _state_message(self, *, final: bool, force: bool) -> Iterator[Message]:
        """The state, when it is due: at the end, and whenever enough records went out since the last one."""
        blob: Mapping[str, Any] = NO_CURSOR
        content: Iterator[bytes] | None = None
        version = -1
        if self._state is None:
            if not final:
                return
        else:
            if not force and not self._is_due:
                return
            version = self._state.version
            if version == self._told and not (final and self._records_since_state):
                return
            content = self._state.to_pieces() if len(self._state) else None
            blob = self._state.to_json() if content is None else {}
            if not final and self._told is None and (blob == NO_CURSOR or not self._records_since_state):
                return
        yield from self._events()
        if content is None:
            message = State.of_stream(self.descriptor, blob, self._records_since_state)
        else:
            message = State.of_pieces(self.descriptor, content, self._records_since_state)
        self._told, self._told_at = version, time.monotonic()
        self._records_since_state = self._bytes_since_state = 0
        yield message


def _begun(slice: Slice, start: Any, resume: Mapping[str, Any] | None = None) -> Slice:
    """The slice, read from there: what ``dataclasses.replace`` gives, in a third of its time."""
    return Slice(slice.partition, start, slice.parent, slice.end, resume, slice.grandparent, slice.above)
