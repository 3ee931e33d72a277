"""The parts that a table is read in, and the conditions that cut them.

- With a cursor in the state: one part, the rows from the cursor on, in its order.
- With a primary key: ranges of it, each in its order, so that each can be read on from any row.
- With neither, but with addresses of rows: ranges of them, in any order. They hold for one point in time alone.
- Else one part: in the order of the cursor where there is one, in any order where there is none.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import msgspec

from headwater.errors import ConfigError
from headwater.protocol.values import TRUNCATED
from headwater.sql.marks import plain
from headwater.sql.state import Range, TableState
from headwater.sql.tables import Column, Key, Selection, Table

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from headwater.protocol.messages import Change
    from headwater.sql.database import Database, Rows

log = logging.getLogger("headwater")

_MOST = 64
"""Parts of a table at most."""


class Place:
    """Takes a row's place in an order out of its record.

    :param columns: those of the order.
    """

    def __init__(self, columns: Sequence[Column]) -> None:
        self._columns = list(columns)
        names = [column.name for column in columns]
        self._names = frozenset(names)
        self._wanted: msgspec.json.Decoder[Any] = msgspec.json.Decoder(_row_of(names))

    def __call__(self, record: bytes, changes: Sequence[Change] = ()) -> Key | None:
        """The place; None where one of the values is null or none, or another one than in the database.

        :param changes: what was changed in the record.
        """
        if changes and not self._names.isdisjoint(change.field for change in changes):
            return None
        row = self._wanted.decode(record)
        if isinstance(row, dict):
            found = [row[column.name] for column in self._columns]
        else:
            found = [getattr(row, field) for field in row.__struct_fields__]
        values = zip(found, self._columns, strict=True)
        place = tuple(plain(value, marked=column.kind.marked) for value, column in values)
        return None if None in place else place


def _row_of(names: Sequence[str]) -> Any:
    """The type of JSON with some fields, which passes over all others without building them."""
    if any(set('\\"') & set(name) or min(name) < " " for name in names):
        return dict[str, msgspec.Raw]  # such a name is no field's
    fields = {f"c{number}": name for number, name in enumerate(names)}
    null = msgspec.Raw(b"null")
    return msgspec.defstruct("Row", [(field, msgspec.Raw, null) for field in fields], rename=fields, gc=False)


@dataclass
class Part:
    """One part of a table.

    :ivar selection: its query.
    :ivar range: of the primary key, which the state keeps.
    :ivar cursor: the column whose order it is read in, where that is the cursor.
    :ivar start: the cursor's value that the state begins at.
    :ivar gave: some of its rows were given.
    """

    selection: Selection
    range: Range | None = None
    cursor: Column | None = None
    start: Any = None
    gave: bool = False

    def __post_init__(self) -> None:
        table = self.selection.table
        columns = [self.cursor] if self.cursor else []
        if self.range is not None:
            columns = [column for name in self.selection.order if (column := table.column(name)) is not None]
        self._place = Place(columns) if columns else None

    @property
    def resumes(self) -> bool:
        """Whether it can be read on from a row."""
        return self.range is not None or self.cursor is not None

    def place_of(self, rows: Rows) -> Key | None:
        """The place of the last record that has one; None: none has."""
        if self._place is None:
            return None
        last = range(len(rows.data) - 1, -1, -1)
        places = (self._place(rows.data[number], rows.changes.get(number, ())) for number in last)
        return next((place for place in places if place is not None), None)

    def since(self, database: Database, value: Any) -> str:
        """The condition of rows from a value of the cursor on. Those that have it come again: another row with
        the same value may have been written since."""
        assert self.cursor is not None
        return f"{database.column(self.cursor.name)} >= {database.value_of(self.cursor, value)}"


def parts_of(
    database: Database,
    connection: Connection,
    selection: Selection,
    key: Sequence[str],
    state: TableState,
    lookback: float | None,
) -> list[Part]:
    """The parts that are to be read now; where the state begins with them, it knows them afterwards.

    :param key: the primary key, where rows can be read in its order.
    :param lookback: how far before the cursor's value in the state reading begins.
    """
    cursor = selection.table.column(state.cursor) if state.cursor is not None else None
    if state.is_begun and state.key != tuple(key):
        state.is_begun, state.ranges, state.high = False, [], None  # another key than it was: from the beginning
    if cursor is not None and not cursor.orders:
        raise ConfigError(f"Column {cursor.name!r} of {selection.table.name} can't be a cursor: it is {cursor.type}.")
    if cursor is not None and not state.is_begun and state.high is not None:
        return [_from_cursor(database, selection, key, cursor, state.high, lookback)]
    if cursor is not None and not state.is_begun and cursor.nullable:
        _tell_nulls(database, connection, selection, cursor)
    if key:
        if not state.is_begun:
            high = highest(database, connection, selection, cursor) if cursor is not None else None
            state.begin(key, _ranges(database, connection, selection.table, key), high)
        ordered = replace(selection, order=tuple(key))
        # A part for each range, also for one that is done: their places must not change.
        return [Part(ordered, each) for each in state.ranges]
    if cursor is not None:
        return [Part(replace(selection, order=(cursor.name,), nulls_first=cursor.nullable), None, cursor)]
    return [Part(selection.also(each)) for each in _addresses(database, connection, selection.table)]


def _from_cursor(
    database: Database, selection: Selection, key: Sequence[str], cursor: Column, high: Any, lookback: float | None
) -> Part:
    since = database.value_of(cursor, high)
    if lookback:
        since = database.before(since, cursor, lookback)
    ordered = replace(selection, order=(cursor.name, *(name for name in key if name != cursor.name)))
    return Part(ordered.also(f"{database.column(cursor.name)} >= {since}"), None, cursor)


def _tell_nulls(database: Database, connection: Connection, selection: Selection, cursor: Column) -> None:
    """Warn of rows that an incremental read will not see again."""
    nulls = selection.also(f"{database.column(cursor.name)} IS NULL")
    query = f"SELECT 1 FROM {selection.table.source} r{database.conditions(nulls)}"
    if database.value(connection, f"SELECT CASE WHEN EXISTS ({query}) THEN 1 ELSE 0 END"):
        log.warning(
            "Stream %s has rows without a value of its cursor %s: they are read this time, but when they change, or "
            "when others like them come, an incremental read does not see it.",
            selection.table.descriptor, cursor.name,
        )  # fmt: skip


def highest(database: Database, connection: Connection, selection: Selection, cursor: Column) -> Any:
    """The greatest value of a cursor, as a record has it; None: there is none."""
    column = database.column(cursor.name)
    finite = cursor.kind.finite.format(column) if cursor.kind.finite else ""
    last = replace(selection.also(f"{column} IS NOT NULL", finite), columns=(cursor,))
    found = database.last(connection, last, cursor)
    if found is None:
        return None
    (record,), changes = found.data, found.changes.get(0, ())
    if any(change.change == TRUNCATED for change in changes):
        raise ConfigError(
            f"{selection.table.descriptor}: the greatest value of its cursor {cursor.name!r} is no text in Unicode, so "
            f"no state can keep it: {record.decode()}. Correct it, or take another cursor."
        )
    place = Place([cursor])(record)
    return place[0] if place is not None else None


def between(database: Database, table: Table, part: Range) -> list[str]:
    """The conditions of a range."""
    first = table.column(table.key[0])
    assert first is not None
    name = database.column(first.name)
    low = f"{name} > {database.value_of(first, part.low)}" if part.low is not None else ""
    high = f"{name} <= {database.value_of(first, part.high)}" if part.high is not None else ""
    return [low, high]


def after(database: Database, table: Table, key: Sequence[str], place: Key) -> str:
    """The condition of rows after one, in the order of the key."""
    columns = [column for name in key if (column := table.column(name)) is not None]
    names = [database.column(column.name) for column in columns]
    values = [database.value_of(column, value) for column, value in zip(columns, place, strict=True)]
    return database.is_after(names, values)


def _ranges(database: Database, connection: Connection, table: Table, key: Sequence[str]) -> list[Range]:
    """Ranges of the key's first column, of about the same size each."""
    first = table.column(key[0])
    size = database.size_of(connection, table) or 0
    count = min(_MOST, size // database.part_size)
    if first is None or not first.kind.splits or count < 2:
        return [Range()]
    bounds = list(dict.fromkeys(database.bounds(connection, table, first, count)))
    if len(bounds) > count - 1:
        step = len(bounds) / count
        bounds = list(dict.fromkeys(bounds[int(place * step)] for place in range(1, count)))
    edges = [None, *bounds, None]
    return [Range(low, high) for low, high in pairwise(edges)]


def _addresses(database: Database, connection: Connection, table: Table) -> list[str]:
    """Conditions that cut a table by its rows' addresses; one empty one: it is read whole."""
    blocks = database.blocks(connection, table)
    size = (database.size_of(connection, table) or 0) if blocks else 0
    count = min(_MOST, blocks, size // database.part_size)
    if count < 2:
        return [""]
    edges = [blocks * place // count for place in range(1, count)]
    return database.address_ranges(edges)
