"""Fingerprints of the records of a read: few bytes for each, and compared a part at a time, so that reads of gigabytes
can be compared in little memory."""

from __future__ import annotations

import heapq
from array import array
from collections import Counter
from dataclasses import dataclass
from typing import Protocol

SHOWN = 3
_PARTS = 64


class Parts(Protocol):
    """Fingerprints, in parts: equal ones are in parts of one number."""

    def part(self, number: int) -> set[int]:
        """Those of a part."""
        ...


@dataclass(frozen=True)
class Gone:
    """Fingerprints that are not there.

    :ivar lines: the first lines on which they were.
    """

    count: int
    lines: list[int]


class Prints:
    """Fingerprints and the lines of their records: 12 bytes for each."""

    def __init__(self) -> None:
        self._values = [array("q") for _ in range(_PARTS)]
        self._lines = [array("I") for _ in range(_PARTS)]

    def add(self, value: int, line: int) -> None:
        """One more; lines ascend."""
        number = value % _PARTS
        self._values[number].append(value)
        self._lines[number].append(line)

    def __len__(self) -> int:
        """How many, with those that come twice."""
        return sum(map(len, self._values))

    @property
    def distinct(self) -> int:
        """How many different ones."""
        return sum(len(set(values)) for values in self._values)

    @property
    def first(self) -> int | None:
        """The line of the first one."""
        return min((lines[0] for lines in self._lines if lines), default=None)

    def part(self, number: int) -> set[int]:
        """As :meth:`Parts.part`."""
        return set(self._values[number])

    def until(self, line: int) -> Parts:
        """What came up to a line."""
        return _Until(self, line)

    def placed(self, number: int) -> zip[tuple[int, int]]:
        """Those of a part, with their lines."""
        return zip(self._values[number], self._lines[number], strict=True)

    def same(self, other: Prints) -> bool:
        """Whether both have the same, each as often."""
        pairs = zip(self._values, other._values, strict=True)
        return len(self) == len(other) and all(Counter(one) == Counter(two) for one, two in pairs)

    def missing(self, *others: Parts) -> Gone:
        """What of these none of the others has."""
        count, first = 0, list[int]()
        for number in range(_PARTS):
            gone = self.part(number).difference(*(other.part(number) for other in others))
            if gone:
                count += len(gone)
                first = heapq.nsmallest(SHOWN, [*first, *(line for one, line in self.placed(number) if one in gone)])
        return Gone(count, first)

    def repeated(self, most: int) -> list[int]:
        """The first lines on which something came that had been there."""
        found: list[int] = []
        for number in range(_PARTS):
            seen: set[int] = set()
            for one, line in self.placed(number):
                if one in seen:
                    found.append(line)
                seen.add(one)
            found = heapq.nsmallest(most, found)
        return found


@dataclass(frozen=True)
class _Until:
    prints: Prints
    line: int

    def part(self, number: int) -> set[int]:
        return {one for one, line in self.prints.placed(number) if line <= self.line}
