"""SQLite: rows as Python has them, made into JSON a page at a time.

Its own ``json_object`` writes 15 digits of a float, no infinity that is JSON, and fails on a BLOB; a page of rows
through msgspec is quicker, too.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

import msgspec

from headwater.errors import ConfigError, SourceError, TransientError
from headwater.protocol.messages import Change
from headwater.protocol.values import NULLED, SERIALIZATION_ERROR, encode_rows
from headwater.sql.database import Database, Rows
from headwater.sql.dialect import digits
from headwater.sql.sqlite_types import dated, fit_of, is_date, kind_of, misfit
from headwater.sql.tables import Column, Kind, Selection, Table, Wanted
from headwater.sql.types import BASE64

if TYPE_CHECKING:
    from sqlalchemy import Connection

_TABLES = """
SELECT m.name, m.type, c.name, c.type, c."notnull", c.pk, m.sql FROM sqlite_master m JOIN pragma_table_xinfo(m.name) c
WHERE m.type IN ('table', 'view') AND m.name NOT LIKE 'sqlite\\_%' ESCAPE '\\' AND c.hidden <> 1
ORDER BY m.name, c.cid
"""
_FIRST = 1000
"""Rows that are looked at for what a date is."""
_FETCH = 16
"""Rows of the first page."""
_INFINITE = frozenset((math.inf, -math.inf))
_CONFIG = ("unable to open", "not a database", "no such", "syntax error", "authorization", "malformed", "readonly")


class Sqlite(Database):
    """A file of SQLite."""

    rows_per_step = 2000

    def engine_options(self) -> dict[str, Any]:
        return {**super().engine_options(), "isolation_level": "AUTOCOMMIT"}

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
        rows = connection.exec_driver_sql(_TABLES)
        found = []
        for name, group in itertools.groupby(rows, key=lambda row: str(row[0])):
            if wanted.has(name, None):
                found.append(self._table(connection, name, list(group)))
        return found

    def _table(self, connection: Connection, name: str, rows: list[Any]) -> Table:
        key = [str(row[2]) for row in sorted((row for row in rows if row[5]), key=lambda row: row[5])]
        source = self.quoted(name)
        columns = []
        for _, _, column, declared, not_null, place, _ in rows:
            is_rowid = place == 1 and len(key) == 1 and declared.upper() == "INTEGER"
            kind = self._dated(connection, source, column) if is_date(declared) else kind_of(declared)
            columns.append(Column(column, declared or "any", kind, not (not_null or is_rowid)))
        return Table(name, None, source, tuple(columns), tuple(key), nulls_first=True)

    def _dated(self, connection: Connection, source: str, column: str) -> Kind:
        name = self.quoted(column)
        first = f"SELECT {name} FROM {source} WHERE {name} IS NOT NULL LIMIT {_FIRST}"
        return dated([row[0] for row in connection.exec_driver_sql(first)])

    def size_of(self, connection: Connection, table: Table) -> int | None:
        return None  # one connection reads: parts would gain nothing

    def table_of(self, connection: Connection, name: str, query: str) -> Table:
        result = connection.exec_driver_sql(f"SELECT * FROM ({query}) LIMIT 0")
        columns = tuple(Column(str(column), "any", Kind({}, literal="{0}")) for column in result.keys())  # noqa: SIM118
        result.close()
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

    def last(self, connection: Connection, selection: Selection, column: Column) -> bytes | None:
        query = f"{self.select(selection)} ORDER BY {self.column(column.name)} DESC LIMIT 1"
        row = connection.exec_driver_sql(query).first()
        return None if row is None else _Encoding(selection.columns)([tuple(row)]).data[0]

    def pages(self, connection: Connection, selection: Selection) -> Iterator[Rows]:
        driver: Any = connection.connection.driver_connection
        encoding = _Encoding(selection.columns)
        query = self.select(selection)
        given = 0
        try:
            for page in self._fetched(driver, query):
                yield encoding(page)
                given += len(page)
        except Exception as error:
            if "Could not decode" not in str(error):
                raise
            # Again from there, at the same point in time, with a text that can be any bytes: a little slower.
            driver.text_factory = lambda value: value.decode("utf-8", "surrogateescape")
            try:
                for page in self._fetched(driver, f"{query} LIMIT -1 OFFSET {given}"):
                    yield encoding.slowly(encoding.columns_of(page))
            finally:
                driver.text_factory = str

    def _fetched(self, driver: Any, query: str) -> Iterator[list[Any]]:
        cursor = driver.cursor()
        try:
            cursor.execute(query)
            count = _FETCH
            while page := cursor.fetchmany(count):
                yield page
                size = sum(map(len, filter(_is_long, page[-1])))
                count = max(1, min(self.rows_per_step, 2 * count, self.page_size // (size + 1)))
        finally:
            cursor.close()

    # --- failures -----------------------------------------------------------------------------------------

    def kind_of_failure(self, error: Any) -> type[SourceError] | None:
        said = str(error)
        if "locked" in said or "busy" in said:
            return TransientError
        return ConfigError if any(each in said for each in _CONFIG) else None


def _is_long(value: Any) -> bool:
    return value.__class__ is str or value.__class__ is bytes


class _Encoding:
    """Makes pages of rows into JSON."""

    def __init__(self, columns: Sequence[Column]) -> None:
        self._columns = columns
        self._names = [column.name for column in columns]
        self._fits = [fit_of(column.kind) if column.kind.schema else None for column in columns]
        self._encoder = msgspec.json.Encoder()
        self._row: Any = None
        if not any(set('\\"') & set(name) or min(name, default="") < " " for name in self._names):
            fields = {f"c{place}": name for place, name in enumerate(self._names)}
            self._row = msgspec.defstruct("Row", list(fields), rename=fields, gc=False)

    def __call__(self, page: Sequence[Any]) -> Rows:
        columns = self.columns_of(page)
        clean = all(map(self._is_clean, range(len(columns)), columns))
        if not clean or self._row is None:
            return self.slowly(columns)
        data = self._encoder.encode_lines(list(map(self._row, *columns))).split(b"\n")
        data.pop()
        return Rows(data, {})

    def columns_of(self, page: Sequence[Any]) -> list[Sequence[Any]]:
        """The page by columns, with booleans in place of numbers where they are due."""
        columns: list[Sequence[Any]] = list(zip(*page, strict=True))
        for place, fit in enumerate(self._fits):
            if fit is not None and fit.made is not None:
                columns[place] = fit.made(columns[place])
        return columns

    def _is_clean(self, place: int, values: Sequence[Any]) -> bool:
        """Whether all values of a page's column are of it."""
        fit = self._fits[place]
        types = set(map(type, values))
        types.discard(type(None))
        if fit is not None and not types <= fit.types:
            return False
        return float not in types or _INFINITE.isdisjoint(values)

    def slowly(self, columns: Sequence[Sequence[Any]]) -> Rows:
        """The page's columns, value by value."""
        rows: list[dict[str, Any]] = []
        nulled: dict[int, list[Change]] = {}
        for number, values in enumerate(zip(*columns, strict=True)):
            row = dict(zip(self._names, values, strict=True))
            for column, fit in zip(self._columns, self._fits, strict=True):
                if fit is not None and misfit(row[column.name], fit):
                    row[column.name] = None
                    nulled.setdefault(number, []).append(Change(column.name, NULLED, SERIALIZATION_ERROR))
            rows.append(row)
        data, changes = encode_rows(rows)
        for number, made in nulled.items():
            changes[number] = [*changes.get(number, ()), *made]
        return Rows(data, changes)
