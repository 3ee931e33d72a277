"""File descriptors, and pipes, as the operating system has them."""

from __future__ import annotations

import contextlib
import fcntl
import struct
import termios

_BYTES = 1024 * 1024


def duplicate(fd: int) -> int:
    """A private copy of a file descriptor, out of the way of 0, 1 and 2 and not for children."""
    return fcntl.fcntl(fd, fcntl.F_DUPFD_CLOEXEC, 10)


def waiting(fd: int) -> int:
    """The bytes in a pipe."""
    found: int = struct.unpack("i", fcntl.ioctl(fd, termios.FIONREAD, bytes(4)))[0]
    return found


def widen(fd: int) -> bool:
    """Make a pipe hold a mebibyte; False where that can't be.

    Writer and reader take turns less often, and who fills it in one go with the interpreter's lock held (a C
    extension) does not wait for a reader that waits for the lock.
    """
    with contextlib.suppress(OSError, AttributeError):
        return fcntl.fcntl(fd, fcntl.F_SETPIPE_SZ, _BYTES) >= _BYTES
    return False
