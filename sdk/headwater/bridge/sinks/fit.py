"""Records that don't fit their table's columns: looked at value by value, and made to fit.

A field without a column gets one. A date or time in another form is written as RFC 3339. Any other value that
its column can't hold is a misfit: by the flow's choice it becomes null, or stays, and the column is widened.
``_airbyte_meta`` tells of each.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any, Protocol

import msgspec

from headwater.bridge.sinks.columns import TEXT_OF, Kind, kind_of_value
from headwater.bridge.sinks.engine import NO_CHANGES, Column, Engine
from headwater.bridge.sinks.options import Misfits
from headwater.protocol.fields import FieldPath
from headwater.protocol.messages import Change
from headwater.protocol.values import NULLED, TRUNCATED, clean, encode, encode_rows
from headwater.schemas.conversions import MAX_DIGITS
from headwater.schemas.lost import Lost
from headwater.schemas.temporal import CONVERSIONS

WIDENED = "WIDENED"
"""A change that the protocol has no word for: the value is there as it came, in a column that became wider."""

TYPECAST_ERROR = "DESTINATION_TYPECAST_ERROR"
SERIALIZATION_ERROR = "DESTINATION_SERIALIZATION_ERROR"
NOT_AN_OBJECT = "it can't be read"


class Columns(Protocol):
    """The columns that records are fitted to; they change as records need it."""

    engine: Engine

    def known(self, field: str) -> Column | None:
        """The field's column, if it has one."""

    def column(self, field: str, kind: Kind) -> Column:
        """The field's column; made if missing."""

    def ignore(self, field: str) -> None:
        """The field has no column, and only nulls."""

    def widen(self, column: Column, kind: Kind) -> None:
        """Make the column hold values of this kind too."""


@dataclass(slots=True)
class Record:
    """A record on its way into a table.

    :ivar number: its place in its batch, or that of the record that it is a part of.
    :ivar link: of a child table: the raw id of the row that it belongs to, and its place in the array.
    """

    data: bytes | msgspec.Raw
    extracted: int
    number: int
    changes: Sequence[Change] = ()
    link: tuple[str, int] | None = None


@dataclass(slots=True)
class Fitted:
    """Records that fit, and why the others were refused, by their number."""

    records: list[Record] = field(default_factory=list)
    refused: dict[int, str] = field(default_factory=dict)


def fitted(records: Collection[Record], columns: Columns, misfits: Misfits) -> Fitted:
    """The records as their columns hold them; the columns are changed first where they must be."""
    result = Fitted()
    rows: list[Mapping[str, Any]] = []
    for record in records:
        changes = list(record.changes)
        try:
            row = load_record(record.data, changes)
        except (ValueError, RecursionError) as error:
            result.refused[record.number] = f"{NOT_AN_OBJECT}: {error}"
            continue
        rows.append(_fit(row, columns, misfits, changes))
        result.records.append(Record(b"", record.extracted, record.number, changes, record.link))
    encoded, cleaned = encode_rows(rows)
    for index, record in enumerate(result.records):
        record.data = encoded[index]
        if index in cleaned:
            record.changes = [*record.changes, *cleaned[index]]
    return result


def _fit(row: dict[str, Any], columns: Columns, misfits: Misfits, changes: list[Change]) -> dict[str, Any]:
    for name, value in row.items():
        column = columns.known(name)
        if value is None:
            if column is None:
                columns.ignore(name)
            continue
        if column is None:
            column = columns.column(name, columns.engine.stored(kind_of_value(value)))
        row[name] = _value(value, column, columns, misfits, changes)
    return row


