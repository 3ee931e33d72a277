"""Whether records fit a table's columns, without making them Python dictionaries.

The columns become a type that msgspec decodes into: it refuses a value that its column can't hold, and a field
that has no column.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

import msgspec

from headwater.bridge.sinks.engine import Column

# What a gate raises for records that don't fit; they are then looked at one by one.
MISFITS = (msgspec.MsgspecError, UnicodeError, OverflowError, RecursionError)

# What they are decoded to stays in the processor's cache: with a thousand a whole load took a tenth more CPU time.
_AT_ONCE = 100


class Gate:
    """Decodes records to the values of columns.

    :param decoded: the type of a column's values.
    :param ignored: fields without a column, that are null.
    """

    def __init__(
        self, columns: Sequence[Column], decoded: Callable[[Column], Any], ignored: Iterable[str] = ()
    ) -> None:
        self._columns = [(column.field, decoded(column)) for column in columns]
        fields = [*self._columns, *((name, None) for name in ignored)]
        self._names = frozenset(name for name, _ in fields)
        self._count = len(columns) if len(fields) > len(columns) else None
        self._decode: Callable[[bytes], list[Any]] | None = None
        try:
            row = msgspec.defstruct(
                "Row",
                [(f"f{place}", kind, None) for place, (_, kind) in enumerate(fields)],
                rename={f"f{place}": name for place, (name, _) in enumerate(fields)},
                forbid_unknown_fields=True,
                gc=False,
            )
            self._decode = msgspec.json.Decoder(list[row]).decode  # type: ignore[valid-type]
            self._decode_one = msgspec.json.Decoder(row).decode
        except ValueError:  # a field has a quote or a control character in its name
            pass

    def check(self, data: Sequence[bytes | msgspec.Raw]) -> None:
        """Raise one of :data:`MISFITS` where a record doesn't fit."""
        if self._decode is None:
            deque(self._one_by_one(data), maxlen=0)
            return
        for first in range(0, len(data), _AT_ONCE):
            self._decode(b"[" + b",".join(data[first : first + _AT_ONCE]) + b"]")

    def fits(self, record: bytes | msgspec.Raw) -> bool:
        """Whether one record fits."""
        try:
            if self._decode is None:
                self.check([record])
            else:
                self._decode_one(record)
        except MISFITS:
            return False
        return True

    def rows(self, data: Sequence[bytes | msgspec.Raw]) -> Iterator[tuple[Any, ...]]:
        """Each record's values, in the columns' order; raises one of :data:`MISFITS` as :meth:`check` does."""
        if self._decode is None:
            yield from self._one_by_one(data)
            return
        astuple = msgspec.structs.astuple
        for first in range(0, len(data), _AT_ONCE):
            rows = map(astuple, self._decode(b"[" + b",".join(data[first : first + _AT_ONCE]) + b"]"))
            if self._count is None:
                yield from rows
            else:
                yield from (row[: self._count] for row in rows)

    def _one_by_one(self, data: Sequence[bytes | msgspec.Raw]) -> Iterator[tuple[Any, ...]]:
        decoders = [(name, msgspec.json.Decoder(kind).decode) for name, kind in self._columns]
        for record in data:
            row = _ROW(record)
            if not self._names.issuperset(row):
                raise msgspec.ValidationError("a field has no column")
            yield tuple(decode(row[name]) if name in row else None for name, decode in decoders)


_ROW = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode
