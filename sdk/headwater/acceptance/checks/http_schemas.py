"""X13: fields that come and go."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from headwater.acceptance.answers import Field, change_items, passed_on
from headwater.acceptance.checks import check
from headwater.acceptance.connector import Connector
from headwater.acceptance.proxy import Rule
from headwater.acceptance.results import Finding, Severity, Skipped, records_are
from headwater.acceptance.streams import Configured, configured
from headwater.acceptance.web import WebRun

_NEW = "hw_new_field"


def survives(connector: Connector, run: WebRun, stream: str, what: str) -> Iterator[Finding]:
    """All records came, or the read failed in words; with a failure a warning."""
    recording = run.recording
    if recording.timed_out:
        yield Finding(f"With {what} the read does not end.", recording)
        return
    if recording.code != 0:
        errors = list(recording.traces("error"))
        said = errors[-1][1].get("message") if errors else "without an ERROR trace"
        severity = Severity.WARNING if errors else Severity.ERROR
        yield Finding(f"{stream}: with {what} the read {recording.ending}: {said}", recording, stream=stream,
                      severity=severity)  # fmt: skip
        return
    missing = connector.web.missing(run).get(stream)
    if missing:
        yield Finding(f"{stream}: with {what} {records_are(missing)} missing.", recording, stream=stream)


def _changes(field: Field) -> Iterator[tuple[str, Callable[[dict[str, Any]], None]]]:
    """What becomes of an API's records, and how it is done."""

    def add(item: dict[str, Any]) -> None:
        item[_NEW] = {"a": 1}

    def remove(item: dict[str, Any]) -> None:
        item.pop(field.name, None)

    def retype(item: dict[str, Any]) -> None:
        if field.name in item:
            item[field.name] = {"a": [True]}

    yield "a new field", add
    yield f"`{field.name}` gone", remove
    yield f"`{field.name}` an object", retype


@check("X13", "A field that is new, gone or of another type in the API does not stop a read")
def evolution(connector: Connector) -> Iterator[Finding]:
    """All records still come, whether they are read with the catalog of before or with what `discover` says then; who
    refuses another type in words is warned of. A field that `discover` finds has values when it is read."""
    assert connector.web.base.recording.code == 0
    fields = passed_on(connector, ("string", "number", "integer"))
    if not fields:
        raise Skipped("no field of a simple type comes from the API into records as it is.")
    field, asks = fields[0], True
    for what, change in _changes(field):
        rules = [Rule(change_items(change), times=None, name=what)]
        only = connector.streams.only([field.stream])
        run = connector.web.read(only, rules=rules, what=what)
        yield from survives(connector, run, field.stream, what)
        if asks:
            found = connector.web.discover(rules, what=f"discover: {what}")
            asks = bool(found.seen)  # else its catalog can't change
            yield from _discovered(connector, found, field, what, rules)


def _discovered(connector: Connector, found: WebRun, field: Field, what: str, rules: list[Rule]) -> Iterator[Finding]:
    """What `discover` makes of it, and a read with that."""
    run = found.recording
    catalog = next((catalog for _, catalog in run.of("CATALOG", "catalog")), None)
    if run.code != 0 or catalog is None:
        yield Finding(f"With {what} `discover` {run.ending} and gives no catalog. {run.said(200)}", run)
        return
    usual, now = configured(connector.catalog), configured(catalog)
    if gone := usual.keys() - now.keys():
        yield Finding(f"With {what} `discover` leaves out {', '.join(sorted(gone))}.", run)
        return
    if field.stream not in now or now[field.stream].schema == usual[field.stream].schema:
        return
    again = connector.web.read(Configured({"streams": [now[field.stream].json]}), rules=rules, what=f"{what}, as found")
    yield from survives(connector, again, field.stream, f"{what}, with the catalog of that time,")
    if _NEW in now[field.stream].properties and again.recording.code == 0:
        records = [record for _, record in again.recording.of("RECORD", "record")]
        if not any((record.get("data") or {}).get(_NEW) for record in records):
            message = f"{field.stream}: `discover` finds the new field, and no record that is read then has it."
            yield Finding(message, again.recording, stream=field.stream)
