"""Pages on their way from the threads that read them to the one that writes them."""

from __future__ import annotations

import threading
from collections import deque
from queue import SimpleQueue
from typing import Generic, TypeVar

from headwater.waiting import Bell, bell, taken

T = TypeVar("T")

_PAGES = 256
"""So many pages at most wait: around the bytes of a small one there is as much again."""
# The writer lets things pile up for so many seconds: to wake it for each costs more than what it does with most.
_NAP = 0.005


class Channel(Generic[T]):
    """A queue bounded by bytes: of what waits in it, of what is being written, and of what is still to come.

    A thread reserves room before it asks for a page, as a page that is there takes memory wherever it waits;
    how large it will be is taken from those before it. A page larger than all the room passes alone.

    :param budget: the bytes that it holds.
    :param readers: how many threads put something in. Each may always wait for a page, so that one that waits
        for hours, for a quota, does not keep the others from reading.
    """

    def __init__(self, budget: int, readers: int) -> None:
        self._items: SimpleQueue[tuple[T | None, int]] = SimpleQueue()
        self._lock = threading.Lock()
        self._waiting: deque[Bell] = deque()
        self._budget = budget
        self._share = max(1, budget // readers)
        self._least = budget // _PAGES
        self._expected = self._share
        self._held = 0
        self._writing = 0
        self._writer: Bell | None = None

    def reserve(self) -> int:
        """Wait for room for a page; the bytes that are kept for it.

        :raises Stopped: when the thread that waits was stopped.
        """
        mine = bell()
        mine.check()
        with self._lock:
            if not self._has_room():
                self._wait(mine)
            self._held += self._expected
            self._ring()
            return self._expected

    def _has_room(self) -> bool:
        return self._held <= 0 or self._held + self._expected <= self._budget

    def _wait(self, mine: Bell) -> None:
        """With the lock held, until there is room."""
        while not self._has_room():
            self._waiting.append(mine)
            self._lock.release()
            try:
                mine.wait()
            finally:
                self._lock.acquire()
                if mine in self._waiting:  # rung by somebody else, or stopped
                    self._waiting.remove(mine)
                if mine.stopped:
                    self._ring()  # the ring may have been meant for the next one

    def put(self, item: T, size: int = 0, reserved: int = 0) -> None:
        """Put something in; never waits."""
        size = max(size, self._least) if size else 0
        with self._lock:
            self._held += size - reserved
            if size:  # moves up at once and down slowly
                self._expected = min(self._share, max(size, self._expected - (self._expected - size) // 8))
            crowded = self._held > self._budget // 2
            self._ring()
        self._items.put((item, size))
        if crowded:
            self.hurry()

    def release(self, reserved: int) -> None:
        """Give room back that was not needed."""
        if reserved:
            with self._lock:
                self._held -= reserved
                self._ring()

    def take(self, seconds: float | None = None) -> T | None:
        """The next item; None when none comes in time, or for :meth:`wake`. What was taken before it is
        written by now, and its room free."""
        if self._writing:
            with self._lock:
                self._held -= self._writing
                self._writing = 0
                self._ring()
        if self._items.empty():
            self._writer = bell()
            self._writer.wait(_NAP)
        found = taken(self._items, seconds)
        if found is None:
            return None
        item, self._writing = found
        return item

    def wake(self) -> None:
        """Let :meth:`take` return at once."""
        self._items.put((None, 0))
        self.hurry()

    def hurry(self) -> None:
        """Somebody waits for what was put in."""
        if self._writer is not None:
            self._writer.ring()

    def _ring(self) -> None:
        """With the lock held: whoever is woken and finds room wakes the next."""
        if self._waiting and self._has_room():
            self._waiting.popleft().ring()
