"""What is read of a database: tables and their columns, and what of a table a query asks for."""

from __future__ import annotations

import fnmatch
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from headwater.protocol.messages import StreamDescriptor

Key = tuple[Any, ...]
"""A row's place in an order: the value of each column of the order, as the row's JSON has it."""


@dataclass(frozen=True)
class Kind:
    """How the values of a type become JSON, and come back.

    :ivar schema: their JSON Schema, nulls aside.
    :ivar sql: what a query asks for; ``{0}`` is the column. None: the column itself.
    :ivar literal: a JSON value of it as SQL again; ``{0}`` is a quoted text. None: rows can't be ordered by it.
    :ivar finite: a condition on the column that leaves out values that are no bound, such as infinity.
    :ivar marked: some values have no form in JSON, or in their schema; see :mod:`headwater.sql.marks`.
    :ivar loose: a value is JSON as somebody wrote it: valid, but perhaps with escapes of lone surrogates.
    :ivar splits: the type can be cut into ranges at the bounds that the database's statistics or its least and
        greatest values give.
    """

    schema: Mapping[str, Any]
    sql: str | None = None
    literal: str | None = None
    finite: str | None = None
    marked: bool = False
    loose: bool = False
    splits: bool = False


@dataclass(frozen=True)
class Column:
    """A column.

    :ivar type: its type as the database writes it.
    :ivar native: SQLAlchemy's, where it was reflected.
    """

    name: str
    type: str
    kind: Kind
    nullable: bool = True
    native: Any = None

    @property
    def schema(self) -> dict[str, Any]:
        """Its JSON Schema. A value without a form is null whatever the table says."""
        schema = dict(self.kind.schema)
        kinds = schema.get("type")
        nullable = self.nullable or self.kind.marked
        if nullable and isinstance(kinds, str):
            schema["type"] = ["null", kinds]
        elif nullable and isinstance(kinds, list) and "null" not in kinds:
            schema["type"] = ["null", *kinds]
        return schema

    @property
    def orders(self) -> bool:
        """Whether rows can be read in its order, and on from one of its values."""
        return self.kind.literal is not None


@dataclass(frozen=True)
class Table:
    """A table, a view or a query.

    :ivar schema: the database's schema that it is in: the stream's namespace. None: the database has none.
    :ivar source: what stands after FROM.
    :ivar key: the columns of its primary key.
    :ivar rows: about how many it has; None: nobody knows.
    :ivar size: bytes that it takes in the database; None: nobody knows, or it is no table.
    :ivar address: the rows' own address, by which they can be read where there is no key (``ctid``).
    :ivar missing: the rights that reading it takes and that the user does not have.
    :ivar captured: the column that orders its changes, where they are captured from the database's log.
    :ivar nulls_first: in an order nulls come first, so that what comes after a value is greater.
    """

    name: str
    schema: str | None
    source: str
    columns: tuple[Column, ...] = ()
    key: tuple[str, ...] = ()
    rows: int | None = None
    size: int | None = None
    address: str | None = None
    missing: tuple[str, ...] = ()
    captured: str | None = None
    nulls_first: bool = False

    @property
    def descriptor(self) -> StreamDescriptor:
        """The stream's name."""
        return StreamDescriptor(self.name, self.schema)

    def column(self, name: str) -> Column | None:
        """The column of this name."""
        return next((column for column in self.columns if column.name == name), None)

    def json_schema(self) -> dict[str, Any]:
        """The JSON Schema of its rows."""
        return {"type": "object", "properties": {column.name: column.schema for column in self.columns}}

    def with_key(self, key: Sequence[str]) -> Table:
        """The same with another primary key."""
        return replace(self, key=tuple(key))

    @property
    def is_ordered(self) -> bool:
        """Whether its rows can be read by primary key, and on from any of them."""
        found = [column for name in self.key if (column := self.column(name)) is not None and column.orders]
        has_order = self.nulls_first or not any(column.nullable for column in found)
        return has_order and len(found) == len(self.key) > 0


@dataclass(frozen=True)
class Selection:
    """What a query asks for.

    :ivar columns: in the records' order.
    :ivar where: conditions that all must hold.
    :ivar order: columns by which the rows are ordered.
    :ivar nulls_first: rows without a value in the first of them come first; else there are none.
    """

    table: Table
    columns: tuple[Column, ...]
    where: tuple[str, ...] = ()
    order: tuple[str, ...] = ()
    nulls_first: bool = False

    def also(self, *conditions: str) -> Selection:
        """The same with more conditions."""
        return replace(self, where=(*self.where, *filter(None, conditions)))


@dataclass(frozen=True)
class Wanted:
    """Which tables a source reads.

    :ivar schemas: the database's schemas; empty: those of the database itself.
    :ivar include: patterns of a table's name, or of ``schema.name``, with ``*`` and ``?``; empty: all.
    :ivar exclude: likewise, of those that are left out.
    :ivar only: the streams of a read; None: all.
    """

    schemas: tuple[str, ...] = ()
    include: tuple[str, ...] = ()
    exclude: tuple[str, ...] = ()
    only: frozenset[StreamDescriptor] | None = field(default=None)

    def has(self, name: str, schema: str | None) -> bool:
        """Whether this table is wanted."""
        if self.only is not None and StreamDescriptor(name, schema) not in self.only:
            return False
        return (not self.include or fits(name, schema, self.include)) and not fits(name, schema, self.exclude)

    def names(self, name: str, schema: str | None) -> bool:
        """Whether this table is wanted by its name, and not just because it is there."""
        return any(not set(pattern) & set("*?[") and fits(name, schema, (pattern,)) for pattern in self.include)


def fits(name: str, schema: str | None, patterns: Iterable[str]) -> bool:
    """Whether one of the patterns is of a table of this name; upper and lower case differ."""
    full = f"{schema}.{name}" if schema else name
    return any(fnmatch.fnmatchcase(name, each) or fnmatch.fnmatchcase(full, each) for each in patterns)


def setting_for(table: Table, settings: Iterable[Any], name: str) -> Any:
    """What the settings of tables say of this one under a name; None: nothing. The first that does counts."""
    said = (getattr(each, name) for each in settings if fits(table.name, table.schema, (each.table,)))
    return next((value for value in said if value), None)


def as_text(value: Any) -> str:
    """A key's value as the text that a literal is made of."""
    return value if isinstance(value, str) else json.dumps(value)
