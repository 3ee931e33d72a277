"""The windows of a partition: slices of its time, read in any order, whose state moves in order."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import datetime, timedelta, timezone
from typing import Any

from headwater.cursor import Cursor, earliest, is_before, latest
from headwater.stream import Slice

# Clocks differ: a window that ended a moment ago may still be ahead for the server.
_SETTLED = timedelta(hours=1)


@dataclass(eq=False)
class Frontier:
    """How far a partition was read without a gap. In the thread that writes.

    :ivar next: the first window that is not done.
    :ivar reached: what the state said before, or where the last window without a gap ended.
    """

    cursor: Cursor
    reached: Any
    next: int = 0

    def __post_init__(self) -> None:
        self._done: dict[int, Any] = {}


@dataclass(frozen=True, eq=False)
class Window:
    """One of a partition's windows.

    :ivar place: among them.
    :ivar end: the last has none.
    :ivar is_settled: nothing more will come to lie in it, whatever clock it is measured with.
    """

    frontier: Frontier
    place: int
    end: Any
    is_settled: bool

    def moved(self, value: Any, done: bool) -> Any:
        """What the state may say when this window was read up to a value, or whole; None: nothing new."""
        frontier = self.frontier
        key = frontier.cursor.key
        if self.end is not None:
            value = self.end if done and self.is_settled else earliest((value, self.end), key) if value else None
        if done:
            frontier._done[self.place] = value
            while frontier.next in frontier._done:
                frontier.reached = latest((frontier.reached, frontier._done.pop(frontier.next)), key)
                frontier.next += 1
            return frontier.reached
        return latest((frontier.reached, value), key) if self.place == frontier.next else None


def windows_of(slice: Slice, cursor: Cursor, known: Any) -> Iterator[tuple[Slice, Window | None]]:
    """A slice in windows; where there is only one, as it is.

    :param known: what the state says of its partition.
    """
    if cursor.window is None:
        yield slice, None
        return
    now = datetime.now(timezone.utc)
    settled = cursor.written(now - _SETTLED, slice.start)
    frontier = Frontier(cursor, known)
    for place, (start, end) in enumerate(cursor.windows(slice.start, now)):
        if place == 0 and end is None:
            yield slice, None
            return
        is_settled = end is not None and not is_before(settled, end, cursor.key)
        yield replace(slice, start=start, end=end), Window(frontier, place, end, is_settled)
