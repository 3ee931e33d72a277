"""X8 and X9: huge and hard values."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from decimal import Decimal
from typing import Any

from headwater.acceptance.answers import Field, Placed, change_items, exactly, keys_of, passed_on
from headwater.acceptance.checks import check
from headwater.acceptance.checks.http_schemas import survives
from headwater.acceptance.connector import Connector
from headwater.acceptance.proxy import Rule
from headwater.acceptance.results import Finding, Skipped
from headwater.acceptance.streams import value_at
from headwater.acceptance.web import WebRun

_MEGABYTE = 1_000_000
HUGE = (1, 20, 64)
"""Megabytes of one value."""
_WIDE = 5000
_TEXTS = {
    "a NUL": '"a\\u0000b"', "line separators": '"a\\u2028b\\u2029c\\u0085d"', "line feeds": '"a\\nb\\r\\nc"',
    "emoji": '"\\ud83d\\ude00"', "right-to-left marks": '"\\u202eabc"', "quotes": '"\\"\'\\\\`"',
    "null": "null", "an empty text": '""',
}  # fmt: skip
_NUMBERS = {
    "2^63": str(2**63), "2^70": str(2**70), "-2^70": str(-(2**70)),
    "38 digits": "12345678901234567890.123456789012345678",
    "a tiny number": "5e-324", "null": "null",
}  # fmt: skip
_HARD = {"a lone surrogate": '"a\\ud83db"', "1e400": "1e400", "another type": '{"a": [1]}'}
"""What a connector may give as something else, if it says so in `meta.changes`, or refuse."""


def fields_of(connector: Connector, *kinds: str) -> list[Field]:
    assert connector.web.base.recording.code == 0
    found = passed_on(connector, kinds)
    if not found:
        raise Skipped(f"no field of type {' or '.join(kinds)} comes from the API into records as it is.")
    return found


@check("X8", "Huge values and wide records come whole, or it says that they do not")
def huge(connector: Connector) -> Iterator[Finding]:
    """Texts of 1, 20 and 64 MB, 5000 more fields: as they are, or `meta.changes` names them."""
    field = fields_of(connector, "string")[0]
    tokens = [json.dumps("x" * (size * _MEGABYTE - 4) + "last") for size in HUGE]
    placed = Placed(field, tokens, keys_of(connector, field))
    run = connector.web.read(
        connector.streams.only([field.stream]), rules=[Rule(placed.fault(), times=None, name="huge values")],
        what="huge values",
    )  # fmt: skip
    names = {token: f"a text of {len(token) // _MEGABYTE} MB" for token in tokens}
    yield from _compared(connector, run, field, placed, names)

    def widen(item: dict[str, Any]) -> None:
        item.update({f"hw_more_{number}": number for number in range(_WIDE)})

    narrow = connector.web.read(
        connector.streams.only([field.stream]), rules=[Rule(change_items(widen), times=2, name="wide records")],
        what="wide records",
    )  # fmt: skip
    yield from survives(connector, narrow, field.stream, f"records of {_WIDE} more fields")


@check("X9", "Hard values come as they are, or it says that they do not")
def hard(connector: Connector) -> Iterator[Finding]:
    """NUL, line separators, emoji, numbers beyond 64 bits and of 38 digits, null: unchanged, or named in
    `meta.changes`. Lone surrogates, 1e400 and other types: also refused, in words."""
    fields = [(field, _TEXTS) for field in passed_on_one(connector, "string")]
    fields += [(field, _NUMBERS) for field in passed_on_one(connector, "integer", "number")]
    if not fields:
        raise Skipped("no field comes from the API into records as it is.")
    for field, values in fields:
        tokens = dict(values)
        if field.type == "integer":
            tokens = {name: token for name, token in values.items() if "." not in token and "e" not in token}
        placed = Placed(field, list(tokens.values()), keys_of(connector, field))
        run = _read(connector, field, placed)
        yield from _compared(connector, run, field, placed, {token: name for name, token in tokens.items()})
    field = fields[0][0]
    for name, token in _HARD.items():
        placed = Placed(field, [token], keys_of(connector, field))
        run = _read(connector, field, placed)
        if run.recording.code == 0:
            yield from _compared(connector, run, field, placed, {token: name})
        elif not any(True for _ in run.recording.traces("error")):
            yield Finding(f"{field.stream}: with {name} the read {run.recording.ending}, without an ERROR trace.",
                          run.recording, stream=field.stream)  # fmt: skip


def passed_on_one(connector: Connector, *kinds: str) -> list[Field]:
    """A field of such a type, if there is one."""
    assert connector.web.base.recording.code == 0
    return passed_on(connector, kinds)[:1]


def _read(connector: Connector, field: Field, placed: Placed) -> WebRun:
    rule = Rule(placed.fault(), times=None, name="hard values")
    return connector.web.read(connector.streams.only([field.stream]), rules=[rule], what="hard values")


def _compared(
    connector: Connector, run: WebRun, field: Field, placed: Placed, names: Mapping[str, str]
) -> Iterator[Finding]:
    """Each value that was put there came, or `meta.changes` names the field."""
    recording = run.recording
    if recording.code != 0 or recording.timed_out:
        error = next((str(error.get("message")) for _, error in recording.traces("error")), recording.said(200))
        what = ", ".join(dict.fromkeys(names[token] for token in placed.placed.values()))
        yield Finding(
            f"{field.stream}: with {what} the read {recording.ending}: {error}", recording, stream=field.stream
        )
        return
    left = dict(placed.placed)
    for line in recording.lines():
        if b'"RECORD"' not in line.raw[:4096] and b'"RECORD"' not in line.raw[-200:]:
            continue
        record = _record(line.raw)
        data = record.get("data") or {}
        key = str(value_at(data, [field.key]))
        token = left.pop(key, None)
        if token is None:
            continue
        changes = (record.get("meta") or {}).get("changes") or []
        if any(str(change.get("field", "")).split(".")[0] == field.name for change in changes):
            continue
        if not _same(data.get(field.name), exactly(token)):
            message = f"{field.stream}: {names[token]} in `{field.name}` is changed in silence."
            yield Finding.at(line, recording, message, field.stream)
    for key, token in left.items():
        yield Finding(f"{field.stream}: the record {key} with {names[token]} did not come.", recording,
                      stream=field.stream)  # fmt: skip


def _record(raw: bytes) -> dict[str, Any]:
    try:
        found = exactly(raw)["record"]
    except (ValueError, KeyError, TypeError):
        return {}
    return found if isinstance(found, dict) else {}


def _same(came: Any, wanted: Any) -> bool:
    if isinstance(wanted, (int, Decimal)) and isinstance(came, (int, Decimal)) and not isinstance(came, bool):
        return Decimal(came) == Decimal(wanted)
    return bool(came == wanted)
