"""One recorded run of a connector: the bytes that it wrote, kept in files, and when each line came."""

from __future__ import annotations

import json
import mmap
from array import array
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import msgspec

from headwater.bridge.foreign.talk import telling

_MANY = 100_000
"""Lines; of fewer the index stays in memory."""
_SAID = 16_000
"""Bytes at the end of a standard error that are looked at for what it says."""


class Line(NamedTuple):
    """A line of standard output.

    :ivar number: counted from 1, as ``sed -n 12p`` does.
    :ivar time: seconds after the start of the run.
    :ivar raw: its bytes, with the line feed if there is one.
    """

    number: int
    time: float
    raw: bytes


class Sample(NamedTuple):
    """The memory of the connector's processes at a moment.

    :ivar seen: bytes of standard output that had been read by then.
    :ivar resident: bytes.
    """

    time: float
    seen: int
    resident: int


@dataclass
class Recording:
    """What a process wrote and how it ended. Lines stay on disk; only where and when they end is in memory.

    :ivar arguments: the command's arguments, such as ``["read", "--config", ...]``.
    :ivar command: the whole command line.
    :ivar changed: environment variables that were set for it; None: removed.
    :ivar cwd: the folder in which it was started; None: that of the suite.
    :ivar proxied: it was behind the suite's proxy.
    :ivar dropped: what it wrote is not there any more.
    :ivar code: the exit code; minus the signal's number if a signal ended it; None while it runs.
    :ivar timed_out: the suite killed it as it took too long.
    :ivar acted: seconds after the start when the suite did to it what it was told to do; None: it ended sooner.
    :ivar data: bytes that the largest of its processes could write to at most, filled or not.
    :ivar left_open: a process that it had started kept its output open after its end.
    :ivar orphans: command lines of the processes that it left behind.
    :ivar what: what the run was for.
    :ivar began: when it was started, by ``time.monotonic``.
    :ivar events: what was done to it on the way, with the seconds after its start.
    """

    number: int
    arguments: list[str]
    command: list[str]
    folder: Path
    changed: dict[str, str | None] = field(default_factory=dict)
    cwd: Path | None = None
    proxied: bool = False
    dropped: bool = False
    code: int | None = None
    seconds: float = 0.0
    cpu: float = 0.0
    peak: int = 0
    data: int = 0
    timed_out: bool = False
    acted: float | None = None
    left_open: bool = False
    orphans: list[str] = field(default_factory=list)
    samples: list[Sample] = field(default_factory=list)
    size: int = 0
    last: float = 0.0
    what: str = ""
    began: float = 0.0
    events: list[tuple[float, str]] = field(default_factory=list)
    _ends: array[int] = field(default_factory=lambda: array("Q"), repr=False)
    _times: array[float] = field(default_factory=lambda: array("d"), repr=False)
    _mapped: tuple[memoryview[int], memoryview[float]] | None = field(default=None, repr=False)

    @property
    def ends(self) -> Sequence[int]:
        """The places after its whole lines."""
        return self._mapped[0] if self._mapped is not None else self._ends

    @property
    def times(self) -> Sequence[float]:
        """When they came, in seconds after the start."""
        return self._mapped[1] if self._mapped is not None else self._times

    def took(self, data: bytes, now: float) -> None:
        """More of its standard output has come."""
        place = data.find(b"\n")
        while place >= 0:
            self._ends.append(self.size + place + 1)
            self._times.append(now)
            place = data.find(b"\n", place + 1)
        self.size += len(data)

    @property
    def stdout(self) -> Path:
        """The file with its standard output."""
        return self.folder / f"{self.number:04}.stdout"

    @property
    def stderr(self) -> Path:
        """The file with its standard error."""
        return self.folder / f"{self.number:04}.stderr"

    def done(self) -> None:
        """Nothing more comes: of many lines the index goes into a file, too."""
        if len(self._ends) < _MANY:
            return
        with (self.folder / f"{self.number:04}.lines").open("w+b") as file:
            file.write(self._ends.tobytes() + self._times.tobytes())
            file.flush()
            whole = memoryview(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ))
        half = len(whole) // 2
        self._mapped = whole[:half].cast("Q"), whole[half:].cast("d")
        self._ends, self._times = array("Q"), array("d")

    def drop(self) -> None:
        """What it wrote goes; how it ended stays."""
        self.dropped = True
        for path in (self.stdout, self.stderr, self.folder / f"{self.number:04}.lines"):
            path.unlink(missing_ok=True)

    @property
    def closing(self) -> float:
        """Seconds between its last byte and its end."""
        return self.seconds - self.last

    @property
    def cut(self) -> bool:
        """Whether the last line has no line feed."""
        return self.size > 0 and (not self.ends or self.ends[-1] < self.size)

    def lines(self, whole: bool = True) -> Iterator[Line]:
        """Its lines, in order, split at line feeds only.

        :param whole: without a last line that was cut off.
        """
        count, times = len(self.ends), self.times
        with self.stdout.open("rb") as file:
            for number, raw in enumerate(file, 1):
                if number > count:
                    if not whole:
                        yield Line(number, self.last, raw)
                    return
                yield Line(number, times[number - 1], raw)

    def messages(self) -> Iterator[tuple[Line, dict[str, Any]]]:
        """Its messages; lines that are none are left out."""
        for line in self.lines():
            message = decoded(line.raw)
            if message is not None:
                yield line, message

    def of(self, kind: str, key: str) -> Iterator[tuple[Line, dict[str, Any]]]:
        """The content of the messages of a type."""
        for line, message in self.messages():
            if message["type"] == kind and isinstance(message.get(key), dict):
                yield line, message[key]

    def traces(self, key: str) -> Iterator[tuple[Line, dict[str, Any]]]:
        """The content of the traces of a kind: ``error``, ``stream_status``, ``estimate``."""
        for line, trace in self.of("TRACE", "trace"):
            if isinstance(trace.get(key), dict):
                yield line, trace[key]

    def before(self, size: int) -> int:
        """How many whole lines its first ``size`` bytes hold."""
        return bisect_right(self.ends, size)

    def said(self, limit: int = 400) -> str:
        """The end of its standard error, for a person: without the places in its code."""
        with self.stderr.open("rb") as file:
            file.seek(max(0, self.stderr.stat().st_size - _SAID - limit))
            return "\n".join(telling(file.read().decode("utf-8", "backslashreplace")))[-limit:]

    @property
    def ending(self) -> str:
        """How it ended, in words."""
        if self.timed_out:
            return f"was killed by the suite after {self.seconds:.0f} s"
        if self.code is not None and self.code < 0:
            return f"was ended by signal {-self.code}"
        return f"exited with {self.code}"


def decoded(raw: bytes) -> dict[str, Any] | None:
    """A line as a message: a JSON object with a type; None if it is none."""
    try:
        value = msgspec.json.decode(raw)
    except (msgspec.DecodeError, UnicodeDecodeError):
        value = _lenient(raw)
    return value if isinstance(value, dict) and isinstance(value.get("type"), str) else None


def _lenient(raw: bytes) -> Any:
    """What a strict reader refuses and others take: lone surrogates, NaN, numbers out of range."""
    try:
        return json.loads(raw.decode("utf-8", "surrogateescape"))
    except (ValueError, RecursionError):
        return None
