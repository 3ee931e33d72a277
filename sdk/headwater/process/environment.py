"""The process around a command: its output, its logs, its signals."""

from __future__ import annotations

import atexit
import contextlib
import faulthandler
import logging
import os
import signal
import sys
import threading
import time

from headwater.process.capture import LoggingCapture, OutputCapture
from headwater.process.masking import Mask
from headwater.process.pipes import duplicate
from headwater.process.stop import CLOSED, Stop
from headwater.process.wire import Wire
from headwater.protocol.messages import Level, Log

_LINGER = 3.0
"""Seconds that threads left over by the author's code may take to end after the command is done."""
_FAREWELL = 2.0
"""Seconds in which what was printed is written when the command was told to stop; else its reader has all the time."""


class Environment:
    """Output, logs and signals of one command.

    While it is open, nothing but messages reaches standard output, and nothing reaches standard error.

    :param closed: standard output was closed before we began.
    """

    def __init__(self, *, closed: bool) -> None:
        self.stop = Stop()
        self.mask = Mask()
        self.wire = Wire(duplicate(1), self.mask, self.stop, lambda: self.stop.request(CLOSED))
        self.stop.give_up = self._give_up
        self._stderr = duplicate(2)
        self._output = OutputCapture(self.wire)
        self._logging: LoggingCapture | None = None
        self._faults = False
        if closed:
            self.wire.close()

    def open(self, level: int) -> None:
        """Take over the process.

        :param level: the least level of Python's logging that is told.
        """
        self.stop.install(self.wire.fd, self.wire.close)
        self._output.start()
        self._logging = LoggingCapture(self.wire, level, self.stop.again)
        self._logging.__enter__()
        if not faulthandler.is_enabled():  # what kills the interpreter can't be told on the wire any more
            self._faults = True
            faulthandler.enable(self._stderr)
        _open.append(self)

    def close(self, *, restore: bool) -> None:
        """Write what is left and give the process back.

        :param restore: False: the process ends; what is printed from now on goes nowhere.
        """
        with contextlib.suppress(ValueError):
            _open.remove(self)
        self._output.stop(restore=restore, seconds=_FAREWELL if self.stop.code is not None else None)
        if self._logging is not None:
            self._logging.__exit__()
        if self._faults:
            faulthandler.disable()
        if self.wire.error is not None:
            self.say(f"Standard output can't be written: {self.wire.error.strerror}.\n")
        for fd in (self.wire.fd, self._stderr):
            os.close(fd)

    def say(self, text: str) -> None:
        """Text for a person at a terminal, on the true standard error."""
        with contextlib.suppress(OSError):
            os.write(self._stderr, self.mask(text).encode("utf-8", "replace"))

    def close_at_exit(self) -> None:
        """Keep the process until its end, so that what is printed by then is no message either."""
        atexit.register(self.close, restore=False)

    def end(self, code: int) -> None:
        """The command is done: signals end the process at once, and it ends even if a thread of the author's
        code does not."""
        if threading.current_thread() is threading.main_thread():
            signal.signal(signal.SIGINT, signal.SIG_DFL)

        def wait() -> None:
            threading.main_thread().join()
            time.sleep(_LINGER)
            if not any(thread.is_alive() and not thread.daemon for thread in threading.enumerate()):
                self._output.finish()
                time.sleep(_LINGER)
            names = ", ".join(thread.name for thread in threading.enumerate() if not thread.daemon)
            text = f"The connector's code does not end; its process was ended. Still running: {names or '?'}."
            self.wire.write_if_free(Log(Level.WARN, text))
            os._exit(code)

        threading.Thread(target=wait, name="headwater-exit", daemon=True).start()

    def _give_up(self, why: str) -> None:
        for status in self.wire.unfinished():
            self.wire.write_if_free(status)
        self.wire.write_if_free(Log(Level.ERROR, why))


_open: list[Environment] = []


def _forked() -> None:
    """A child that was forked (multiprocessing) has copies of everything. What it logs becomes LOG messages
    of its parent, by way of the parent's standard output; signals are its own."""
    for environment in _open:
        environment.stop.forget()
        environment.wire.unlock()
        os.dup2(1, environment.wire.fd, inheritable=False)


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forked)


def open_missing() -> bool:
    """Fill the holes that a closed standard input, output or error leaves, before a file or a pipe gets one
    of their numbers by chance; whether standard output was such a hole."""
    missing = []
    for fd in range(3):
        try:
            os.fstat(fd)
        except OSError:
            missing.append(fd)
            opened = os.open(os.devnull, os.O_RDWR)
            if opened != fd:
                os.dup2(opened, fd)
                os.close(opened)
            os.set_inheritable(fd, True)
    return 1 in missing


def log_level(*, debug: bool) -> int:
    """INFO; DEBUG when it is asked for, on the command line or by the platform (``LOG_LEVEL``)."""
    wanted = os.environ.get("LOG_LEVEL", "").upper()
    return logging.DEBUG if debug or wanted in ("DEBUG", "TRACE") else logging.INFO


def silence() -> None:
    """Standard output is gone: Python must not complain about it when it ends."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 1)
    os.close(nowhere)
    with contextlib.suppress(OSError, ValueError, AttributeError):
        sys.stdout.flush()
