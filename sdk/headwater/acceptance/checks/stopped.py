"""X4, X5 and X20: signals, a closed output, and what is left at the end."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal

from headwater.acceptance.checks import check
from headwater.acceptance.connector import Connector
from headwater.acceptance.engine import PAGE, Act
from headwater.acceptance.recording import Recording
from headwater.acceptance.replays import uncovered
from headwater.acceptance.results import Finding, Severity, Skipped
from headwater.acceptance.rows import rows_of
from headwater.acceptance.states import for_next
from headwater.acceptance.streams import name_of

_SOON = 10.0
_SIGNALS: tuple[tuple[Literal["term", "int"], str, int], ...] = (("term", "SIGTERM", 143), ("int", "SIGINT", 130))


@check("X4", "A signal ends a read soon and in good order")
def graceful(connector: Connector) -> Iterator[Finding]:
    """SIGTERM and SIGINT: within 10 s, all lines whole, INCOMPLETE for what is not complete, states to go on from
    without loss, exit code 143 or 130 (or 1), no traceback."""
    size = connector.succeeded.size
    tried = 0
    for deed, name, code in _SIGNALS:
        run = connector.read(connector.streams, act=Act(deed, size // 3), tight=True, what=name)
        if run.acted is None or done_before(connector, run):
            continue
        tried += 1
        yield from _ended(connector, run, name, code)
    if not tried:
        raise Skipped("it was done before it could be signalled: what it writes fits into a pipe.")


def done_before(connector: Connector, run: Recording) -> bool:
    """Whether a read that a signal came to at a third of its output had nothing left to do then: all the rest was in
    the pipe."""
    found = rows_of(run, connector.streams)
    whole = not any(rows.keys.missing(found[name].keys).count for name, rows in connector.rows.items())
    return run.code == 0 and whole and run.size - run.size // 3 <= 2 * PAGE


def _ended(connector: Connector, run: Recording, name: str, code: int) -> Iterator[Finding]:
    seconds = run.seconds - (run.acted or 0.0)
    if run.timed_out:
        yield Finding(f"{name} does not end it.", run)
        return
    if seconds > _SOON:
        yield Finding(f"After {name} it takes {seconds:.0f} s to end.", run)
    if run.code not in (code, 1):
        yield Finding(f"After {name} it {run.ending}, not with {code} or 1.", run)
    if run.cut:
        yield Finding(f"After {name} its last line is cut off.", run, len(run.ends) + 1, run.last)
    yield from _statuses(connector, run, name)
    if b"Traceback (most recent call last)" in run.stderr.read_bytes()[-65536:]:
        yield Finding(f"After {name} there is a traceback on standard error.", run, severity=Severity.WARNING)
    states = for_next(connector.kept(run).last(), connector.streams)
    had = rows_of(run, connector.streams)
    if not connector.settings.ignored_fields:
        yield from uncovered(connector, connector.resumed(states), had, f"after {name}", connector.streams)


def _statuses(connector: Connector, run: Recording, name: str) -> Iterator[Finding]:
    last: dict[str, str] = {}
    for line, status in run.traces("stream_status"):
        stream = name_of(status.get("stream_descriptor"))
        last[stream] = str(status.get("status"))
        if last[stream] == "COMPLETE" and stream in connector.streams:
            had = rows_of(run, connector.streams.only([stream]))[stream].keys
            if connector.rows[stream].keys.missing(had).count:
                yield Finding.at(line, run, f"{stream}: COMPLETE after {name}, though records are missing.", stream)
    for stream, told in last.items():
        if told not in ("COMPLETE", "INCOMPLETE"):
            yield Finding(f"{stream}: after {name} its last status is {told}, not INCOMPLETE.", run, stream=stream)


@check("X5", "When nobody reads its output any more it ends soon, as a failure")
def closed_output(connector: Connector) -> Iterator[Finding]:
    """The reader closes the pipe: within 10 s, not with 0, nothing is left running."""
    run = connector.read(
        connector.streams, act=Act("close", connector.succeeded.size // 3), tight=True, what="a closed output"
    )
    if run.acted is None:
        raise Skipped("it was done before its output could be closed: what it writes fits into a pipe.")
    seconds = run.seconds - run.acted
    if run.timed_out:
        yield Finding("When its output is closed it does not end.", run)
    elif seconds > _SOON:
        yield Finding(f"When its output is closed it takes {seconds:.0f} s to end.", run)
    elif run.code == 0:
        yield Finding("When its output is closed it exits with 0.", run)
    if run.orphans:
        yield Finding(f"When its output is closed it leaves processes behind: {run.orphans[0]}.", run)


@check("X20", "Nothing is left running, and it ends when it is done")
def no_orphans(connector: Connector) -> Iterator[Finding]:
    """Of all runs of this suite: no process survives it, no thread holds up its end."""
    if not connector.recordings:
        raise Skipped("nothing was run.")
    for run in list(connector.recordings):
        name = run.what or " ".join(run.arguments[:1])
        if run.orphans and run.acted is None and not run.timed_out:
            yield Finding(f"{name}: processes were left behind: {', '.join(run.orphans)[:200]}.", run)
        elif run.left_open:
            yield Finding(f"{name}: a process that it had started keeps its output open.", run)
        if run.ends and run.acted is None and not run.timed_out and run.closing > _SOON:
            yield Finding(f"{name}: it took {run.closing:.0f} s to end after its last line.", run)
