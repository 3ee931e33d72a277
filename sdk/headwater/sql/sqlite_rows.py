"""Rows of SQLite made into JSON: Python's values, many at a time, checked against their columns."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from itertools import starmap
from typing import Any

import msgspec

from headwater.protocol.messages import Change
from headwater.protocol.values import NULLED, SERIALIZATION_ERROR, TRUNCATED, encode_rows
from headwater.sql.database import Rows
from headwater.sql.marks import escaped
from headwater.sql.sqlite_types import fit_of, misfit
from headwater.sql.tables import Column
from headwater.sql.types import BOOLEAN

_INFINITE = frozenset((math.inf, -math.inf))
_TRUTH = {0: False, 1: True}


class Encoding:
    """Makes rows into pages of JSON.

    :param columns: those of the rows.
    """

    def __init__(self, columns: Sequence[Column]) -> None:
        self._columns = columns
        self._names = [column.name for column in columns]
        self._fits = [fit_of(column.kind) if column.kind.schema else None for column in columns]
        forms = [Any if fit is None else fit.form for fit in self._fits]
        values = [(f"c{place}", form) for place, form in enumerate(forms)]
        self._form: Any = list[msgspec.defstruct("Values", values, array_like=True, gc=False)]  # type: ignore[misc]
        self._booleans = [place for place, each in enumerate(columns) if each.kind.schema is BOOLEAN]
        self._unknown = [place for place, fit in enumerate(self._fits) if fit is None]
        self._encoder = msgspec.json.Encoder()
        self._row: Any = None
        if not any(set('\\"') & set(name) or min(name, default="") < " " for name in self._names):
            fields = {f"c{place}": name for place, name in enumerate(self._names)}
            self._row = msgspec.defstruct("Row", list(fields), rename=fields, gc=False)
        self._parts: list[bytes] = []
        self._size = 0

    def add(self, rows: Sequence[Any], page_size: int) -> Iterator[Rows]:
        """Take some rows.

        :param page_size: bytes of a page, about.
        :return: a page, where one is full; and what was wrong in it.
        """
        if self._row is None or not self._fit(rows):
            yield from self.rest()
            yield self.slowly(rows)
            return
        if self._booleans:
            columns: list[Any] = list(zip(*rows, strict=True))
            for place in self._booleans:
                columns[place] = map(_TRUTH.get, columns[place])
            made: Iterator[Any] = map(self._row, *columns)
        else:
            made = starmap(self._row, rows)
        self._parts.append(self._encoder.encode_lines(list(made)))
        self._size += len(self._parts[-1])
        if self._size >= page_size:
            yield from self.rest()

    def rest(self) -> Iterator[Rows]:
        """The rows that no page was made of yet."""
        if self._parts:
            data = b"".join(self._parts).split(b"\n")
            data.pop()
            self._parts.clear()
            self._size = 0
            yield Rows(data, {})

    def _fit(self, rows: Sequence[Any]) -> bool:
        """Whether all values are of their columns."""
        try:
            msgspec.convert(rows, self._form)
        except msgspec.ValidationError:
            return False
        return all(_INFINITE.isdisjoint(row[place] for row in rows) for place in self._unknown)

    def slowly(self, rows: Sequence[Any]) -> Rows:
        """A page of some rows, value by value."""
        columns: list[Sequence[Any]] = list(zip(*rows, strict=True))
        for place, fit in enumerate(self._fits):
            if fit is not None and fit.made is not None:
                columns[place] = fit.made(columns[place])
        found: list[dict[str, Any]] = []
        told: dict[int, list[Change]] = {}
        for number, values in enumerate(zip(*columns, strict=True)):
            row = dict(zip(self._names, values, strict=True))
            for column, fit in zip(self._columns, self._fits, strict=True):
                value = row[column.name]
                if fit is not None and misfit(value, fit):
                    row[column.name] = None
                    told.setdefault(number, []).append(Change(column.name, NULLED, SERIALIZATION_ERROR))
                elif value.__class__ is str and (text := escaped(value)) != value:
                    row[column.name] = text
                    told.setdefault(number, []).append(Change(column.name, TRUNCATED, SERIALIZATION_ERROR))
            found.append(row)
        data, changes = encode_rows(found)
        for number, made in told.items():
            changes[number] = [*changes.get(number, ()), *made]
        return Rows(data, changes)
