"""A database: how it is reached, which tables it has, and how it gives their rows as JSON.

This is any that SQLAlchemy knows, read row by row. A subclass for one kind of database says how that one builds
the JSON itself, which is what makes it fast.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from headwater.errors import ConfigError, HeadwaterError, SourceError, TransientError
from headwater.protocol.values import encode_rows
from headwater.sql.dialect import Dialect
from headwater.sql.session import Address
from headwater.sql.tables import Column, Selection, Table, Wanted
from headwater.sql.types import kind_of

if TYPE_CHECKING:
    from sqlalchemy import URL, Connection, Engine

    from headwater.protocol.messages import Change
    from headwater.sql.tunnel import Private

log = logging.getLogger("headwater")


@dataclass(frozen=True)
class Timeouts:
    """How long the database may take; None: as long as it wants.

    :ivar lock: seconds that a query waits for somebody who changes the table.
    :ivar statement: seconds that a whole query may run, and reading a table is one query.
    """

    lock: float | None = 60.0
    statement: float | None = None


@dataclass
class Rows:
    """Some rows, as JSON; and what had to be changed in which, by its place."""

    data: Sequence[bytes]
    changes: Mapping[int, Sequence[Change]]


class Database(Dialect):
    """A database as SQLAlchemy reaches it; see this module's beginning.

    :param url: where it is.
    :param connect: further arguments of its driver.
    :param timeouts: how long it may take.
    :param reach: called before each connection is made.
    :cvar default_schemas: those that are read where the config names none; empty: the database's own.
    :cvar shares: several connections can see the same point in time; else a read has one connection.
    :cvar part_size: bytes of a table from which on it is read in parts, and that a part has at least.
    :cvar page_size: bytes of a page, about: what the caches of a processor hold with all that is made of it.
    :cvar rows_per_step: rows that are fetched at once.
    """

    default_schemas: tuple[str, ...] = ()
    shares: bool = False
    part_size: int = 64 * 1024 * 1024
    page_size: int = 64 * 1024
    rows_per_step: int = 500

    def __init__(
        self,
        url: URL | Address,
        connect: Mapping[str, Any] | None = None,
        timeouts: Timeouts = Timeouts(),
        reach: Callable[[], None] = lambda: None,
    ) -> None:
        self.url = url
        self.timeouts = timeouts
        self._connect = dict(connect or {})
        self._reach = reach
        self._engine: Engine | None = None

    # --- connections --------------------------------------------------------------------------------------

    @property
    def engine(self) -> Engine:
        """SQLAlchemy's engine, which keeps no connections."""
        if self._engine is None:
            from sqlalchemy import create_engine
            from sqlalchemy.exc import ArgumentError, NoSuchModuleError
            from sqlalchemy.pool import NullPool

            try:
                self._engine = create_engine(
                    self.url.for_sqlalchemy() if isinstance(self.url, Address) else self.url,
                    connect_args=self._connect,
                    poolclass=NullPool,
                    **self.engine_options(),
                )
            except (ArgumentError, NoSuchModuleError, ImportError) as error:
                raise SourceError(f"There is no driver for {self.url.drivername!r}: {error}.") from error
        return self._engine

    def engine_options(self) -> dict[str, Any]:
        """Further arguments of ``create_engine``."""
        return {"execution_options": {"no_parameters": True}}

    def connect(self) -> Connection:
        """A connection of its own, which reads only.

        :raises HeadwaterError: when there is none to be had.
        """
        self._reach()
        try:
            connection = self.opened()
        except Exception as error:
            raise self.failure(error, "to connect") from error
        try:
            self.prepare(connection)
        except BaseException as error:
            self.discard(connection)
            if isinstance(error, Exception):
                raise self.failure(error, "to begin") from error
            raise
        return connection

    def opened(self) -> Connection:
        """A new connection, as the driver gives it."""
        return self.engine.connect()

    @staticmethod
    def arguments(ssl: Any, private: Private, host: str, way: tuple[str, int] | None) -> dict[str, Any]:
        """What the driver's ``connect`` takes besides the URL.

        :param ssl: one of the SSL modes of :mod:`headwater.sql.settings`; None: the driver's own.
        :param private: for what the driver wants as a file.
        :param host: the server's name.
        :param way: an address that leads to the server, where its own does not.
        """
        raise NotImplementedError

    def prepare(self, connection: Connection) -> None:
        """Make a new connection what reading needs: read-only, in UTC, with time-outs."""

    def begin(self, connection: Connection, snapshot: str | None = None) -> str | None:
        """Begin to read at one point in time.

        :param snapshot: the point in time that another connection gave.
        :return: the point in time, for other connections; None: it can't be shared.
        """
        return None

    def end(self, connection: Connection) -> None:
        """Give the connection back as it was before :meth:`begin`."""
        connection.rollback()

    def discard(self, connection: Connection) -> None:
        """Close a connection in whatever state it is."""
        with suppress(Exception):
            connection.invalidate()
        with suppress(Exception):
            connection.close()

    @property
    def place(self) -> str:
        """Where the database is, for messages; without credentials."""
        where = f"{self.url.host}:{self.url.port}/" if self.url.host else ""
        return f"{where}{self.url.database or ''}" or self.url.drivername

    # --- what there is ------------------------------------------------------------------------------------

    def tables(self, connection: Connection, wanted: Wanted) -> list[Table]:
        """The tables and views that are wanted, sorted by schema and name.

        :raises ConfigError: when a schema is not there.
        """
        from headwater.sql.reflection import reflected

        return reflected(self, connection, wanted, kind_of)

    def table_of(self, connection: Connection, name: str, query: str) -> Table:
        """A query's result as a table."""
        from headwater.sql.reflection import described

        return described(connection, name, query)

    def size_of(self, connection: Connection, table: Table) -> int | None:
        """About how many bytes a table has now."""
        return table.size

    def bounds(self, connection: Connection, table: Table, column: Column, count: int) -> list[Any]:
        """Values of a column that cut the table into parts of about the same size, in its order.

        :param count: how many parts are wanted; there may be more bounds than it takes.
        """
        if column.kind.schema.get("type") != "integer":
            return []
        name = self.quoted(column.name)
        found = connection.exec_driver_sql(f"SELECT min({name}), max({name}) FROM {table.source} r").first()
        if found is None or found[0] is None:
            return []
        low, high = int(found[0]), int(found[1])
        return [low + (high - low) * place // count for place in range(1, count)]

    def blocks(self, connection: Connection, table: Table) -> int:
        """How many blocks a table has that can be read by ranges of them; 0: it can't be."""
        return 0

    def address_ranges(self, edges: Sequence[int]) -> list[str]:
        """Conditions on the rows' address that cut a table at these blocks."""
        raise NotImplementedError

    def user(self, connection: Connection) -> str:
        """Who reads."""
        return self.url.username or ""

    # --- values ---------------------------------------------------------------------------------------------

    def last(self, connection: Connection, selection: Selection, column: Column) -> Rows | None:
        """The row with the greatest value of a column; None: there is no row."""
        query = f"{self.select(selection)} ORDER BY {self.column(column.name)} DESC"
        row = connection.exec_driver_sql(query).fetchone()
        if row is None:
            return None
        names = [each.name for each in selection.columns]
        return Rows(*encode_rows([dict(zip(names, row, strict=True))]))

    def value(self, connection: Connection, query: str) -> Any:
        """The one value that a query gives; None: it gives no row, or a null."""
        found = connection.exec_driver_sql(query).first()
        return None if found is None else found[0]

    # --- reading ------------------------------------------------------------------------------------------

    def pages(self, connection: Connection, selection: Selection) -> Iterator[Rows]:
        """The selection's rows, some at a time, each as a JSON object. Memory does not grow with the table."""
        from sqlalchemy import column, text

        names = [each.name for each in selection.columns]
        query = text(self.select(selection).replace(":", "\\:"))
        typed = query.columns(*(column(each.name, each.native) for each in selection.columns))
        streaming = connection.execution_options(stream_results=True, max_row_buffer=self.rows_per_step)
        result = streaming.execute(typed)
        try:
            while rows := result.fetchmany(self.rows_per_step):
                data, changes = encode_rows([dict(zip(names, row, strict=True)) for row in rows])
                yield Rows(data, changes)
        finally:
            result.close()

    # --- failures -----------------------------------------------------------------------------------------

    def failure(self, error: Exception, doing: str) -> HeadwaterError:
        """What a driver's exception means, and whose turn it is.

        :param doing: what was tried: "to read orders".
        """
        if isinstance(error, HeadwaterError):
            return error
        original = getattr(error, "orig", None) or error
        said = " ".join(str(original).split()).rstrip(".")
        kind = self.kind_of_failure(original)
        if kind is None and getattr(error, "connection_invalidated", False):
            kind = TransientError
        return (kind or SourceError)(
            f"The database {self.place} failed {doing}: {said}.", internal=type(original).__name__
        )

    def kind_of_failure(self, error: Any) -> type[SourceError] | None:
        """Whose turn it is after an exception of the driver: ConfigError, TransientError; None: nobody knows."""
        from sqlalchemy.exc import InterfaceError, OperationalError

        if isinstance(error, (OperationalError, InterfaceError, OSError)):
            return TransientError
        return ConfigError if isinstance(error, PermissionError) else None
