"""Ending a connector in good order: on SIGTERM, on SIGINT, and when nobody reads its output any more.

All three raise :class:`~headwater.errors.Stopped` in the main thread, wherever it is: in a request, in a
wait, in the author's code. Not while a message is written, and not in the SDK's own bookkeeping: there it
waits for the next safe place. Nor once the source has begun to say its last words. A thread beside the main one
sees the signals and the output as well, since the main one may be unable to.
"""

from __future__ import annotations

import contextlib
import os
import select
import signal
import threading
import time
from collections.abc import Callable
from types import FrameType, GeneratorType, TracebackType
from typing import Any

from headwater.errors import Stopped

GRACE = 6.0
"""Seconds from the request to stop until the process ends whatever it does; a line may then be cut."""
CLOSED = 128 + signal.SIGPIPE
"""The exit code when nobody reads the output, as of a program that SIGPIPE ended."""

_SIGNALS = (signal.SIGTERM, signal.SIGINT)
# Interrupts a system call of the main thread and is ignored by every other program; Go's runtime uses it so.
_NUDGE = signal.SIGURG
_NUDGE_SECONDS = 0.1
# An author's code that took a Stopped for an error is asked again after this time: it may clean up first.
_AGAIN_SECONDS = 2.0
# A terminal and a wrapper (uv run, npm) both pass one Ctrl-C on: that is not yet a second one.
_ONE_SIGNAL_SECONDS = 0.2
# Between a page that was given and the state that covers it nothing may be torn out of these modules' hands.
_BOOKKEEPING = frozenset(
    f"headwater.{name}"
    for name in (
        "source", "reader", "pool", "rota", "channel", "state", "resume", "places", "packed", "windows",
        "sql.reader", "sql.state", "protocol.messages", "protocol.airbyte",
    )
) | {"logging"}  # fmt: skip
_QUIT, _WAKE = b"\x00", b"\xff"


