"""A batch that is being filled."""

from __future__ import annotations

import time
from dataclasses import dataclass, field

from headwater.bridge.sink import Batch


@dataclass(slots=True)
class Filling:
    """A stream's batch being filled: the records up to its last state, and those after it.

    They are written apart, so that a sink commits a state together with exactly what it covers.
    """

    number: int
    covered: Batch
    rest: Batch
    since: float = field(default_factory=time.monotonic)

    @property
    def size(self) -> int:
        """Bytes of JSON."""
        return self.covered.size + self.rest.size

    def rows(self, count: int | None) -> int:
        """How many records, a multiple of so many, can be written at once; those after a state wait for those before.

        :param count: None: it does not matter; then none.
        """
        there = len(self.covered) or len(self.rest)
        return there // count * count if count else 0

    def take(self, rows: int) -> Batch | None:
        """Takes so many of the oldest records out; None: they are all that a state covers, or all there are.

        Some must stay: else a state that waits for them would be stored with records that came after it.
        """
        if rows == (len(self.covered) or len(self.rest)):
            return None
        if self.covered.parts:
            head, self.covered = self.covered.cut(rows)
        else:
            head, self.rest = self.rest.cut(rows)
        return head
