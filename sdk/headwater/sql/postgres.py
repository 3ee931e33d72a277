"""PostgreSQL: the server builds each row's JSON, and COPY brings it.

``COPY (SELECT row_to_json(...)) TO STDOUT`` needs no right but SELECT. Its CSV format with a quote that no JSON
has brings a row a line, as it is: unlike its text format, in which each backslash is doubled.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import pairwise
from typing import TYPE_CHECKING, Any, cast

from headwater.errors import ConfigError, SourceError, TransientError
from headwater.sql.copying import copied
from headwater.sql.database import Database, Rows
from headwater.sql.dialect import digits
from headwater.sql.marks import Marks
from headwater.sql.session import Address, Session
from headwater.sql.tables import Column, Selection, Table, Wanted

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from headwater.sql.tunnel import Private

_QUOTE = b"\x01"
_FORMAT = r"(FORMAT csv, QUOTE E'\x01', ESCAPE E'\x01', DELIMITER E'\x02')"

# SQLSTATE, or its class, and whose turn it is: https://www.postgresql.org/docs/current/errcodes-appendix.html
_TURNS: tuple[tuple[str, type[SourceError]], ...] = (
    ("28", ConfigError),  # who is it, and is he let in
    ("3D", ConfigError),  # no such database
    ("3F", ConfigError),  # no such schema
    ("42", ConfigError),  # no right, no such table or column, a filter that is no SQL
    ("22", ConfigError),  # a filter or a state that compares what can't be compared
    ("53", TransientError),  # out of connections, memory, disk
    ("55006", TransientError),  # a slot that somebody else reads
    ("55P03", TransientError),  # a lock that was not to be had in time
    ("57", TransientError),  # shut down, cancelled, a time-out
    ("58", TransientError),  # its own disk
    ("40", TransientError),  # on a standby: a conflict with what it repeats
    ("25P0", TransientError),  # the connection was idle for too long
)
_WRONG = ("authentication failed", "does not exist", "no such database", "certificate", "could not translate")


class Postgres(Database):
    """A PostgreSQL server, or one that speaks as it does: 12 or later."""

    default_schemas = ("public",)
    shares = True
    rows_per_step = 64
    """Rows that are taken before it is looked how many bytes they are."""

    def engine_options(self) -> dict[str, Any]:
        from headwater import libpq

        found = {"isolation_level": "AUTOCOMMIT", "creator": lambda: libpq.Connection.connect(**self._arguments())}
        return {**super().engine_options(), **found}

    def opened(self) -> Connection:
        if not isinstance(self.url, Address):
            return super().opened()
        try:
            return cast("Connection", Session(self._arguments()))
        except ImportError as error:
            raise SourceError(f"There is no driver for {self.url.drivername!r}: {error}.") from error

    @staticmethod
    def arguments(ssl: Any, private: Private, host: str, way: tuple[str, int] | None) -> dict[str, Any]:
        found: dict[str, Any] = {"connect_timeout": 30, "application_name": "headwater", "client_encoding": "UTF8"}
        if way is not None:  # the certificate is still looked at for the server's own name
            found |= {"host": host, "hostaddr": way[0], "port": way[1]}
        if ssl is None:
            return found
        from headwater.sql.settings import VerifyCa, VerifyFull

        found["sslmode"] = ssl.__struct_config__.tag
        if isinstance(ssl, (VerifyCa, VerifyFull)):
            found["sslrootcert"] = private.file("ca.pem", ssl.ca_certificate.reveal())
            if ssl.client_certificate is not None:
                found["sslcert"] = private.file("client.pem", ssl.client_certificate.reveal())
            if ssl.client_key is not None:
                found["sslkey"] = private.file("client.key", ssl.client_key.reveal())
            if ssl.client_key_password is not None:
                found["sslpassword"] = ssl.client_key_password.reveal()
        return found

    def prepare(self, connection: Connection) -> None:
        timeouts = self.timeouts
        # What the values' text and the pace depend on, whatever the server's or the user's defaults are.
        settings = {
            "client_encoding": "UTF8",
            "TimeZone": "UTC",
            "DateStyle": "ISO, YMD",
            "IntervalStyle": "iso_8601",
            "bytea_output": "hex",
            "extra_float_digits": "1",
            "xmlbinary": "base64",
            "default_transaction_read_only": "on",
            "statement_timeout": _milliseconds(timeouts.statement),
            "lock_timeout": _milliseconds(timeouts.lock),
            "idle_in_transaction_session_timeout": "0",
        }
        calls = ", ".join(f"set_config('{name}', '{value}', false)" for name, value in settings.items())
        connection.exec_driver_sql(f"SELECT {calls}")

    def begin(self, connection: Connection, snapshot: str | None = None) -> str | None:
        connection.exec_driver_sql("BEGIN TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
        if snapshot is not None:
            connection.exec_driver_sql(f"SET TRANSACTION SNAPSHOT {self.literal(snapshot)}")
            return snapshot
        return str(self.value(connection, "SELECT pg_export_snapshot()"))

    def end(self, connection: Connection) -> None:
        connection.exec_driver_sql("ROLLBACK")

    def user(self, connection: Connection) -> str:
        return str(self.value(connection, "SELECT current_user"))

    # --- what there is ------------------------------------------------------------------------------------

    def tables(self, connection: Connection, wanted: Wanted) -> list[Table]:
        from headwater.sql.postgres_catalog import tables

        return tables(self, connection, wanted)

    def table_of(self, connection: Connection, name: str, query: str) -> Table:
        from headwater.sql.postgres_catalog import table_of

        return table_of(self, connection, name, query)

    def size_of(self, connection: Connection, table: Table) -> int | None:
        if table.address is None and not table.key:
            return None
        size = self.value(connection, f"SELECT pg_relation_size({self.literal(table.source)}::regclass)")
        return int(size) if size is not None else None

    def bounds(self, connection: Connection, table: Table, column: Column, count: int) -> list[Any]:
        if column.kind.schema.get("type") == "string" and self.takes_any_bytes(connection):
            return []  # no state may be able to keep them
        found = self.value(
            connection,
            "SELECT histogram_bounds::text::text[] FROM pg_stats"
            f" WHERE schemaname = {self.literal(table.schema or '')} AND tablename = {self.literal(table.name)}"
            f" AND attname = {self.literal(column.name)} AND NOT inherited",
        )
        return list(found) if found else super().bounds(connection, table, column, count)

    def blocks(self, connection: Connection, table: Table) -> int:
        if table.address != "ctid" or self.version(connection) < 140000:  # before, each range read all of it
            return 0
        size = self.size_of(connection, table) or 0
        return size // int(self.value(connection, "SELECT current_setting('block_size')"))

    def address_ranges(self, edges: Sequence[int]) -> list[str]:
        points = [f"'({edge},0)'::tid" for edge in edges]
        between = [f"r.ctid >= {low} AND r.ctid < {high}" for low, high in pairwise(points)]
        return [f"r.ctid < {points[0]}", *between, f"r.ctid >= {points[-1]}"]

    def version(self, connection: Connection) -> int:
        """The server's, as ``150004``."""
        return int(self.driver(connection).info.server_version)

    def takes_any_bytes(self, connection: Connection) -> bool:
        """Whether the database's text is any bytes, which the server would refuse to give as UTF-8."""
        return bool(self.driver(connection).info.parameter_status("server_encoding") == "SQL_ASCII")

    @contextmanager
    def bytes_as_they_are(self, connection: Connection) -> Iterator[bool]:
        """Where the database takes any bytes for text, the server gives them as they are meanwhile.

        :return: whether it does.
        """
        if not self.takes_any_bytes(connection):
            yield False
            return
        connection.exec_driver_sql("SET client_encoding = 'SQL_ASCII'")
        yield True
        connection.exec_driver_sql("SET client_encoding = 'UTF8'")

    @staticmethod
    def driver(connection: Connection) -> Any:
        """psycopg's connection."""
        return connection.driver if isinstance(connection, Session) else connection.connection.driver_connection

    def driver_arguments(self) -> dict[str, Any]:
        """What psycopg's own ``connect`` takes."""
        self._reach()
        return self._arguments()

    def _arguments(self) -> dict[str, Any]:
        if isinstance(self.url, Address):
            return {**self.url.arguments(), **self._connect}
        _, found = self.engine.dialect.create_connect_args(self.url)
        return {**found, **self._connect}

    # --- reading ------------------------------------------------------------------------------------------

    def nulls_first(self, column: str) -> str:
        return f"{column} NULLS FIRST"

    def json(self, selection: Selection) -> str:
        """The query for one column: each row's JSON."""
        return f"SELECT row_to_json(t.*) FROM ({self.select(selection)}) AS t"

    def before(self, value: str, cursor: Column, lookback: float) -> str:
        if cursor.kind.schema.get("format") in ("date", "date-time"):
            return f"{value} - interval '{digits(lookback)} seconds'"
        return super().before(value, cursor, lookback)

    def last(self, connection: Connection, selection: Selection, column: Column) -> Rows | None:
        query = f"{self.select(selection)} ORDER BY {self.column(column.name)} DESC LIMIT 1"
        with self.bytes_as_they_are(connection) as any_bytes:
            found = self.value(connection, f"SELECT row_to_json(t.*)::text FROM ({query}) AS t")
        if found is None:
            return None
        record = found if any_bytes else found.encode()
        return Rows(*Marks(selection.columns, is_utf8=not any_bytes)(record, [record]))

    def quoted(self, *names: str | None) -> str:
        return ".".join('"' + name.replace('"', '""') + '"' for name in names if name)

    def pages(self, connection: Connection, selection: Selection) -> Iterator[Rows]:
        driver = self.driver(connection)
        query = f"COPY ({self.json(selection)}) TO STDOUT {_FORMAT}".encode()
        with self.bytes_as_they_are(connection) as any_bytes, driver.cursor() as cursor, cursor.copy(query):
            marks = Marks(selection.columns, is_utf8=not any_bytes)
            rest = b""
            for page in self._joined(copied(driver, self.rows_per_step)):
                whole = rest + page if rest else page
                end = whole.rfind(b"\n") + 1  # a server sends whole rows; the protocol does not say that it must
                rest, whole = whole[end:], whole[:end]
                if _QUOTE in whole:
                    whole = _on_one_line(whole)
                data = whole.split(b"\n")
                data.pop()
                if data:
                    found, changes = marks(whole, data)
                    yield Rows(found, changes)

    def _joined(self, steps: Iterator[bytes]) -> Iterator[bytes]:
        """Some rows at a time, joined to pages."""
        parts: list[bytes] = []
        size = 0
        for step in steps:
            parts.append(step)
            size += len(step)
            if size >= self.page_size:
                yield b"".join(parts)
                parts.clear()
                size = 0
        if parts:
            yield b"".join(parts)

    # --- failures -----------------------------------------------------------------------------------------

    def kind_of_failure(self, error: Any) -> type[SourceError] | None:
        if not hasattr(error, "sqlstate"):
            return super().kind_of_failure(error)
        state = error.sqlstate or ""
        if state and not state.startswith("08"):
            return next((turn for start, turn in _TURNS if state.startswith(start)), None)
        # libpq's own failures: it could not connect, or the connection is gone. Poolers give class 08 to all of theirs.
        return ConfigError if any(each in str(error) for each in _WRONG) else TransientError


def _on_one_line(page: bytes) -> bytes:
    """A page with JSON as somebody wrote it, with line breaks between its values, for which its row was quoted."""
    parts = page.split(_QUOTE)
    parts[1::2] = [part.replace(b"\n", b" ").replace(b"\r", b" ") for part in parts[1::2]]
    return b"".join(parts)


def _milliseconds(seconds: float | None) -> int:
    return 0 if seconds is None else max(1, round(seconds * 1000))
