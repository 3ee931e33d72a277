"""Reading one slice: its pages as steps, each of which says what its records mean for the state.

Steps are made in whichever thread reads the slice, and booked by :class:`~headwater.reader.StreamReader` in the
one that writes: so a state says nothing of records that are still on their way.
"""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Generator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import TYPE_CHECKING, Any, Literal

import msgspec

from headwater.cursor import Key, earliest, is_ascending, is_before, latest, not_after_now, plain_key
from headwater.places import WHOLE
from headwater.projection import Projection
from headwater.protocol.catalog import ConfiguredStream
from headwater.protocol.messages import Records
from headwater.resume import COMPLETE
from headwater.schemas.asked import schema_of
from headwater.stream import Page, Slice, Stream, is_past
from headwater.windows import Window

if TYPE_CHECKING:
    from headwater.coercion import Coercion

log = logging.getLogger("headwater")

_EMPTY = msgspec.Raw(b"{}")


@dataclass(frozen=True)
class Task:
    """A slice that is to be read.

    :ivar index: its place among the stream's slices.
    :ivar place: its partition's in the state.
    :ivar known: what the state says of its partition.
    :ivar floor: what the state may say at least when it is done.
    :ivar window: which of its partition's windows it is, where there are several.
    """

    index: int
    slice: Slice
    place: int = WHOLE
    known: Any = None
    floor: Any = None
    window: Window | None = None


@dataclass(slots=True)
class Step:
    """What came of a slice.

    :ivar place: as the task's.
    :ivar move: what follows for the state once the records are given: ``to`` the value; ``back`` to it, before
        anything else; None: nothing.
    :ivar empty: how many records were left out, as they were empty.
    :ivar size: bytes of the records.
    :ivar done: the slice is over.
    :ivar window: as the task's.
    """

    place: int
    records: Records | None = None
    move: Literal["to", "back"] | None = None
    value: Any = None
    empty: int = 0
    size: int = 0
    done: bool = False
    window: Window | None = None


class SliceReader:
    """Reads the slices of one stream, several at a time.

    :param stream: the stream.
    :param configured: how the sync wants it.
    :param stateful: whether it has a state to be moved by its cursor.
    :param resumable: whether it has one to be moved by its pages.
    """

    def __init__(
        self, stream: Stream, configured: ConfiguredStream, *, stateful: bool, resumable: bool = False
    ) -> None:
        self._stream = stream
        self._descriptor = configured.descriptor
        self._stateful = stateful
        self._resumable = resumable
        self._projection = _projection(stream, configured)
        self._coercion = _coercion(stream)

    def steps(self, task: Task) -> Generator[Step, None, None]:
        """One slice. Its state is set when it is done, and midway as long as its records come in ascending
        order (protocol rules R3 and R4)."""
        slice = task.slice
        cursor = self._stream.cursor
        order = cursor.order if cursor is not None else None
        key = cursor.key if cursor is not None else plain_key
        high = None
        # the last page's last records, which a keyset page gives again; without a key, two records that are the
        # same to the letter may be two
        given: dict[bytes, Any] = {}
        before: Page | None = None
        keyed = bool(self._stream.primary_key)
        now = not_after_now(cursor)
        for whole in self._stream.pages(slice):
            if before is not None:
                given = at_end(before, given)
            page = without(whole, given) if given else whole
            seen, before = page.cursors, None
            if not _is_in_order(order, high, seen, key):
                self._complain(slice, order)
                if order == "ascending" and self._stateful:
                    # a record that has not come yet may lie before what a state has already said
                    yield Step(task.place, move="back", value=task.known, window=task.window)
                order, given = None, {}
            high = latest((high, _last(seen, key) if order == "ascending" else latest(seen, key)), key)
            page = _from(page, slice.start, key) if cursor and cursor.drops_earlier else page
            step = self._step(task.place, page)
            if order == "ascending":
                before = page if keyed else None
                if self._stateful:
                    step.move, step.value, step.window = "to", latest((high, task.floor), key), task.window
            if self._resumable and whole.next is not None:
                step.move, step.value = "to", whole.next
            yield step
            if order == "descending" and is_past(seen, slice.start, key):
                break
        if self._stateful:
            if order is None:
                high = now(high)  # what changed behind the reader's back is later than its start
            value = latest((high, task.floor), key)
            yield Step(task.place, move="to", value=value, done=True, window=task.window)
        elif self._resumable:
            yield Step(task.place, move="to", value=COMPLETE, done=True)

    def _complain(self, slice: Slice, order: str | None) -> None:
        cursor = self._stream.cursor
        log.warning(
            "Stream %s: records of %s are not in %s order of %s; its state moves at its end.",
            self._descriptor, dict(slice.partition) or "the stream", order, cursor.field if cursor else "",
        )  # fmt: skip

    def _step(self, place: int, page: Page) -> Step:
        """The page as the sync wants it."""
        data, changes = page.data, page.changes
        empty = 0
        if self._projection is not None:
            data = self._projection(data)
            changes = self._projection.changes(changes)
        if self._coercion is not None:
            data, changes = self._coercion(data, changes)
        if b"{}" in data or _EMPTY in data:  # the platform would drop it without a word, and then miscount
            keep = [at for at, record in enumerate(data) if bytes(record) != b"{}"]
            empty = len(data) - len(keep)
            changes = {at: changes[old] for at, old in enumerate(keep) if old in changes}
            data = [data[at] for at in keep]
        if not data:
            return Step(place, empty=empty)
        records = Records(self._descriptor, data, changes=changes)
        return Step(place, records, empty=empty, size=records.size)