def _value(value: Any, column: Column, columns: Columns, misfits: Misfits, changes: list[Change]) -> Any:
    engine, kind = columns.engine, column.kind
    if column.loose or engine.fits(kind, value):
        if type(value) is float and kind in (Kind.INTEGER, Kind.BIG_INTEGER):
            return int(value)
        return _cleaned(value, column, engine, changes)
    if kind in TEXT_OF:
        converted = CONVERSIONS[TEXT_OF[kind]](value)
        if not isinstance(converted, Lost) and engine.fits(kind, converted):
            return converted
    if misfits == "null" and kind is not Kind.STRING:
        changes.append(Change(column.field, NULLED, TYPECAST_ERROR))
        return None
    changes.append(Change(column.field, WIDENED, TYPECAST_ERROR))
    if misfits == "null":
        return _cleaned(text_of(value), column, engine, changes)
    wider = engine.widened(kind, engine.stored(kind_of_value(value)))
    if not engine.fits(wider, value):
        wider = engine.widened(kind, Kind.STRING)
    if wider is not kind:
        columns.widen(column, wider)
    if column.kind is Kind.STRING and type(value) is not str:
        value = text_of(value)
    return _cleaned(value, column, engine, changes)


def _cleaned(value: Any, column: Column, engine: Engine, changes: list[Change]) -> Any:
    found = _clean(value, engine)
    if found is not value and found != value:
        changes.append(Change(column.field, TRUNCATED, SERIALIZATION_ERROR))
    return found


def _clean(value: Any, engine: Engine) -> Any:
    kind = type(value)
    if kind is str:
        return engine.cleaned(value)
    if kind is dict:
        return {engine.cleaned(name): _clean(item, engine) for name, item in value.items()}
    if kind is list:
        return [_clean(item, engine) for item in value]
    return value


def text_of(value: Any) -> str:
    """A value as text: as JSON writes it, a text as it is."""
    return value if isinstance(value, str) else encode(value).decode()


def meta_of(changes: Sequence[Change]) -> str:
    """``_airbyte_meta`` for a record."""
    if not changes:
        return NO_CHANGES
    made = [{"field": c.field, "change": c.change, "reason": c.reason} for c in changes]
    return encode({"changes": made}).decode()


def load_record(data: bytes | msgspec.Raw, changes: list[Change]) -> dict[str, Any]:
    """One record as a dictionary, also where only a lenient reader can read it.

    :param changes: receives what had to be changed: NaN and the infinities are nulled, lone surrogates are
        replaced. A number too large for a float stays, as text; one that a float can't hold exactly, as Decimal.
    :raises ValueError: or RecursionError, if it is not a JSON object.
    """
    try:
        record = _DECODE(data)
    except (msgspec.MsgspecError, UnicodeDecodeError):
        constants: list[str] = []
        text = str(memoryview(data), "utf-8", "replace")
        record = json.loads(text, parse_float=number_of, parse_int=_whole, parse_constant=constants.append)
        if constants:
            changes.append(Change("", NULLED, SERIALIZATION_ERROR))
        record = clean(record, changes)
    if not isinstance(record, dict):
        raise ValueError("it is not a JSON object")
    return record


def number_of(literal: str) -> float | Decimal | str:
    """A number of JSON: as Decimal where a float can't hold it exactly, as text where it is too large for one."""
    number = float(literal)
    if not math.isfinite(number):
        return literal
    return number if repr(number) == literal else Decimal(literal)


def found_at(data: bytes | str | msgspec.Raw, path: FieldPath) -> Any:
    """What is at a path below a JSON value, numbers as :func:`number_of` has them; None: nothing.

    :raises msgspec.MsgspecError: or UnicodeError, where it can't be read.
    """
    found = _DECODE(data)
    for name in path:
        found = found.get(name) if isinstance(found, dict) else None
    return found


def inexact(value: Any) -> bool:
    """Whether it is a number that a float would change."""
    return type(value) is Decimal and value != Decimal(repr(float(value)))


def _whole(literal: str) -> int | str:
    return int(literal) if len(literal) <= MAX_DIGITS else literal


_DECODE: Callable[[Any], Any] = msgspec.json.Decoder(float_hook=number_of).decode
