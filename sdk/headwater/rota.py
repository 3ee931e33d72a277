"""Whose turn it is: which thread reads which slice next, and when a stream is over.

The streams are begun in the catalog's order, a later one as soon as there are threads that the earlier ones have
no slices for. Nothing here reads; :mod:`headwater.pool` does.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

from headwater.errors import Stopped
from headwater.protocol.messages import StreamDescriptor
from headwater.reader import StreamReader
from headwater.slices import Task
from headwater.waiting import Bell


@dataclass(eq=False)
class Reading:
    """One stream that is read.

    :ivar open: makes its reader; may ask the API.
    :ivar tasks: its slices; one thread at a time takes the next.
    :ivar started: it was told that it is.
    :ivar busy: a thread is taking its next slice.
    :ivar exhausted: there are no more slices, or no more are wanted.
    :ivar failure: why the stream as a whole failed.
    """

    name: StreamDescriptor
    open: Callable[[], StreamReader]
    reader: StreamReader | None = None
    tasks: Iterator[Task] = field(default_factory=lambda: iter(()))
    started: bool = False
    busy: bool = False
    exhausted: bool = False
    given_out: int = 0
    ended: int = 0
    failure: BaseException | None = None


@dataclass(eq=False)
class Reader:
    """One of the threads that read, and the stream that it is at."""

    bell: Bell = field(default_factory=Bell)
    reading: Reading | None = None
    thread: threading.Thread | None = None


class Rota:
    """The streams that have slices left, and who is at which.

    :param readings: in the catalog's order.
    """

    def __init__(self, readings: Sequence[Reading]) -> None:
        self._left = deque(readings)
        self._lock = threading.Lock()
        self._idle: deque[Bell] = deque()
        self._opening = self._closing = False
        self.readers: list[Reader] = []

    @property
    def is_empty(self) -> bool:
        """Whether all slices were taken."""
        return not self._left

    # --- in the threads that read -------------------------------------------------------------------------

    def turn(self, me: Reader) -> Reading | None:
        """The first stream with a slice to take, which is this thread's to take now; None: there is none. After it
        comes :meth:`took`.

        :raises Stopped: when the read is stopped.
        """
        with self._lock:
            me.reading = None
            me.bell.reset()
            while not self._closing:
                if not self._left:
                    return None
                for reading in self._left:
                    if not reading.busy and (reading.reader is not None or not self._opening):
                        reading.busy = True
                        self._opening = self._opening or reading.reader is None
                        me.reading = reading
                        return reading
                self._idle.append(me.bell)
                self._lock.release()
                try:
                    me.bell.wait()
                finally:
                    self._lock.acquire()
            raise Stopped

    def took(self, reading: Reading, task: Task | None, error: BaseException | None, *, opened: bool) -> Task | None:
        """A stream's next slice is taken; others may take the one after it.

        :param task: the slice; None: there are no more.
        :param error: why the next one can't be said.
        :param opened: it was this stream's first.
        :returns: the slice, unless none is wanted any more.
        """
        with self._lock:
            reading.busy = False
            if opened:
                self._opening = False
            if error is not None and not Stopped.is_behind(error):  # before the stream can be over
                reading.failure = reading.failure or error
            if reading.exhausted or self._closing:
                task = None
            if task is None:
                self._exhaust(reading)
            else:
                reading.given_out += 1
            for bell in self._idle:
                bell.ring()
            self._idle.clear()
        return task

    def ended(self, reading: Reading, task: Task, error: BaseException | None) -> None:
        """A slice was read; where too many could not be, no more are wanted."""
        reader = reading.reader
        assert reader is not None
        with self._lock:
            reader.ended(task, error)  # type: ignore[arg-type]
            if reader.gives_up:
                self._exhaust(reading)

    def _exhaust(self, reading: Reading) -> None:
        """With the lock held: take no more slices of it."""
        reading.exhausted = True
        if reading in self._left:
            self._left.remove(reading)

    # --- in the thread that writes ------------------------------------------------------------------------

    def is_over(self, reading: Reading) -> bool:
        """Whether all of a stream's slices were taken and have ended."""
        with self._lock:
            return reading.exhausted and not reading.busy and reading.ended == reading.given_out

    def give_up(self, reading: Reading) -> None:
        """Read no more slices of a stream, nor to the end those that are being read."""
        with self._lock:
            self._exhaust(reading)
            for reader in self.readers:
                if reader.reading is reading:
                    reader.bell.stop()

    def stop(self) -> None:
        """Let all threads end."""
        with self._lock:
            self._closing = True
            for reader in self.readers:
                reader.bell.stop()
