"""Texts of dates and times, in whatever form APIs write them, as the protocol wants them (RFC 3339).

Nothing is lost on the way that isn't told: a fraction keeps all its digits, an offset stays what it is.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta, timezone
from decimal import Decimal, InvalidOperation
from typing import Annotated, Any

import msgspec

from headwater.schemas.lost import Lost, lost, truncated
from headwater.schemas.nodes import Text

ZONED = Annotated[datetime, msgspec.Meta(tz=True)]
LOCAL = Annotated[datetime, msgspec.Meta(tz=False)]
ZONED_TIME = Annotated[time, msgspec.Meta(tz=True)]
LOCAL_TIME = Annotated[time, msgspec.Meta(tz=False)]

_ENGLISH = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_DATE = r"(?P<year>\d{4})(?P<sep>[-/.]?)(?P<month>\d{2})(?P=sep)(?P<day>\d{2})"
_SHORT = r"(?P<year>\d{4})(?P<sep>[-/.])(?P<month>\d{1,2})(?P=sep)(?P<day>\d{1,2})"
_CLOCK = (
    r"(?P<hour>\d{1,2}):(?P<minute>\d{2})(?::(?P<second>\d{2})(?:[.,](?P<fraction>\d+))?)?"
    r"(?:\s*(?P<half>[AaPp])\.?[Mm]\.?)?"
)
_COMPACT = r"(?P<hour>\d{2})(?P<minute>\d{2})(?:(?P<second>\d{2})(?:[.,](?P<fraction>\d+))?)?(?P<half>)"
_FOURTEEN = r"(?P<hour>\d{2})(?P<minute>\d{2})(?P<second>\d{2})(?:[.,](?P<fraction>\d+))?(?P<half>)"
_ZONE = r"(?:\s*(?P<zone>[Zz]|UTC|GMT|(?:UTC|GMT)?[+-]\d{2}(?::?\d{2})?))?"
_WEEKDAY = r"(?:[A-Za-z]{3,9},?\s+)?"
_NAME = r"(?P<name>(?:jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec)[a-z]{0,6})\.?"


def _compiled(*parts: str) -> re.Pattern[str]:
    return re.compile("".join(parts), re.ASCII | re.IGNORECASE)


_FORMS = (
    _compiled(_DATE, r"(?:(?:[T_]|,?\s+)", _CLOCK, _ZONE, ")?"),
    _compiled(_DATE, "T", _COMPACT, _ZONE),
    _compiled(_DATE, _FOURTEEN, _ZONE),
    _compiled(_SHORT, r"(?:(?:[T_]|,?\s+)", _CLOCK, _ZONE, ")?"),
    _compiled(_WEEKDAY, r"(?P<day>\d{1,2})[\s-]+", _NAME, r",?[\s-]+(?P<year>\d{4})(?:,?\s+", _CLOCK, _ZONE, ")?"),
    _compiled(_WEEKDAY, _NAME, r"\s+(?P<day>\d{1,2}),?\s+(?P<year>\d{4})(?:,?\s+", _CLOCK, _ZONE, ")?"),
    _compiled(_WEEKDAY, _NAME, r"\s+(?P<day>\d{1,2})\s+", _CLOCK, _ZONE, r"\s+(?P<year>\d{4})"),
)
_TIME = _compiled(_CLOCK, _ZONE)
_EPOCH = re.compile(r"[+-]?\d{9,19}(\.\d+)?", re.ASCII)
_MICROSOFT = re.compile(r"/Date\((-?\d+)([+-]\d{4})?\)/", re.ASCII)
_BEFORE_CHRIST = re.compile(r"\d{4}-\d{2}-\d{2} BC", re.ASCII)
_ERRORS = (ValueError, OverflowError, InvalidOperation)


def _test(kind: Any) -> Callable[[str], bool]:
    """Whether a text is of a kind; a decoder is quicker than ``msgspec.convert``, which looks up its type."""
    decode, encode = msgspec.json.Decoder(kind).decode, msgspec.json.Encoder().encode

    def test(text: str) -> bool:
        try:
            decode(encode(text))
        except (msgspec.DecodeError, UnicodeEncodeError):
            return False
        return True

    return test


_is_zoned, _is_local, _is_date = _test(ZONED), _test(LOCAL), _test(date)
_is_zoned_time, _is_local_time = _test(ZONED_TIME), _test(LOCAL_TIME)


def _fits_zoned(text: str) -> bool:
    return _is_zoned(text) and text[10] == "T" and (text[-1] == "Z" or text[-3] == ":")


def _fits_local(text: str) -> bool:
    return _is_local(text) and text[10] == "T"


def _fits_date(text: str) -> bool:
    return _is_date(text) or _BEFORE_CHRIST.fullmatch(text) is not None


def _fits_zoned_time(text: str) -> bool:
    return _is_zoned_time(text) and (text[-1] == "Z" or text[-3] == ":")


_DAY = r"(?!0000)[0-9]{4}-(?:0[1-9]|1[0-2])-(?:0[1-9]|1[0-9]|2[0-8])"
_HOUR = r"(?:[01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9](?:\.[0-9]{1,6})?"
_OFFSET = r"(?:Z|[+-](?:[01][0-9]|2[0-3]):[0-5][0-9])"
OBVIOUS: dict[Text, re.Pattern[str]] = {
    "date-time": re.compile(f"{_DAY}T{_HOUR}{_OFFSET}"),
    "local date-time": re.compile(f"{_DAY}T{_HOUR}"),
    "date": re.compile(_DAY),
    "time": re.compile(_HOUR + _OFFSET),
    "local time": re.compile(_HOUR),
}
"""Most texts that fit, without a look at the calendar, which takes three times as long."""

FITS: dict[Text, Callable[[str], bool]] = {
    "date-time": _fits_zoned,
    "local date-time": _fits_local,
    "date": _fits_date,
    "time": _fits_zoned_time,
    "local time": _is_local_time,
}
"""Whether a text is, to the letter, what the protocol wants."""


@dataclass(frozen=True)
class _Moment:
    """A date and time as it was written.

    :ivar fraction: the digits of the second's fraction.
    :ivar zone: ``Z`` or an offset; empty: none.
    :ivar rolled: whether it was a leap second, which became the next one.
    """

    at: datetime
    fraction: str = ""
    zone: str = ""
    rolled: bool = False

    def text(self, zone: str) -> str:
        """In RFC 3339, with this zone."""
        dot = f".{self.fraction}" if self.fraction else ""
        return f"{self.at:%Y-%m-%dT%H:%M:%S}".zfill(19) + dot + zone

    def universal(self) -> datetime:
        """In UTC, where the zone is known."""
        if self.zone in ("", "Z"):
            return self.at
        hours, minutes = int(self.zone[1:3]), int(self.zone[4:6])
        offset = timedelta(hours=hours, minutes=minutes)
        return self.at + offset if self.zone[0] == "-" else self.at - offset


def date_time(value: Any) -> str | Lost:
    """With a time zone; a text without one is taken for UTC."""
    if value.__class__ is str and _fits_zoned(value):
        return str(value)
    try:
        moment = _moment(value)
        return _told(value, moment.text(moment.zone or "Z"), moment) if moment else lost()
    except _ERRORS:
        return lost()


def local_date_time(value: Any) -> str | Lost:
    """Without a time zone; where there is one, the time in UTC."""
    if value.__class__ is str and _fits_local(value):
        return str(value)
    try:
        moment = _moment(value)
        if moment is None:
            return lost()
        moment = _Moment(moment.universal(), moment.fraction, "", moment.rolled)
        return _told(value, moment.text(""), moment)
    except _ERRORS:
        return lost()


def plain_date(value: Any) -> str | Lost:
    """A day, as it is written where there are a time and a zone, too. A time that isn't midnight is lost."""
    if value.__class__ is str and _fits_date(value):
        return str(value)
    try:
        if value.__class__ is int and 10000101 <= value <= 99991231:
            value = str(value)
        moment = _moment(value)
    except _ERRORS:
        return lost()
    if moment is None:
        return lost()
    text = moment.text("")[:10]
    whole = moment.at.time() == time() and not moment.fraction.strip("0") and not moment.rolled
    return text if whole else truncated(text)


