"""Standard output as the protocol's wire: whole lines, one writer at a time, secrets masked."""

from __future__ import annotations

import errno
import os
import select
import threading
from collections import deque
from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import replace

from headwater.process.masking import Mask
from headwater.protocol.airbyte import encode, pieces
from headwater.protocol.messages import (
    ConnectionStatus,
    ErrorTrace,
    Log,
    Message,
    State,
    Status,
    StreamDescriptor,
    StreamStatus,
)

_NOBODY_READS = (errno.EPIPE, errno.ECONNRESET, errno.EBADF)


class Wire:
    """Writes messages to a file descriptor.

    Any thread may write; a page of records is one call of the operating system where the reader takes it.
    When the reader is gone, nothing is written any more and nothing is raised; ``closed`` says so.

    :param fd: an open file descriptor, which nobody else writes to.
    :param mask: what takes the secrets out of logs, traces and connection statuses. Records and states are
        data, and a changed config is meant to be kept: they go out as they are.
    :param whole: entered for as long as a line must not be cut short by a signal.
    :param lost: called once when nobody reads any more, or when writing failed.
    """

    def __init__(
        self,
        fd: int,
        mask: Mask,
        whole: AbstractContextManager[None] | None = None,
        lost: Callable[[], None] = lambda: None,
    ) -> None:
        self.fd = fd
        self.mask = mask
        self.closed = False
        self.error: OSError | None = None
        """Why nothing can be written, where it is not just that nobody reads."""
        self._whole = whole or nullcontext()
        self._lost = lost
        self._open: dict[StreamDescriptor, bool] = {}
        self.unlock()

    def unlock(self) -> None:
        """In a forked child: whoever held the lock is not there."""
        self._lock = threading.RLock()
        self._writing = False
        self._late: deque[Iterable[bytes]] = deque()

    def write(self, message: Message) -> None:
        """Write one message, or one page of records."""
        masked = self._masked(message)
        lines = pieces(masked) if isinstance(masked, State) else (encode(masked),)
        if self.closed:
            return
        with self._whole, self._lock:
            if isinstance(message, StreamStatus) and not self._noted(message):
                return
            self._late.append(lines)
            if self._writing:  # a finalizer that logs, run in the middle of a line
                return
            self._writing = True
            try:
                while self._late and not self.closed:
                    for piece in self._late.popleft():
                        self._put(piece)
            finally:
                self._writing = False

    def write_if_free(self, message: Message) -> None:
        """Write a short message unless somebody is writing, or nobody reads."""
        if not self._lock.acquire(blocking=False):
            return
        try:
            if not self._writing and select.select([], [self.fd], [], 0)[1]:
                self.write(message)
        finally:
            self._lock.release()

    def _noted(self, status: StreamStatus) -> bool:
        """Remember it; False: the stream was told to be over, and a thread that is not says that it waits."""
        if self._open.get(status.stream) is False:
            return False
        if not status.rate_limited:
            self._open[status.stream] = status.status in (Status.STARTED, Status.RUNNING)
        return True

    def unfinished(self) -> list[StreamStatus]:
        """INCOMPLETE of each stream that was told to have begun, and not how it ended: what is left to be said of it
        when the process ends."""
        streams = list(self._open.items())  # in one go: other threads write
        return [StreamStatus(name, Status.INCOMPLETE) for name, is_open in streams if is_open]

    def _put(self, lines: bytes) -> None:
        rest = memoryview(lines)
        while rest and not self.closed:
            try:
                rest = rest[os.write(self.fd, rest) :]
            except BlockingIOError:  # whoever started us shares a non-blocking pipe with us
                select.select([], [self.fd], [])
            except OSError as error:
                self.close(error)

    def close(self, error: OSError | None = None) -> None:
        """Write nothing more, because nobody reads or because it failed."""
        if self.closed:
            return
        if error is not None and error.errno not in _NOBODY_READS:
            self.error = error
        self.closed = True
        self._lost()

    def _masked(self, message: Message) -> Message:
        if isinstance(message, Log):
            stack = self._text(message.stack_trace)
            return replace(message, message=self.mask(message.message), stack_trace=stack)
        if isinstance(message, ErrorTrace):
            return replace(
                message,
                message=self.mask(message.message),
                internal_message=self._text(message.internal_message),
                stack_trace=self._text(message.stack_trace),
            )
        if isinstance(message, ConnectionStatus):
            return replace(message, message=self._text(message.message))
        return message

    def _text(self, text: str | None) -> str | None:
        return None if text is None else self.mask(text)
