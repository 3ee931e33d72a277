"""One stream's table in SQLite: its name, columns and key, and how a batch becomes rows."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec

from headwater.bridge.sink import Batch
from headwater.bridge.sinks import sqlite_types as types
from headwater.bridge.sinks.sqlite_key import Key, is_missing
from headwater.bridge.sinks.sqlite_names import META, quoted, safe_name
from headwater.bridge.sinks.sqlite_types import ANY, JSON, Kind
from headwater.errors import DestinationError
from headwater.protocol.catalog import ConfiguredStream
from headwater.protocol.messages import Change, Records
from headwater.protocol.values import encode

_NO_CHANGES = '{"changes":[]}'

# What the fast way can't read or bind; the careful way then looks at every value.
NOT_AS_DECLARED = (msgspec.MsgspecError, UnicodeError, OverflowError)


@dataclass(slots=True)
class Column:
    """A column, and the top-level field that it is of."""

    field: str
    name: str
    kind: Kind


class Table:
    """A stream's table; created, and given new columns, as its records need.

    All methods that write do so inside the caller's transaction.
    """

    def __init__(self, connection: sqlite3.Connection, name: str, stream: ConfiguredStream, generation: int) -> None:
        self.name = name
        self.stream = stream
        self.generation = generation
        self._sql = connection.execute
        self._many = connection.executemany
        self._columns: dict[str, Column] = {}
        self._names: dict[str, str] = {}  # of the columns, by field
        self.key = Key(self._sql, name, stream, self._names)
        self.null_keys = 0
        self._look()

    def _look(self) -> None:
        self._existing = {
            str(row[1]): types.of_declared(str(row[2])) for row in self._sql(f"PRAGMA table_info({quoted(self.name)})")
        }
        self._folded = {name.lower() for name in self._existing}
        self._changed()

    def create(self) -> None:
        """Create the table if it is missing, with every column of the schema, and its key."""
        if not self._existing:
            columns = ", ".join(f"{quoted(name)} {declared}" for name, declared in META.items())
            self._sql(f"CREATE TABLE {quoted(self.name)} ({columns})")
            self._look()
        properties: Mapping[str, Any] = self.stream.stream.json_schema.get("properties") or {}
        for field, schema in properties.items():
            self.column(field, types.of_schema(schema))
        for path in self.key.paths:
            self.column(path[0], ANY if len(path) == 1 else JSON)
        self.key.ensure()

    def column(self, field: str, kind: Kind) -> Column:
        """The field's column; it is added, of this kind, if the table has none."""
        column = self._columns.get(field)
        if column is not None:
            return column
        exact = field in self._existing and field not in META
        name = field if exact else safe_name(field, lambda n: n.lower() in self._folded)
        if name not in self._existing:
            self._sql(f"ALTER TABLE {quoted(self.name)} ADD COLUMN {quoted(name)} {kind.declared}")
            self._existing[name] = kind
            self._folded.add(name.lower())
        column = self._columns[field] = Column(field, name, self._existing[name])
        self._names[field] = name
        self._changed()
        return column

    def insert(self, batch: Batch, batch_id: str) -> None:
        """Insert or upsert the rows.

        :raises DestinationError: for a record that is no JSON object.
        """
        statement, decoder = self._build()
        if decoder is not None:
            self.null_keys = 0
            self._sql("SAVEPOINT fast")
            try:
                self._many(statement, self._fast_rows(decoder, batch, batch_id))
            except NOT_AS_DECLARED:
                self._sql("ROLLBACK TO fast")
            else:
                return
            finally:
                self._sql("RELEASE fast")
        self.null_keys = 0
        self._many(*self._careful(batch, batch_id))

    def _changed(self) -> None:
        """The columns changed: so do the statement, and the struct that records are decoded to."""
        self._built: tuple[str, msgspec.json.Decoder[list[Any]] | None] | None = None

    def _build(self) -> tuple[str, msgspec.json.Decoder[list[Any]] | None]:
        if self._built is None:
            columns = list(self._columns.values())
            try:
                row = msgspec.defstruct(
                    "Row",
                    [(f"f{i}", column.kind.decoded, None) for i, column in enumerate(columns)],
                    rename={f"f{i}": column.field for i, column in enumerate(columns)},
                    forbid_unknown_fields=True,
                    gc=False,
                )
                decoder = msgspec.json.Decoder(list[row])  # type: ignore[valid-type]
            except ValueError:  # a field has a quote or a control character in its name
                decoder = None
            self._built = (self._insert_sql(columns), decoder)
        return self._built

    def _insert_sql(self, columns: Sequence[Column]) -> str:
        names = ", ".join(map(quoted, [*(column.name for column in columns), *META]))
        values = ", ".join([*(column.kind.placeholder for column in columns), *"????"])
        insert = f"INSERT INTO {quoted(self.name)} ({names}) VALUES ({values})"  # noqa: S608
        if not self.key.paths:
            return insert
        updates = ", ".join(f"{quoted(name)} = excluded.{quoted(name)}" for name in self._existing)
        return f"{insert} ON CONFLICT ({self.key.conflict}) DO UPDATE SET {updates}{self.key.newer}"

    def _fast_rows(
        self, decoder: msgspec.json.Decoder[list[Any]], batch: Batch, batch_id: str
    ) -> Iterator[tuple[Any, ...]]:
        decode = decoder.decode
        astuple = msgspec.structs.astuple
        anys = [i for i, column in enumerate(self._columns.values()) if column.kind is ANY]
        at = 0
        for part in batch.parts:
            rows = map(astuple, decode(b"[" + b",".join(part.data) + b"]"))
            extracted, generation, meta = part.emitted_at, self.generation, _metas(part)
            keyed = self._counting_nulls(rows) if self.key.paths else rows
            for values in self._with_anys(keyed, anys) if anys else keyed:
                yield (*values, f"{batch_id}{at:08x}", extracted, generation, next(meta))
                at += 1

    @staticmethod
    def _with_anys(rows: Iterator[tuple[Any, ...]], anys: list[int]) -> Iterator[tuple[Any, ...]]:
        for row in rows:
            values = list(row)
            for index in anys:
                values[index] = types.bind_any(values[index])
            yield tuple(values)

    def _counting_nulls(self, rows: Iterator[tuple[Any, ...]]) -> Iterator[tuple[Any, ...]]:
        order = list(self._columns)
        paths = [(order.index(path[0]), path[1:]) for path in self.key.paths]
        for row in rows:
            if any(is_missing(row[index], rest) for index, rest in paths):
                self.null_keys += 1
            yield row

    def _careful(self, batch: Batch, batch_id: str) -> tuple[str, list[tuple[Any, ...]]]:
        """The statement and rows for records that are not as the columns are; the columns are made to fit."""
        records: list[tuple[dict[str, Any], Records, str]] = []
        for part in batch.parts:
            for index, data in enumerate(part.data):
                changes = list(part.changes.get(index, ()))
                try:
                    record = types.load_record(data, changes)
                except ValueError as error:
                    raise DestinationError(
                        f"Stream {str(part.stream)!r}: a record can't be read: {error}.",
                        stream=str(part.stream),
                        internal=repr(bytes(memoryview(data)[:200])),
                    ) from None
                self._fit(record)
                records.append((record, part, _meta(changes)))
        columns = list(self._columns.values())
        rows = []
        for at, (record, part, meta) in enumerate(records):
            values = tuple(
                None if (value := record.get(column.field)) is None else column.kind.bind(value) for column in columns
            )
            rows.append((*values, f"{batch_id}{at:08x}", part.emitted_at, self.generation, meta))
        return self._build()[0], list(self._counting_nulls(iter(rows)) if self.key.paths else rows)

    def _fit(self, record: dict[str, Any]) -> None:
        for field, value in record.items():
            column = self._columns.get(field)
            if column is None:
                column = self.column(field, ANY if value is None else types.of_value(value))
            if value is None or column.kind is ANY:
                continue
            try:
                column.kind.bind(value)
            except ValueError:
                self._widen(column)

    def _widen(self, column: Column) -> None:
        """Make a column one without a type; it moves to the end of the table."""
        table, name, aside = quoted(self.name), quoted(column.name), quoted(column.name + "_headwater_wide")
        self.key.drop()
        self._sql(f"ALTER TABLE {table} ADD COLUMN {aside}")
        self._sql(f"UPDATE {table} SET {aside} = {name}")  # noqa: S608
        self._sql(f"ALTER TABLE {table} DROP COLUMN {name}")
        self._sql(f"ALTER TABLE {table} RENAME COLUMN {aside} TO {name}")
        column.kind = self._existing[column.name] = ANY
        self._changed()
        self.key.ensure()


def _metas(part: Records) -> Iterator[str]:
    for index in range(len(part)):
        changes = part.changes.get(index) if part.changes else None
        yield _meta(changes) if changes else _NO_CHANGES


def _meta(changes: Sequence[Change]) -> str:
    if not changes:
        return _NO_CHANGES
    made = [{"field": c.field, "change": c.change, "reason": c.reason} for c in changes]
    return encode({"changes": made}).decode()
