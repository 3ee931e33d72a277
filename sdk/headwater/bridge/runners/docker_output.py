"""Two ways for a container's output to come to us.

Named pipes in a mounted folder keep the engine out of the data's way; being attached goes through it, at half the
speed, and works with an image that has no shell. Either holds the container up while we do not read.
"""

from __future__ import annotations

import contextlib
import os
import socket
import struct
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Protocol, cast

from headwater.process.pipes import widen

if TYPE_CHECKING:
    from docker.models.containers import Container

_REDIRECT = 'exec "$@" >"$0/stdout" 2>"$0/stderr"'
_FRAME = struct.Struct(">BxxxL")
_READ = 2**18


class Output(Protocol):
    """Where a container's standard output and standard error can be read.

    :ivar stdout: a file descriptor to read from, the reader's to close; likewise ``stderr``.
    """

    stdout: int
    stderr: int

    def command(self, program: Sequence[str]) -> list[str]:
        """The container's command for a program and its arguments."""

    def attach(self, container: Container) -> None:
        """Called before the container starts."""

    def ended(self) -> None:
        """The container has ended: what it wrote is the last."""

    def flows(self) -> bool:
        """Whether something may still come into the pipes after the container has ended."""

    def close(self) -> None:
        """Called once, when the container is gone or never started."""


class NamedPipes:
    """Named pipes in a folder which the container sees as ``target``.

    We hold the writing ends open as well until the container has ended. Otherwise a container that dies before it
    opens them could not be told from one that has not yet done so.
    """

    def __init__(self, folder: Path, target: str) -> None:
        self._target = target
        self._held: list[int] = []
        fds = []
        for name in ("stdout", "stderr"):
            os.mkfifo(folder / name)
            # whatever user the container runs as; the folder around is private
            os.chmod(folder / name, 0o666)  # noqa: S103
            reader = os.open(folder / name, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
            self._held.append(os.open(folder / name, os.O_WRONLY | os.O_CLOEXEC))
            os.set_blocking(reader, True)
            fds.append(reader)
        self.stdout, self.stderr = fds

    def command(self, program: Sequence[str]) -> list[str]:
        return ["/bin/sh", "-c", _REDIRECT, self._target, *program]

    def attach(self, container: Container) -> None:
        """Nothing: they are open."""

    def ended(self) -> None:
        while self._held:
            os.close(self._held.pop())

    def flows(self) -> bool:
        return False

    def close(self) -> None:
        self.ended()


class Attached:
    """The engine's stream of both outputs, taken apart into two pipes by a thread."""

    def __init__(self) -> None:
        self.stdout, out = os.pipe()
        self.stderr, err = os.pipe()
        self._writers = {1: out, 2: err}
        widen(out)
        self._socket: socket.socket | None = None
        self._thread = threading.Thread(target=self._copy, name="headwater-attached", daemon=True)

    def command(self, program: Sequence[str]) -> list[str]:
        return list(program)

    def attach(self, container: Container) -> None:
        # attached before it starts, or its first lines are lost
        stream = container.attach_socket(params={"stdout": 1, "stderr": 1, "stream": 1})
        self._stream = stream  # keeps the connection open
        self._socket = cast("socket.socket", getattr(stream, "_sock", stream))  # beneath docker-py's reader
        self._socket.settimeout(None)  # a quiet connector is none that is gone
        self._thread.start()

    def ended(self) -> None:
        """Nothing: the engine closes the stream after the last byte."""

    def flows(self) -> bool:
        return self._thread.is_alive()

    def close(self) -> None:
        if self._socket is None:
            for fd in self._writers.values():
                os.close(fd)
            return
        with contextlib.suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)
        self._thread.join()
        with contextlib.suppress(OSError):
            self._stream.close()

    def _copy(self) -> None:
        """Until the end of the stream. What nobody reads any more is thrown away: a container whose stream is not
        drained can't be stopped."""
        assert self._socket is not None
        rest, into = 0, 1
        data = b""
        gone: set[int] = set()
        try:
            while chunk := self._socket.recv(_READ):
                data = data + chunk if data else chunk
                at = 0
                while at < len(data):
                    if not rest:
                        if len(data) - at < _FRAME.size:
                            break
                        into, rest = _FRAME.unpack_from(data, at)
                        at += _FRAME.size
                    part = memoryview(data)[at : at + rest]
                    if into not in gone and not _write(self._writers.get(into, -1), part):
                        gone.add(into)
                    at += len(part)
                    rest -= len(part)
                data = data[at:]
        except OSError:  # the stream's end, cut off: how the container ended tells the rest
            pass
        finally:
            for fd in self._writers.values():
                os.close(fd)


def _write(fd: int, data: memoryview) -> bool:
    """Write all of it; False when nobody reads."""
    try:
        while data:
            data = data[os.write(fd, data) :]
    except OSError:
        return False
    return True
