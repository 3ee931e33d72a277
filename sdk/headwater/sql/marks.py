"""Values that have no form in JSON or in their column's schema: not a number, infinity, a date after 9999.

The database writes a mark in their place, a text that no value of such a column has; the check whether there is
one in a whole page costs next to nothing. Each becomes null, and the record's ``meta.changes`` tells.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import msgspec

from headwater.protocol.messages import Change
from headwater.protocol.values import NULLED, SERIALIZATION_ERROR, TRUNCATED
from headwater.sql.tables import Column

MARK = "\x01"
"""What an expression of ours gives for a value without a form."""
_MARKS = frozenset((MARK, "NaN", "Infinity", "-Infinity", "infinity", "-infinity"))
_TRACES = (b'"\\u0001"', b'NaN"', b'nfinity"')
_LONE = (b"\\ud", b"\\uD")

_ROW = msgspec.json.Decoder(dict[str, msgspec.Raw])
_VALUE = msgspec.json.Decoder()


class Marks:
    """Finds the marks in pages, and text that is none.

    :param columns: those of the records.
    :param is_utf8: the database makes sure that its text is UTF-8.
    """

    def __init__(self, columns: Iterable[Column], *, is_utf8: bool = True) -> None:
        columns = list(columns)
        self._marked = frozenset(column.name for column in columns if column.kind.marked)
        # Only in arrays PostgreSQL's own words for such numbers are left; each search of a page costs.
        has_arrays = any(column.kind.marked and column.kind.schema.get("type") == "array" for column in columns)
        self._traces = _TRACES if has_arrays else _TRACES[:1]
        self._loose = any(column.kind.loose for column in columns)
        self._is_utf8 = is_utf8

    def __call__(self, page: bytes, data: Sequence[bytes]) -> tuple[Sequence[bytes], dict[int, list[Change]]]:
        """The records without marks, and what was changed in which.

        :param page: the bytes that the records were cut from.
        """
        changes: dict[int, list[Change]] = {}
        if self._loose and any(lone in page for lone in _LONE):
            data = self._each(data, changes, lambda record: any(lone in record for lone in _LONE), readable)
        if not self._is_utf8 and not _is_utf8(page):
            data = self._each(data, changes, lambda record: not _is_utf8(record), readable)
        if self._marked and any(trace in page for trace in self._traces):
            data = self._each(data, changes, lambda record: any(trace in record for trace in _TRACES), self._without)
        return data, changes

    @staticmethod
    def _each(
        data: Sequence[bytes],
        changes: dict[int, list[Change]],
        suspect: Callable[[bytes], bool],
        fix: Callable[[bytes, list[Change]], bytes],
    ) -> Sequence[bytes]:
        found = list(data)
        for place, record in enumerate(data):
            if suspect(record):
                made: list[Change] = []
                found[place] = fix(record, made)
                if made:
                    changes.setdefault(place, []).extend(made)
        return found

    def _without(self, record: bytes, made: list[Change]) -> bytes:
        row = _ROW.decode(record)
        for name in sorted(self._marked.intersection(row)):
            raw = bytes(row[name])
            if any(trace in raw for trace in _TRACES):
                row[name] = msgspec.Raw(_cleared(raw, name, made))
        return msgspec.json.encode(row) if made else record


def _is_utf8(data: bytes) -> bool:
    try:
        data.decode()
    except UnicodeDecodeError:
        return False
    return True


def _cleared(raw: bytes, name: str, made: list[Change]) -> bytes:
    """A value, or an array of some, with null in place of each mark."""
    if raw[:1] != b"[":
        if _VALUE.decode(raw) not in _MARKS:
            return raw
        made.append(Change(name, NULLED, SERIALIZATION_ERROR))
        return b"null"
    items = msgspec.json.decode(raw, type=list[msgspec.Raw])
    before = len(made)
    parts = [_cleared(bytes(item), name, made) if b'"' in bytes(item) else bytes(item) for item in items]
    del made[before + 1 :]  # one change tells of a column, however many values of its array are concerned
    return b"[" + b",".join(parts) + b"]"


def readable(record: bytes, made: list[Change]) -> bytes:
    """A record that is no JSON in UTF-8, for two reasons that databases allow: bytes of another encoding, and
    escapes of lone surrogates in a value of type ``json``. The bytes become ``\\xNN``, which tells them apart: two keys
    stay two. The surrogates become U+FFFD."""
    text = _ESCAPE.sub(_partnered, record.decode("utf-8", "surrogateescape"))
    row = _ROW.decode(text.encode("utf-8", "surrogatepass"))
    for name, value in row.items():
        raw = bytes(value).decode("utf-8", "surrogatepass")
        fixed = escaped(raw, "\\\\").replace(_ALONE, "\ufffd")
        if fixed != raw:
            row[name] = msgspec.Raw(fixed.encode())
            made.append(Change(name, TRUNCATED, SERIALIZATION_ERROR))
    return msgspec.json.encode(row) if made else record


def escaped(text: str, backslash: str = "\\") -> str:
    """A text with its bytes that are not UTF-8, which are lone surrogates (PEP 383), as ``\\xNN``.

    :param backslash: how one is written.
    """
    return _FOREIGN.sub(lambda found: f"{backslash}x{ord(found[0]) - 0xDC00:02x}", text)


_ALONE = "\ud800"
"""Stands for the escape of a lone surrogate."""
_FOREIGN = re.compile("[\udc80-\udcff]")
# An escape of a backslash is matched too, so that what follows it is not taken for one.
_ESCAPE = re.compile(r"\\\\|\\u[dD][89abAB]..\\u[dD][c-fC-F]..|\\u[dD][89a-fA-F]..")


def _partnered(found: re.Match[str]) -> str:
    return _ALONE if len(found[0]) == 6 else found[0]


def plain(value: Any, *, marked: bool) -> Any:
    """A value of a record as a state keeps it: a number that is not whole as text, as it may be longer than what
    a float holds. None for a mark.

    :param marked: the value's column may have marks.
    """
    raw = bytes(value)
    if raw[:1] in b"-0123456789":
        text = raw.decode()
        return int(text) if text.lstrip("-").isdigit() and len(text) < 4000 else text
    found = _VALUE.decode(raw)
    return None if marked and isinstance(found, str) and found in _MARKS else found
