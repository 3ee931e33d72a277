"""Reading the slices of all streams by several threads, and giving what they read in one.

The threads read; whoever iterates over :meth:`Pool.messages` books and gives. Between them is a
:class:`~headwater.channel.Channel`, in which each slice's pages keep their order: a state is made when its
records have gone out, so it is never ahead of a slice that is not finished, however many are being read.

Threads are added while the processor is idle: an API that answers at once is read by one, as more would
only compete for the interpreter; one that takes its time by all of them. Whose turn it is, :mod:`headwater.rota`
says.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass

from headwater import waiting
from headwater.channel import Channel
from headwater.errors import ConfigError, SkipSlice, Stopped
from headwater.protocol.messages import Message, Status, StreamStatus
from headwater.reader import StreamReader
from headwater.rota import Reader, Reading, Rota
from headwater.slices import Step, Task
from headwater.waiting import Bell

_BUDGET = 8 * 1024 * 1024
"""Bytes of records that wait for the writer; what a page takes in memory is more than once its records."""
_LOOK = 0.01
"""After so many seconds it is looked whether more threads would help."""
_BUSY = 0.5
"""The share of them that the process worked, from which on they would not: it is not waiting for anybody."""
_MORE = 9
"""One thread begins, and so many are added for each that there is."""
_FAREWELL = 2.0
"""Seconds that threads have to end in when the read is stopped. One that looks up a host's name or connects
can't be woken; it ends when that does, and doesn't keep the process from ending."""


@dataclass(frozen=True)
class _Opened:
    """A thread has come to a stream: it may be told that it is started."""

    reading: Reading
    bell: Bell


@dataclass(frozen=True)
class _Given:
    """A step of a slice."""

    reader: StreamReader
    step: Step


@dataclass(frozen=True)
class _Ended:
    """A slice is over, or (without a task) the list of the slices is; why the stream fails, if it does."""

    reading: Reading
    task: Task | None = None
    error: BaseException | None = None


@dataclass(frozen=True)
class _Broken:
    """This module's own fault."""

    error: BaseException


class Pool:
    """The threads of one read.

    :param readings: the streams, in the catalog's order.
    :param concurrency: how many threads at most.
    :param events: what the source has to say meanwhile.
    :param ending: what comes when a stream is over, and the status that it has then.
    """

    def __init__(
        self,
        readings: Sequence[Reading],
        concurrency: int,
        *,
        events: Callable[[], Iterable[Message]],
        ending: Callable[[Reading], Generator[Message, None, Status]],
    ) -> None:
        self._readings = list(readings)
        self._concurrency = concurrency
        self._events = events
        self._ending = ending
        self._rota = Rota(readings)
        self._channel: Channel[_Opened | _Given | _Ended | _Broken] = Channel(_BUDGET, concurrency)
        self._looked, self._used = time.monotonic(), time.process_time()

    # --- in the thread that writes ------------------------------------------------------------------------

    def messages(self) -> Iterator[Message]:
        """What the streams give, from STARTED to COMPLETE or INCOMPLETE each.

        When Stopped is thrown into it, each stream's last safe state comes first. Closing it, or dropping it,
        ends the threads.
        """
        try:
            while self._readings:
                item = self._take()
                yield from self._events()
                if isinstance(item, _Given):
                    yield from item.reader.give(item.step)
                elif isinstance(item, _Opened):
                    item.reading.started = True
                    yield StreamStatus(item.reading.name, Status.STARTED)
                    item.bell.ring()
                elif isinstance(item, _Ended):
                    yield from self._end(item)
                elif isinstance(item, _Broken):
                    raise item.error
        except Stopped:
            self._rota.stop()
            for reading in self._readings:
                if reading.started:
                    if reading.reader is not None:
                        yield from reading.reader.safe()
                    yield StreamStatus(reading.name, Status.INCOMPLETE)
            raise
        finally:
            self._close()

    def wake(self) -> None:
        """There are events. May be called in any thread."""
        self._channel.wake()

    def _take(self) -> _Opened | _Given | _Ended | _Broken | None:
        """The next thing; None when there is none yet."""
        there = len(self._rota.readers)
        if there >= self._concurrency or self._rota.is_empty:
            return self._channel.take()
        if not there:
            self._add(1)
        elif self._waits():
            self._add(min(_MORE * there, self._concurrency - there))
        return self._channel.take(_LOOK)

    def _waits(self) -> bool:
        """Whether the threads that there are leave the processor idle. Asked now and then."""
        now = time.monotonic()
        passed = now - self._looked
        if passed < _LOOK:
            return False
        used = time.process_time()
        worked, self._looked, self._used = used - self._used, now, used
        return worked < _BUSY * passed

    def _add(self, count: int) -> None:
        for _ in range(count):
            made = Reader()
            self._rota.readers.append(made)
            name = f"headwater-read-{len(self._rota.readers)}"
            made.thread = threading.Thread(target=self._run, args=(made,), name=name, daemon=True)
            made.thread.start()

    def _end(self, item: _Ended) -> Iterator[Message]:
        """A slice or a list of slices is over; perhaps the stream is."""
        reading, reader, error = item.reading, item.reading.reader, item.error
        if error is not None and not isinstance(error, (Exception, SystemExit)):
            raise error
        if item.task is not None:
            reading.ended += 1
        if item.task is not None and reader is not None:
            yield from reader.due()
        if error is not None:
            reading.failure = reading.failure or error
            self._rota.give_up(reading)
        if reading in self._readings and self._rota.is_over(reading):
            status = yield from self._ending(reading)
            self._readings.remove(reading)
            yield StreamStatus(reading.name, status)

    def _close(self) -> None:
        self._rota.stop()
        until = time.monotonic() + _FAREWELL
        for each in self._rota.readers:
            # not started, where a signal came in between; itself, where it is the one that collects the garbage
            if each.thread is not None and each.thread.ident not in (None, threading.get_ident()):
                each.thread.join(max(0.0, until - time.monotonic()))

    # --- in the threads that read -------------------------------------------------------------------------

    def _run(self, me: Reader) -> None:
        waiting.adopt(me.bell)
        try:
            while (reading := self._rota.turn(me)) is not None:
                task = self._next_task(me, reading)
                if task is not None:
                    error = self._read(me, reading, task)
                    self._channel.put(_Ended(reading, task, self._judged(reading, task, error)))
                    if self._rota.is_empty:  # the end of it all may be waited for
                        self._channel.hurry()
        except Stopped:
            return
        except BaseException as error:  # noqa: BLE001 - else the writer would wait for ever
            self._channel.put(_Broken(error))

    def _next_task(self, me: Reader, reading: Reading) -> Task | None:
        """The stream's next slice; None: there is none, which the writer is told."""
        task: Task | None = None
        error: BaseException | None = None
        opening = reading.reader is None
        try:
            if opening:
                self._channel.put(_Opened(reading, me.bell))
                self._channel.hurry()
                while not reading.started:
                    me.bell.wait()
                reading.reader = reading.open()
                reading.tasks = reading.reader.tasks()
            task = next(reading.tasks, None)
        except BaseException as found:  # noqa: BLE001 - whatever it is, it is the stream's
            error = found
        task = self._rota.took(reading, task, error, opened=opening)
        if task is None:
            self._channel.put(_Ended(reading, None, None if Stopped.is_behind(error) else error))
        return task

    def _judged(self, reading: Reading, task: Task, error: BaseException | None) -> BaseException | None:
        """What a slice's end means for its stream: why that fails."""
        if Stopped.is_behind(error) or reading.reader is None:
            return None
        if isinstance(error, SkipSlice):
            reading.reader.skipped(error)
            error = None
        if error is not None and not isinstance(error, ConfigError):
            return error
        self._rota.ended(reading, task, error)
        return None

    def _read(self, me: Reader, reading: Reading, task: Task) -> BaseException | None:
        """Read a slice; returns why it could not be read."""
        assert reading.reader is not None
        steps = reading.reader.steps(task)
        reserved = 0
        try:
            while True:
                reserved = self._channel.reserve()
                step = next(steps, None)
                me.bell.check()  # the author's code may have taken it for an error, or for the end of the slice
                if step is None:
                    return None
                self._channel.put(_Given(reading.reader, step), step.size, reserved)
                reserved = 0
        except BaseException as error:  # noqa: BLE001 - the writer knows what it means
            return error
        finally:
            self._channel.release(reserved)
            with suppress(Exception):
                steps.close()  # the author's code cleans up in the thread that it worked in
