"""Tables as SQLAlchemy reflects them."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

from headwater.errors import ConfigError
from headwater.sql.tables import Column, Kind, Table, Wanted

if TYPE_CHECKING:
    from sqlalchemy import Connection
    from sqlalchemy.types import TypeEngine

    from headwater.sql.database import Database

KindOf = Callable[["TypeEngine[Any]"], Kind]


def reflected(
    database: Database, connection: Connection, wanted: Wanted, kind_of: KindOf, *, namespaces: bool = True
) -> list[Table]:
    """The tables and views that are wanted, by SQLAlchemy's inspector, all of a schema at once.

    :param kind_of: how values of a type are read.
    :param namespaces: streams are named with their schema.
    :raises ConfigError: when a schema is not there.
    """
    from sqlalchemy import inspect
    from sqlalchemy.engine.reflection import ObjectKind

    inspector = inspect(connection)
    names = wanted.schemas or database.default_schemas or (inspector.default_schema_name,)
    known = set(inspector.get_schema_names()) | {inspector.default_schema_name}
    gone = [str(name) for name in names if name not in known]
    if gone:
        raise ConfigError(f"config: setting `schemas`: the database {database.place} has no schema {', '.join(gone)}.")
    found: list[Table] = []
    for schema in names:
        listed = [*inspector.get_table_names(schema), *inspector.get_view_names(schema)]
        kept = [name for name in listed if wanted.has(name, schema if namespaces else None)]
        if not kept:
            continue
        options: Any = {"schema": schema, "filter_names": kept, "kind": ObjectKind.ANY}
        columns = inspector.get_multi_columns(**options)
        keys = inspector.get_multi_pk_constraint(**options)
        for name in sorted(kept):
            key: Any = keys.get((schema, name)) or {}
            found.append(
                Table(
                    name,
                    schema if namespaces else None,
                    database.quoted(schema, name),
                    columns_of(columns.get((schema, name)) or (), kind_of),
                    tuple(key.get("constrained_columns") or ()),
                )
            )
    return sorted(found, key=lambda table: (table.schema or "", table.name))


def columns_of(columns: Iterable[Any], kind_of: KindOf) -> tuple[Column, ...]:
    """Columns as the inspector describes them."""
    return tuple(
        Column(
            each["name"], _written(each["type"]), kind_of(each["type"]), bool(each.get("nullable", True)), each["type"]
        )
        for each in columns
    )


def described(connection: Connection, name: str, query: str) -> Table:
    """A query's result as a table; of its columns nothing is known but their names."""
    result = connection.exec_driver_sql(f"SELECT * FROM ({query}) q WHERE 1 = 0")
    try:
        columns = tuple(Column(column, "unknown", Kind({})) for column in result.keys())  # noqa: SIM118 - no dictionary
    finally:
        result.close()
    return Table(name, None, f"({query})", columns)


def _written(kind: TypeEngine[Any]) -> str:
    try:
        return str(kind)
    except Exception:  # noqa: BLE001 - a type that no SQL is known for
        return type(kind).__name__
