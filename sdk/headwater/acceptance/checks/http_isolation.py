"""X12: whom the failure of one stream touches."""

from __future__ import annotations

from collections.abc import Iterator

from headwater.acceptance.checks import check
from headwater.acceptance.connector import Connector
from headwater.acceptance.proxy import Rule
from headwater.acceptance.proxy.faults import refusal
from headwater.acceptance.results import Finding, Skipped, records_are
from headwater.acceptance.streams import name_of
from headwater.acceptance.web import WebRun, to

_VICTIMS = 3


@check("X12", "A stream that fails leaves the others alone")
def isolation(connector: Connector) -> Iterator[Finding]:
    """What only one stream asks for is answered with 400: that one is INCOMPLETE, with an ERROR trace that names it and
    an exit code that is not 0; the others are complete, with all records."""
    if len(connector.streams) < 2:
        raise Skipped("there is one stream only.")
    web = connector.web
    assert web.base.recording.code == 0
    names = [name for name, rows in web.rows.items() if len(rows.keys)]
    connector.chance(3).shuffle(names)
    for name in names[:_VICTIMS]:
        alone = web.read(connector.streams.only([name]), what=f"{name} alone, behind the proxy")
        others = web.read(
            connector.streams.only(other for other in connector.streams if other != name), what=f"all but {name}"
        )
        urls = _urls(alone) - _urls(others)
        if urls:
            rule = Rule(refusal(400), to(urls), None, name="400")
            run = web.read(connector.streams, rules=[rule], what=f"{name} fails")
            yield from _isolated(connector, run, name)
            return
    raise Skipped("no stream asks for something that no other one asks for.")


def _urls(run: WebRun) -> set[str]:
    return {seen.request.url.partition("?")[0] for seen in run.seen if seen.request.method != "CONNECT"}


def _isolated(connector: Connector, run: WebRun, name: str) -> Iterator[Finding]:
    recording = run.recording
    missing = connector.web.missing(run)
    if not missing.get(name):
        return
    last: dict[str, str] = {}
    for _, status in recording.traces("stream_status"):
        last[name_of(status.get("stream_descriptor"))] = str(status.get("status"))
    if recording.code == 0:
        yield Finding(
            f"{name}: {records_are(missing[name])} missing, and the read exits with 0.", recording, stream=name
        )
    if last.get(name) != "INCOMPLETE":
        yield Finding(f"{name} fails, and its last status is {last.get(name)}.", recording, stream=name)
    told = [
        name_of(error["stream_descriptor"]) for _, error in recording.traces("error") if error.get("stream_descriptor")
    ]
    if name not in told:
        yield Finding(f"{name} fails without an ERROR trace that names it.", recording, stream=name)
    for other, count in missing.items():
        if other != name:
            yield Finding(f"{other}: {records_are(count)} missing as {name} fails.", recording, stream=other)
    for other in connector.streams:
        if other != name and last.get(other) != "COMPLETE":
            yield Finding(f"{other} is not complete as {name} fails.", recording, stream=other)
