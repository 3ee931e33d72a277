"""A logical clock for generated timestamps."""

from __future__ import annotations

import calendar
import time

FORM = "%Y-%m-%dT%H:%M:%SZ"


def seconds_of(stamp: str) -> int:
    """The Unix seconds of a timestamp written the way GitHub writes it."""
    return calendar.timegm(time.strptime(stamp, FORM))


def stamp_of(seconds: float) -> str:
    """The timestamp of some Unix seconds, written the way GitHub writes it."""
    return time.strftime(FORM, time.gmtime(seconds))


class LogicalClock:
    """A clock that only moves when asked to, so that what is generated never depends on the wall clock."""

    def __init__(self, start: str = "2024-06-01T00:00:00Z", step: int = 60) -> None:
        self._seconds = seconds_of(start)
        self.step = step

    def now(self) -> str:
        """The latest timestamp handed out."""
        return stamp_of(self._seconds)

    def tick(self, seconds: int | None = None) -> str:
        """Moves the clock forward (by `step` unless told) and gives the new time."""
        self._seconds += self.step if seconds is None else seconds
        return self.now()

    def jump_past(self, stamp: str) -> None:
        """Makes every later tick fall after `stamp`."""
        self._seconds = max(self._seconds, seconds_of(stamp))
