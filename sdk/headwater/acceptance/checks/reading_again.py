"""E21 to E26: reads with other catalogs give what they should."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from typing import Any

from headwater.acceptance.checks import check
from headwater.acceptance.connector import UNKNOWN, Connector
from headwater.acceptance.recording import Recording
from headwater.acceptance.results import Finding, Severity, Skipped, records_are
from headwater.acceptance.rows import Rows, rows_of, show
from headwater.acceptance.streams import Configured, value_at


def lost(connector: Connector, run: Recording, names: list[str], what: str) -> Iterator[Finding]:
    """The records of the first read that a further one does not have; of sources that stand still, also others."""
    if run.code != 0:
        yield Finding(f"The read {what} {run.ending}. {run.said(200)}", run)
        return
    found = rows_of(run, connector.streams, connector.settings.ignored_fields)
    for name in names:
        before, now = connector.rows[name], found[name]
        gone = before.keys.missing(now.keys)
        if gone.count:
            example = show(connector.first, connector.streams, name, gone.lines[0])
            yield Finding(f"{name}: {records_are(gone.count)} not there {what}, such as {example}.", run, stream=name)
        yield from _more(name, before, now, run, what)


def _more(name: str, before: Rows, now: Rows, run: Recording, what: str) -> Iterator[Finding]:
    added = now.keys.missing(before.keys).count
    if added:
        finding = Finding(f"{name}: {added} more records are there {what}.", run, stream=name)
        finding.severity = Severity.WARNING  # a source that is in use grows
        yield finding


@check("E21", "A catalog with fewer fields is read")
def fewer_fields(connector: Connector) -> Iterator[Finding]:
    """Half of each stream's fields are taken out of its schema: the same records come, with the fields that stay."""
    connector.needs_success()
    catalog = copy.deepcopy(connector.streams.json)
    kept: dict[str, list[list[str]]] = {}
    for entry in catalog["streams"]:
        stream = Configured({"streams": [entry]})
        (name,) = stream
        keep = {path[0] for path in [*stream[name].primary_key, stream[name].cursor] if path}
        properties = entry["stream"].get("json_schema", {}).get("properties")
        if isinstance(properties, dict):
            half = sorted(properties)[::2]
            entry["stream"]["json_schema"]["properties"] = {
                field: schema for field, schema in properties.items() if field in keep or field in half
            }
        kept[name] = [[field] for field in sorted(keep)]
    run = connector.read(Configured(catalog), what="a catalog with fewer fields")
    if run.code != 0:
        yield Finding(f"The read with fewer fields {run.ending}. {run.said(200)}", run)
        return
    found = rows_of(run, connector.streams)
    for name, before in connector.rows.items():
        gone = before.keys.missing(found[name].keys).count if connector.streams[name].primary_key else 0
        if gone:
            yield Finding(f"{name}: with fewer fields {records_are(gone)} missing.", run, stream=name)
    for line, record in run.of("RECORD", "record"):
        for path in kept.get(str(record.get("stream")), ()):
            if value_at(record.get("data"), path) is None:
                yield Finding.at(line, run, f"{record.get('stream')}: the key or cursor {path[0]} is gone.")
                return


@check("E22", "A catalog with one stream gives that stream's records", suite="full_refresh")
def single_stream(connector: Connector) -> Iterator[Finding]:
    """The same as when all are read, and of no other stream."""
    for name, run in connector.single_reads.items():
        yield from lost(connector, run, [name], "when the stream is read alone")
        for line, record in run.of("RECORD", "record"):
            if record.get("stream") != connector.streams[name].stream["name"]:
                yield Finding.at(line, run, f"A record of {record.get('stream')!r} when only {name} is read.")
                break


@check("E23", "The order of streams in the catalog does not matter", suite="full_refresh")
def order(connector: Connector) -> Iterator[Finding]:
    """Backwards, the same records come."""
    connector.needs_success()
    if len(connector.streams) < 2:
        raise Skipped("there is one stream only.")
    names = list(connector.streams)
    run = connector.read(connector.streams.only(reversed(names)), what="streams in the opposite order")
    yield from lost(connector, run, names, "when the streams come in the opposite order")


@check("E24", "A full refresh gives the same records", suite="full_refresh")
def full_refresh(connector: Connector) -> Iterator[Finding]:
    """Each stream that can be read incrementally is read in full: nothing that the first incremental read had is
    missing, and no primary key comes twice."""
    connector.needs_success()
    entries = [
        {**stream.json, "sync_mode": "full_refresh"}
        for stream in connector.streams.values()
        if stream.incremental and "full_refresh" in stream.stream.get("supported_sync_modes", ())
    ]
    if not entries:
        raise Skipped("no stream is read incrementally.")
    streams = Configured({"streams": entries})
    run = connector.read(streams, what="full refresh")
    yield from lost(connector, run, list(streams), "in a full refresh")
    for name, rows in rows_of(run, streams).items():
        count = len(rows.keys) - rows.keys.distinct
        if streams[name].primary_key and count:
            yield Finding(f"{name}: in a full refresh {count} records have the key of another one.", run, stream=name)


@check("E25", "A stream that does not exist fails, alone")
def unknown_stream(connector: Connector) -> Iterator[Finding]:
    """INCOMPLETE for it, an ERROR trace and an exit code that is not 0; the others are read."""
    run = connector.unknown_stream
    statuses: dict[str, list[Any]] = {}
    for _, status in run.traces("stream_status"):
        statuses.setdefault(str((status.get("stream_descriptor") or {}).get("name")), []).append(status["status"])
    if run.timed_out or run.code == 0:
        yield Finding(f"A read of a stream that does not exist {run.ending}.", run)
    if not any(True for _ in run.traces("error")):
        yield Finding("A read of a stream that does not exist gives no ERROR trace.", run)
    if "INCOMPLETE" not in statuses.get(UNKNOWN, []):
        yield Finding("The stream that does not exist is not told as INCOMPLETE.", run)
    name = next(iter(connector.streams))
    if "COMPLETE" not in statuses.get(connector.streams[name].stream["name"], []) and connector.first.code == 0:
        yield Finding(f"{name} beside a stream that does not exist does not complete.", run, stream=name)


@check("E26", "A catalog that is no catalog is refused with an ERROR trace")
def invalid_catalog(connector: Connector) -> Iterator[Finding]:
    """Of a stream that does not exist, with an unknown sync mode: as Airbyte's own suite does."""
    stream = {"name": UNKNOWN, "json_schema": {"type": "object", "properties": {"f1": {"type": "string"}}},
              "supported_sync_modes": ["full_refresh"]}  # fmt: skip
    entry = {"stream": stream, "sync_mode": "INVALID", "destination_sync_mode": "INVALID"}
    run = connector.read(Configured({"streams": [entry]}), what="a catalog that is none")
    if run.timed_out or run.code == 0:
        yield Finding(f"A read with an invalid catalog {run.ending}.", run)
    if not any(True for _ in run.traces("error")):
        yield Finding("A read with an invalid catalog gives no ERROR trace.", run)
