"""Reading one table in one sync: which parts, in which order, and what each page means for the state."""

from __future__ import annotations

import logging
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping
from dataclasses import replace
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from headwater.cursor import is_before
from headwater.errors import ConfigError, TransientError
from headwater.protocol.catalog import ConfiguredStream
from headwater.protocol.messages import Message, Records, State
from headwater.reader import StreamReader
from headwater.slices import Step, Task
from headwater.sql.parts import Part, after, between, parts_of
from headwater.sql.snapshot import Snapshot
from headwater.sql.state import DONE, TableState
from headwater.sql.tables import Key, Selection
from headwater.state import NO_CURSOR
from headwater.stream import Slice
from headwater.waiting import pause

if TYPE_CHECKING:
    from headwater.sql.stream import SqlStream

log = logging.getLogger("headwater")

_TRIES = 5
"""How often in a row a part is tried on a new connection."""


def _is_before(value: Any, other: Any) -> bool:
    try:
        return other is not None and Decimal(value) < Decimal(other)
    except (ArithmeticError, TypeError, ValueError):
        return is_before(value, other)


class SqlReader(StreamReader):
    """One table, view or query in one read.

    :param stream: the stream.
    :param configured: how the sync wants it.
    :param blob: its stored state.
    :param snapshot: what the database is read through.
    """

    def __init__(
        self,
        stream: SqlStream,
        configured: ConfiguredStream,
        blob: Mapping[str, Any] | None,
        snapshot: Snapshot,
        events: Callable[[], Iterable[Message]] = tuple,
    ) -> None:
        super().__init__(stream, configured, None, events)
        self.table = stream.readable()
        self._database = snapshot.database
        self._snapshot = snapshot
        cursor = stream.cursor_of(configured)
        self._position = TableState(cursor, blob)
        self._parts: list[Part] = []
        self._began = 0  # the age of the point in time at which the parts were divided
        self._stored: Mapping[str, Any] | None = None
        wanted = configured.selected
        columns = tuple(each for each in self.table.columns if wanted is None or each.name in wanted)
        given = {each.name for each in columns}
        if cursor is not None and cursor not in given:
            raise ConfigError(f"Stream {self.descriptor}: its cursor {cursor!r} must be selected.", stream=stream.name)
        ordered = self.table.is_ordered and given.issuperset(self.table.key)
        self._key = self.table.key if ordered else ()
        self._selection = Selection(self.table, columns).also(stream.filter())
        self._lookback = stream.lookback()
        self.steps = self._steps

    # --- what is to be read -------------------------------------------------------------------------------

    def tasks(self) -> Iterator[Task]:
        if not self._selection.columns:
            raise ConfigError(f"Stream {self.descriptor}: none of its columns is selected.", stream=self.stream.name)
        position = self._position
        if position.is_done:
            return
        self._parts = self._divided()
        for index, _ in enumerate(self._parts):
            yield Task(index, Slice({"part": index}), index)

    def _divided(self) -> list[Part]:
        """The parts that are to be read."""
        tries = 0
        while True:
            self._began = self._snapshot.age
            try:
                with self._snapshot.connection(f"to read {self.descriptor}") as connection:
                    return parts_of(
                        self._database, connection, self._selection, self._key, self._position, self._lookback
                    )
            except TransientError as error:
                tries += 1
                if tries >= _TRIES:
                    raise
                self._try_again(error, self._began, tries, "It is tried again.")

    def _try_again(self, error: TransientError, began: int, tries: int, what: str) -> None:
        log.warning("Stream %s: %s %s", self.descriptor, error, what)
        pause(min(30.0, 0.5 * 2**tries))
        self._snapshot.renew(began, error)

    def _is_torn(self, part: Part) -> bool:
        """Whether parts by address are of another point in time: a row that moved since would be in none of them."""
        return not part.resumes and len(self._parts) > 1 and self._snapshot.age != self._began

    def _steps(self, task: Task) -> Generator[Step, None, None]:
        """A part's pages; where the connection is lost, from the last one on with another."""
        part = self._parts[task.index]
        place: Key | None = part.range.after if part.range is not None else None
        tries, last = 0, part.start
        while True:
            began = self._snapshot.age
            try:
                for step, at in self._pages(task, part, place, last):
                    tries = 0
                    if at is not None and part.range is not None:
                        place = at
                    elif at is not None:
                        last = at[0]
                    yield step
                break
            except TransientError as error:
                tries += 1
                fresh = place is None and last is None and not part.gave
                if tries >= _TRIES or not (fresh or part.resumes) or self._is_torn(part):
                    raise
                self._try_again(error, began, tries, "It goes on after the last row that was read.")
        yield Step(task.place, move="to", value=None)

    def _pages(self, task: Task, part: Part, place: Key | None, last: Any) -> Iterator[tuple[Step, Key | None]]:
        """The pages of a part from a place on, each with the place of its last row that has one."""
        selection = part.selection
        if part.range is not None:
            selection = selection.also(*between(self._database, self.table, part.range))
            if place is not None:
                selection = selection.also(after(self._database, self.table, self._key, place))
        elif part.cursor is not None and last is not None:
            selection = replace(selection, nulls_first=False)
            selection = selection.also(part.since(self._database, last))
        with self._snapshot.connection(f"to read {self.descriptor}") as connection:
            if self._is_torn(part):
                raise TransientError(
                    f"{self.descriptor} has no primary key to go on by, and the point in time of its read is lost."
                )
            for rows in self._database.pages(connection, selection):
                records = Records(self.descriptor, rows.data, changes=rows.changes)
                at = part.place_of(rows)
                part.gave = True
                move: Any = "to" if at is not None else None
                yield Step(task.place, records, move, at, size=records.size), at

    # --- states -------------------------------------------------------------------------------------------

    def _book(self, step: Step) -> None:
        part = self._parts[step.place]
        if part.range is not None:
            if step.value is None:
                part.range.done = True
            else:
                part.range.after = step.value
        elif part.cursor is not None and step.value is not None:
            (value,) = step.value
            # What is read again lies before the state, which does not move back: a read that is cut off again and
            # again would begin ever earlier. (Only numbers and times are read again: those compare here as there.)
            if not (self._lookback and _is_before(value, self._position.high)):
                self._position.high = value

    def _state_message(self, *, final: bool, force: bool) -> Iterator[Message]:
        blob: Mapping[str, Any] = self._position.to_json(final=final)
        if not final:
            if not self._records_since_state or blob in (NO_CURSOR, DONE):
                return
            if not force and self._bytes_since_state < 4096 * len(self._position):
                return
        if blob == self._stored and not (final and self._records_since_state):
            return
        yield from self._events()
        message = State.of_stream(self.descriptor, blob, self._records_since_state)
        self._stored = blob
        self._records_since_state = self._bytes_since_state = 0
        yield message
