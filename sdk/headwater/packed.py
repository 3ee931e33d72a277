"""Very many short texts, in little more memory than their letters: a dictionary of as many takes 180 bytes for each."""

from __future__ import annotations

from array import array

_WIDEST = 250
_SLOTS = 64
_ROOM = 8
"""A cell that is too narrow becomes wider by as much at least, so that all are seldom moved."""


class Keys:
    """Different texts, numbered in the order in which they came.

    Their letters lie in a row; a table finds them by their hashes. None may hold a line break.
    """

    def __init__(self) -> None:
        self._letters = bytearray()
        self._begins = array("I")
        self._table = array("I", bytes(4 * _SLOTS))  # a key's number and one; 0: free

    def __len__(self) -> int:
        return len(self._begins)

    def __getitem__(self, number: int) -> bytes:
        begin = self._begins[number]
        return bytes(self._letters[begin : self._letters.index(b"\n", begin)])

    def find(self, key: bytes) -> int:
        """A key's number; -1: it has none."""
        return self._table[self._slot(key, self._table)] - 1

    def add(self, key: bytes) -> int:
        """The number of a key, which is given one if it has none."""
        slot = self._slot(key, self._table)
        known = self._table[slot]
        if known:
            return known - 1
        number = len(self._begins)
        if 3 * number >= 2 * len(self._table):
            self._grow()
            slot = self._slot(key, self._table)
        begin = len(self._letters)
        self._letters += key + b"\n"
        self._begins.append(begin)
        self._table[slot] = number + 1
        return number

    def _slot(self, key: bytes, table: array[int]) -> int:
        line, last = key + b"\n", len(table) - 1
        slot = hash(key) & last
        while (known := table[slot]) and not self._letters.startswith(line, self._begins[known - 1]):
            slot = (slot + 1) & last
        return slot

    def _grow(self) -> None:
        table = array("I", bytes(8 * len(self._table)))
        last = len(table) - 1
        for number in range(len(self._begins)):
            slot = hash(self[number]) & last
            while table[slot]:
                slot = (slot + 1) & last
            table[slot] = number + 1
        self._table = table


class Cells:
    """A text for each number: in cells of one width, behind a byte for its length."""

    def __init__(self) -> None:
        self._width = 1
        self._cells = bytearray()

    def __getitem__(self, number: int) -> bytes:
        """The text; empty where none was put."""
        begin = number * self._width
        length = self._cells[begin] if begin < len(self._cells) else 0
        return bytes(self._cells[begin + 1 : begin + 1 + length])

    def put(self, number: int, text: bytes) -> None:
        """Put a text of at most 250 bytes there."""
        if len(text) >= self._width:
            self._widen(len(text) + 1)
        begin = number * self._width
        if begin > len(self._cells):
            self._cells.extend(bytes(begin - len(self._cells)))
        self._cells[begin : begin + self._width] = (b"%c%b" % (len(text), text)).ljust(self._width, b"\0")

    @staticmethod
    def takes(text: bytes) -> bool:
        """Whether a text is short enough."""
        return len(text) <= _WIDEST

    def _widen(self, width: int) -> None:
        old = self._width
        wide = width if old == 1 else max(width, old + _ROOM)
        count = len(self._cells) // old
        cells = bytearray(count * wide)
        for place in range(old):  # a byte of all cells at a time
            cells[place::wide] = self._cells[place::old]
        self._width, self._cells = wide, cells
