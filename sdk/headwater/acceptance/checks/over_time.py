"""X14, X15, X17 and X18: the same twice, other days, silence."""

from __future__ import annotations

import shutil
from collections.abc import Iterator

from headwater.acceptance.checks import check
from headwater.acceptance.connector import Connector
from headwater.acceptance.recording import Recording
from headwater.acceptance.replays import uncovered
from headwater.acceptance.results import Finding, Severity, Skipped
from headwater.acceptance.rows import rows_of
from headwater.acceptance.states import final

_MOMENTS = (
    ("2031-12-31 23:59:59", "UTC"),
    ("2032-02-29 12:00:00", "Pacific/Auckland"),
    ("2031-03-30 01:59:59", "Europe/Berlin"),
)
_FAKED = 90.0
HEARTBEAT = 10_800.0
"""Seconds without a record or state after which the platform ends a sync, where a connector says nothing else."""
_RARELY = 900.0


@check("X14", "Two reads give the same, whatever hash seed, time zone and locale")
def deterministic(connector: Connector) -> Iterator[Finding]:
    """But for `emitted_at`; of a source that is in use a warning."""
    connector.needs_success()
    run = connector.again
    names = list(_differences(connector, connector.first, run))
    if not names:
        return
    third = connector.read(connector.streams, what="the same again")
    if run.code != 0 or not list(_differences(connector, connector.first, third)):
        what = "another hash seed, time zone or locale"
        for name in names or ["the read"]:
            yield Finding(f"{name}: with {what} a read {run.ending} and gives something else.", run, stream=name)
        return
    for name in names:
        message = f"{name}: two reads give different records or states."
        yield Finding(message, run, stream=name, severity=Severity.WARNING)


def _differences(connector: Connector, one: Recording, two: Recording) -> Iterator[str]:
    ignored = connector.settings.ignored_fields
    first, second = rows_of(one, connector.streams, ignored), rows_of(two, connector.streams, ignored)
    states, others = final(one), final(two)
    for name in connector.streams:
        if not first[name].contents.same(second[name].contents) or states.get(name) != others.get(name):
            yield name


@check("X15", "The day on which it reads does not matter")
def clock(connector: Connector) -> Iterator[Finding]:
    """At the end of a year, on a leap day, at the change to summer time: the records of the first read all come."""
    connector.needs_success()
    if connector.room.container:
        raise Skipped("the clock of a container is this machine's.")
    if shutil.which("faketime") is None:
        raise Skipped("the program faketime is not here: Debian's package faketime.")
    tried = 0
    for moment, zone in _MOMENTS:
        prefix = ("faketime", "-f", f"@{moment}")
        # waits of threads go by the monotonic clock, and would never end if it were another one
        environment = {"TZ": zone, "FAKETIME_DONT_FAKE_MONOTONIC": "1", "DONT_FAKE_MONOTONIC": "1"}
        run = connector.read(
            connector.streams, prefix=prefix, environment=environment, what=f"on {moment}, {zone}", timeout=_FAKED
        )
        if run.timed_out:
            raise Skipped("it does not end under faketime, which does not get on with every program.")
        if run.code != 0 and any(True for _ in run.traces("error")):
            continue  # a certificate is out of date by then, or a token
        tried += 1
        yield from uncovered(connector, run, {}, f"from the beginning on {moment} in {zone}", connector.streams)
    if not tried:
        raise Skipped("at no other time it can read: certificates and tokens may be out of date by then.")


@check("X17", "A record or a state comes before the platform takes it for dead")
def heartbeat(connector: Connector) -> Iterator[Finding]:
    """`maxSecondsBetweenMessages` of metadata.yaml, else three hours."""
    run = connector.first
    limit = float(connector.settings.told(int, "maxSecondsBetweenMessages") or HEARTBEAT)
    last, gap, at = 0.0, 0.0, 0
    for line, message in run.messages():
        if message["type"] in ("RECORD", "STATE"):
            if line.time - last > gap:
                gap, at = line.time - last, line.number
            last = line.time
    if run.seconds - last > gap:
        gap, at = run.seconds - last, len(run.ends)
    if gap > limit:
        yield Finding(f"No record and no state came for {gap:.0f} s, more than {limit:.0f} s.", run, at or None, last)


@check("X18", "States come neither after every record nor too rarely", Severity.WARNING)
def rate_of_states(connector: Connector) -> Iterator[Finding]:
    """At most one for two records where there are many, and one in 15 minutes."""
    run = connector.first
    records = states = 0
    last, rare = 0.0, 0.0
    for line, message in run.messages():
        records += message["type"] == "RECORD"
        if message["type"] == "STATE":
            states += 1
            rare, last = max(rare, line.time - last), line.time
    if records >= 500 and states * 2 > records:
        yield Finding(f"{states} states came with {records} records: each is stored by whoever reads them.", run)
    if max(rare, run.seconds - last) > _RARELY:
        yield Finding(f"No state came for {max(rare, run.seconds - last) / 60:.0f} minutes.", run)
