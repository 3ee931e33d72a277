"""PostgreSQL (13 and later) for the SQL destinations.

Every session setting that matters is set in each transaction, so that a connection pool between does no harm.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from headwater.bridge.sinks import postgres_load, postgres_swap
from headwater.bridge.sinks.columns import Kind
from headwater.bridge.sinks.engine import DuplicateKeys, Engine, Key, Load, Part
from headwater.bridge.sinks.meanings import Meaning
from headwater.bridge.sinks.names import LINK, OWN, NameRules, TableName, quoted
from headwater.bridge.sinks.postgres_errors import meaning_of, refusal
from headwater.bridge.sinks.postgres_session import begin, marked
from headwater.bridge.sinks.postgres_url import PostgresUrl

if TYPE_CHECKING:
    import msgspec
    import psycopg

_DECLARED = {
    Kind.BOOLEAN: "boolean",
    Kind.INTEGER: "bigint",
    Kind.NUMBER: "double precision",
    Kind.DECIMAL: "numeric",
    Kind.STRING: "text",
    Kind.DATE: "date",
    Kind.TIME: "time without time zone",
    Kind.TIME_TZ: "time with time zone",
    Kind.TIMESTAMP: "timestamp without time zone",
    Kind.TIMESTAMP_TZ: "timestamp with time zone",
    Kind.BINARY: "bytea",
    Kind.JSON: "jsonb",
}
_KINDS = {
    **{declared: kind for kind, declared in _DECLARED.items()},
    "smallint": Kind.INTEGER,
    "integer": Kind.INTEGER,
    "real": Kind.NUMBER,
    "json": Kind.JSON,
}
# How a column's values become text as JSON has it.
_TEXTS = {
    Kind.BINARY: r"replace(encode({0}, 'base64'), E'\n', '')",
    **dict.fromkeys((Kind.DATE, Kind.TIMESTAMP, Kind.TIMESTAMP_TZ, Kind.JSON), "to_jsonb({0}) #>> '{{}}'"),
}
_NAMED = r"r.relname = ? AND n.nspname = COALESCE(NULLIF(?, ''), current_schema())"
_RELATION = "FROM pg_class r JOIN pg_namespace n ON n.oid = r.relnamespace"


class PostgresEngine(Engine):
    """One connection to a server.

    :param url: the database's.
    :param lock_seconds: how long to wait for another session that holds a table or a row.
    """

    title = "PostgreSQL"
    names = NameRules(fold=str, limit=63, prefixes=("pg_",), columns=frozenset(postgres_load.SYSTEM_COLUMNS))

    def __init__(self, url: PostgresUrl, lock_seconds: float) -> None:
        self.url = url
        self.where = url.shown
        self._begin = begin(lock_seconds, url.schema)
        self._lock_seconds = lock_seconds
        self._connection: psycopg.Connection[Any] | None = None
        self._schema = ""
        self._inside = False
        self._declared: dict[TableName, dict[str, str]] = {}

    # The connection

    def connect(self) -> None:
        """Connect; make the schema that the URL names."""
        if self._connection is not None:
            return
        import psycopg

        self._connection = self._connected()
        with self.transaction():
            if self.url.schema:
                self.make_schema(self.url.schema)
            ((schema,),) = self.rows("SELECT current_schema()")
            if schema is None:
                raise psycopg.errors.InvalidSchemaName("no schema has been selected to create in")
            self._schema = str(schema)

    def _connected(self) -> psycopg.Connection[Any]:
        from headwater import libpq

        # Nothing is prepared: a pool between may give the next statement to another session.
        return libpq.Connection.connect(self.url.conninfo, autocommit=True, prepare_threshold=None)

    def close(self) -> None:
        """Disconnect."""
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.close()

    def _open(self) -> psycopg.Connection[Any]:
        assert self._connection is not None, "the sink is not open"
        return self._connection

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """One transaction. A connection that was lost before it began is made anew."""
        import psycopg

        try:
            self._open().execute(self._begin)
        except psycopg.OperationalError:
            if not self._open().broken:
                raise
            self._open().close()
            self._connection = self._connected()
            self._connection.execute(self._begin)
        self._inside = True
        try:
            yield
            self._open().execute("COMMIT")
        except BaseException:
            self._roll_back()
            raise
        finally:
            self._inside = False

    @contextmanager
    def savepoint(self) -> Iterator[None]:
        """Constraints that are checked late are checked within."""
        with super().savepoint():
            self.rows("SET CONSTRAINTS ALL IMMEDIATE")
            yield

    def _roll_back(self) -> None:
        import psycopg

        connection = self._connection
        if connection is None or connection.broken:
            return
        try:
            connection.execute("ROLLBACK")
        except psycopg.Error:
            connection.close()  # which rolls back, too

    def rows(self, sql: str, parameters: Sequence[object] = ()) -> list[tuple[Any, ...]]:
        """Execute a statement; outside of a transaction, in one of its own."""
        if not self._inside:
            with self.transaction():
                return self.rows(sql, parameters)
        cursor = self._open().execute(*(marked(sql), parameters) if parameters else (sql.encode(),))
        return cursor.fetchall() if cursor.description else []

    def run_of(self, flow: str) -> list[tuple[Any, ...]]:
        """Locks the row."""
        return self.rows("SELECT run FROM _headwater_runs WHERE flow = ? FOR UPDATE", (flow,))

    def meaning(self, error: Exception) -> Meaning | None:
        """What an error means, without the URL's secrets."""
        return meaning_of(error, self._lock_seconds, self.url.masked)

    def refusal(self, error: Exception) -> str | None:
        """A constraint, a value out of range, an index entry or a row too large."""
        return refusal(error)

    # Types

    def stored(self, kind: Kind) -> Kind:
        """``numeric`` holds any number, and ``jsonb`` what has no other type."""
        return {Kind.BIG_INTEGER: Kind.DECIMAL, Kind.ANY: Kind.JSON}.get(kind, kind)

    def declared(self, kind: Kind) -> str:
        """PostgreSQL's name of the type."""
        return _DECLARED[kind]

    def cleaned(self, text: str) -> str:
        """Without NUL, which neither ``text`` nor ``jsonb`` can hold."""
        return text.replace("\0", "\ufffd") if "\0" in text else text

    def suspicious(self, data: Sequence[bytes | msgspec.Raw]) -> bool:
        """Whether there is a NUL."""
        return rb"\u0000" in b"".join(data)

    def at(self, part: Part, row: str = "") -> str:
        """A path into an object is an expression on its column's JSON."""
        return postgres_load.at(part, row + part.column.sql)

    # Tables

    def make_schema(self, schema: str) -> None:
        """Create the schema if it is missing; only that asks for a right to."""
        if schema and not self.rows("SELECT 1 FROM pg_namespace WHERE nspname = ?", (schema,)):
            super().make_schema(schema)

    def place(self, namespace: str, name: str) -> tuple[str, str]:
        """A namespace is a schema; the one that tables go to anyway is not named."""
        return "" if namespace == self._schema else namespace, name

    def columns(self, table: TableName) -> dict[str, Kind]:
        """The columns; one of a type that is none of ours counts as text."""
        found = self.rows(
            f"SELECT a.attname, format_type(a.atttypid, a.atttypmod) {_RELATION} "
            "JOIN pg_attribute a ON a.attrelid = r.oid AND a.attnum > 0 AND NOT a.attisdropped "
            f"WHERE {_NAMED} ORDER BY a.attnum",
            (table.name, table.schema),
        )
        self._declared[table] = {str(name): str(declared) for name, declared in found}
        return {name: _kind(declared) for name, declared in self._declared[table].items()}

    def exists(self, table: TableName) -> bool:
        """Whether there is anything of that name."""
        return bool(self.rows(f"SELECT 1 {_RELATION} WHERE {_NAMED}", (table.name, table.schema)))

    def required(self, table: TableName) -> set[str]:
        """The columns that somebody made NOT NULL."""
        found = self.rows(
            f"SELECT a.attname {_RELATION} JOIN pg_attribute a ON a.attrelid = r.oid "
            f"WHERE {_NAMED} AND a.attnum > 0 AND a.attnotnull AND NOT a.attisdropped",
            (table.name, table.schema),
        )
        return {str(name) for (name,) in found} - set(OWN) - set(LINK)

    def add(self, table: TableName, name: str, kind: Kind) -> None:
        """Add a nullable column."""
        super().add(table, name, kind)
        self._declared.setdefault(table, {})[name] = self.declared(kind)

    def widen(self, table: TableName, name: str, present: Kind, kind: Kind) -> None:
        """Change the type; the table is written anew."""
        declared, column = self.declared(kind), quoted(name)
        using = f"{column}::{declared}"
        if kind is Kind.STRING:
            using = _TEXTS.get(present, "{0}::text").format(column)
        elif kind is Kind.JSON:
            using = f"to_jsonb({column})"
        # Our index may be on the column, and of another type there is none.
        self.prepare_key(table, None)
        self.rows(f"ALTER TABLE {table.sql} ALTER COLUMN {column} TYPE {declared} USING {using}")
        self._declared.setdefault(table, {})[name] = declared

    def swap(self, table: TableName, staging: TableName) -> None:
        """Rename, or copy where something hangs on the table."""
        postgres_swap.swap(self, table, staging)

    # The key

    def prepare_key(self, table: TableName, key: Key | None) -> None:
        """Make the table have the unique index that an upsert needs; the index's comment says which."""
        import psycopg

        wanted = ", ".join(self.at(part) for part in key.parts) if key else None
        for schema, name, comment in self.rows(
            "SELECT n.nspname, i.relname, obj_description(i.oid, 'pg_class') "
            f"{_RELATION} JOIN pg_index x ON x.indrelid = r.oid JOIN pg_class i ON i.oid = x.indexrelid "
            rf"WHERE {_NAMED} AND i.relname LIKE '\_headwater\_key\_%'",
            (table.name, table.schema),
        ):
            if comment == wanted:
                return
            self.rows(f"DROP INDEX {TableName(schema, name).sql}")
        if wanted is None:
            return
        # By chance: a staging table keeps its index, under its name, when it takes the other's place.
        name = f"_headwater_key_{secrets.token_hex(8)}"
        try:
            self.rows(f"CREATE UNIQUE INDEX {quoted(name)} ON {table.sql} ({wanted})")
        except psycopg.errors.UniqueViolation:
            raise DuplicateKeys from None
        comment = wanted.replace("'", "''")
        self.rows(f"COMMENT ON INDEX {TableName(table.schema, name).sql} IS '{comment}'")

    # Rows

    def load(self, load: Load) -> int:
        """Insert or upsert: the server's own JSON reader makes the records rows."""
        present = self._declared.get(load.table) or {}
        made = postgres_load.statement(load, present, _DECLARED)
        cursor = self._open().execute(made.sql.encode(), made.parameters)
        if load.key is None:
            return 0
        (nulls,) = cursor.fetchone() or (0,)
        return int(nulls)


def _kind(declared: str) -> Kind:
    return Kind.DECIMAL if declared.startswith("numeric") else _KINDS.get(declared, Kind.STRING)
