"""File descriptors, and pipes, as the operating system has them."""

from __future__ import annotations

import contextlib
import fcntl
import struct
import termios
from collections.abc import Callable
from typing import Any

_BYTES = 1024 * 1024


def duplicate(fd: int) -> int:
    """A private copy of a file descriptor, out of the way of 0, 1 and 2 and not for children."""
    return fcntl.fcntl(fd, fcntl.F_DUPFD_CLOEXEC, 10)


def waiting(fd: int) -> int:
    """The bytes in a pipe."""
    found: int = struct.unpack("i", fcntl.ioctl(fd, termios.FIONREAD, bytes(4)))[0]
    return found


def widen(fd: int) -> None:
    """Make a pipe larger, where that can be done: who fills it in one go with the interpreter's lock held
    (a C extension) would wait for a reader that waits for the lock."""
    size: Callable[..., Any] | None = getattr(fcntl, "F_SETPIPE_SZ", None) and fcntl.fcntl
    if size is not None:
        with contextlib.suppress(OSError):
            size(fd, fcntl.F_SETPIPE_SZ, _BYTES)
