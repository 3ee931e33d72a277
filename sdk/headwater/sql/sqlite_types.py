"""SQLite's columns: what a declared type promises, and what is in there.

A column of SQLite takes any value, whatever it was declared as; only its affinity pulls a value towards a type
(https://www.sqlite.org/datatype3.html). The schema says what was declared. A value of another kind becomes null,
which the record's ``meta.changes`` tells. Dates are text by convention: what a table's first rows have decides
whether a column that is called a date is read as one.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime
from typing import Annotated, Any, Literal

import msgspec

from headwater.sql.tables import Kind
from headwater.sql.types import BASE64, BOOLEAN, DATE, INTEGER, LOCAL, NUMBER, STRING, ZONED

ANYTHING = {"type": ["integer", "number", "string"]}


class Lost:
    """Stands for a value that is none of its column."""


LOST = Lost()
_LOCAL: Any = Annotated[datetime, msgspec.Meta(tz=False)] | None
_ZONED: Any = Annotated[datetime, msgspec.Meta(tz=True)] | None
_REAL: Any = Annotated[float, msgspec.Meta(ge=-sys.float_info.max, le=sys.float_info.max)] | int | None


@dataclass(frozen=True)
class Fit:
    """What Python's values of a column may be.

    :ivar form: as a type that msgspec checks a value against as it comes; the quick way to look at many.
    :ivar types: their types, None aside, once they are ``made``.
    :ivar made: what becomes of some values, where something does; :data:`LOST` of one that is none.
    """

    form: Any
    types: frozenset[type]
    made: Callable[[Sequence[Any]], Sequence[Any]] | None = None


def _booleans(values: Sequence[Any]) -> Sequence[Any]:
    return [value if value.__class__ is not int or value not in (0, 1) else value == 1 for value in values]


def _of(form: Any) -> Callable[[Sequence[Any]], Sequence[Any]]:
    """Looks at texts that must be dates.

    :param form: what each must be.
    """
    return lambda values: [
        value if value.__class__ is str and _are([value], form) else _lost(value) for value in values
    ]


def _are(values: Sequence[Any], form: Any) -> bool:
    try:
        msgspec.convert(values, list[form])
    except (msgspec.ValidationError, UnicodeEncodeError):  # the latter of text that is not UTF-8
        return False
    return True


def _lost(value: Any) -> Any:
    return None if value is None else LOST


_INT, _FLOAT, _STR, _BYTES, _BOOL = (frozenset((kind,)) for kind in (int, float, str, bytes, bool))
_INTEGERS = Kind(INTEGER, literal="{0}", splits=True)
_NUMBERS = Kind(NUMBER, literal="CAST({0} AS REAL)")
_TEXTS = Kind(STRING, literal="{0}")


def kind_of(declared: str) -> Kind:
    """How values of a declared type are read; dates are looked at by :func:`dated`."""
    name = declared.upper()
    if name.startswith("BOOL"):
        return Kind(BOOLEAN)
    if "INT" in name:
        return _INTEGERS
    if any(part in name for part in ("CHAR", "CLOB", "TEXT")):
        return _TEXTS
    if "BLOB" in name or "BINARY" in name:
        return Kind(BASE64, "CAST({0} AS BLOB)", "{0}")
    if any(part in name for part in ("REAL", "FLOA", "DOUB", "NUMERIC", "DECIMAL", "NUMBER")):
        return _NUMBERS
    if name.startswith("JSON"):
        return Kind(STRING, "CAST({0} AS TEXT)")
    return Kind(ANYTHING)


def is_date(declared: str) -> bool:
    """Whether a declared type is one of dates."""
    return declared.upper().startswith(("DATE", "TIMESTAMP"))


def dated(values: Sequence[Any]) -> Kind:
    """The kind of a column that is called a date, by what some of its values are. None: a date is what is due."""
    if any(value.__class__ is not str for value in values):
        return Kind(ANYTHING)
    if values and _are(values, date | None):
        return Kind(DATE, literal="{0}")
    for form, schema in ((_LOCAL, LOCAL), (_ZONED, ZONED)):
        if _are(values, form):
            # RFC 3339 has a T where most have a space
            kind = Kind(schema, "replace({0}, ' ', 'T')", literal="{0}")
            spaced = any(value[10] == " " for value in values)
            return replace(kind, literal="replace({0}, 'T', ' ')") if spaced else kind
    return Kind(STRING, literal="{0}")


def fit_of(kind: Kind) -> Fit:
    """What Python's values of a kind may be."""
    if kind.schema is BOOLEAN:
        return Fit(Literal[0, 1] | None, _BOOL, _booleans)
    if kind.schema is INTEGER:
        return Fit(int | None, _INT)
    if kind.schema is NUMBER:
        return Fit(_REAL, _INT | _FLOAT)
    if kind.schema is BASE64:
        return Fit(bytes | None, _BYTES)
    if kind.schema is DATE:
        return Fit(date | None, _STR, _of(date | None))
    if kind.schema in (LOCAL, ZONED):
        form = _LOCAL if kind.schema is LOCAL else _ZONED
        return Fit(form, _STR, _of(form))
    if kind.schema is ANYTHING:
        return Fit(_REAL | str, _INT | _FLOAT | _STR)
    return Fit(str | None, _STR)


def misfit(value: Any, fit: Fit) -> bool:
    """Whether a value is none of its column."""
    if value is None:
        return False
    return value.__class__ not in fit.types or (value.__class__ is float and not math.isfinite(value))
