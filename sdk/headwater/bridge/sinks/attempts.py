"""A batch that is written: at once, or made to fit, or without the records that the database refuses."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence

import msgspec

from headwater.bridge.sink import Batch
from headwater.bridge.sinks.fit import Record
from headwater.bridge.sinks.nested import Splitter
from headwater.bridge.sinks.options import SqlOptions
from headwater.bridge.sinks.target import Target
from headwater.errors import DestinationError

_SHOWN = 200


class Refusal(Exception):
    """Records can't be read; :attr:`Attempt.refused` says which."""


class Undone(Exception):
    """A trial went well, and is rolled back."""


class Attempt:
    """One batch on its way into its stream's tables.

    :param targets: the stream's tables; the first is its own.
    :param number: the batch's, 16 hex digits.
    :ivar thorough: the database has refused something: every value is looked at, not only those of records that
        are seen to be at fault.
    :ivar refused: why records were refused, by their place in the batch.
    """

    def __init__(
        self,
        batch: Batch,
        targets: list[Target],
        number: str,
        options: SqlOptions,
        splitter: Splitter | None = None,
    ) -> None:
        self._batch = batch
        self._targets = targets
        self._options = options
        self._splitter = splitter
        self._all: list[Record] = []  # of the batch, by their place; made when they are looked at one by one
        self.number = number
        self.thorough = False
        self.refused: dict[int, str] = {}

    def check(self) -> None:
        """Raise one of MISFITS where records don't fit, and the engine would not notice."""
        engine = self._targets[0].engine
        if engine.binds or self._splitter is not None:
            return
        for part in self._batch.parts:
            self._targets[0].check(part.data)

    def load(self) -> None:
        """Write the records as they came; in the caller's transaction.

        :raises msgspec.MsgspecError: (one of MISFITS), where they don't fit.
        """
        if self._splitter is None:
            target = self._targets[0]
            target.load(target.load_whole(self._batch, self.number))
            return
        try:
            split = self._split(self._splitter, self._records(), self.number)
        except Refusal:
            raise msgspec.ValidationError("a record can't be read") from None
        for target, records in zip(self._targets, split, strict=True):
            if records:
                load = target.load_of(records, self.number)
                if not target.engine.binds:
                    target.check(load.data)
                target.load(load)

    def load_fitted(
        self, only: Sequence[int] | None = None, number: str = "", before: Callable[[], None] = lambda: None
    ) -> None:
        """Make the records fit, the tables too, and write them; in the caller's transaction.

        :param only: these records, by their place; default: all that are not refused.
        :param number: the batch's, where a part of the records has one of its own.
        :param before: is called when the tables are as they must be, and before a row is written: DuckDB alters no
            table whose rows were changed in the same transaction.
        :raises Refusal: when some can't be read; nothing is to be committed.
        """
        number = number or self.number
        self._all = self._all or list(self._records())
        records = [self._all[place] for place in (self.left() if only is None else only)]
        split = [records] if self._splitter is None else self._split(self._splitter, records, number)
        loads = []
        for target, part in zip(self._targets, split, strict=True):
            fitted = target.fit(part, self._options.misfits, thorough=self.thorough)
            if fitted.refused:
                self.refused.update(fitted.refused)
                raise Refusal
            if fitted.records:
                loads.append((target, fitted.records))
        before()
        for target, fitting in loads:
            target.load(target.load_of(fitting, number))

    def _split(self, splitter: Splitter, records: Iterable[Record], number: str) -> list[list[Record]]:
        refused: dict[int, str] = {}
        split = splitter.split(records, number, refused)
        if refused:
            self.refused.update(refused)
            raise Refusal
        return split

    def _records(self) -> Iterator[Record]:
        number = 0
        for part in self._batch.parts:
            for index, data in enumerate(part.data):
                yield Record(data, part.emitted_at, number, part.changes.get(index, ()))
                number += 1

    def left(self) -> list[int]:
        """The places of the records that are not refused."""
        return [number for number in range(len(self._batch)) if number not in self.refused]

    def told(self) -> list[tuple[str, str]]:
        """Each refused record: the reason, and its JSON."""
        if not self.refused:
            return []
        return [
            (self.refused[record.number], str(memoryview(record.data), "utf-8", "replace").replace("\0", "\ufffd"))
            for record in self._records()
            if record.number in self.refused
        ]

    def failure(self) -> DestinationError:
        """The error that tells of the first refused record."""
        name = str(self._batch.stream.descriptor)
        reason, record = self.told()[0]
        more = f" ({len(self.refused)} records of this batch are refused.)" if len(self.refused) > 1 else ""
        return DestinationError(
            f"Stream {name!r}: the destination refused a record: {reason}. Mend the source or the table, or let "
            f'the flow keep such records apart: refused = "table".{more}',
            stream=name,
            internal=record[:_SHOWN],
        )


def halves(places: Sequence[int]) -> list[Sequence[int]]:
    """The places of records in two parts, in order."""
    middle = len(places) // 2
    return [places[:middle], places[middle:]]


def culprit(places: Sequence[int], refusal: Callable[[Sequence[int]], str | None]) -> dict[int, str]:
    """The first record that is refused, by itself or beside those before it, and why; some twenty trials find it.

    :param refusal: tries some; why they are refused, or None.
    """
    taken: list[int] = []
    left, reason = places, refusal(places)
    while reason is not None and len(left) > 1:
        first, second = halves(left)
        found = refusal([*taken, *first])
        if found is None:
            taken.extend(first)
        left, reason = (second, reason) if found is None else (first, found)
    return {} if reason is None else {left[0]: reason}
