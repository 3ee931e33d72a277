"""How a database writes SQL: names, values, conditions and whole queries."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from headwater.errors import ConfigError
from headwater.sql.tables import Column, Selection, as_text

if TYPE_CHECKING:
    from sqlalchemy import Engine


class Dialect:
    """SQL as the standard and SQLAlchemy have it; a kind of database overrides what it writes otherwise."""

    @property
    def engine(self) -> Engine:
        """SQLAlchemy's engine, which knows how names are quoted."""
        raise NotImplementedError

    def quoted(self, *names: str | None) -> str:
        """A name, with those that it is in."""
        quote = self.engine.dialect.identifier_preparer.quote_identifier
        return ".".join(quote(name) for name in names if name)

    def literal(self, text: str) -> str:
        """A text in SQL."""
        return "'" + text.replace("'", "''") + "'"

    def value_of(self, column: Column, value: Any) -> str:
        """A column's value, as a record or a state has it, in SQL."""
        assert column.kind.literal is not None
        return column.kind.literal.format(self.literal(as_text(value)))

    def column(self, name: str) -> str:
        """A column of the table that is read. Not just its name, which may be that of a result's column, too."""
        return f"r.{self.quoted(name)}"

    def expression(self, column: Column) -> str:
        """A column's value as its record has it."""
        return (column.kind.sql or "{0}").format(self.column(column.name))

    def order(self, selection: Selection) -> str:
        """The ORDER BY of a query; nothing where it has no order."""
        parts = [self.column(name) for name in selection.order]
        if parts and selection.nulls_first:
            parts[0] = self.nulls_first(parts[0])
        return f" ORDER BY {', '.join(parts)}" if parts else ""

    def nulls_first(self, column: str) -> str:
        """How rows without a value come first; what others do by themselves."""
        return column

    def conditions(self, selection: Selection) -> str:
        """The WHERE of a query."""
        return f" WHERE {' AND '.join(f'({one})' for one in selection.where)}" if selection.where else ""

    def select(self, selection: Selection) -> str:
        """The query: a result column for each of the selection's."""
        columns = ", ".join(f"{self.expression(each)} AS {self.quoted(each.name)}" for each in selection.columns)
        return f"SELECT {columns} FROM {selection.table.source} r{self.conditions(selection)}{self.order(selection)}"

    def is_after(self, columns: Sequence[str], values: Sequence[str]) -> str:
        """The condition of rows that come after one, in the order of some columns."""
        if len(columns) == 1:
            return f"{columns[0]} > {values[0]}"
        return f"({', '.join(columns)}) > ({', '.join(values)})"

    def before(self, value: str, cursor: Column, lookback: float) -> str:
        """SQL of a value that lies so far before one.

        :raises ConfigError: when nothing can be taken off the cursor's values.
        """
        if cursor.kind.schema.get("type") in ("integer", "number"):
            return f"{value} - {digits(lookback)}"
        raise ConfigError(
            f"config: setting `lookback`: nothing can be taken off {cursor.name!r}, which is {cursor.type}."
        )


def digits(number: float) -> str:
    """A number in SQL: all of its digits, and no exponent, which would make a float of what it is taken from."""
    return format(Decimal(repr(number)), "f").removesuffix(".0")
