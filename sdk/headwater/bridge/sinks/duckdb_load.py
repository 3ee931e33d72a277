"""How records get into DuckDB: its own JSON reader takes them from a file in memory.

Some columns can't be read so without loss, or not at all (see :func:`_in_python`): their values travel as a list.
"""

from __future__ import annotations

import os
import re
import tempfile
from collections import Counter
from collections.abc import Mapping, Sequence
from decimal import Decimal
from itertools import chain, repeat
from typing import TYPE_CHECKING, Any

import msgspec

from headwater.bridge.sinks.columns import Kind
from headwater.bridge.sinks.duckdb_errors import NoDecimal
from headwater.bridge.sinks.engine import NO_CHANGES, Column, Load, Part
from headwater.bridge.sinks.names import LINK, OWN, quoted

if TYPE_CHECKING:
    import duckdb

DECIMAL = "DECIMAL(38,9)"
_DIGITS = re.compile(r"-?0*(\d{0,29})(?:\.(\d{1,9})0*)?")
_SMALLEST_LIMIT = 1 << 20
_STAGED = "temp._headwater_batch"
_PLACE = "_headwater_place"
_NO_COLUMN = "'_': 'JSON'"  # a reader of none would look for some
# Which of their values DuckDB's casts from text don't take as JSON has them.
_CASTS = {
    Kind.TIMESTAMP_TZ: "CAST(upper({0}) AS TIMESTAMP WITH TIME ZONE)",
    Kind.TIMESTAMP: "CAST(upper({0}) AS TIMESTAMP)",
    Kind.TIME_TZ: "CAST(replace(upper({0}), 'Z', '+00') AS TIME WITH TIME ZONE)",
    Kind.DATE: "CAST(replace({0}, ' BC', ' (BC)') AS DATE)",
    Kind.BINARY: "from_base64({0})",
}


class JsonFile:
    """A file that is in memory only, where the system has such, under a name that DuckDB can open."""

    def __init__(self) -> None:
        if hasattr(os, "memfd_create"):
            self._handle = os.memfd_create("headwater")
            self.name = f"/proc/self/fd/{self._handle}"
            self._temporary = False
        else:  # pragma: no cover - macOS and Windows
            self._handle, self.name = tempfile.mkstemp(suffix=".json")
            self._temporary = True

    def fill(self, data: Sequence[bytes | msgspec.Raw]) -> None:
        """Let it have these records, one a line, and nothing else."""
        os.ftruncate(self._handle, 0)
        rest = memoryview(b"\n".join(data))
        at = 0
        while at < len(rest):
            at += os.pwrite(self._handle, rest[at:], at)

    def empty(self) -> None:
        """Give the memory back."""
        os.ftruncate(self._handle, 0)

    def close(self) -> None:
        """Remove it."""
        os.close(self._handle)
        if self._temporary:  # pragma: no cover - macOS and Windows
            os.unlink(self.name)


def decimal_of(text: str) -> str | None:
    """A number as a decimal column takes it; None where it can't hold that to its last digit."""
    if "e" in text or "E" in text:
        exact = Decimal(text)
        if exact and not -40 < exact.adjusted() < 40:
            return None
        text = format(exact, "f")
    return text if _DIGITS.fullmatch(text) else None


def at(part: Part, column: str) -> str:
    """A part of a key, or the cursor, of a column that is named in SQL."""
    if not part.rest:
        return column
    steps = "".join("/" + step.replace("~", "~0").replace("/", "~1").replace("'", "''") for step in part.rest)
    return f"NULLIF(json_extract({column}, '{steps}'), 'null')"


