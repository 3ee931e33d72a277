"""Standard output as the protocol's wire: whole lines, one writer at a time, secrets masked."""

from __future__ import annotations

import errno
import os
import select
import threading
from collections.abc import Callable
from dataclasses import replace

from headwater.process.masking import Mask
from headwater.protocol.airbyte import encode
from headwater.protocol.messages import ConnectionStatus, ErrorTrace, Log, Message


class Wire:
    """Writes messages to a file descriptor.

    Any thread may write; a page of records is one call of the operating system where the reader takes it.
    When the reader is gone, nothing is written any more and nothing is raised; ``closed`` says so.

    :param fd: an open file descriptor, which nobody else writes to.
    :param mask: what takes the secrets out of logs, traces and connection statuses. Records and states are
        data, and a changed config is meant to be kept: they go out as they are.
    :param lost: called once, from the writing thread, when the reader is found to be gone.
    """

    def __init__(self, fd: int, mask: Mask, lost: Callable[[], None] | None = None) -> None:
        self.fd = fd
        self.mask = mask
        self.closed = False
        self.error: OSError | None = None
        """Why nothing can be written, where it is not just that nobody reads."""
        self._lost = lost
        self._lock = threading.Lock()

    def write(self, message: Message) -> None:
        """Write one message, or one page of records."""
        self.write_lines(encode(self._masked(message)))

    def write_lines(self, lines: bytes) -> None:
        """Write whole lines."""
        if not lines or self.closed:
            return
        with self._lock:
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
        self.closed = True
        if error is not None and error.errno not in (errno.EPIPE, errno.ECONNRESET, errno.EBADF):
            self.error = error
        if self._lost is not None:
            self._lost()

    def _masked(self, message: Message) -> Message:
        if isinstance(message, Log):
            return replace(
                message, message=self.mask(message.message), stack_trace=self._text(message.stack_trace)
            )
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
