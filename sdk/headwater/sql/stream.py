"""A stream of a database: a table, a view, or a query of an author's."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

import msgspec

from headwater.errors import ConfigError
from headwater.protocol.catalog import CatalogStream, ConfiguredStream
from headwater.sql.tables import Selection, Table, setting_for
from headwater.stream import Page, Record, Slice, Stream

if TYPE_CHECKING:
    from headwater.sql.source import SqlSource


class SqlStream(Stream):
    """A table, a view or a query.

    A source makes one of each table. An author's own is a query::

        class Revenue(SqlStream):
            name = "revenue"
            query = "SELECT customer_id, sum(amount) AS total, max(paid_at) AS paid_at FROM payments GROUP BY 1"
            primary_key = ("customer_id",)
            cursor = Cursor("paid_at")

    or a table that is read in another way: a subclass for it is what :meth:`SqlSource.stream` gives.

    :cvar query: a SELECT, without a semicolon; None: the stream is a table.
    :cvar where: a condition in SQL that its rows must fulfil, on columns of the table or of the query; the config's
        ``row_filter`` comes on top.
    :cvar cursor: the cursor that is taken where the sync names none. Its order and the like do not matter here: the
        database sorts.
    """

    source: SqlSource
    query: str | None = None
    where: str | None = None

    def __init__(self, source: SqlSource, table: Table | None = None) -> None:
        super().__init__(source)
        self._table = table
        if table is not None:
            self.name, self.namespace = table.name, table.schema
            self.primary_key = table.key

    @property
    def table(self) -> Table:
        """What is read; of a query, what the database says that it gives.

        :raises ConfigError: when the database refuses the query.
        """
        if self._table is None:
            if self.query is None:
                raise TypeError(f"{type(self).__name__} needs a table or a query.")
            table = self.source.described(self.name, self.query)
            self._table = table.with_key([name for name in self.primary_key if isinstance(name, str)])
        return self._table

    def readable(self) -> Table:
        """The table.

        :raises ConfigError: when the user lacks a right that reading it takes; it names it.
        """
        table = self.table
        if table.missing:
            raise ConfigError(
                f"The user lacks {' and '.join(table.missing)}, without which {self.descriptor} can't be read. "
                "Grant it, or take the stream out of the sync.",
                stream=self.name,
            )
        return table

    def filter(self) -> str:
        """The condition that the rows must fulfil; empty: all are read."""
        conditions = [
            each
            for each in (self.where, setting_for(self.table, self.source.config.table_settings, "row_filter"))
            if each
        ]
        return " AND ".join(f"({each})" for each in conditions)

    def lookback(self) -> float | None:
        """How far before the last value of the cursor an incremental read begins: seconds, or a number."""
        return self.source.config.lookback

    def default_cursor(self) -> str | None:
        """The column that is the cursor where the sync names none."""
        said = setting_for(self.table, self.source.config.table_settings, "cursor_field")
        return str(said) if said else self.cursor.field if self.cursor else None

    def cursor_of(self, configured: ConfiguredStream) -> str | None:
        """The cursor of a sync; None: the stream is read whole.

        :raises ConfigError: when there should be one, and none is named, or one that the table does not have.
        """
        if configured.sync_mode != "incremental":
            return None
        name = configured.cursor_field[0] if configured.cursor_field else self.default_cursor()
        known = ", ".join(column.name for column in self.table.columns if column.orders) or "none"
        if name is None:
            raise ConfigError(
                f"Stream {self.descriptor}: an incremental read needs a cursor field. Name one of its columns "
                f"({known}) in the catalog's `cursor_field` or in the setting `table_settings`, or read it whole.",
                stream=self.name,
            )
        if self.table.column(name) is None:
            raise ConfigError(f"Stream {self.descriptor}: there is no column {name!r} for a cursor. It has: {known}.",
                              stream=self.name)  # fmt: skip
        return name

    # --- what a stream is for the SDK -----------------------------------------------------------------------

    @property
    def is_whole(self) -> bool:
        return False

    def json_schema(self) -> Mapping[str, Any]:
        return self.table.json_schema()

    def to_catalog(self) -> CatalogStream:
        table = self.table
        cursor = table.captured or self.default_cursor()
        modes: Any = ("full_refresh", "incremental")
        may = table.captured is not None or (
            self.source.capture() is None and any(column.orders for column in table.columns)
        )
        return CatalogStream(
            name=self.name,
            namespace=self.namespace,
            json_schema=table.json_schema(),
            supported_sync_modes=modes if may else modes[:1],
            source_defined_cursor=table.captured is not None,
            default_cursor_field=(cursor,) if cursor else (),
            primary_key=tuple((name,) for name in table.key),
            # by its key: from any row; without one a read that is tried again begins anew
            is_resumable=table.is_ordered,
        )

    def pages(self, slice: Slice) -> Iterator[Page]:
        database = self.source.database
        with self.source.connection(f"to read {self.descriptor}") as connection:
            selection = Selection(self.readable(), self.table.columns).also(self.filter())
            for rows in database.pages(connection, selection):
                yield Page(rows.data, (), rows.changes)

    def read(self, slice: Slice) -> Iterator[Record]:
        for page in self.pages(slice):
            for record in page.data:
                yield msgspec.json.decode(record)
