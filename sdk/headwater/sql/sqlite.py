"""SQLite: rows as Python has them, made into JSON a page at a time.

Its own ``json_object`` writes 15 digits of a float, no infinity that is JSON, and fails on a BLOB; a page of rows
through msgspec is quicker, too.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from headwater.errors import ConfigError, SourceError, TransientError
from headwater.sql.database import Database, Rows
from headwater.sql.dialect import digits
from headwater.sql.session import Address, Session
from headwater.sql.sqlite_rows import Encoding
from headwater.sql.sqlite_types import dated, is_date, kind_of
from headwater.sql.tables import Column, Kind, Selection, Table, Wanted
from headwater.sql.types import BASE64

if TYPE_CHECKING:
    from sqlalchemy import URL, Connection

log = logging.getLogger("headwater")

_NAMES = """
SELECT name FROM sqlite_master WHERE type IN ('table', 'view') AND name NOT LIKE 'sqlite\\_%' ESCAPE '\\' {also}
ORDER BY name
"""
_NO_SHADOWS = "AND name NOT IN (SELECT name FROM pragma_table_list WHERE schema = 'main' AND type = 'shadow')"
"""Tables in which a virtual table (full text, R-tree) keeps what it has, since SQLite 3.37 tells them."""
_COLUMNS = "SELECT name, type, pk FROM pragma_table_xinfo({name}) WHERE hidden <> 1 ORDER BY cid"
_FIRST = 1000
"""Rows that are looked at for what a date is."""
_FETCH = 16
"""Rows that are fetched first."""
_CONFIG = ("unable to open", "not a database", "no such", "syntax error", "authorization", "malformed", "readonly")


class File(Session):
    """A connection of Python's own module, without SQLAlchemy.

    :param path: the file's.
    """

    def __init__(self, path: str) -> None:
        import sqlite3

        uri = f"{Path(path).absolute().as_uri()}?mode=ro"
        self.driver = sqlite3.connect(uri, uri=True, isolation_level=None, check_same_thread=False)


class FileAddress(Address):
    """A file, which is only read: not even made where it is not there."""

    def __init__(self, path: str) -> None:
        super().__init__("sqlite", None, None, None, None, path)

    def for_sqlalchemy(self) -> URL:
        from sqlalchemy import URL

        file = Path(self.database or "").absolute().as_uri()
        return URL.create(self.drivername, database=file, query={"mode": "ro", "uri": "true"})


class Sqlite(Database):
    """A file of SQLite."""

    rows_per_step = 128
    """Rows that are fetched at once: as many as the processor's caches hold while they are looked at."""

    def engine_options(self) -> dict[str, Any]:
        return {**super().engine_options(), "isolation_level": "AUTOCOMMIT"}

    @property
    def place(self) -> str:
        """The file, wherever the command was run."""
        return str(Path(self.url.database or "").absolute())

    def opened(self) -> Connection:
        if isinstance(self.url, Address):
            return cast("Connection", File(self.url.database or ""))
        return super().opened()

    @staticmethod
    def driver(connection: Connection) -> Any:
        """The connection of Python's own module."""
        return connection.driver if isinstance(connection, Session) else connection.connection.driver_connection

    def prepare(self, connection: Connection) -> None:
        connection.exec_driver_sql("PRAGMA query_only = ON")
        connection.exec_driver_sql(f"PRAGMA busy_timeout = {round((self.timeouts.lock or 2**20) * 1000)}")

    def begin(self, connection: Connection, snapshot: str | None = None) -> str | None:
        connection.exec_driver_sql("BEGIN")
        return None

    def quoted(self, *names: str | None) -> str:
        return ".".join('"' + name.replace('"', '""') + '"' for name in names if name)

    # --- what there is ------------------------------------------------------------------------------------

    def tables(self, connection: Connection, wanted: Wanted) -> list[Table]:
        import sqlite3

        found = []
        query = _NAMES.format(also=_NO_SHADOWS if sqlite3.sqlite_version_info >= (3, 37) else "")
        names = [str(row[0]) for row in connection.exec_driver_sql(query)]
        for name in names:
            if not wanted.has(name, None):
                continue
            try:
                columns = list(connection.exec_driver_sql(_COLUMNS.format(name=self.literal(name))))
                found.append(self._table(connection, name, columns))
            except Exception as error:  # a view of a table that is gone, a table of a module that is not there
                if wanted.names(name, None) or isinstance(
                    failure := self.failure(error, "to describe it"), TransientError
                ):
                    raise
                log.warning("%s is left out, as it can't be read: %s", name, failure.message)
        return found

    def _table(self, connection: Connection, name: str, rows: list[Any]) -> Table:
        key = [str(row[0]) for row in sorted((row for row in rows if row[2]), key=lambda row: row[2])]
        source = self.quoted(name)
        columns = []
        for column, declared, place in rows:
            is_rowid = place == 1 and len(key) == 1 and declared.upper() == "INTEGER"
            kind = self._dated(connection, source, column) if is_date(declared) else kind_of(declared)
            # NOT NULL or not, a value that is none of its declared type becomes null.
            columns.append(Column(column, declared or "any", kind, nullable=not is_rowid))
        return Table(name, None, source, tuple(columns), tuple(key), nulls_first=True)

    def _dated(self, connection: Connection, source: str, column: str) -> Kind:
        name = self.quoted(column)
        first = f"SELECT {name} FROM {source} WHERE {name} IS NOT NULL LIMIT {_FIRST}"
        with _any_text(self.driver(connection)):
            return dated([row[0] for row in connection.exec_driver_sql(first)])

    def size_of(self, connection: Connection, table: Table) -> int | None:
        return None  # one connection reads: parts would gain nothing

    def table_of(self, connection: Connection, name: str, query: str) -> Table:
        cursor = self.driver(connection).execute(f"SELECT * FROM ({query}) LIMIT 0")
        columns = tuple(Column(str(each[0]), "any", Kind({}, literal="{0}")) for each in cursor.description)
        cursor.close()
        return Table(name, None, f"({query})", columns, nulls_first=True)

    # --- reading ------------------------------------------------------------------------------------------

    def value_of(self, column: Column, value: Any) -> str:
        if column.kind.schema is BASE64:
            import base64

            return f"X'{base64.b64decode(value).hex()}'"
        if isinstance(value, int):
            return str(value)
        return super().value_of(column, value)

    def before(self, value: str, cursor: Column, lookback: float) -> str:
        form = cursor.kind.schema.get("format")
        if form == "date":
            return f"date({value}, '-{digits(lookback)} seconds')"
        if form == "date-time":
            joint = "T" if "replace" not in (cursor.kind.literal or "") else " "
            return f"strftime('%Y-%m-%d{joint}%H:%M:%S', {value}, '-{digits(lookback)} seconds')"
        return super().before(value, cursor, lookback)

    def last(self, connection: Connection, selection: Selection, column: Column) -> Rows | None:
        query = f"{self.select(selection)} ORDER BY {self.column(column.name)} DESC LIMIT 1"
        with _any_text(self.driver(connection)):
            row = connection.exec_driver_sql(query).first()
        return None if row is None else Encoding(selection.columns).slowly([tuple(row)])

    def pages(self, connection: Connection, selection: Selection) -> Iterator[Rows]:
        driver = self.driver(connection)
        encoding = Encoding(selection.columns)
        query = self.select(selection)
        given = 0
        try:
            for rows in self._fetched(driver, query):
                yield from encoding.add(rows, self.page_size)
                given += len(rows)
        except Exception as error:
            if "Could not decode" not in str(error):
                raise
            yield from encoding.rest()
            # Again from there, at the same point in time, a little slower.
            with _any_text(driver):
                for rows in self._fetched(driver, f"{query} LIMIT -1 OFFSET {given}"):
                    yield encoding.slowly(rows)
        else:
            yield from encoding.rest()

    def _fetched(self, driver: Any, query: str) -> Iterator[list[Any]]:
        cursor = driver.cursor()
        try:
            cursor.execute(query)
            count = _FETCH
            while rows := cursor.fetchmany(count):
                yield rows
                size = sum(map(len, filter(_is_long, rows[-1])))
                count = max(1, min(self.rows_per_step, 2 * count, self.page_size // (size + 1)))
        finally:
            cursor.close()

    # --- failures -----------------------------------------------------------------------------------------

    def kind_of_failure(self, error: Any) -> type[SourceError] | None:
        said = str(error)
        if "locked" in said or "busy" in said:
            return TransientError
        return ConfigError if any(each in said for each in _CONFIG) else None


@contextmanager
def _any_text(driver: Any) -> Iterator[None]:
    """Text that is not UTF-8 comes with lone surrogates in place of its bytes meanwhile (PEP 383)."""
    driver.text_factory = lambda value: value.decode("utf-8", "surrogateescape")
    try:
        yield
    finally:
        driver.text_factory = str


def _is_long(value: Any) -> bool:
    return value.__class__ is str or value.__class__ is bytes
