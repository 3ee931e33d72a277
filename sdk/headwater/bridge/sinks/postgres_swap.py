"""How a table that was written anew takes the old one's place in PostgreSQL.

A plain table is dropped, and the new one renamed. Where somebody hung something on the old one (views, indexes,
grants, triggers, foreign keys, policies, publications), it stays, and its rows are exchanged: readers see the
old ones until the commit.
"""

from __future__ import annotations

from headwater.bridge.sinks.engine import Engine
from headwater.bridge.sinks.names import TableName, quoted

_FIND = (
    "SELECT r.oid FROM pg_class r JOIN pg_namespace n ON n.oid = r.relnamespace "
    "WHERE r.relname = ? AND n.nspname = COALESCE(NULLIF(?, ''), current_schema())"
)
# What depends on a table but is not a part of it; grants and publications of all tables are no dependencies.
_HUNG = r"""
SELECT EXISTS (
    SELECT 1 FROM pg_depend d WHERE d.refclassid = 'pg_class'::regclass AND d.refobjid = o.oid
        AND d.deptype IN ('n', 'a')
        AND NOT (d.classid = 'pg_class'::regclass AND d.objid IN (
            SELECT x.indexrelid FROM pg_index x JOIN pg_class i ON i.oid = x.indexrelid
            WHERE x.indrelid = o.oid AND i.relname LIKE '\_headwater\_key\_%'))
        AND d.classid <> 'pg_attrdef'::regclass)
    OR r.relacl IS NOT NULL
    OR r.relrowsecurity
    OR EXISTS (SELECT 1 FROM pg_attribute a WHERE a.attrelid = o.oid AND a.attacl IS NOT NULL)
    OR EXISTS (SELECT 1 FROM pg_attrdef f WHERE f.adrelid = o.oid)
    OR EXISTS (SELECT 1 FROM pg_description c WHERE c.classoid = 'pg_class'::regclass AND c.objoid = o.oid)
FROM (SELECT ?::oid AS oid) AS o JOIN pg_class r ON r.oid = o.oid
"""


def swap(engine: Engine, table: TableName, staging: TableName) -> None:
    """Let the staging table's rows take the place of the table's."""
    found = engine.rows(_FIND, (table.name, table.schema))
    if found and engine.rows(_HUNG, (found[0][0],))[0][0]:
        _exchange(engine, table, staging)
        return
    engine.drop(table)
    engine.rows(f"ALTER TABLE {staging.sql} RENAME TO {quoted(table.name)}")


def _exchange(engine: Engine, table: TableName, staging: TableName) -> None:
    old, new = engine.columns(table), engine.columns(staging)
    required = engine.required(table)
    for name, kind in new.items():
        if name not in old:
            engine.add(table, name, kind)
        elif old[name] is not kind:
            engine.widen(table, name, old[name], kind)
    for name in required - set(new):
        engine.relax(table, name)
    names = ", ".join(map(quoted, new))
    engine.rows(f"DELETE FROM {table.sql}")  # noqa: S608 - and not TRUNCATE, which would lock readers out
    engine.rows(f"INSERT INTO {table.sql} ({names}) SELECT {names} FROM {staging.sql}")  # noqa: S608
    engine.drop(staging)
