"""Points in time as APIs write them: read in several forms, and written again in the form of their API.

A form is one of strptime's (``%d.%m.%Y %H:%M``), or ``epoch``, ``epoch_ms`` and ``epoch_us``: seconds, thousandths and
millionths since 1970, as a number or as its digits. ISO 8601 is always understood.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import datetime, timedelta, timezone, tzinfo
from decimal import Decimal
from functools import lru_cache
from typing import Any

import msgspec

from headwater.errors import SourceError

EPOCHS = {"epoch": 1_000_000, "epoch_ms": 1_000, "epoch_us": 1}
"""How many microseconds one of it is."""

_BEGINNING = datetime(1970, 1, 1, tzinfo=timezone.utc)
_FRACTION = re.compile(r"[.,](\d+)")
_OFFSET = re.compile(r"(?:[zZ]|[+-]\d\d:?\d\d)$")


@lru_cache(maxsize=64)
def zone_of(name: str | None) -> tzinfo:
    """A time zone by its IANA name; None: UTC.

    :raises SourceError: when it is not known here.
    """
    if name is None or name == "UTC":
        return timezone.utc
    from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError):
        raise SourceError(
            f"There is no time zone {name!r} on this machine. Zones have names like Europe/Berlin; where none is "
            "known, install tzdata."
        ) from None


def iso(text: str) -> datetime | None:
    """A date or a time in ISO 8601, without an offset where it has none; None where it is none."""
    if not text[:4].isdigit() or text[4:5] != "-":
        return None
    try:
        return msgspec.convert(text if len(text) > 10 else f"{text}T00:00:00", datetime)
    except msgspec.ValidationError:
        return None


@lru_cache(maxsize=2048)
def moment(value: Any, forms: tuple[str, ...], zone: str | None) -> datetime | None:
    """A value as a point in time, in UTC; None where it is none of these forms.

    :param forms: what is tried before ISO 8601.
    :param zone: of times without an offset. One that comes twice (clocks are put back) is the first of both.
    """
    for form in forms:
        found = _since_1970(value, EPOCHS[form]) if form in EPOCHS else _parsed(value, form)
        if found is not None:
            return _in_utc(found, zone)
    found = iso(value) if isinstance(value, str) else None
    return None if found is None else _in_utc(found, zone)


def _in_utc(found: datetime, zone: str | None) -> datetime | None:
    try:
        return (found if found.tzinfo else found.replace(tzinfo=zone_of(zone))).astimezone(timezone.utc)
    except OverflowError:
        return None


def _since_1970(value: Any, unit: int) -> datetime | None:
    if isinstance(value, bool) or not isinstance(value, (int, float, Decimal, str)):
        return None
    try:
        return _BEGINNING + timedelta(microseconds=int(Decimal(str(value)) * unit))
    except (ArithmeticError, ValueError):
        return None


def _parsed(value: Any, form: str) -> datetime | None:
    try:
        return datetime.strptime(str(value), form)
    except ValueError:
        return None


def is_twice(value: Any, forms: tuple[str, ...], zone: str | None) -> timedelta:
    """By how much clocks are put back, where they show this time twice; else nothing."""
    if zone is None or (found := moment(value, forms, zone)) is None:
        return timedelta(0)
    local = found.astimezone(zone_of(zone)).replace(fold=0)
    first, second = local.utcoffset(), local.replace(fold=1).utcoffset()
    return first - second if first is not None and second is not None and first > second else timedelta(0)


def written(at: datetime, forms: Sequence[str], zone: str | None, like: Any) -> Any:
    """A point in time in the first of the forms, or, without one, as another value is: a date, a time with its
    offset and as many digits. What does not fit in is cut off, so it is never later than it was.

    :param like: the other value.
    """
    if forms and forms[0] in EPOCHS:
        number = (at - _BEGINNING) // timedelta(microseconds=EPOCHS[forms[0]])
        return str(number) if isinstance(like, str) and _since_1970(like, 1) is not None else number
    if forms:
        return at.astimezone(zone_of(zone)).strftime(forms[0])
    return _like(at, str(like), zone)


def _like(at: datetime, text: str, zone: str | None) -> str:
    local = at.astimezone(zone_of(zone))
    if len(text) <= 10:
        if local.time() == datetime.min.time():
            return local.date().isoformat()
        text = "2000-01-01T00:00:00" if zone else "2000-01-01T00:00:00Z"
    offset = _OFFSET.search(text)
    other = iso(text)
    if offset is not None and other is not None:
        local = at.astimezone(other.tzinfo)
    fraction = _FRACTION.search(text)
    digits = f".{local.microsecond:06d}"[: 1 + min(6, len(fraction[1]))] if fraction is not None else ""
    end = "" if offset is None else "Z" if offset[0] in "zZ" else local.isoformat()[-6:]
    return f"{local.replace(tzinfo=None, microsecond=0).isoformat(text[10])}{digits}{end}"
