"""How records get into PostgreSQL: one statement a batch, with the records as one JSON array in a parameter.

The server's ``json_to_recordset`` makes rows of them; see docs/decisions/0017-bulk-loads.md for what else was
measured. What a record has besides its JSON travels as arrays beside it.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from itertools import accumulate
from typing import Any

import msgspec

from headwater.bridge.sinks.columns import Kind
from headwater.bridge.sinks.engine import NO_CHANGES, Column, Load, Part
from headwater.bridge.sinks.names import LINK, OWN, quoted

SYSTEM_COLUMNS = ("tableoid", "xmin", "cmin", "xmax", "cmax", "ctid")
_EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)
_LONGEST_NAME = 63
_PLACE = "_headwater_place"
_QUOTED = re.compile(r""""(?:[^"]|"")*"|'(?:[^']|'')*'""")

# A text that is surely a date and time: others are compared as texts.
_DAY = (
    r"(\d{4}-((0[1-9]|1[0-2])-(0[1-9]|1\d|2[0-8])|(0[13-9]|1[0-2])-(29|30)|(0[13578]|1[02])-31)"
    r"|(\d\d(0[48]|[2468][048]|[13579][26])|([02468][048]|[13579][26])00)-02-29)"
)
_MOMENT = (
    rf"^(?!0000){_DAY}[T ]"
    r"([01]\d|2[0-3]):[0-5]\d:[0-5]\d(\.\d+)?(Z|[+-](0\d|1[0-4])(:?[0-5]\d)?)?$"
)
_NUMBER = r"^-?\d+(\.\d+)?([eE][+-]?\d{1,3})?$"


@dataclass(frozen=True, slots=True)
class Statement:
    """SQL with psycopg's marks, and what they stand for."""

    sql: str
    parameters: dict[str, Any]


def at(part: Part, column: str) -> str:
    """A part of a key, or the cursor, of a column that is named in SQL."""
    if not part.rest:
        return column
    return f"NULLIF({column} #> {_path(part)}, 'null'::jsonb)"


def statement(load: Load, present: Mapping[str, str], declared: Mapping[Kind, str]) -> Statement:
    """The statement that writes the records; with a key it returns how many rows have null in it.

    :param present: the declared types of the table's columns.
    :param declared: those of the kinds.
    """
    source = _source(load, present, declared)
    own = _own(load)
    columns = [(column.sql, f"c{place}") for place, column in enumerate(load.columns)]
    values = [*_values(load, present, declared), *own.values()]
    names = [*(name for name, _ in columns), *map(quoted, own)]
    parameters = _parameters(load)
    if load.key is None:
        sql = f"INSERT INTO {load.table.sql} ({', '.join(names)}) SELECT {', '.join(values)} {source}"
    else:
        made = ", ".join(f"{value} AS {name}" for value, name in zip(values, names, strict=True))
        sql = _upsert(load, f"SELECT {made}, n AS {_PLACE} {source}", names, list(present))
    return Statement(_QUOTED.sub(lambda found: found[0].replace("%", "%%"), sql), parameters)


def _source(load: Load, present: Mapping[str, str], declared: Mapping[Kind, str]) -> str:
    plain = [
        f"{quoted(column.field)} {_read_as(column, present, declared)}"
        for column in load.columns
        if not _awkward(column.field)
    ]
    # Of a record without any field that the table has, there is a row, too.
    aliases = [f"c{place}" for place, column in enumerate(load.columns) if not _awkward(column.field)]
    functions = [f"json_to_recordset(%(data)s) AS ({', '.join(plain) or '_ text'})"]
    names = aliases or ["nothing"]
    if len(plain) < len(load.columns):
        functions.append("json_array_elements(%(data)s)")
        names.append("j")
    if load.links is not None:
        functions.append("unnest(%(parents)s::text[])")
        functions.append("unnest(%(indexes)s::bigint[])")
        names += ["parent", "place"]
    return f"FROM ROWS FROM ({', '.join(functions)}) WITH ORDINALITY AS r ({', '.join(names)}, n)"


def _read_as(column: Column, present: Mapping[str, str], declared: Mapping[Kind, str]) -> str:
    """The type as which PostgreSQL's JSON reader reads a value: that of the table's column."""
    return "text" if column.kind is Kind.BINARY else present.get(column.name, declared[column.kind])


def _awkward(field: str) -> bool:
    """Whether a field can't be named as a column of a record: it is read by its name as a text."""
    return not field or len(field.encode("utf-8", "surrogatepass")) > _LONGEST_NAME


