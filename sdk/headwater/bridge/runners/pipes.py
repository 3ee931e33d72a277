"""Reading what a process writes, from the pipes that it writes to."""

from __future__ import annotations

import os
import select
import threading
import time
from collections.abc import Callable

from headwater.errors import ForeignError
from headwater.process.pipes import widen

CHUNK = 2**20
"""Bytes: the most that one read gives."""

_FEW = 2**15  # bytes: a read that gives less came too soon
_NAP = 0.001
_LOOK = 0.5  # seconds after which it is looked whether the process is still there
_LAST_WORDS = 2.0  # seconds that a pipe stays open, for children of a process that has ended
_TAIL = 16 * 2**10
_LINE = 64 * 2**10
_LINES = 100  # of standard error told a second


class PipeReader:
    """The reading end of a pipe.

    :param alive: whether the process still runs. Where it does not, a pipe that its children keep open counts as
        ended a little later.
    :param silence: seconds without a byte that are an error.
    """

    def __init__(self, fd: int, title: str, alive: Callable[[], bool], silence: float) -> None:
        self.fd = fd
        self._title = title
        self._alive = alive
        self._silence = silence
        self._poll = select.poll()
        self._poll.register(fd, select.POLLIN)
        self._wide = widen(fd)
        self._came_soon = False

    def read(self) -> bytes:
        """The next bytes; ``b""`` at the end.

        :raises ForeignError: after the set time without any.
        """
        if self._came_soon:  # woken for each small write, we would take the writer's time as well as ours
            time.sleep(_NAP)
        since = time.monotonic()
        ended: float | None = None
        while not self._poll.poll(1000 * min(_LOOK, self._silence)):
            now = time.monotonic()
            if not self._alive():
                ended = ended or now
                if now - ended >= _LAST_WORDS:
                    return b""
            elif now - since >= self._silence:
                raise ForeignError(
                    f"{self._title} wrote nothing for {self._silence:g} seconds, so it was ended. Look at what it "
                    "waits for; if it really needs so long, set a longer time (silence)."
                )
        chunk = os.read(self.fd, CHUNK)
        self._came_soon = self._wide and 0 < len(chunk) < _FEW
        return chunk

    def close(self) -> None:
        """Close it: a process that goes on writing gets EPIPE."""
        if self.fd >= 0:
            os.close(self.fd)
            self.fd = -1


class Tail:
    """Drains standard error in a thread of its own, as a full pipe would stop the process, and keeps the last of it.

    :param said: called with its lines, at most a hundred a second; what is left out is counted.
    """

    def __init__(self, fd: int, said: Callable[[str], None] | None) -> None:
        self._fd = fd
        self._said = said
        self._kept = bytearray()
        self._rest = b""
        self._second, self._lines, self._left_out = 0.0, 0, 0
        self._thread = threading.Thread(target=self._drain, name="headwater-stderr", daemon=True)
        self._thread.start()

    def text(self, seconds: float = _LAST_WORDS) -> str:
        """What it ended with; waits for the end, but not longer than this."""
        self._thread.join(seconds)
        return bytes(self._kept).decode("utf-8", "replace").strip()

    def _drain(self) -> None:
        try:
            while chunk := os.read(self._fd, 2**16):
                self._kept += chunk
                if len(self._kept) > 2 * _TAIL:
                    del self._kept[:-_TAIL]
                    del self._kept[: self._kept.find(b"\n") + 1]  # no end of what may be a secret
                if self._said is not None:
                    self._tell(self._said, chunk)
            if self._said is not None:
                self._tell(self._said, b"\n" if self._rest else b"")
                self._tell_left_out(self._said)
        finally:
            os.close(self._fd)

    def _tell(self, said: Callable[[str], None], chunk: bytes) -> None:
        *lines, rest = (self._rest + chunk).split(b"\n")
        self._rest = rest[:_LINE]
        now = time.monotonic()
        if now - self._second >= 1.0:
            self._second, self._lines = now, 0
            self._tell_left_out(said)
        for line in lines:
            if self._lines >= _LINES:
                self._left_out += 1
            elif text := line[:_LINE].decode("utf-8", "replace").strip():
                self._lines += 1
                said(text)

    def _tell_left_out(self, said: Callable[[str], None]) -> None:
        if self._left_out:
            said(f"({self._left_out} lines of standard error are left out)")
            self._left_out = 0