def _projection(stream: Stream, configured: ConfiguredStream) -> Projection | None:
    """None where the sync wants every field that the stream is known to have."""
    wanted = configured.selected
    declared = schema_of(stream)["properties"]
    if wanted is None or (declared and wanted.issuperset(declared)):
        return None
    names = [name for name in declared if name in wanted]
    return Projection([*names, *sorted(wanted.difference(names))])


def _coercion(stream: Stream) -> Coercion | None:
    """None where the stream doesn't ask for it."""
    if not stream.coerce:
        return None
    from headwater.coercion import Coercion

    return Coercion(schema_of(stream), stream.name)


def _is_in_order(order: str | None, high: Any, seen: Sequence[Any], key: Key) -> bool:
    """Whether a page's cursor values come as its stream says. A descending list moves down while it is read,
    so there only the page itself is looked at."""
    if order == "ascending":
        return is_ascending([high, *seen], key)
    return order is None or is_ascending(seen[::-1], key)


def _from(page: Page, start: Any, key: Key) -> Page:
    """The page without records before the slice's start; a record without a cursor value stays."""
    if start is None or not page.cursors or not page.data:
        return page
    first = earliest(page.cursors, key)
    if first is None or not is_before(first, start, key):
        return page
    keep = [i for i, value in enumerate(page.cursors) if value is None or not is_before(value, start, key)]
    return page.only(keep)


def _last(values: Sequence[Any], key: Key) -> Any:
    """The latest of ascending values."""
    return next((value for value in reversed(values) if key(value) is not None), None)


def at_end(page: Page, given: Mapping[bytes, Any]) -> dict[bytes, Any]:
    """Marks of the records at the end of an ascending page that have its last cursor value or the one before it, and
    that value: those that :class:`~headwater.http.keyset.Keyset` asks for again.

    :param given: those at the end of the page before.
    """
    found: dict[bytes, Any] = {}
    values: list[Any] = []
    last_first = range(len(page.data and page.cursors) - 1, -1, -1)
    of_page = ((bytes(page.data[place]), page.cursors[place]) for place in last_first)
    for mark, value in chain(((_mark(record), value) for record, value in of_page), given.items()):
        if value not in values:
            values.append(value)
            if len(values) > 2:
                break
        found[mark] = value
    return found


def _mark(record: bytes) -> bytes:
    """A record's, of which there may be very many with one cursor value."""
    return hashlib.blake2b(record, digest_size=16).digest()


def without(page: Page, given: Mapping[bytes, Any]) -> Page:
    """The page without the records that were given before, to the letter."""
    values = set(given.values())
    if not page.data or values.isdisjoint(page.cursors):
        return page
    cursors = page.cursors
    keep = [i for i, record in enumerate(page.data) if cursors[i] not in values or _mark(bytes(record)) not in given]
    return page if len(keep) == len(page.data) else page.only(keep)