def write(connection: duckdb.DuckDBPyConnection, file: JsonFile, load: Load, declared: Mapping[Kind, str]) -> int:
    """Write the records into the table; how many rows have null in their key."""
    beside = _in_python(load)
    parameters: dict[str, Any] = {"batch": load.batch, **{f"v{place}": texts for place, texts in beside.items()}}
    values = {**dict(_values(load, beside, declared)), **_own(load, parameters)}
    file.fill(load.data)
    made = ", ".join(f"{value} AS {name}" for name, value in values.items())
    rows = f"SELECT {made}, {_PLACE} FROM ({_source(load, beside, declared, file.name)})"  # noqa: S608
    names = ", ".join(values)
    try:
        if load.key is None:
            connection.execute(f"INSERT INTO {load.table.sql} ({names}) SELECT {names} FROM ({rows})", parameters)  # noqa: S608
            return 0
        connection.execute(f"CREATE OR REPLACE TEMP TABLE {_STAGED.partition('.')[2]} AS {rows}", parameters)
    finally:
        file.empty()
    return _upsert(connection, load, names)


def _source(load: Load, beside: Mapping[int, Any], declared: Mapping[Kind, str], path: str) -> str:
    plain = {
        f"c{place}": (column, "VARCHAR" if column.kind in _CASTS else declared[column.kind])
        for place, column in enumerate(load.columns)
        if place not in beside
    }
    read = ", ".join(f"{_text(column.field)}: '{kind}'" for column, kind in plain.values())
    names = ", ".join(f"{quoted(column.field)} AS {name}" for name, (column, _) in plain.items())
    longest = max((len(memoryview(record)) for record in load.data), default=0)
    return (
        f"SELECT {names}{', ' if names else ''}row_number() OVER () AS {_PLACE} FROM read_json('{path}', "  # noqa: S608
        f"format='newline_delimited', columns={{{read or _NO_COLUMN}}}, "
        f"maximum_object_size={max(_SMALLEST_LIMIT, longest + 64)})"
    )


def _values(load: Load, beside: Mapping[int, Any], declared: Mapping[Kind, str]) -> list[tuple[str, str]]:
    found = []
    for place, column in enumerate(load.columns):
        kind = declared[column.kind]
        if place in beside:
            value = f"CAST(list_extract($v{place}::VARCHAR[], {_PLACE}) AS VARCHAR)"
            cast = _CASTS.get(column.kind, f"CAST({{0}} AS {kind})").format(value)
        else:
            cast = _CASTS.get(column.kind, "{0}").format(f"c{place}")
        found.append((column.sql, cast))
    return found


def _own(load: Load, parameters: dict[str, Any]) -> dict[str, str]:
    """Our own columns, and what goes into them of the n-th record; adds to the parameters."""
    count = len(load)
    if len(load.extracted) == 1:
        milliseconds = str(load.extracted[0][1])
    else:
        parameters["extracted"] = list(chain.from_iterable(repeat(at, n) for n, at in load.extracted))
        milliseconds = f"list_extract($extracted::BIGINT[], {_PLACE})"
    meta = f"'{NO_CHANGES}'"
    if load.metas:
        parameters["metas"] = [load.metas.get(index) for index in range(count)]
        meta = f"COALESCE(list_extract($metas::VARCHAR[], {_PLACE}), {meta})"
    values = [
        f"$batch || printf('%08x', {_PLACE} - 1)",
        f"make_timestamptz({milliseconds} * 1000)",
        str(load.generation),
        meta,
    ]
    own = {quoted(name): value for name, value in zip(OWN, values, strict=True)}
    if load.links is not None:
        parameters["parents"] = [parent for parent, _ in load.links]
        parameters["indexes"] = [index for _, index in load.links]
        linked = (f"list_extract($parents::VARCHAR[], {_PLACE})", f"list_extract($indexes::BIGINT[], {_PLACE})")
        own |= {quoted(name): value for name, value in zip(LINK, linked, strict=True)}
    return own


