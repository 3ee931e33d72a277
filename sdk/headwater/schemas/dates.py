"""Dates and times, in whatever form APIs write them."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from functools import cache
from typing import Any

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


@cache
def _forms() -> Sequence[re.Pattern[str]]:
    """What a date may look like; most reads never see one of these, and compiling them takes 5 ms."""
    name = rf"{_WEEKDAY}{_NAME}\s+"
    return (
        _compiled(_DATE, r"(?:(?:[T_]|,?\s+)", _CLOCK, _ZONE, ")?"),
        _compiled(_DATE, "T", _COMPACT, _ZONE),
        _compiled(_DATE, _FOURTEEN, _ZONE),
        _compiled(_SHORT, r"(?:(?:[T_]|,?\s+)", _CLOCK, _ZONE, ")?"),
        _compiled(_WEEKDAY, r"(?P<day>\d{1,2})[\s-]+", _NAME, r",?[\s-]+(?P<year>\d{4})(?:,?\s+", _CLOCK, _ZONE, ")?"),
        _compiled(name, r"(?P<day>\d{1,2}),?\s+(?P<year>\d{4})(?:,?\s+", _CLOCK, _ZONE, ")?"),
        _compiled(name, r"(?P<day>\d{1,2})\s+", _CLOCK, _ZONE, r"\s+(?P<year>\d{4})"),
    )


@cache
def clock_form() -> re.Pattern[str]:
    """What a time of day may look like."""
    return _compiled(_CLOCK, _ZONE)


_EPOCH = re.compile(r"[+-]?\d{9,19}(\.\d+)?", re.ASCII)
_MICROSOFT = re.compile(r"/Date\((-?\d+)([+-]\d{4})?\)/", re.ASCII)


@dataclass(frozen=True)
class Moment:
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


def moment_of(value: Any) -> Moment | None:
    """What a value says; None where it is no date.

    :raises ValueError: or OverflowError, where it is one that there isn't.
    """
    if value.__class__ is str:
        text = value.strip()
        for form in _forms():
            if found := form.fullmatch(text):
                return _of_parts(found.groupdict())
        if _EPOCH.fullmatch(text):
            return _of_epoch(Decimal(text))
        if found := _MICROSOFT.fullmatch(text):
            return _of_epoch(Decimal(found[1]) / 1000, scaled=True)
        return None
    return _of_epoch(Decimal(str(value))) if value.__class__ in (int, float, Decimal) else None


def _of_parts(parts: dict[str, str | None]) -> Moment:
    name = parts.get("name")
    month = _ENGLISH.index(name[:3].lower()) + 1 if name else int(parts["month"] or 0)
    day = datetime(int(parts["year"] or 0), month, int(parts["day"] or 0))
    since, rolled = since_midnight(parts)
    return Moment(day + since, parts.get("fraction") or "", zone_of(parts.get("zone")), rolled)


def since_midnight(parts: dict[str, str | None]) -> tuple[timedelta, bool]:
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


def zone_of(text: str | None) -> str:
    """``Z``, an offset with its colon, or nothing.

    :raises ValueError: for an offset that there isn't.
    """
    if not text:
        return ""
    offset = text[3:] if text[:3].upper() in ("UTC", "GMT") else text
    if offset in ("", "Z", "z"):
        return "Z"
    digits = offset[1:].replace(":", "").ljust(4, "0")
    if int(digits[:2]) > 23 or int(digits[2:]) > 59:
        raise ValueError(text)
    return f"{offset[0]}{digits[:2]}:{digits[2:]}"


def _of_epoch(number: Decimal, *, scaled: bool = False) -> Moment | None:
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
    return Moment(at, rest, "Z")
