"""A cursor: which field says how far a stream was read, and how its values compare."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta, timezone
from decimal import Decimal
from functools import lru_cache, partial
from itertools import pairwise
from typing import Any, Literal

from headwater import moments
from headwater.errors import ConfigError
from headwater.schemas.nodes import ANYTHING, node_of

_IN_UTC = "2000-01-01T00:00:00Z"

Key = Callable[[Any], Any]
"""A value's place in an order; None: it has none, and does not count."""


@dataclass(frozen=True)
class Cursor:
    """Which field of a record says how far a stream was read.

    :ivar field: its name; a dot leads into an object (``commit.author.date``). The values are timestamps in
        ISO 8601, other strings, or numbers; or timestamps in another form:
    :ivar format: how the API writes them, as strptime has it (``"%d.%m.%Y %H:%M"``), or ``epoch``, ``epoch_ms``,
        ``epoch_us``. Several: all are understood, and ``slice.start`` is in the first. A record with a value that is
        none of them counts as one without.
    :ivar order: in which order the source gives the records of a slice. ``ascending``: the state may move on
        with every page, so a read that was cut off goes on midway. ``descending``: reading stops at the first
        record older than the slice's start. None: the state moves when the slice is done.
    :ivar drops_earlier: records before the slice's start are dropped. Say no where the API's own bound is on
        another field, and every record that it gives is wanted.
    :ivar zone: the time zone of timestamps without an offset, by its IANA name (``Europe/Berlin``); None: UTC.
    :ivar lookback: what lies so far before the state is read again, for records that come late or change without a
        word. Time, or a number where the values are numbers.
    :ivar window: a slice reads so much time at most: from ``slice.start`` to ``slice.end``, where the next one
        begins. The last one has no end. Without a start (no state, no ``start()``) there is one slice.
    """

    field: str
    order: Literal["ascending", "descending"] | None = None
    drops_earlier: bool = True
    format: str | tuple[str, ...] | None = None
    zone: str | None = None
    lookback: timedelta | float | None = None
    window: timedelta | None = None

    def __post_init__(self) -> None:
        if self.window is not None and self.window <= timedelta(0):
            raise ValueError(f"Cursor({self.field!r}): a window must be longer than nothing.")

    @property
    def path(self) -> tuple[str, ...]:
        """The field as a path of names."""
        return tuple(self.field.split("."))

    @property
    def formats(self) -> tuple[str, ...]:
        """The forms of its values, besides ISO 8601."""
        return (self.format,) if isinstance(self.format, str) else self.format or ()

    @property
    def key(self) -> Key:
        """A value's place in the order."""
        return plain_key if self.format is None and self.zone is None else _keys(self.formats, self.zone)

    def value_in(self, record: Mapping[str, Any]) -> Any:
        """The record's cursor value; None where it has none."""
        value: Any = record
        for name in self.path:
            value = value.get(name) if isinstance(value, Mapping) else None
        return value

    def moment(self, value: Any) -> datetime | None:
        """A value as a point in time; None where it is none."""
        return None if value is None else moments.moment(value, self.formats, self.zone)

    def written(self, at: datetime, like: Any = None) -> Any:
        """A point in time as the API writes it.

        :param like: another value, whose form it gets where :attr:`format` says none.
        """
        return moments.written(at, self.formats, self.zone, like if like is not None else _IN_UTC)

    def begin(self, known: Any, configured: Any) -> Any:
        """From which value a slice is to be read: what the state says, less the lookback, but nothing before what
        the config says.

        :raises ConfigError: when one of both is not a value of this cursor.
        """
        known, configured = self._read(known, "the state's value"), self._read(configured, "the start")
        if known is not None:
            twice = moments.is_twice(known, self.formats, self.zone)
            known = self._before(known, twice) if twice else known
            known = self._before(known, self.lookback) if self.lookback else known
        return latest((known, configured), self.key)

    def doubted(self, schema: Mapping[str, Any]) -> Callable[[Any], bool]:
        """Whether a stored value is none that the cursor's field has, by the schema of the stream.

        Only a doubt: a schema may say of a field what the API does not keep to. Of values in forms of the cursor's
        own there is none; :meth:`begin` knows them.
        """
        node = node_of(schema)
        for name in self.path:
            node = node.properties.get(name, ANYTHING)
        if self.format is not None or not node.kinds:
            return lambda value: False
        if node.kinds == {"string"}:
            is_time = node.text in ("date", "date-time", "local date-time")
            return lambda value: not isinstance(value, str) or (is_time and self.moment(value) is None)
        are_numbers = node.kinds <= {"integer", "number"}
        return lambda value: are_numbers and not isinstance(value, (int, float, Decimal))

    def windows(self, start: Any, now: datetime | None = None) -> Iterator[tuple[Any, Any]]:
        """The slices of a partition: where each begins and ends; None: it has no end.

        :param now: no window but the last ends later.
        """
        begin = self.moment(start) if self.window is not None else None
        if begin is None or self.window is None:
            yield start, None
            return
        now = now or datetime.now(timezone.utc)
        while now - begin >= self.window:
            begin += self.window
            end = self.written(begin, start)
            if is_before(start, end, self.key):  # not where a window is shorter than what the form tells apart
                yield start, end
                start = end
        yield start, None

    def _read(self, value: Any, what: str) -> Any:
        if isinstance(value, (datetime, date)):
            value = value.isoformat()
        if value is None or self.format is None:
            return value
        at = self.moment(value)
        if at is None:
            raise ConfigError(f"{what} of {self.field!r}, {value!r}, is neither {self.formats[0]!r} nor ISO 8601.")
        is_ours = moments.moment(value, self.formats[:1], self.zone) == at and not _is_iso(value)
        return value if is_ours else self.written(at, value)

    def _before(self, value: Any, by: timedelta | float) -> Any:
        if not isinstance(by, timedelta):
            if isinstance(value, (int, float)):
                return value - by
            raise ConfigError(f"{value!r} of {self.field!r} is no number, so nothing can be taken off.")
        at = self.moment(value)
        if at is None:
            raise ConfigError(f"{value!r} of {self.field!r} is no timestamp, so no time can be taken off.")
        try:
            return self.written(at - by, value)
        except OverflowError:
            return None