def _upsert(connection: duckdb.DuckDBPyConnection, load: Load, names: str) -> int:
    """Let the newest rows of the staged batch take the place of those with their key."""
    assert load.key is not None
    table, cursor = load.table.sql, load.key.cursor
    new, old = ([at(part, f"{row}.{part.column.sql}") for part in load.key.parts] for row in ("new", "old"))
    missing = " OR ".join(f"{part} IS NULL" for part in new)
    ((nulls, count, distinct),) = connection.execute(
        f"SELECT count(*) FILTER (WHERE {missing}), count(*) FILTER (WHERE NOT ({missing})), "  # noqa: S608
        f"count(DISTINCT ({', '.join(new)})) FILTER (WHERE NOT ({missing})) FROM {_STAGED} AS new"
    ).fetchall()
    if count != distinct:
        order = [f"{value} DESC NULLS LAST" for value in _ordered(cursor, "new")] if cursor else []
        connection.execute(
            f"DELETE FROM {_STAGED} WHERE {_PLACE} NOT IN (SELECT {_PLACE} FROM {_STAGED} AS new "  # noqa: S608
            f"QUALIFY {missing} OR row_number() OVER (PARTITION BY {', '.join(new)} "
            f"ORDER BY {', '.join([*order, f'{_PLACE} DESC'])}) = 1)"
        )
    same = " AND ".join(f"{one} = {other}" for one, other in zip(new, old, strict=True))
    if cursor is not None:
        connection.execute(f"DELETE FROM {_STAGED} AS new USING {table} AS old WHERE {same} AND {_older(cursor)}")  # noqa: S608
    connection.execute(f"DELETE FROM {table} AS old USING {_STAGED} AS new WHERE {same}")  # noqa: S608
    connection.execute(f"INSERT INTO {table} ({names}) SELECT {names} FROM {_STAGED}")  # noqa: S608
    connection.execute(f"DROP TABLE {_STAGED}")
    return int(nulls)


def _older(cursor: Part) -> str:
    """Whether a new row is older than the one that is there."""
    pairs = zip(_ordered(cursor, "new"), _ordered(cursor, "old"), strict=True)
    compared = ", ".join(f"{new} >= {old}" for new, old in pairs)
    return f"NOT COALESCE({compared}, {at(cursor, f'old.{cursor.column.sql}')} IS NULL)"


def _ordered(cursor: Part, row: str) -> list[str]:
    """What rows are ordered by: the first of these that two rows have."""
    value = at(cursor, f"{row}.{cursor.column.sql}")
    if cursor.column.kind is Kind.JSON:
        text = f"json_extract_string({value}, '$')"
        typed = "TIMESTAMP WITH TIME ZONE" if cursor.temporal else "DOUBLE"
        return [f"TRY_CAST({text} AS {typed})", text]
    if cursor.temporal and cursor.column.kind is Kind.STRING:
        return [f"TRY_CAST({value} AS TIMESTAMP WITH TIME ZONE)", value]
    return [value]


def _in_python(load: Load) -> dict[int, list[str | None]]:
    """The values of columns that DuckDB's reader would change, or can't be told to read, by the column's place.

    It reads a number with a point as a float; it tells names only in one case, and has none that is empty.
    """
    fields = Counter(column.field.lower() for column in load.columns)
    beside = {
        place: column
        for place, column in enumerate(load.columns)
        if column.loose or column.kind is Kind.DECIMAL or not column.field or fields[column.field.lower()] > 1
    }
    if not beside:
        return {}
    found: dict[int, list[str | None]] = {place: [] for place in beside}
    for record in load.data:
        row = _RAWS(record)
        for place, column in beside.items():
            raw = row.get(column.field)
            found[place].append(None if raw is None else _as_text(bytes(raw), column))
    return found


def _as_text(raw: bytes, column: Column) -> str | None:
    if raw == b"null":
        return None
    text: str = raw.decode() if raw[:1] != b'"' or column.kind is Kind.JSON else msgspec.json.decode(raw)
    if column.kind is not Kind.DECIMAL:
        return text
    decimal = decimal_of(text)
    if decimal is None:
        raise NoDecimal(f"the column {column.name!r} ({DECIMAL}) can't hold {text[:60]} to its last digit")
    return decimal


def _text(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


_RAWS = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode
