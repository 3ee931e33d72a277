"""How records get into DuckDB: its own JSON reader takes them from a file in memory."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import replace
from itertools import chain, repeat
from typing import TYPE_CHECKING

from headwater.bridge.sinks.columns import Kind
from headwater.bridge.sinks.duckdb_read import DECIMAL, JsonFile, check_keys, in_python, lines_of, reader
from headwater.bridge.sinks.engine import NO_CHANGES, Load, Part
from headwater.bridge.sinks.names import LINK, OWN, quoted

if TYPE_CHECKING:
    import duckdb

_STAGED = "temp._headwater_batch"
_PLACE = "_headwater_place"
_MOST_RUNS = 100
_PIECE, _SAMPLE = 8 * 2**20, 1000
# Which of their values DuckDB's casts from text don't take as JSON has them.
_CASTS = {
    Kind.TIMESTAMP_TZ: "CAST(upper({0}) AS TIMESTAMP WITH TIME ZONE)",
    Kind.TIMESTAMP: "CAST(upper({0}) AS TIMESTAMP)",
    Kind.TIME_TZ: "CAST(replace(upper({0}), 'Z', '+00') AS TIME WITH TIME ZONE)",
    Kind.DATE: "CAST(replace({0}, ' BC', ' (BC)') AS DATE)",
    Kind.BINARY: "from_base64({0})",
}


class Files:
    """The two files that a batch is read from."""

    def __init__(self) -> None:
        self.records = JsonFile()
        self.beside = JsonFile()

    def close(self) -> None:
        """Remove them."""
        self.records.close()
        self.beside.close()


def at(part: Part, column: str) -> str:
    """A part of a key, or the cursor, of a column that is named in SQL."""
    if not part.rest:
        return column
    steps = "".join("/" + step.replace("~", "~0").replace("/", "~1").replace("'", "''") for step in part.rest)
    return f"NULLIF(json_extract({column}, '{steps}'), 'null')"


def write(
    connection: duckdb.DuckDBPyConnection,
    files: Files,
    load: Load,
    declared: Mapping[Kind, str],
    allow: Callable[[int], None] = lambda _: None,
) -> int:
    """Write the records into the table; how many rows have null in their key.

    :param allow: told before records are read how many bytes the longest may have.
    """
    check_keys(load)
    names = ""
    try:
        for first, piece in _pieces(load):
            names, rows = _rows(files, piece, first, declared)
            allow(max(files.records.longest, files.beside.longest))
            into = load.table.sql if load.key is None else _STAGED
            if first == 0 and load.key is not None:
                connection.execute(f"CREATE OR REPLACE TEMP TABLE {_STAGED.partition('.')[2]} AS {rows}")
            elif load.key is None:
                connection.execute(f"INSERT INTO {into} ({names}) SELECT {names} FROM ({rows})")  # noqa: S608
            else:
                connection.execute(f"INSERT INTO {into} {rows}")
    finally:
        files.records.fill(())
        files.beside.fill(())
    return 0 if load.key is None else _upsert(connection, load, names)


def _pieces(load: Load) -> Iterator[tuple[int, Load]]:
    """A load as some of a few megabytes each, since they are copied, and the place of the first record of each."""
    some = load.data[:: max(1, len(load) // _SAMPLE)]
    rows = max(1, _PIECE * len(some) // max(1, len(b"".join(some))))
    if len(load) <= rows:
        yield 0, load
        return
    runs = deque(load.extracted)
    for first in range(0, len(load), rows):
        end = min(first + rows, len(load))
        extracted, left = [], end - first
        while left:
            count, at = runs.popleft()
            if count > left:
                runs.appendleft((count - left, at))
            extracted.append((min(count, left), at))
            left -= min(count, left)
        metas = {index - first: meta for index, meta in load.metas.items() if first <= index < end}
        links = None if load.links is None else load.links[first:end]
        yield first, replace(load, data=load.data[first:end], extracted=extracted, metas=metas, links=links)


def _rows(files: Files, load: Load, first: int, declared: Mapping[Kind, str]) -> tuple[str, str]:
    """The names of columns, and a query for the rows with their places."""
    beside: dict[str, tuple[str, Iterable[object]]] = {
        f"c{place}": ("VARCHAR", texts) for place, texts in in_python(load).items()
    }
    values = {**_values(load, beside, declared), **_own(load, first, beside)}
    made = ", ".join(f"{value} AS {name}" for name, value in values.items())
    source = _source(files, load, beside, declared)
    return ", ".join(values), f"SELECT {made}, {_PLACE} + {first} AS {_PLACE} FROM ({source})"  # noqa: S608


def _source(
    files: Files, load: Load, beside: Mapping[str, tuple[str, Iterable[object]]], declared: Mapping[Kind, str]
) -> str:
    """A query for the values of each record, and its place."""
    plain = {
        f"c{place}": (column.field, "VARCHAR" if column.kind in _CASTS else declared[column.kind])
        for place, column in enumerate(load.columns)
        if f"c{place}" not in beside
    }
    rows = f"({reader(files.records, load.data, plain)})"
    if beside:
        lines = lines_of({name: values for name, (_, values) in beside.items()})
        others = reader(files.beside, lines, {name: (name, kind) for name, (kind, _) in beside.items()})
        rows += f" POSITIONAL JOIN ({others})"
    return f"SELECT *, row_number() OVER () AS {_PLACE} FROM {rows}"  # noqa: S608


def _values(load: Load, beside: Mapping[str, object], declared: Mapping[Kind, str]) -> dict[str, str]:
    found = {}
    for place, column in enumerate(load.columns):
        name = f"c{place}"
        cast = f"CAST({{0}} AS {declared[column.kind]})" if name in beside else "{0}"
        found[column.sql] = _CASTS.get(column.kind, cast).format(name)
    return found


def _own(load: Load, first: int, beside: dict[str, tuple[str, Iterable[object]]]) -> dict[str, str]:
    """Our own columns, and what goes into them of the n-th record; adds to what stands beside the records."""
    meta = f"'{NO_CHANGES}'"
    if load.metas:
        beside["meta"] = ("VARCHAR", [load.metas.get(index) for index in range(len(load))])
        meta = f"COALESCE(meta, {meta})"
    values = [
        f"'{load.batch}' || printf('%08x', {_PLACE} + {first - 1})",
        f"make_timestamptz({_milliseconds(load, beside)} * 1000)",
        str(load.generation),
        meta,
    ]
    own = {quoted(name): value for name, value in zip(OWN, values, strict=True)}
    if load.links is not None:
        beside["parent"] = ("VARCHAR", [parent for parent, _ in load.links])
        beside["place"] = ("BIGINT", [index for _, index in load.links])
        own |= {quoted(name): value for name, value in zip(LINK, ("parent", "place"), strict=True)}
    return own


def _milliseconds(load: Load, beside: dict[str, tuple[str, Iterable[object]]]) -> str:
    """When a record was read."""
    if len(load.extracted) > _MOST_RUNS:
        beside["extracted"] = ("BIGINT", list(chain.from_iterable(repeat(at, n) for n, at in load.extracted)))
        return "extracted"
    end, cases = 0, ""
    for count, milliseconds in load.extracted[:-1]:
        end += count
        cases += f"WHEN {_PLACE} <= {end} THEN {milliseconds} "
    last = load.extracted[-1][1] if load.extracted else 0
    return f"CASE {cases}ELSE {last} END" if cases else str(last)


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
        value = f"json_extract_string({value}, '$')"
    elif cursor.column.kind is not Kind.STRING:
        return [value]
    types = ["TIMESTAMP WITH TIME ZONE"] if cursor.temporal else []
    if cursor.column.loose or cursor.column.kind is Kind.JSON:
        types += [DECIMAL, "DOUBLE"]
    return [*(f"TRY_CAST({value} AS {typed})" for typed in types), value]
