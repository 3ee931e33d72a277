"""The base class of connectors to databases."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from typing import TYPE_CHECKING, Any, ClassVar

from headwater.errors import ConfigError
from headwater.protocol.catalog import ConfiguredCatalog
from headwater.protocol.messages import Message, State, StreamDescriptor
from headwater.source import Source
from headwater.sql.config import SqlConfig
from headwater.sql.database import Database
from headwater.sql.reader import SqlReader
from headwater.sql.snapshot import Snapshot
from headwater.sql.stream import SqlStream
from headwater.sql.tables import Table, Wanted, fits, setting_for

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from sqlalchemy import URL, Connection

    from headwater.protocol.catalog import ConfiguredStream
    from headwater.reader import StreamReader
    from headwater.sql.postgres_cdc import Capture
    from headwater.sql.session import Address
    from headwater.stream import Stream

log = logging.getLogger("headwater")


class SqlSource(Source):
    """A connector to a database: its tables and views are the streams.

    ::

        class AcmeSource(SqlSource):
            name = "acme"
            config: AcmeConfig
            database_class = Postgres

            def url(self):
                return URL.create("postgresql+psycopg", host=self.config.host, ...)

    Methods to override: :meth:`url`; rarely :meth:`streams` (to add queries), :meth:`stream` (to read a table in
    another way), :meth:`schemas`, :meth:`connect_arguments` and :meth:`reach`. Facts:

    :cvar database_class: the kind of database; the default is any that SQLAlchemy has a dialect for.
    """

    config: SqlConfig
    database_class: ClassVar[type[Database]] = Database

    def __init__(self, config: SqlConfig) -> None:
        super().__init__(config)
        self._database: Database | None = None
        self._snapshot: Snapshot | None = None
        self.captured_at = 0
        self._only: frozenset[StreamDescriptor] | None = None
        self._found: dict[frozenset[StreamDescriptor] | None, list[Table]] = {}

    # --- what a connector says ------------------------------------------------------------------------------

    def url(self) -> URL | Address:
        """Where the database is, with the driver: SQLAlchemy's URL, or an address, which SQLAlchemy is not imported for
        where :attr:`database_class` does without it. Called once."""
        raise NotImplementedError(f"{type(self).__name__} needs a url().")

    def connect_arguments(self) -> Mapping[str, Any]:
        """Further arguments of the driver's ``connect``. Called once."""
        return {}

    def capture(self) -> Capture | None:
        """What reads changes from the database's log, where the config wants that; a state of all streams is its."""
        return None

    def reach(self) -> None:
        """Called before each connection is made: a way to the database can be opened here."""

    def schemas(self) -> Sequence[str]:
        """The database's schemas whose tables are streams; none: the database's own default."""
        return ()

    def stream(self, table: Table) -> SqlStream:
        """The stream of a table. A child may give a subclass of :class:`SqlStream` for some."""
        return SqlStream(self, table)

    def streams(self) -> Iterable[Stream]:
        """A stream for each table and view that is wanted. A child adds queries:
        ``[*super().streams(), Revenue(self)]``."""
        return [self.stream(table) for table in self._tables() if not table.missing or self._only is not None]

    # --- the database ---------------------------------------------------------------------------------------

    @property
    def database(self) -> Database:
        """What is asked."""
        if self._database is None:
            self._database = self.database_class(
                self.url(), self.connect_arguments(), self.config.timeouts(), self.reach
            )
        return self._database

    def connection(self, doing: str = "to read") -> AbstractContextManager[Connection]:
        """A connection that reads, at the point in time that all of this source's see."""
        return self.snapshot().connection(doing)

    def snapshot(self) -> Snapshot:
        """The point in time that is read."""
        if self._snapshot is None:
            self._snapshot = Snapshot(self.database)
        return self._snapshot

    def see(self, snapshot: Snapshot) -> None:
        """Read at this point in time from now on."""
        self.leave()
        self._snapshot = snapshot
        self._found.clear()

    def leave(self) -> None:
        """Leave the point in time that is read. The next connection begins another."""
        snapshot, self._snapshot = self._snapshot, None
        if snapshot is not None:
            snapshot.close()

    def close(self) -> None:
        """Leave the database. It is entered again when there is something to ask."""
        self.leave()
        self._database = None

    @contextmanager
    def own_connection(self, doing: str) -> Iterator[Connection]:
        """A connection that is at no point in time.

        :param doing: what for, for messages.
        """
        connection = self.database.connect()
        try:
            yield connection
        except Exception as error:
            raise self.database.failure(error, doing) from error
        finally:
            self.database.discard(connection)

    def described(self, name: str, query: str) -> Table:
        """What a query gives, as a table.

        :raises ConfigError: when the database refuses it.
        """
        with self.connection(f"to describe the query of {name!r}") as connection:
            return self.database.table_of(connection, name, query)

    def _tables(self) -> list[Table]:
        """The tables that are wanted; of a read, those of its catalog alone. Asked once."""
        found = self._found.get(self._only)
        if found is None:
            config = self.config
            wanted = Wanted(tuple(self.schemas()), tuple(config.tables), tuple(config.exclude_tables), self._only)
            with self.connection("to list its tables") as connection:
                found = self.database.tables(connection, wanted)
            found = self._found[self._only] = self._captured([self._keyed(table) for table in found])
            self._complain(found, wanted)
        return found

    def _captured(self, tables: list[Table]) -> list[Table]:
        """The tables, those with what is told of changes whose changes are captured."""
        capture = self.capture()
        if capture is None:
            return tables
        with self.own_connection("to look at the replication slot") as connection:
            return capture.tables(connection, tables)

    def _keyed(self, table: Table) -> Table:
        key = setting_for(table, self.config.table_settings, "primary_key")
        unknown = [name for name in key or () if table.column(name) is None]
        if unknown:
            known = ", ".join(column.name for column in table.columns)
            said = f"{table.descriptor} has no column {', '.join(unknown)}. It has: {known}."
            raise ConfigError(f"config: setting `table_settings`: {said}")
        return table.with_key(key) if key else table

    def _complain(self, tables: Sequence[Table], wanted: Wanted) -> None:
        """Say which tables are left out as the user may not read them.

        :raises ConfigError: when the config names one of them, or when there is no other.
        """
        refused = [table for table in tables if table.missing]
        if not refused or self._only is not None:
            return
        rights = list(dict.fromkeys(right for table in refused for right in table.missing))
        shown = ", ".join(rights[:20]) + (f" and {len(rights) - 20} more" if len(rights) > 20 else "")
        named = [table for table in refused if wanted.names(table.name, table.schema)]
        if named or len(refused) == len(tables):
            raise ConfigError(f"The user lacks {shown}. Grant it, or take the tables out by `exclude_tables`.")
        log.warning("%d of %d tables are left out, as the user lacks %s.", len(refused), len(tables), shown)

    # --- the commands ---------------------------------------------------------------------------------------

    def check(self) -> None:
        """Connect, and see that there is something that may be read.

        :raises ConfigError: when there is not; it names the rights that are missing.
        """
        try:
            readable = list(self.streams())
            known = [(stream.name, stream.namespace) for stream in readable]
            for pattern in self.config.tables:
                if not set(pattern) & set("*?[") and not any(fits(*each, (pattern,)) for each in known):
                    raise ConfigError(f"There is no table {pattern!r}, or the user may not see it. Look at `tables`.")
            if not readable:
                where = ", ".join(self.schemas()) or self.database.place
                raise ConfigError(f"There is no table to read in {where}. Look at `schemas` and `tables`.")
            for stream in readable:
                if isinstance(stream, SqlStream) and stream.query is not None:
                    stream.readable()  # that its query is one
        finally:
            self.close()

    def discover(self) -> Any:
        try:
            return super().discover()
        finally:
            self.close()

    def read(self, catalog: ConfiguredCatalog, state: Sequence[State] = ()) -> Iterator[Message]:
        self._only = frozenset(stream.descriptor for stream in catalog.streams)
        try:
            capture = self.capture()
            if capture is None:
                yield from self.read_tables(catalog, state)
            else:
                yield from capture.read(catalog, state)
        finally:
            self._only = None
            self.close()

    def read_tables(self, catalog: ConfiguredCatalog, state: Sequence[State]) -> Iterator[Message]:
        """Read tables by queries, each with a state of its own."""
        yield from super().read(catalog, state)

    def reader(
        self,
        stream: Stream,
        configured: ConfiguredStream,
        blob: Mapping[str, Any] | None,
        events: Callable[[], Iterable[Message]] = tuple,
    ) -> StreamReader:
        if isinstance(stream, SqlStream):
            return SqlReader(stream, configured, blob, self.snapshot(), events)
        return super().reader(stream, configured, blob, events)

    def level(self) -> int:
        return super().level() if self.database.shares else 1
