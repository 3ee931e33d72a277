"""A cursor: which field says how far a stream was read, and how its values compare."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timezone
from decimal import Decimal
from functools import lru_cache
from itertools import pairwise
from typing import Any, Literal

import msgspec


@dataclass(frozen=True)
class Cursor:
    """Which field of a record says how far a stream was read.

    :ivar field: its name; a dot leads into an object (``commit.author.date``). The values are timestamps in
        ISO 8601, other strings, or numbers.
    :ivar order: in which order the source gives the records of a slice. ``ascending``: the state may move on
        with every page, so a read that was cut off goes on midway. ``descending``: reading stops at the first
        record older than the slice's start. None: the state moves when the slice is done.
    :ivar drops_earlier: records before the slice's start are dropped. Say no where the API's own bound is on
        another field, and every record that it gives is wanted.
    """

    field: str
    order: Literal["ascending", "descending"] | None = None
    drops_earlier: bool = True

    @property
    def path(self) -> tuple[str, ...]:
        """The field as a path of names."""
        return tuple(self.field.split("."))

    def value_in(self, record: Mapping[str, Any]) -> Any:
        """The record's cursor value; None where it has none."""
        value: Any = record
        for name in self.path:
            value = value.get(name) if isinstance(value, Mapping) else None
        return value


def is_before(value: Any, other: Any) -> bool:
    """Whether a cursor value lies before another one."""
    return bool(_key(value) < _key(other))


def latest(values: Iterable[Any]) -> Any:
    """The greatest cursor value; None if there is none."""
    present = [value for value in values if value is not None]
    if not present:
        return None
    if _comparable_as_text(present):
        return max(present)
    return max(present, key=_key)


def earliest(values: Iterable[Any]) -> Any:
    """The smallest cursor value; None if there is none."""
    present = [value for value in values if value is not None]
    if not present:
        return None
    if _comparable_as_text(present):
        return min(present)
    return min(present, key=_key)


def is_ascending(values: Iterable[Any]) -> bool:
    """Whether no cursor value lies before the one in front of it; records without one don't count."""
    present = [value for value in values if value is not None]
    if _comparable_as_text(present):
        return present == sorted(present)
    keys = [_key(value) for value in present]
    return all(first <= second for first, second in pairwise(keys))


def not_after_now() -> Callable[[Any], Any]:
    """A limit for the cursor of a slice whose records come in no order, taken before it is read.

    While such a slice is read, a record may change after it was passed; another one, changed later still,
    would carry the state beyond it, and the first change would never be read. So a timestamp in the state is
    never later than the beginning of the read.
    """
    began = datetime.now(timezone.utc)

    def limit(value: Any) -> Any:
        moment = _moment(value) if isinstance(value, str) else None
        return began.strftime("%Y-%m-%dT%H:%M:%SZ") if moment is not None and moment > began else value

    return limit


def _comparable_as_text(values: list[Any]) -> bool:
    """Timestamps of one format in UTC compare as they are written: no need to read each one."""
    try:
        lengths = set(map(len, values))
        return len(lengths) == 1 and all(value[-1:] == "Z" for value in values)
    except TypeError:  # numbers
        return False


@lru_cache(maxsize=8192)
def _key(value: Any) -> tuple[int, Any]:
    """A value's place in the order: numbers, then timestamps, then other text."""
    if isinstance(value, bool):
        return (0, int(value))
    if isinstance(value, (int, float, Decimal)):
        return (0, value)
    text = str(value)
    moment = _moment(text)
    return (2, text) if moment is None else (1, moment)


def _moment(text: str) -> datetime | None:
    if not text[:4].isdigit() or text[4:5] != "-":
        return None
    try:
        moment = msgspec.convert(text if len(text) > 10 else f"{text}T00:00:00Z", datetime)
    except msgspec.ValidationError:
        return None
    return moment if moment.tzinfo else moment.replace(tzinfo=timezone.utc)