def zoned_time(value: Any) -> str | Lost:
    """A time of day with a zone; one without is taken for UTC."""
    if value.__class__ is str and _fits_zoned_time(value):
        return str(value)
    return _clock_time(value, zoned=True)


def local_time(value: Any) -> str | Lost:
    """A time of day without a zone; one that there is, is lost."""
    if value.__class__ is str and _is_local_time(value):
        return str(value)
    return _clock_time(value, zoned=False)


CONVERSIONS: dict[Text, Callable[[Any], str | Lost]] = {
    "date-time": date_time, "local date-time": local_date_time, "date": plain_date,
    "time": zoned_time, "local time": local_time,
}  # fmt: skip


def _told(value: Any, text: str, moment: _Moment) -> str | Lost:
    if moment.rolled:
        return truncated(text)
    return str(value) if text == value else text


def _moment(value: Any) -> _Moment | None:
    """What a value says; None where it is no date.

    :raises ValueError: or OverflowError, where it is one that there isn't.
    """
    if value.__class__ is str:
        text = value.strip()
        for form in _FORMS:
            if found := form.fullmatch(text):
                return _of_parts(found.groupdict())
        if _EPOCH.fullmatch(text):
            return _of_epoch(Decimal(text))
        if found := _MICROSOFT.fullmatch(text):
            return _of_epoch(Decimal(found[1]) / 1000, scaled=True)
        return None
    return _of_epoch(Decimal(str(value))) if value.__class__ in (int, float, Decimal) else None