class Stop:
    """Whether, and with which exit code, the process is to end.

    Used from its main thread, with :meth:`install` and :meth:`uninstall` around the work. In another thread
    there are no signals; a lost reader is still noticed between two messages.

    :ivar code: the exit code; None as long as nobody asked to stop.
    :ivar messages: the iterator that is being read; outside of it nothing is interrupted, as a message that
        it gave must be written.
    :ivar heard: the source was told, and what it says now are its last words: nothing is raised in them.
    :ivar give_up: called before the process is ended whatever it does, with the reason. Must not wait.
    """

    def __init__(self) -> None:
        self.code: int | None = None
        self.messages: GeneratorType[Any, Any, Any] | None = None
        self.heard = False
        self.give_up: Callable[[str], None] = lambda why: None
        self._armed = self._ended = False
        self._held = 0
        self._raised: float | None = None
        self._until = 0.0
        self._first_signal: float | None = None
        self._main = threading.get_ident() if threading.current_thread() is threading.main_thread() else None
        self._handlers: dict[signal.Signals, Any] = {}
        self._old_wakeup = -1
        self._pipe: tuple[int, int] | None = None
        self._thread: threading.Thread | None = None

    def request(self, code: int) -> None:
        """Ask to stop. May be called from any thread, and again."""
        if self.code is None:
            self._until = time.monotonic() + GRACE
            self.code = code
        self._wake(_WAKE)

    def arm(self) -> None:
        """From here on :class:`Stopped` may be raised in the main thread.

        :raises Stopped: if that was asked for already.
        """
        self._armed = True
        if self.code is not None:
            raise Stopped

    def disarm(self) -> None:
        """Raise nothing any more."""
        self._armed = False

    @property
    def told(self) -> bool:
        """Whether :class:`Stopped` was raised, as far as is known not in vain."""
        return self._raised is not None

    def tell(self) -> Stopped:
        """What whoever reads the messages throws into them."""
        self._raised = time.monotonic()
        return Stopped()

    def again(self) -> None:
        """It was raised where nothing can be (a finalizer, a callback of C): raise it once more, soon."""
        if threading.get_ident() == self._main:  # other threads have their own
            self._raised = None

    # --- while something must not be interrupted ----------------------------------------------------------

    def __enter__(self) -> None:
        if threading.get_ident() == self._main:
            self._held += 1

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if threading.get_ident() == self._main:
            self._held -= 1

    def _interrupt(self, frame: FrameType | None) -> None:
        """Raise in the main thread, if it is in a place for that. The watching thread asks again."""
        if self.code is None or not self._armed or self._held or self.heard:
            return
        if self.messages is not None and not self.messages.gi_running:
            return
        if frame is not None and frame.f_globals.get("__name__") in _BOOKKEEPING:
            return
        now = time.monotonic()
        if self._raised is None or now - self._raised > _AGAIN_SECONDS:
            self._raised = now
            raise Stopped

    def _on_signal(self, number: int, frame: FrameType | None) -> None:
        self.request(128 + number)
        self._interrupt(frame)

    def _on_nudge(self, number: int, frame: FrameType | None) -> None:
        self._interrupt(frame)

    # --- the watching thread ------------------------------------------------------------------------------

    def install(self, output: int, lost: Callable[[], None]) -> None:
        """Listen to signals, and watch the output.

        :param output: the file descriptor of the output.
        :param lost: called when nobody reads it any more.
        """
        reader, writer = os.pipe()
        os.set_blocking(reader, False)
        os.set_blocking(writer, False)
        self._pipe = reader, writer
        if self._main is not None:
            self._old_wakeup = signal.set_wakeup_fd(writer, warn_on_full_buffer=False)
            for number in _SIGNALS:
                self._handlers[number] = signal.signal(number, self._on_signal)
            self._handlers[_NUDGE] = signal.signal(_NUDGE, self._on_nudge)
        self._thread = threading.Thread(
            target=self._watch, args=(reader, output, lost), name="headwater-stop", daemon=True
        )
        self._thread.start()

    def uninstall(self) -> None:
        """Leave signals as they were."""
        self._ended = True
        if self._main is not None:
            for number, handler in self._handlers.items():
                signal.signal(number, handler if handler is not None else signal.SIG_DFL)
            signal.set_wakeup_fd(self._old_wakeup)
        self._wake(_QUIT)
        if self._thread is not None:
            self._thread.join(GRACE)
            if self._thread.is_alive():  # it looks at the pipe yet
                return
        pipe, self._pipe = self._pipe, None
        for fd in pipe or ():
            os.close(fd)

    def forget(self) -> None:
        """In a forked child: signals mean what they mean to any process; the parent hears none of them."""
        self._armed = False
        signal.set_wakeup_fd(-1)
        for number in (*_SIGNALS, _NUDGE):
            if signal.getsignal(number) in (self._on_signal, self._on_nudge):
                signal.signal(number, signal.SIG_DFL)

    def _wake(self, what: bytes) -> None:
        if self._pipe is not None:
            with contextlib.suppress(OSError):  # full: it is awake
                os.write(self._pipe[1], what)

    def _watch(self, reader: int, output: int, lost: Callable[[], None]) -> None:
        poll = select.poll()
        poll.register(reader, select.POLLIN)
        poll.register(output, 0)  # errors are always reported
        nudged = 0.0
        while True:
            for fd, _ in poll.poll(None if self.code is None else _NUDGE_SECONDS * 1000):
                if fd == output:
                    poll.unregister(output)
                    lost()
                elif self._heard(os.read(reader, 512)):
                    return
            if self.code is None or self._ended:
                continue
            now = time.monotonic()
            if now > self._until and self._main is not None:
                self._exit(self.code, "The connector's code did not end in time after it was asked to; it was ended.")
            if now - nudged >= _NUDGE_SECONDS and self._main is not None:
                nudged = now
                signal.pthread_kill(self._main, _NUDGE)

    def _heard(self, numbers: bytes) -> bool:
        """Signals as they arrive, also those that the main thread is too busy to hear; True: quit."""
        now = time.monotonic()
        for number in numbers:
            if number not in _SIGNALS:
                continue
            if self._first_signal is None:
                self._first_signal = now
                self.request(128 + number)
            elif now - self._first_signal > _ONE_SIGNAL_SECONDS and not self._ended:
                self._exit(128 + number, "The connector was ended by a second signal.")
        return _QUIT[0] in numbers

    def _exit(self, code: int, why: str) -> None:
        self.give_up(why)
        os._exit(code)
