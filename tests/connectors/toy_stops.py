"""Streams that wait, go on for ever, or leave something behind, for a read that is stopped."""

from __future__ import annotations

import os
import signal
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

from headwater import Cursor
from headwater.process import stop
from headwater.stream import Slice
from headwater.waiting import pause
from tests.connectors.toy_base import ToyStream, log

WAITS = "waiting now"


class Sleeping(ToyStream):
    """Says that it waits where it can be told to stop already: whoever reads that may do so at once."""

    name = "sleeping"
    cursor = Cursor("at", "ascending")

    def rows(self, slice: Slice) -> Iterator[list[dict[str, Any]]]:
        yield self.page(0)
        try:
            self.wait()
        finally:
            self.note("cleaned up")

    def wait(self) -> None:
        log.info(WAITS)
        time.sleep(300)


class Listening(Sleeping):
    name = "listening"

    def wait(self) -> None:
        here, there = socket.socketpair()
        with here, there:
            log.info(WAITS)
            here.recv(1)


class Eventually(Sleeping):
    name = "eventually"

    def wait(self) -> None:
        log.info(WAITS)
        threading.Event().wait(300)


class Busy(Sleeping):
    name = "busy"

    def wait(self) -> None:
        log.info(WAITS)
        while True:
            sum(range(1000))


class Stubborn(Sleeping):
    """Takes every request to stop for an error, and tries again."""

    name = "stubborn"

    def wait(self) -> None:
        while True:
            try:
                log.info(WAITS)
                time.sleep(0.5)
            except BaseException:
                log.info("trying again")


class Waiting(Sleeping):
    """Waits where a thread of the pool can be woken."""

    name = "waiting"

    def wait(self) -> None:
        log.info(WAITS)
        pause(300)


class WaitingToo(Waiting):
    """Likewise, before its first record."""

    name = "waiting_too"

    def rows(self, slice: Slice) -> Iterator[list[dict[str, Any]]]:
        self.wait()
        yield []


class WaitingBeside(Waiting):
    """The same in another thread."""

    name = "waiting_beside"


class Swallowing(Sleeping):
    """Is told to stop in a finalizer, which can't raise."""

    name = "swallowing"

    def wait(self) -> None:
        stop._AGAIN_SECONDS = float("inf")  # only because it is known to be lost is it raised again
        Finalizing().__repr__()
        time.sleep(300)


class Finalizing:
    def __del__(self) -> None:
        os.kill(os.getpid(), signal.SIGTERM)
        while True:  # until it is raised here
            pass


class Wrapping(Sleeping):
    """Fails to clean up when it is stopped, as a library may."""

    name = "wrapping"

    def wait(self) -> None:
        try:
            log.info(WAITS)
            time.sleep(300)
        except BaseException:
            raise RuntimeError("The connection is in a wrong state.") from None


class Leaving(Sleeping):
    """Takes the request to stop for the end of what there is."""

    name = "leaving"
    cursor = Cursor("at")

    def wait(self) -> None:
        try:
            log.info(WAITS)
            time.sleep(300)
        except BaseException:
            log.info("nothing more, it seems")


class Deaf(Sleeping):
    """Is in a C function that is not to be interrupted."""

    name = "deaf"

    def wait(self) -> None:
        lock = threading.Lock()
        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM, signal.SIGINT, signal.SIGURG})
        lock.acquire()
        while True:
            with suppress(BaseException):  # of another thread's signal, before it is in there
                log.info(WAITS)
                lock.acquire()


class Endless(ToyStream):
    name = "endless"
    cursor = Cursor("at", "ascending")

    def rows(self, slice: Slice) -> Iterator[list[dict[str, Any]]]:
        number = 0
        while True:
            yield [{**row, "text": "x" * 2000} for row in self.page(number, 100)]
            number += 1


class Threads(ToyStream):
    """Leaves a thread behind that never ends."""

    name = "threads"

    def rows(self, slice: Slice) -> Iterator[list[dict[str, Any]]]:
        yield self.page(0)
        threading.Thread(target=threading.Event().wait, name="left-over").start()