def _of_parts(parts: dict[str, str | None]) -> _Moment:
    name = parts.get("name")
    month = _ENGLISH.index(name[:3].lower()) + 1 if name else int(parts["month"] or 0)
    day = datetime(int(parts["year"] or 0), month, int(parts["day"] or 0))
    since, rolled = _since_midnight(parts)
    return _Moment(day + since, parts.get("fraction") or "", _zone(parts.get("zone")), rolled)


def _since_midnight(parts: dict[str, str | None]) -> tuple[timedelta, bool]:
    """The time of day, and whether it is a leap second.

    :raises ValueError: where there is no such time.
    """
    hour, minute, second = (int(parts.get(name) or 0) for name in ("hour", "minute", "second"))
    if half := parts.get("half"):
        if not 1 <= hour <= 12:
            raise ValueError(hour)
        hour = hour % 12 + (12 if half in "Pp" else 0)
    whole = (hour, minute, second) == (24, 0, 0) and not (parts.get("fraction") or "").strip("0")
    if (hour > 23 and not whole) or minute > 59 or second > 60:
        raise ValueError(hour, minute, second)
    return timedelta(hours=hour, minutes=minute, seconds=second), second == 60


def _zone(text: str | None) -> str:
    if not text:
        return ""
    offset = text[3:] if text[:3].upper() in ("UTC", "GMT") else text
    if offset in ("", "Z", "z"):
        return "Z"
    digits = offset[1:].replace(":", "").ljust(4, "0")
    if int(digits[:2]) > 23 or int(digits[2:]) > 59:
        raise ValueError(text)
    return f"{offset[0]}{digits[:2]}:{digits[2:]}"


def _of_epoch(number: Decimal, *, scaled: bool = False) -> _Moment | None:
    """Seconds since 1970; milli-, micro- and nanoseconds are known by their size.

    A thousandth of 1973 is the least that counts as milliseconds; seconds reach as far as the year 5138.
    """
    if not number.is_finite() or abs(number) >= Decimal(10) ** 20:
        return None
    if not scaled:
        size = abs(number)
        steps = sum(size >= Decimal(10) ** limit for limit in (11, 14, 17))
        number = number.scaleb(-3 * steps)
    whole = int(number.to_integral_value("ROUND_FLOOR"))
    rest = format(number - whole, "f").partition(".")[2].rstrip("0")
    at = datetime(1970, 1, 1) + timedelta(seconds=whole)  # in UTC
    return _Moment(at, rest, "Z")


def _clock_time(value: Any, *, zoned: bool) -> str | Lost:
    found = _TIME.fullmatch(value.strip()) if value.__class__ is str else None
    if found is None:
        return lost()
    try:
        parts: dict[str, str | None] = found.groupdict()
        since, rolled = _since_midnight(parts)
        zone = _zone(parts["zone"])
    except ValueError:
        return lost()
    if since >= timedelta(days=1):  # of the next day, which a time does not tell
        return lost()
    dot = f".{parts['fraction']}" if parts["fraction"] else ""
    clock = (datetime(1, 1, 1, tzinfo=timezone.utc) + since).strftime("%H:%M:%S") + dot
    if zoned:
        text = clock + (zone or "Z")
        return truncated(text) if rolled else str(value) if text == value else text
    return truncated(clock) if rolled or zone not in ("", "Z") else clock
