"""What is printed or logged in a connector's process becomes LOG messages, whoever does it: the author,
a library, a C extension, a child process, a thread that dies.

Standard output and standard error are pipes into this process for as long as the connector works; Python's
``logging`` has one handler, which writes messages.
"""

from __future__ import annotations

import contextlib
import logging
import os
import select
import sys
import threading
import traceback
from collections.abc import Callable
from typing import Any

from headwater.errors import ForeignError, Stopped
from headwater.process.pipes import duplicate, waiting, widen
from headwater.process.wire import Wire
from headwater.protocol.airbyte import decode
from headwater.protocol.messages import Level, Log

log = logging.getLogger("headwater")

# A line without an end (a progress bar, a binary dump) is cut after so many characters.
_LONGEST_LINE = 256 * 1024
_FROM_CHILD = b'{"type":"LOG"'


class LogHandler(logging.Handler):
    """Python's log records as LOG messages."""

    def __init__(self, wire: Wire) -> None:
        super().__init__()
        self._wire = wire

    def emit(self, record: logging.LogRecord) -> None:
        """Write one; a record with a broken format is shown as it is."""
        try:
            message = record.getMessage()
        except Exception:  # noqa: BLE001 - the author's objects may raise anything when they are shown
            message = f"{record.msg!r} (arguments that do not fit: {_shown(record.args)})"
        stack = record.stack_info or ""
        if record.exc_info and record.exc_info[1] is not None:
            stack = "".join(traceback.format_exception(*record.exc_info)) + stack
        self._wire.write(Log(level_of(record.levelno), message, stack or None))


def level_of(number: int) -> Level:
    """The protocol's level for one of Python's."""
    if number >= logging.CRITICAL:
        return Level.FATAL
    if number >= logging.ERROR:
        return Level.ERROR
    if number >= logging.WARNING:
        return Level.WARN
    return Level.INFO if number >= logging.INFO else Level.DEBUG


def _shown(value: Any) -> str:
    try:
        return repr(value)
    except Exception:  # noqa: BLE001 - see above
        return f"a {type(value).__name__}"


class LoggingCapture:
    """While it is entered, all of Python's logging, warnings and uncaught exceptions go to the wire.

    Handlers of other loggers that write to the standard streams are taken out meanwhile: what they print
    would come a second time.

    :param wire: where they go.
    :param level: the least level that is told.
    :param lost: called when Stopped was raised where nothing can be.
    """

    def __init__(self, wire: Wire, level: int, lost: Callable[[], None] = lambda: None) -> None:
        self._handler = LogHandler(wire)
        self._level = level
        self._lost = lost
        self._undo = contextlib.ExitStack()

    def __enter__(self) -> None:
        root = logging.getLogger()
        self._undo.callback(root.setLevel, root.level)
        self._undo.callback(setattr, root, "handlers", root.handlers)
        root.handlers = [self._handler]
        root.setLevel(self._level)
        for logger in list(logging.root.manager.loggerDict.values()):
            if isinstance(logger, logging.Logger):
                self._take_over(logger)
        logging.captureWarnings(True)
        self._undo.callback(logging.captureWarnings, False)
        for module, name, hook in (
            (threading, "excepthook", _thread_failed),
            (sys, "unraisablehook", self._unraisable),
        ):
            self._undo.callback(setattr, module, name, getattr(module, name))
            setattr(module, name, hook)

    def __exit__(self, *_: object) -> None:
        self._undo.close()

    def _take_over(self, logger: logging.Logger) -> None:
        printing = [handler for handler in logger.handlers if _prints(handler)]
        if not printing:
            return
        self._undo.callback(setattr, logger, "handlers", logger.handlers)
        others = [handler for handler in logger.handlers if handler not in printing]
        logger.handlers = others if logger.propagate else [*others, self._handler]

    def _unraisable(self, failed: Any) -> None:
        if isinstance(failed.exc_value, Stopped):
            self._lost()
        elif failed.exc_value is not None:
            what = failed.err_msg or "An exception could not be raised"
            log.warning("%s: %s", what, _shown(failed.object), exc_info=failed.exc_value)


def _prints(handler: logging.Handler) -> bool:
    if not isinstance(handler, logging.StreamHandler):
        return False
    try:
        return handler.stream.fileno() in (1, 2)
    except (OSError, ValueError, AttributeError):  # somebody's own
        return False


def _thread_failed(failed: threading.ExceptHookArgs) -> None:
    if failed.exc_type is SystemExit or failed.exc_value is None:
        return
    name = failed.thread.name if failed.thread else "?"
    log.error("A thread of the connector failed: %s.", name, exc_info=failed.exc_value)


