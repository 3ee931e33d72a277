"""MySQL and MariaDB: the server builds each row's JSON with ``JSON_OBJECT``; the rows come as they are asked for."""

from __future__ import annotations

import itertools
import re
import ssl as tls
from collections.abc import Iterator, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from headwater.errors import ConfigError, SourceError, TransientError
from headwater.sql.database import Database, Rows
from headwater.sql.dialect import digits
from headwater.sql.marks import Marks
from headwater.sql.mysql_types import kind_of
from headwater.sql.tables import Column, Kind, Selection, Table, Wanted
from headwater.sql.types import BASE64

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from headwater.sql.tunnel import Private

_COLUMNS = """
SELECT t.table_name, t.table_type, t.data_length, t.table_rows, c.column_name, c.data_type, c.column_type,
  c.numeric_precision, c.numeric_scale, c.datetime_precision, c.is_nullable, c.privileges,
  c.character_set_name, k.seq_in_index
FROM information_schema.tables t
JOIN information_schema.columns c ON c.table_schema = t.table_schema AND c.table_name = t.table_name
LEFT JOIN information_schema.statistics k ON k.table_schema = t.table_schema AND k.table_name = t.table_name
  AND k.index_name = 'PRIMARY' AND k.column_name = c.column_name
WHERE t.table_schema = {schema} AND t.table_type IN ('BASE TABLE', 'VIEW', 'SYSTEM VERSIONED')
ORDER BY t.table_name, c.ordinal_position
"""
_JSON = """
SELECT table_name, constraint_name FROM information_schema.check_constraints
WHERE constraint_schema = {schema} AND check_clause LIKE 'json_valid(%'
"""
# The server's error numbers: https://mariadb.com/kb/en/mariadb-error-codes/
_CONFIG = frozenset((1044, 1045, 1049, 1054, 1064, 1109, 1142, 1143, 1146, 1227, 1356, 1370, 1449, 1698, 3159, 1305))
_DECIMAL = re.compile(r"-?[0-9]{1,65}\.[0-9]{1,38}", re.ASCII)
_TRANSIENT = frozenset((1040, 1053, 1205, 1213, 1317, 1927, 1969, 2003, 2006, 2013, 2014, 3024, 1159, 1161, 1203))


