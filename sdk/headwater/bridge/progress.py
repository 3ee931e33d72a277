"""A sync's progress for people: lines that are drawn anew on a terminal, else a line now and then."""

from __future__ import annotations

import logging
import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TextIO

from headwater.bridge.result import StreamResult, SyncResult
from headwater.protocol.messages import Status

LINE_SECONDS = 10.0
_UNITS = ("B", "kB", "MB", "GB", "TB")


class Display:
    """Called with a sync's result so far; writes to a terminal or a log.

    It never raises for what it writes to: once that is closed, it is silent.

    :param log: takes a line when ``out`` is not a terminal; every ten seconds and at the end.
    """

    def __init__(self, out: TextIO, log: Callable[[str], None]) -> None:
        self._out = out
        self._log = log
        self._drawn = 0
        self._logged_at = time.monotonic()
        self._speeds: dict[str, tuple[float, int, float]] = {}
        try:
            self._terminal = out.isatty()
        except ValueError:  # closed
            self._terminal = False

    def __call__(self, result: SyncResult) -> None:
        """Show the result."""
        if self._terminal:
            self._draw(result)
        elif result.duration is not None or time.monotonic() - self._logged_at >= LINE_SECONDS:
            self._logged_at = time.monotonic()
            self._log(total_line(result))

    def erase(self) -> None:
        """Remove what is drawn, so that something else can be written."""
        if self._drawn:
            self._write(f"\x1b[{self._drawn}A\x1b[J")
            self._drawn = 0

    def _draw(self, result: SyncResult) -> None:
        columns, rows = shutil.get_terminal_size()
        names = [str(name) for name in result.streams]
        width = min(max(map(len, names), default=0), 40)
        lines = []
        for name, stream in zip(names, result.streams.values(), strict=True):
            if stream.status is None and not stream.records:
                continue
            lines.append(f"{_printable(name):<{width}}  {self._line(name, stream, result.elapsed)}")
        if len(lines) > rows - 3 and result.duration is None:  # the streams at work are the last ones
            lines = [f"({len(lines) - rows + 4} streams above)", *lines[4 - rows :]] if rows > 5 else []
        lines.append(total_line(result))
        shown = [line[: max(columns - 1, 1)] for line in lines]
        erase = f"\x1b[{self._drawn}A\x1b[J" if self._drawn else ""
        self._write(erase + "\n".join(shown) + "\n")
        self._drawn = len(shown) if result.duration is None else 0

    def _line(self, name: str, stream: StreamResult, elapsed: float) -> str:
        since, before, speed = self._speeds.get(name, (elapsed, stream.records, 0.0))
        if elapsed - since >= 1.0:
            speed = (stream.records - before) / (elapsed - since)
        if elapsed - since >= 1.0 or name not in self._speeds:
            self._speeds[name] = (elapsed, stream.records, speed)
        per_second = "" if stream.complete else f"{speed:,.0f}/s"
        return f"{stream.records:>12,} rows  {size(stream.bytes):>8}  {per_second:>10}  {_status(stream)}"

    def _write(self, text: str) -> None:
        try:
            self._out.write(text)
            self._out.flush()
        except (OSError, ValueError):
            self._terminal, self._drawn = False, 0
            self._log = _silent


@contextmanager
def beside_the_log(display: Display) -> Iterator[None]:
    """Meanwhile, what is drawn is removed before the log writes a line; the next drawing comes below it."""
    handler = _Erasing(display)
    root = logging.getLogger()
    root.handlers.insert(0, handler)
    try:
        yield
    finally:
        root.removeHandler(handler)


class _Erasing(logging.Handler):
    def __init__(self, display: Display) -> None:
        super().__init__()
        self._display = display

    def emit(self, record: logging.LogRecord) -> None:
        self._display.erase()


def total_line(result: SyncResult) -> str:
    """All streams in one line; of a sync that failed also what became of its rows."""
    done = sum(stream.complete for stream in result.streams.values())
    speed = result.records / result.elapsed if result.elapsed > 0 else 0.0
    refused = f"{result.refused:,} refused, " if result.refused else ""
    failed = result.duration is not None and not result.complete
    landed = f"{result.landed:,} of them in the destination, " if failed else ""
    return (
        f"{result.records:,} rows, {landed}{refused}{size(result.bytes)}, {speed:,.0f} rows/s, "
        f"{done} of {len(result.streams)} streams complete, {result.elapsed:.0f} s"
    )


def size(count: float) -> str:
    """Bytes for people, in powers of 1,000."""
    for unit in _UNITS:
        if count < 1000 or unit == _UNITS[-1]:
            return f"{count:.0f} {unit}" if unit == "B" else f"{count:.1f} {unit}"
        count /= 1000
    raise AssertionError


def _status(stream: StreamResult) -> str:
    if stream.rate_limited:
        if stream.quota_reset is None:
            return "waiting for quota"
        try:
            return f"waiting for quota until {time.strftime('%H:%M:%S', time.localtime(stream.quota_reset / 1000))}"
        except (OverflowError, ValueError, OSError):  # later than any clock shows
            return "waiting for quota"
    if stream.cut:
        return "cut at the limit"
    if stream.status in (Status.COMPLETE, Status.INCOMPLETE):
        return stream.status.value.lower() + (f", {stream.refused:,} refused" if stream.refused else "")
    rows = stream.estimate.rows if stream.estimate else None
    return f"{min(99, 100 * stream.records // rows)}% of about {rows:,}" if rows else "reading"


def _printable(text: str) -> str:
    return "".join(c if c.isprintable() else "?" for c in text)[:40]


def _silent(line: str) -> None: ...