class OutputCapture:
    """While it is started, file descriptors 1 and 2 are pipes whose lines become LOG messages: INFO for
    standard output, WARN for standard error.

    :param wire: where they go.
    """

    def __init__(self, wire: Wire) -> None:
        self._wire = wire
        self._levels = {1: Level.INFO, 2: Level.WARN}
        self._kept: dict[int, int] = {}
        self._undo = contextlib.ExitStack()
        self._control = -1
        self._ending = False
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        """Take the descriptors."""
        sources: dict[int, Level] = {}
        for fd, level in self._levels.items():
            self._kept[fd] = duplicate(fd)
            reader, writer = os.pipe()
            widen(writer)
            # what is still in Python's buffers from the imports comes through the pipe as well
            os.dup2(writer, fd)
            os.close(writer)
            sources[reader] = level
        for name, fd in (("stdout", 1), ("stderr", 2)):
            self._replace(name, fd)
        ended, self._control = os.pipe()
        self._thread = threading.Thread(target=self._pump, args=(sources, ended), name="headwater-output", daemon=True)
        self._thread.start()

    def _replace(self, name: str, fd: int) -> None:
        """Python's stream of this descriptor, by one that writes each line at once and any text."""
        old = getattr(sys, name)
        with contextlib.suppress(OSError, ValueError, AttributeError):
            if old is not None and old.fileno() != fd:  # somebody's own, such as a test's
                return
        with contextlib.suppress(OSError, ValueError, AttributeError):
            old.reconfigure(line_buffering=True)  # somebody may have kept it; what is in it comes out as well
        new = open(fd, "w", buffering=1, encoding="utf-8", errors="backslashreplace", closefd=False)  # noqa: SIM115
        for place in (name, f"__{name}__"):
            self._undo.callback(setattr, sys, place, getattr(sys, place))
            setattr(sys, place, new)

    def stop(self, *, restore: bool, seconds: float | None = None) -> None:
        """Write what is left, and give the descriptors back.

        :param restore: False: to nobody, since the process ends and what comes now has nowhere to go.
        :param seconds: for what is left; None: as long as the reader takes.
        """
        _flush()
        nowhere = os.open(os.devnull, os.O_WRONLY)
        for fd, kept in self._kept.items():
            os.dup2(kept if restore else nowhere, fd)
        os.close(nowhere)
        os.close(self._control)
        self._ending = True
        if self._thread is not None:
            self._thread.join(seconds)
        self._undo.close()
        for kept in self._kept.values():
            os.close(kept)

    def finish(self) -> None:
        """Where it is being stopped, wait until what is left is written."""
        if self._ending and self._thread is not None:
            self._thread.join()

    def _pump(self, sources: dict[int, Level], ended: int) -> None:
        lines = {fd: _Lines(level, self._wire) for fd, level in sources.items()}
        poll = select.poll()
        for fd in (*sources, ended):
            poll.register(fd, select.POLLIN)
        while ended not in (ready := [fd for fd, _ in poll.poll()]):
            for fd in ready:
                data = os.read(fd, 65536)
                if data:
                    lines[fd].feed(data)
                else:
                    poll.unregister(fd)
        for fd, rest in lines.items():
            left = waiting(fd)  # by now: a child that lives on may print for ever
            while left > 0 and (data := os.read(fd, min(left, 65536))):
                rest.feed(data)
                left -= len(data)
            rest.end()
        for fd in (*sources, ended):
            os.close(fd)


class _Lines:
    """Cuts one descriptor's bytes into lines."""

    def __init__(self, level: Level, wire: Wire) -> None:
        self._level = level
        self._wire = wire
        self._rest = b""

    def feed(self, data: bytes) -> None:
        *lines, self._rest = (self._rest + data).split(b"\n")
        for line in lines:
            self._write(line)
        if len(self._rest) > _LONGEST_LINE:
            # masked before it is cut, and the end kept back: a secret may lie across the cut
            text = self._wire.mask(_text(self._rest))
            cut = len(text) - self._wire.mask.longest
            self._wire.write(Log(self._level, text[:cut]))
            self._rest = text[cut:].encode("utf-8", "replace")

    def end(self) -> None:
        self._write(self._rest)

    def _write(self, line: bytes) -> None:
        line = line.rstrip(b"\r")
        if not line:
            return
        if line.startswith(_FROM_CHILD):
            with contextlib.suppress(ForeignError):
                message = decode(line)
                if isinstance(message, Log):
                    self._wire.write(message)
                    return
        self._wire.write(Log(self._level, _text(line)))


def _text(line: bytes) -> str:
    return line.decode("utf-8", "backslashreplace")


def _flush() -> None:
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(OSError, ValueError, AttributeError):
            stream.flush()
    if "ctypes" in sys.modules:  # C's own buffers
        with contextlib.suppress(OSError, AttributeError):
            sys.modules["ctypes"].CDLL(None).fflush(None)
