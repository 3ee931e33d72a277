"""What DuckDB's JSON reader reads of a batch: the records, and beside them what is not in them.

Some columns can't be read so without loss, or not at all (see :func:`in_python`): their values are read in Python
and stand beside the records, too.
"""

from __future__ import annotations

import os
import re
import tempfile
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal

import msgspec

from headwater.bridge.sinks.columns import Kind, fits
from headwater.bridge.sinks.duckdb_errors import NoDecimal
from headwater.bridge.sinks.engine import Column, Load
from headwater.bridge.sinks.fit import found_at, inexact
from headwater.bridge.sinks.names import quoted

DECIMAL = "DECIMAL(38,9)"
_DIGITS = re.compile(r"-?0*(\d{0,29})(?:\.(\d{1,9})0*)?")
_DIGIT = b"-0123456789"
_SMALLEST_LIMIT = 1 << 20
_NO_COLUMN = {"nothing": ("_", "JSON")}  # a reader of none would look for some


class JsonFile:
    """A file that is in memory only, where the system has such, under a name that DuckDB can open.

    :ivar longest: bytes that no line has more than.
    """

    def __init__(self) -> None:
        self.longest = _SMALLEST_LIMIT
        if hasattr(os, "memfd_create"):
            self._handle = os.memfd_create("headwater")
            self.name = f"/proc/self/fd/{self._handle}"
            self._temporary = False
        else:  # pragma: no cover - macOS and Windows
            self._handle, self.name = tempfile.mkstemp(suffix=".json")
            self._temporary = True

    def fill(self, data: Sequence[bytes | msgspec.Raw]) -> None:
        """Let it have these records, one a line, and nothing else."""
        lines = b"\n".join(data)
        rest = memoryview(lines)
        at = 0
        while at < len(rest):
            at += os.pwrite(self._handle, rest[at:], at)
        os.ftruncate(self._handle, at)  # only now, as memory that stays need not be cleared
        self.longest = _longest(lines)

    def close(self) -> None:
        """Remove it."""
        os.close(self._handle)
        if self._temporary:  # pragma: no cover - macOS and Windows
            os.unlink(self.name)


Columns = Mapping[str, tuple[str, str]]
"""What is read: for each name in SQL the field and its type."""


def reader(file: JsonFile, lines: Sequence[bytes | msgspec.Raw], columns: Columns) -> str:
    """A query that gives these lines as rows, in their order; they are in the file afterwards."""
    file.fill(lines)
    chosen = columns or _NO_COLUMN
    read = ", ".join(f"{_text(field)}: '{kind}'" for field, kind in chosen.values())
    names = ", ".join(f"{quoted(field)} AS {name}" for name, (field, _) in chosen.items())
    return (
        f"SELECT {names} FROM read_json('{file.name}', format='newline_delimited', columns={{{read}}}, "  # noqa: S608
        f"maximum_object_size={file.longest})"
    )


def _longest(lines: bytes) -> int:
    """What no line is longer than: looks for line ends only as often as must be."""
    at = 0
    while len(lines) - at >= _SMALLEST_LIMIT:
        end = lines.rfind(b"\n", at, at + _SMALLEST_LIMIT)
        if end < 0:
            return max(_SMALLEST_LIMIT, *map(len, lines.split(b"\n"))) + 64
        at = end + 1
    return _SMALLEST_LIMIT


def lines_of(columns: Mapping[str, Iterable[object]]) -> list[bytes]:
    """Columns of Python values as lines of JSON."""
    encode = msgspec.json.Encoder().encode
    names = list(columns)
    return [encode(dict(zip(names, row, strict=True))) for row in zip(*columns.values(), strict=True)]


def decimal_of(text: str) -> str | None:
    """A number as a decimal column takes it; None where it can't hold that to its last digit."""
    if "e" in text or "E" in text:
        exact = Decimal(text)
        if exact and not -40 < exact.adjusted() < 40:
            return None
        text = format(exact, "f")
    return text if _DIGITS.fullmatch(text) else None


def in_python(load: Load) -> dict[int, list[str | None]]:
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
    keys = {part.column.field for part in load.key.parts} if load.key else set()
    found: dict[int, list[str | None]] = {place: [] for place in beside}
    for record in load.data:
        row = _RAWS(record)
        for place, column in beside.items():
            raw = row.get(column.field)
            found[place].append(None if raw is None else _as_text(bytes(raw), column, column.field in keys))
    return found


def check_keys(load: Load) -> None:
    """DuckDB's JSON has floats: a nested key must be none that it would take for another.

    :raises NoDecimal: where it is.
    """
    for part in load.key.parts if load.key else ():
        for record in load.data if part.rest else ():
            found = found_at(record, (part.column.field, *part.rest))
            if inexact(found):
                path = ".".join(part.rest)
                raise NoDecimal(f"the nested key {path!r} is {str(found)[:60]}, which DuckDB can't tell from others")


def _as_text(raw: bytes, column: Column, in_key: bool) -> str | None:
    if raw == b"null":
        return None
    text: str = raw.decode() if raw[:1] != b'"' or column.kind is Kind.JSON else msgspec.json.decode(raw)
    if in_key and column.loose and (raw[:1] in _DIGIT or column.wanted is Kind.DECIMAL) and fits(Kind.DECIMAL, text):
        # as the engine made texts of those that were numbers when the column was widened
        plain = format(Decimal(text), "f")
        return plain.rstrip("0").rstrip(".") if "." in plain else plain
    if column.kind is not Kind.DECIMAL:
        return text
    decimal = decimal_of(text)
    if decimal is None:
        raise NoDecimal(f"the column {column.name!r} ({DECIMAL}) can't hold {text[:60]} to its last digit")
    return decimal


def _text(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


_RAWS = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode
