"""PostgreSQL's catalog: the tables and views of some schemas, with what their types are and what the user may.

One query for any number of tables, as reflection one by one takes minutes for thousands.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import msgspec

from headwater.errors import ConfigError
from headwater.sql.postgres_types import Type, kind_of
from headwater.sql.tables import Column, Kind, Table, Wanted

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from headwater.sql.postgres import Postgres

log = logging.getLogger("headwater")

_SCHEMAS = """
SELECT n.nspname, has_schema_privilege(n.oid, 'USAGE') FROM pg_catalog.pg_namespace n
WHERE n.nspname IN ({schemas})
"""

# Of a partitioned table the whole is a stream, not its partitions. A table that others inherit from has rows of
# theirs, with the same addresses.
_TABLES = """
SELECT (json_build_object(
  'schema', n.nspname, 'name', c.relname, 'kind', c.relkind, 'rows', c.reltuples, 'parent', c.relhassubclass,
  'may', has_table_privilege(c.oid, 'SELECT'),
  'key', (SELECT array_agg(a.attname ORDER BY k.place) FROM pg_catalog.pg_index i,
            unnest(i.indkey) WITH ORDINALITY k(number, place)
          JOIN pg_catalog.pg_attribute a ON a.attnum = k.number
          WHERE i.indrelid = c.oid AND i.indisprimary AND a.attrelid = c.oid AND k.place <= i.indnkeyatts),
  'columns', (SELECT json_agg(json_build_array(a.attname, a.atttypid::bigint, a.atttypmod,
                format_type(a.atttypid, a.atttypmod), NOT a.attnotnull,
                has_column_privilege(c.oid, a.attnum, 'SELECT')) ORDER BY a.attnum)
              FROM pg_catalog.pg_attribute a WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped)))::text
FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
WHERE n.nspname IN ({schemas}) AND c.relkind IN ('r', 'p', 'v', 'm', 'f') AND NOT c.relispartition
ORDER BY n.nspname COLLATE "C", c.relname COLLATE "C"
"""

_TYPES = """
WITH RECURSIVE used(oid) AS (
  SELECT unnest(ARRAY[{oids}]::oid[])
  UNION SELECT CASE t.typtype WHEN 'd' THEN t.typbasetype ELSE t.typelem END
  FROM pg_catalog.pg_type t JOIN used ON used.oid = t.oid WHERE t.typtype = 'd' OR t.typelem <> 0)
SELECT t.oid::bigint, t.typname, t.typtype, t.typcategory,
  CASE t.typtype WHEN 'd' THEN t.typbasetype ELSE t.typelem END::bigint, t.typtypmod
FROM pg_catalog.pg_type t JOIN used ON used.oid = t.oid
"""


class _Entry(msgspec.Struct):
    schema: str
    name: str
    kind: str
    rows: float
    parent: bool
    may: bool
    key: list[str] | None
    columns: list[tuple[str, int, int, str, bool, bool]] | None


_ENTRY = msgspec.json.Decoder(_Entry)


def tables(database: Postgres, connection: Connection, wanted: Wanted) -> list[Table]:
    """The tables and views of the schemas that are wanted.

    :raises ConfigError: when a schema is not there.
    """
    names = wanted.schemas or database.default_schemas
    listed = ", ".join(map(database.literal, names))
    usage = {str(row[0]): bool(row[1]) for row in _all(connection, _SCHEMAS.format(schemas=listed))}
    gone = [name for name in names if name not in usage]
    if gone:
        raise ConfigError(f"config: setting `schemas`: the database {database.place} has no schema {', '.join(gone)}.")
    entries = [_ENTRY.decode(row[0]) for row in _all(connection, _TABLES.format(schemas=listed))]
    entries = [each for each in entries if wanted.has(each.name, each.schema)]
    types = _types(connection, {column[1] for each in entries for column in each.columns or ()})
    return [_table(database, each, types, usage=usage[each.schema]) for each in entries]


def table_of(database: Postgres, connection: Connection, name: str, query: str) -> Table:
    """A query's result as a table."""
    cursor = database.driver(connection).cursor()
    cursor.execute(f"SELECT * FROM ({query}) AS q LIMIT 0")
    found = [(each.name, each.type_code, each._fmod) for each in cursor.description]
    kinds = kinds_of(connection, [(oid, modifier) for _, oid, modifier in found])
    columns = [Column(column[0], *kind) for column, kind in zip(found, kinds, strict=True) if kind is not None]
    return Table(name, None, f"({query})", tuple(columns))


def kinds_of(connection: Connection, kinds: Sequence[tuple[int, int]]) -> list[tuple[str, Kind] | None]:
    """How types are written and read; None: the type was dropped.

    :param kinds: the number and the modifier of each.
    """
    if not kinds:
        return []
    types = _types(connection, {oid for oid, _ in kinds})
    asked = ", ".join(f"format_type({oid}, {modifier})" for oid, modifier in kinds)
    written = next(iter(_all(connection, f"SELECT ARRAY[{asked}]")))[0]
    return [
        (name, kind_of(oid, modifier, types, name)) if oid in types else None
        for (oid, modifier), name in zip(kinds, written, strict=True)
    ]


def _table(database: Postgres, entry: _Entry, types: dict[int, Type], *, usage: bool) -> Table:
    allowed = [each for each in entry.columns or () if each[5]]
    missing = [] if usage else [f"USAGE on schema {entry.schema}"]
    if not allowed and not entry.may and entry.columns:
        missing.append(f"SELECT on {entry.schema}.{entry.name}")
    elif len(allowed) < len(entry.columns or ()):
        hidden = ", ".join(each[0] for each in entry.columns or () if not each[5])
        log.info("Table %s.%s: without the columns that the user may not read: %s.", entry.schema, entry.name, hidden)
    columns = tuple(
        Column(name, written, kind_of(oid, modifier, types, written), nullable)
        for name, oid, modifier, written, nullable, may in entry.columns or ()
        if may or missing
    )
    key = tuple(entry.key or ())
    known = {column.name for column in columns}
    return Table(
        entry.name,
        entry.schema,
        database.quoted(entry.schema, entry.name),
        columns,
        key if known.issuperset(key) else (),
        rows=int(entry.rows) if entry.rows >= 0 else None,
        address="ctid" if entry.kind in "rm" and not entry.parent else None,
        missing=tuple(missing),
    )


def _types(connection: Connection, oids: set[int]) -> dict[int, Type]:
    if not oids:
        return {}
    rows = _all(connection, _TYPES.format(oids=", ".join(map(str, sorted(oids)))))
    return {int(row[0]): Type(*row[1:]) for row in rows}


def _all(connection: Connection, query: str) -> list[Any]:
    return list(connection.exec_driver_sql(query))
