"""Named pipes in a folder that a container has too: what it writes comes from them as from a process of this machine.

What comes through the engine instead is buffered on the way, so that a container runs ahead of a slow reader, and is
lost where the reader does not take it within two seconds of the container's end.
"""

from __future__ import annotations

import os
from pathlib import Path

REDIRECTED = 'exec "$@" >"$0.out" 2>"$0.err"'
"""What a shell in the container does with the path of the pipes and a command."""


class NamedPipes:
    """For one run. Each is held open for writing until the run has ended, so that its end does not come before.

    :param path: of both, without ``.out`` and ``.err``.
    :ivar stdout: a descriptor to read from.
    :ivar stderr: another one.
    """

    def __init__(self, path: Path) -> None:
        self._paths = [path.with_name(f"{path.name}.{end}") for end in ("out", "err")]
        for one in self._paths:
            os.mkfifo(one)
            one.chmod(0o666)  # the container's user may be anybody
        self.stdout, self.stderr = (os.open(one, os.O_RDONLY | os.O_NONBLOCK) for one in self._paths)
        self._held = [os.open(one, os.O_WRONLY) for one in self._paths]
        self._reading = {self.stdout, self.stderr}

    def let_go(self) -> None:
        """The run has ended: when nobody else has them open for writing, that is their end."""
        while self._held:
            os.close(self._held.pop())

    def close_reader(self, fd: int) -> None:
        """Nobody reads from it any more."""
        if fd in self._reading:
            self._reading.remove(fd)
            os.close(fd)

    def close(self) -> None:
        """They go."""
        self.let_go()
        for fd in list(self._reading):
            self.close_reader(fd)
        for one in self._paths:
            one.unlink(missing_ok=True)
