"""Starts a connector's process and records it: bytes and times, memory, its end and what it left behind."""

from __future__ import annotations

import contextlib
import fcntl
import os
import select
import signal
import subprocess
import time
import uuid
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Literal

from headwater.acceptance import processes
from headwater.acceptance.named_pipes import NamedPipes
from headwater.acceptance.recording import Recording, Sample

Deed = Literal["kill", "term", "int", "close", "pause"]

_SIGNALS = {"kill": signal.SIGKILL, "term": signal.SIGTERM, "int": signal.SIGINT}
_CHUNK = 1 << 18
_TICK = 0.05
_SETPIPE_SZ = 1031
_LINGER = 3.0
"""Seconds that a grandchild may keep the output open after the connector's end."""
PAGE = 4096
"""Bytes of a tight pipe."""
SLOW = 1024
"""Bytes that a slow reader takes in a second."""
MARK = "HEADWATER_ACCEPTANCE_RUN"
"""A variable in the environment of every process that the suite starts, by which it finds what is left of them."""


@dataclass(frozen=True)
class Act:
    """Something that is done to a running connector when so many bytes of its output have been read.

    :ivar deed: ``kill``, ``term`` and ``int`` send a signal; ``close`` closes its output; ``pause`` reads nothing
        for ``seconds``.
    :ivar slow: seconds after that in which :data:`SLOW` bytes a second are read.
    """

    deed: Deed
    after: int
    seconds: float = 0.0
    slow: float = 0.0


@dataclass(frozen=True)
class How:
    """How a process is run.

    :ivar environment: changes; None removes a variable.
    :ivar act: what is done to it on the way.
    :ivar tight: its output is a pipe of one page, so that it can't run ahead of what is read.
    :ivar trigger: asked at every turn; when it says True, the act is due, however much was read.
    :ivar stopped: asked at every turn; when it says True, the process is killed.
    """

    timeout: float = 300.0
    environment: Mapping[str, str | None] | None = None
    cwd: Path | None = None
    act: Act | None = None
    tight: bool = False
    trigger: Callable[[], bool] | None = None
    stopped: Callable[[], bool] = lambda: False