def _values(load: Load, present: Mapping[str, str], declared: Mapping[Kind, str]) -> list[str]:
    found = []
    for place, column in enumerate(load.columns):
        value = f"c{place}"
        if _awkward(column.field):
            name = "'" + column.field.replace("'", "''") + "'"
            arrow = "->" if column.kind is Kind.JSON else "->>"
            value = f"(j {arrow} {name})::{_read_as(column, present, declared)}"
            if column.kind is Kind.JSON:
                value = f"NULLIF({value}::jsonb, 'null'::jsonb)::{_read_as(column, present, declared)}"
        found.append(f"decode({value}, 'base64')" if column.kind is Kind.BINARY else value)
    return found


def _own(load: Load) -> dict[str, str]:
    """Our own columns, and what goes into them of the n-th record."""
    extracted = "%(extracted)s::timestamptz"
    if len(load.extracted) > 1:
        extracted = "(%(extracted)s::timestamptz[])[width_bucket(n, %(starts)s::bigint[])]"
    meta = f"'{NO_CHANGES}'::jsonb"
    if load.metas:
        meta = f"COALESCE(%(metas)s::jsonb -> (n - 1)::text, {meta})"
    values = ["%(batch)s || lpad(to_hex(n - 1), 8, '0')", extracted, "%(generation)s::bigint", meta]
    own = dict(zip(OWN, values, strict=True))
    if load.links is not None:
        own |= dict(zip(LINK, ("parent", "place"), strict=True))
    return own


def _parameters(load: Load) -> dict[str, Any]:
    from psycopg.types.json import Json

    moments = [_EPOCH + timedelta(milliseconds=at) for _, at in load.extracted]
    found: dict[str, Any] = {
        "data": Json(b"[" + b",".join(load.data) + b"]", bytes),
        "batch": load.batch,
        "generation": load.generation,
        "extracted": moments[0] if len(moments) == 1 else moments,
    }
    if len(moments) > 1:
        found["starts"] = list(accumulate((count for count, _ in load.extracted[:-1]), initial=1))
    if load.metas:
        raws = {str(at): msgspec.Raw(meta.encode()) for at, meta in load.metas.items()}
        found["metas"] = Json(msgspec.json.encode(raws), bytes)
    if load.links is not None:
        found["parents"] = [parent for parent, _ in load.links]
        found["indexes"] = [index for _, index in load.links]
    return found


def _upsert(load: Load, source: str, names: list[str], present: list[str]) -> str:
    assert load.key is not None
    key = [at(part, part.column.sql) for part in load.key.parts]
    missing = " OR ".join(f"{part} IS NULL" for part in key)
    cursor = load.key.cursor
    order = f"{', '.join(key)}, CASE WHEN {missing} THEN {_PLACE} END"
    by_cursor = _ordered(cursor, cursor.column.sql) if cursor is not None else []
    newest = ", ".join([*(f"{value} DESC NULLS LAST" for value in by_cursor), f"{_PLACE} DESC"])
    listed = ", ".join(names)
    same = {part.column.name for part in load.key.parts if not part.rest}
    updates = ", ".join(f"{quoted(name)} = excluded.{quoted(name)}" for name in present if name not in same)
    return (
        f"WITH given AS MATERIALIZED ({source}), written AS ("  # noqa: S608
        f"INSERT INTO {load.table.sql} AS old ({listed}) "
        f"SELECT {listed} FROM (SELECT DISTINCT ON ({order}) * FROM given ORDER BY {order}, {newest}) AS newest "
        f"ON CONFLICT ({', '.join(key)}) DO UPDATE SET {updates}{_newer(cursor)}) "
        f"SELECT count(*) FROM given WHERE {missing}"
    )


def _newer(cursor: Part | None) -> str:
    """The condition for replacing a row: it is not older, where the cursor is known."""
    if cursor is None:
        return ""
    pairs = zip(*(_ordered(cursor, f"{row}.{cursor.column.sql}") for row in ("excluded", "old")), strict=True)
    compared = ", ".join(f"{new} >= {old}" for new, old in pairs)
    return f" WHERE COALESCE({compared}, {at(cursor, f'old.{cursor.column.sql}')} IS NULL)"


def _ordered(cursor: Part, column: str) -> list[str]:
    """What rows are ordered by: the first of these that two rows have."""
    value, found = at(cursor, column), []
    text = f"({value} #>> '{{}}')" if cursor.column.kind is Kind.JSON else value
    if cursor.temporal and cursor.column.kind in (Kind.STRING, Kind.JSON):
        found.append(f"CASE WHEN {text} ~ '{_MOMENT}' THEN {text}::timestamptz END")
    if cursor.column.loose:  # numbers that were widened to text
        found.append(f"CASE WHEN {text} ~ '{_NUMBER}' THEN {text}::numeric END")
    return [*found, value]


def _path(part: Part) -> str:
    steps = ",".join('"' + step.replace("\\", "\\\\").replace('"', '\\"') + '"' for step in part.rest)
    return "'{" + steps.replace("'", "''") + "}'"
