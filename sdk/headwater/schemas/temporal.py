"""Texts of dates and times, in whatever form APIs write them, as the protocol wants them (RFC 3339).

Nothing is lost on the way that isn't told: a fraction keeps all its digits, an offset stays what it is.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import date, datetime, time, timedelta, timezone
from decimal import InvalidOperation
from typing import Annotated, Any

import msgspec

from headwater.schemas.dates import Moment, clock_form, moment_of, since_midnight, zone_of
from headwater.schemas.lost import Lost, lost, truncated
from headwater.schemas.nodes import Text

ZONED = Annotated[datetime, msgspec.Meta(tz=True)]
LOCAL = Annotated[datetime, msgspec.Meta(tz=False)]
ZONED_TIME = Annotated[time, msgspec.Meta(tz=True)]
LOCAL_TIME = Annotated[time, msgspec.Meta(tz=False)]

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
_USUAL = re.compile(rf"({_DAY})[T ]({_HOUR})(Z|[+-](?:[01][0-9]|2[0-3]):?[0-5][0-9])?")
"""The forms that most APIs have besides: a blank for the T, an offset without its colon, none at all."""
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


def date_time(value: Any) -> str | Lost:
    """With a time zone; a text without one is taken for UTC."""
    if value.__class__ is str:
        if usual := _USUAL.fullmatch(value):
            day, clock, zone = usual.groups()
            text = f"{day}T{clock}{zone[:3]}:{zone[-2:]}" if zone and zone != "Z" else f"{day}T{clock}Z"
            return str(value) if text == value else text
        if _fits_zoned(value):
            return str(value)
    try:
        moment = moment_of(value)
        return _told(value, moment.text(moment.zone or "Z"), moment) if moment else lost()
    except _ERRORS:
        return lost()


def local_date_time(value: Any) -> str | Lost:
    """Without a time zone; where there is one, the time in UTC."""
    if value.__class__ is str:
        if (usual := _USUAL.fullmatch(value)) and usual[3] in (None, "Z"):
            text = f"{usual[1]}T{usual[2]}"
            return str(value) if text == value else text
        if _fits_local(value):
            return str(value)
    try:
        moment = moment_of(value)
        if moment is None:
            return lost()
        moment = Moment(moment.universal(), moment.fraction, "", moment.rolled)
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
        moment = moment_of(value)
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


def _told(value: Any, text: str, moment: Moment) -> str | Lost:
    if moment.rolled:
        return truncated(text)
    return str(value) if text == value else text


def _clock_time(value: Any, *, zoned: bool) -> str | Lost:
    found = clock_form().fullmatch(value.strip()) if value.__class__ is str else None
    if found is None:
        return lost()
    try:
        parts: dict[str, str | None] = found.groupdict()
        since, rolled = since_midnight(parts)
        zone = zone_of(parts["zone"])
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