def hear_signals() -> None:
    """Let the processes that are started hear SIGINT, though this one ignores it: a shell starts what runs in the
    background so, and an ignored signal is inherited. A handler that does nothing is not."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        with contextlib.suppress(ValueError):  # not in the main thread
            signal.signal(signal.SIGINT, lambda number, frame: None)


class Stopped(Exception):
    """The suite is being ended, and this run with it."""


def execute(
    command: Sequence[str],
    recording: Recording,
    how: How,
    send: Callable[[str], None] | None = None,
    pipes: NamedPipes | None = None,
) -> Recording:
    """Run a process to its end and record it.

    :param send: what sends it a signal (KILL, TERM, INT) where one to the process would not do (a container).
    :param pipes: where it writes, if not to its standard output and error.
    :raises OSError: it can't be started.
    :raises Stopped: ``how`` says so.
    """
    mark = uuid.uuid4().hex
    changes = dict(how.environment or {})
    environment = {**os.environ, **changes, MARK: mark}
    recording.changed, recording.cwd = changes, how.cwd
    recording.began = time.monotonic()
    with recording.stdout.open("wb") as out, recording.stderr.open("wb") as err:
        process = subprocess.Popen(  # noqa: S603 - the command that the suite was given
            list(command),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env={name: value for name, value in environment.items() if value is not None},
            cwd=how.cwd,
            start_new_session=True,
        )
        try:
            _Reading(process, recording, how, out, err, send, pipes).run()
        finally:
            if send is not None and process.returncode is None and not _ended(process.pid):
                send("KILL")
            recording.orphans = processes.end_all(MARK, mark, but=process.pid)
            _reap(process, recording)
            for pipe in (process.stdout, process.stderr):
                if pipe is not None:
                    pipe.close()
    recording.done()
    return recording


def _reap(process: subprocess.Popen[bytes], recording: Recording) -> None:
    """Its exit code and what it used; killed if it still runs."""
    if process.returncode is not None:
        return
    with contextlib.suppress(ProcessLookupError):
        if not _ended(process.pid):
            os.killpg(process.pid, signal.SIGKILL)
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    recording.code = process.returncode
    recording.cpu = usage.ru_utime + usage.ru_stime
    recording.seconds = recording.seconds or time.monotonic() - recording.began


def _ended(pid: int) -> bool:
    return os.waitid(os.P_PID, pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None


class _Reading:
    """The loop that reads both outputs, looks at the clock and acts."""

    def __init__(
        self,
        process: subprocess.Popen[bytes],
        recording: Recording,
        how: How,
        out: IO[bytes],
        err: IO[bytes],
        send: Callable[[str], None] | None,
        pipes: NamedPipes | None,
    ) -> None:
        assert process.stdout is not None and process.stderr is not None
        self.process, self.recording, self.how, self.began = process, recording, how, recording.began
        self.stdout, self.pipes = process.stdout.fileno(), pipes
        self.files = {self.stdout: out, process.stderr.fileno(): err}
        if pipes is not None:  # what the engine itself says is none of the connector's output
            self.files = {pipes.stdout: out, pipes.stderr: err, self.stdout: err, process.stderr.fileno(): err}
            self.stdout = pipes.stdout
        self.open = set(self.files)
        self.send = send
        self.resume = 0.0
        self.slow_until = 0.0
        self.ended: float | None = None
        self.sampled = 0.0
        self.until = self.began + how.timeout
        if how.tight:
            with contextlib.suppress(OSError):
                fcntl.fcntl(self.stdout, _SETPIPE_SZ, PAGE)
        if how.act is not None and how.act.after <= 0 and how.trigger is None:
            self._act()

    def run(self) -> None:
        poll = select.poll()
        end = processes.end_of(self.process.pid)
        if end is not None:
            poll.register(end, select.POLLIN)
        try:
            while self._turn(poll, end):
                pass
        finally:
            if end is not None:
                os.close(end)

    def _turn(self, poll: select.poll, end: int | None) -> bool:
        if self.how.stopped():
            raise Stopped("the suite was ended.")
        now = time.monotonic()
        for fd in self.files:
            wanted = fd in self.open and not (fd == self.stdout and now < self.resume)
            with contextlib.suppress(KeyError):
                poll.register(fd, select.POLLIN) if wanted else poll.unregister(fd)
        for fd, _ in poll.poll(_TICK * 1000):
            if fd == end or fd not in self.files:
                poll.unregister(fd)
            else:
                self._read(fd)
        now = time.monotonic()
        if self.ended is None and _ended(self.process.pid):
            self.ended = now
            if self.pipes is not None:
                self.pipes.let_go()
            self.recording.seconds = now - self.began
        if self.how.trigger is not None and self.recording.acted is None and self.how.trigger():
            self._act()
        self._sample(now)
        if now > self.until and self.ended is None:
            self._signal("kill", again=self.recording.timed_out)
            self.recording.timed_out = True
            self.until = now + 30
        if self.ended is not None and now >= self.resume:
            if not self.open:
                return False
            if now - self.ended > _LINGER:
                self.recording.left_open = True
                return False
        return True

    def _read(self, fd: int) -> None:
        size = self._most() if fd == self.stdout else _CHUNK
        data = os.read(fd, size)
        if not data:
            self.open.discard(fd)
            return
        self.files[fd].write(data)
        if fd != self.stdout:
            return
        self.recording.last = now = time.monotonic() - self.began
        self.recording.took(data, now)
        if time.monotonic() < self.slow_until:
            self.resume = min(time.monotonic() + len(data) / SLOW, self.slow_until)
        act = self.how.act
        due = act is not None and self.recording.acted is None and self.how.trigger is None
        if due and act is not None and self.recording.size >= act.after:
            self._act()

    def _most(self) -> int:
        """How many bytes may be read at once: exactly up to the place where something is to be done."""
        act = self.how.act
        if act is not None and self.recording.acted is None and self.how.trigger is None:
            return max(1, min(_CHUNK, act.after - self.recording.size))
        return SLOW // 4 if time.monotonic() < self.slow_until else _CHUNK

    def _act(self) -> None:
        act = self.how.act
        assert act is not None
        if self.ended is not None or _ended(self.process.pid):
            return
        self.recording.acted = time.monotonic() - self.began
        self.recording.events.append((self.recording.acted, f"{act.deed} after {self.recording.size} bytes"))
        if act.deed == "pause":
            self.resume = time.monotonic() + act.seconds
            self.slow_until = self.resume + act.slow
        elif act.deed == "close":
            self.open.discard(self.stdout)
            self.files.pop(self.stdout)
            if self.pipes is not None:
                self.pipes.close_reader(self.stdout)
            elif self.process.stdout is not None:
                self.process.stdout.close()
        else:
            self._signal(act.deed)

    def _signal(self, deed: str, again: bool = False) -> None:
        if self.send is not None:
            self.send(deed.upper())
            if self.pipes is not None and not again:
                return  # the process ends when the container has
        with contextlib.suppress(ProcessLookupError):
            if deed == "kill":
                os.killpg(self.process.pid, signal.SIGKILL)
            elif self.send is None:
                os.kill(self.process.pid, _SIGNALS[deed])

    def _sample(self, now: float) -> None:
        if self.ended is not None or now - self.sampled < _TICK:
            return
        self.sampled = now
        resident, peak, data = processes.memory(self.process.pid)
        # not what wait4 tells: a child's begins with the size of its parent
        self.recording.peak = max(self.recording.peak, peak)
        self.recording.data = max(self.recording.data, data)
        if resident:
            self.recording.samples.append(Sample(now - self.began, self.recording.size, resident))