def plain_key(value: Any) -> tuple[int, Any] | None:
    """A value's place in the order: numbers, then timestamps, then other text."""
    return None if value is None else _key(value)


@lru_cache(maxsize=64)
def _keys(formats: tuple[str, ...], zone: str | None) -> Key:
    return partial(_key_in, formats, zone)


def _key_in(formats: tuple[str, ...], zone: str | None, value: Any) -> Any:
    if value is None:
        return None
    at = moments.moment(value, formats, zone)
    return (1, at) if at is not None else None if formats else _key(value)


def is_before(value: Any, other: Any, key: Key = plain_key) -> bool:
    """Whether a cursor value lies before another one; one without a place does not."""
    first, second = key(value), key(other)
    return first is not None and second is not None and bool(first < second)


def latest(values: Iterable[Any], key: Key = plain_key) -> Any:
    """The greatest cursor value; None if there is none."""
    present = _present(values, key)
    if not present or (key is plain_key and _comparable_as_text(present)):
        return max(present, default=None)
    return max(present, key=key)


def earliest(values: Iterable[Any], key: Key = plain_key) -> Any:
    """The smallest cursor value; None if there is none."""
    present = _present(values, key)
    if not present or (key is plain_key and _comparable_as_text(present)):
        return min(present, default=None)
    return min(present, key=key)


def is_ascending(values: Iterable[Any], key: Key = plain_key) -> bool:
    """Whether no cursor value lies before the one in front of it; records without one don't count."""
    present = _present(values, key)
    if key is plain_key and _comparable_as_text(present):
        return present == sorted(present)
    return all(first <= second for first, second in pairwise(map(key, present)))


def _present(values: Iterable[Any], key: Key) -> list[Any]:
    if key is plain_key:
        return [value for value in values if value is not None]
    return [value for value in values if key(value) is not None]


def not_after_now(cursor: Cursor | None = None) -> Callable[[Any], Any]:
    """A limit for the cursor of a slice whose records come in no order, taken before it is read.

    While such a slice is read, a record may change after it was passed; another one, changed later still,
    would carry the state beyond it, and the first change would never be read. So a timestamp in the state is
    never later than the beginning of the read.
    """
    began = datetime.now(timezone.utc)
    cursor = cursor or Cursor("")

    def limit(value: Any) -> Any:
        at = cursor.moment(value)
        if at is None or at <= began:
            return value
        return cursor.written(began)

    return limit


def _is_iso(value: Any) -> bool:
    return isinstance(value, str) and moments.iso(value) is not None


def _comparable_as_text(values: list[Any]) -> bool:
    """Timestamps of one format in UTC compare as they are written: no need to read each one."""
    try:
        lengths = set(map(len, values))
        return len(lengths) == 1 and all(value[-1:] == "Z" for value in values)
    except TypeError:  # numbers
        return False


@lru_cache(maxsize=2048)
def _key(value: Any) -> tuple[int, Any]:
    if isinstance(value, bool):
        return (0, int(value))
    if isinstance(value, (int, float, Decimal)):
        return (0, value)
    text = str(value)
    at = moments.moment(text, (), None)
    return (2, text) if at is None else (1, at)
