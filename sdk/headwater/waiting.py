"""Where threads wait: for a time, for each other. Whoever waits here can be woken for good.

All is made of what the interpreter itself implements (locks, ``SimpleQueue``): a signal's handler may raise in
the main thread between any two lines of Python, and a ``threading.Condition`` that is torn there stays locked.
"""

from __future__ import annotations

import socket
import threading
import time
from contextlib import suppress
from queue import Empty, SimpleQueue
from typing import TypeVar

from headwater.errors import Stopped

T = TypeVar("T")

_LONGEST = 3600.0  # an endless wait is more than a lock takes


class Bell:
    """What one thread waits on; any other may ring it, or stop it.

    A ring that comes while nobody waits is kept. Who waits for a condition looks at it again after each ring.

    :ivar line: the connection whose other side the thread waits for, if any; cut when it is stopped.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._lock.acquire()
        self.stopped = False
        self.line: socket.socket | None = None

    def ring(self) -> None:
        """Wake the thread, or keep its next wait from waiting."""
        try:
            self._lock.release()
        except RuntimeError:  # it rings already
            return

    def stop(self) -> None:
        """Wake the thread with :class:`Stopped`, now or at its next wait."""
        self.stopped = True
        self.ring()
        line = self.line
        if line is not None:
            with suppress(OSError):  # not of ssl's: that one is for the thread that reads
                socket.socket.shutdown(line, socket.SHUT_RDWR)

    def reset(self) -> None:
        """As new: the thread goes on with something else."""
        self.stopped = False
        self._lock.acquire(blocking=False)

    def wait(self, seconds: float = _LONGEST) -> bool:
        """Wait for a ring; whether one came.

        :raises Stopped: when it was stopped, also before.
        """
        self.check()
        rung = self._lock.acquire(timeout=min(seconds, _LONGEST))
        self.check()
        return rung

    def check(self) -> None:
        """:raises Stopped: when it was stopped."""
        if self.stopped:
            raise Stopped


_here = threading.local()


def bell() -> Bell:
    """The bell of this thread."""
    found: Bell | None = getattr(_here, "bell", None)
    if found is None:
        found = _here.bell = Bell()
    return found


def adopt(mine: Bell) -> None:
    """Make this the bell of this thread."""
    _here.bell = mine


def pause(seconds: float, *, until_rung: bool = False) -> None:
    """Wait for a time. Unlike ``time.sleep`` this ends at once when a signal's handler raises, and when the read
    that this thread works for is stopped.

    :param until_rung: this thread's bell ends it as well.
    :raises Stopped: in the second case.
    """
    mine = bell()
    mine.check()
    until = time.monotonic() + seconds
    while (left := until - time.monotonic()) > 0:
        if mine.wait(left) and until_rung:
            return


def taken(queue: SimpleQueue[T], seconds: float | None = None) -> T | None:
    """The next item of a queue; None where none comes in time."""
    try:
        return queue.get(timeout=seconds)
    except Empty:
        return None