class Mysql(Database):
    """A MariaDB or MySQL server."""

    rows_per_step = 16
    """Rows that are taken before it is looked how many bytes they are."""

    def engine_options(self) -> dict[str, Any]:
        return {**super().engine_options(), "isolation_level": "AUTOCOMMIT"}

    @staticmethod
    def arguments(ssl: Any, private: Private, host: str, way: tuple[str, int] | None) -> dict[str, Any]:
        found: dict[str, Any] = {"connect_timeout": 30, "charset": "utf8mb4", "use_unicode": True}
        if way is not None:
            found |= {"host": way[0], "port": way[1]}
        mode = ssl.__struct_config__.tag if ssl is not None else "preferred"
        if mode == "preferred":
            return found
        return {**found, "ssl": _context(mode, ssl, private, host)}

    def prepare(self, connection: Connection) -> None:
        settings = {
            "time_zone": "'+00:00'",
            "sql_mode": "'NO_ENGINE_SUBSTITUTION'",
            "lock_wait_timeout": str(max(1, round(self.timeouts.lock or 2**24))),
            "net_write_timeout": "86400",  # whoever reads us may take his time
        }
        if self.is_mariadb(connection):
            settings["max_statement_time"] = f"{self.timeouts.statement or 0:g}"
        else:
            settings["max_execution_time"] = str(round((self.timeouts.statement or 0) * 1000))
        said = ", ".join(f"SESSION {name} = {value}" for name, value in settings.items())
        connection.exec_driver_sql(f"SET {said}")
        connection.exec_driver_sql("SET SESSION TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")

    def begin(self, connection: Connection, snapshot: str | None = None) -> str | None:
        connection.exec_driver_sql("START TRANSACTION WITH CONSISTENT SNAPSHOT, READ ONLY")
        return None

    def discard(self, connection: Connection) -> None:
        # A cursor that is closed in the middle reads on to the end.
        with suppress(Exception):  # SQLAlchemy gives no driver's connection where it knows that it is lost
            driver: Any = connection.connection.driver_connection
            if driver._result is not None:
                driver._result.unbuffered_active = False
                driver._force_close()
        super().discard(connection)

    @staticmethod
    def is_mariadb(connection: Connection) -> bool:
        """Whether the server is MariaDB."""
        return bool(getattr(connection.dialect, "is_mariadb", False))

    # --- what there is ------------------------------------------------------------------------------------

    def tables(self, connection: Connection, wanted: Wanted) -> list[Table]:
        found: list[Table] = []
        for schema in wanted.schemas or (self.url.database or "",):
            quoted = self.literal(schema)
            if not self.value(
                connection, f"SELECT count(*) FROM information_schema.schemata WHERE schema_name = {quoted}"
            ):
                raise ConfigError(f"There is no database {schema!r} at {self.place}, or the user may not see it.")
            checked: set[tuple[str, str]] = set()
            if self.is_mariadb(connection):
                checked = {(row[0], row[1]) for row in connection.exec_driver_sql(_JSON.format(schema=quoted))}
            rows = list(connection.exec_driver_sql(_COLUMNS.format(schema=quoted)))
            for name, group in itertools.groupby(rows, key=lambda row: str(row[0])):
                if wanted.has(name, schema):
                    found.append(self._table(connection, schema, list(group), checked))
        return sorted(found, key=lambda table: (table.schema or "", table.name))

    def _table(self, connection: Connection, schema: str, rows: list[Any], checked: set[tuple[str, str]]) -> Table:
        name, _, size, count = rows[0][:4]
        mariadb = self.is_mariadb(connection)
        columns = []
        for row in rows:
            _, _, _, _, column, kind, written, digits, scale, fraction, nullable, privileges, charset, _ = row
            if "select" in privileges.lower().split(","):
                is_json = (name, column) in checked
                how = kind_of(
                    kind.lower(), written.lower(), digits, scale, fraction, is_json=is_json, mariadb=mariadb,
                    charset=charset,
                )  # fmt: skip
                columns.append(Column(column, written, how, nullable == "YES"))
        key = [str(row[4]) for row in sorted((row for row in rows if row[-1]), key=lambda row: row[-1])]
        missing = () if columns else (f"SELECT on {schema}.{name}",)
        known = {column.name for column in columns}
        return Table(
            name, schema, self.quoted(schema, name), tuple(columns), tuple(key) if known.issuperset(key) else (),
            rows=count, size=size, missing=missing, nulls_first=True,
        )  # fmt: skip

    def size_of(self, connection: Connection, table: Table) -> int | None:
        return None  # one connection reads: parts would gain nothing

    def table_of(self, connection: Connection, name: str, query: str) -> Table:
        # The server says what a query's columns are where it makes a table of them, and that takes a right to write.
        result = connection.exec_driver_sql(f"SELECT * FROM ({query}) q LIMIT 0")
        columns = tuple(Column(str(column), "unknown", Kind({}, literal="{0}")) for column in result.keys())  # noqa: SIM118
        result.close()
        return Table(name, None, f"({query})", columns, nulls_first=True)

    # --- SQL ----------------------------------------------------------------------------------------------

    def quoted(self, *names: str | None) -> str:
        return ".".join("`" + name.replace("`", "``") + "`" for name in names if name)

    def literal(self, text: str) -> str:
        return "'" + text.replace("\\", "\\\\").replace("'", "''") + "'"

    def value_of(self, column: Column, value: Any) -> str:
        if column.kind.schema is BASE64:
            import base64

            return f"X'{base64.b64decode(value).hex()}'"
        # A text would be compared as a float, and a cast has 35 digits before the point at most.
        if isinstance(value, int) or (column.type.startswith("decimal") and _DECIMAL.fullmatch(value)):
            return str(value)
        if column.kind.schema.get("format") == "date-time":
            value = str(value).removesuffix("Z").replace("T", " ")
        return super().value_of(column, value)

    def before(self, value: str, cursor: Column, lookback: float) -> str:
        if cursor.kind.schema.get("format") in ("date", "date-time"):
            return f"{value} - INTERVAL {digits(lookback)} SECOND"
        return super().before(value, cursor, lookback)

    def json(self, selection: Selection) -> str:
        """The query for one column: each row's JSON."""
        pairs = ", ".join(f"{self.literal(each.name)}, {self.expression(each)}" for each in selection.columns)
        table = selection.table.source
        return f"SELECT JSON_OBJECT({pairs}) FROM {table} r{self.conditions(selection)}{self.order(selection)}"

    def last(self, connection: Connection, selection: Selection, column: Column) -> Rows | None:
        found = self.value(connection, f"{self.json(selection)} ORDER BY {self.column(column.name)} DESC LIMIT 1")
        return Rows([found.encode()], {}) if found is not None else None

    # --- reading ------------------------------------------------------------------------------------------

    def pages(self, connection: Connection, selection: Selection) -> Iterator[Rows]:
        from pymysql.cursors import SSCursor

        driver: Any = connection.connection.driver_connection
        marks = Marks(selection.columns)
        cursor = driver.cursor(SSCursor)
        cursor.execute(self.json(selection))
        size, data = 0, []
        while rows := cursor.fetchmany(self.rows_per_step):
            found = [text.encode() if text is not None else self._too_large(selection) for (text,) in rows]
            data += found
            size += sum(map(len, found))
            if size >= self.page_size:
                yield self._page(marks, data)
                size, data = 0, []
        if data:
            yield self._page(marks, data)
        cursor.close()

    @staticmethod
    def _page(marks: Marks, data: Sequence[bytes]) -> Rows:
        page = b"".join(data)
        if b"\n" in page or b"\r" in page:  # between the values of JSON as somebody wrote it
            data = [record.replace(b"\n", b" ").replace(b"\r", b" ") for record in data]
        found, changes = marks(page, data)
        return Rows(found, changes)

    def _too_large(self, selection: Selection) -> bytes:
        raise ConfigError(
            f"Table {selection.table.descriptor} has a row whose JSON is larger than the server's max_allowed_packet. "
            "Have the server's administrator raise it, or deselect the column with large values."
        )

    # --- failures -----------------------------------------------------------------------------------------

    def kind_of_failure(self, error: Any) -> type[SourceError] | None:
        number = error.args[0] if getattr(error, "args", None) else None
        said = str(error)
        if isinstance(error, tls.SSLError) or "SSL" in said or "certificate" in said:
            return ConfigError
        if number in _CONFIG:
            return ConfigError
        if number in _TRANSIENT or number == 0 or isinstance(error, OSError):
            return TransientError
        return None


def _context(mode: str, ssl: Any, private: Private, host: str) -> tls.SSLContext:
    """What TLS looks at in this mode."""
    context = _Named(tls.PROTOCOL_TLS_CLIENT)
    context.host = host
    context.check_hostname = mode == "verify_identity"
    context.verify_mode = tls.CERT_NONE if mode == "required" else tls.CERT_REQUIRED
    if mode == "required":
        return context
    try:
        context.load_verify_locations(cadata=ssl.ca_certificate.reveal())
        if ssl.client_certificate is not None and ssl.client_key is not None:
            password = ssl.client_key_password.reveal() if ssl.client_key_password is not None else None
            context.load_cert_chain(
                private.file("client.pem", ssl.client_certificate.reveal()),
                private.file("client.key", ssl.client_key.reveal()),
                password,
            )
    except (tls.SSLError, ValueError) as error:
        raise ConfigError(f"config: setting `ssl_mode`: a certificate or key is none ({error}).") from None
    return context


class _Named(tls.SSLContext):
    """Looks for the server's own name in its certificate, whatever address leads to it."""

    host: str

    def wrap_socket(self, *arguments: Any, **options: Any) -> tls.SSLSocket:
        return super().wrap_socket(*arguments, **{**options, "server_hostname": self.host})
