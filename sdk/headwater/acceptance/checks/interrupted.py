"""X1 to X3 and X16: nothing is lost, wherever a read is cut."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from headwater.acceptance.checks import check
from headwater.acceptance.connector import Connector
from headwater.acceptance.engine import Act
from headwater.acceptance.replays import uncovered
from headwater.acceptance.results import Finding, Skipped
from headwater.acceptance.rows import rows_of, show
from headwater.acceptance.states import comparable, content, final, for_next
from headwater.acceptance.streams import full_name, value_at

_MOST_SUSPECTS = 3


@check("X1", "Killed at any point and resumed, nothing is lost")
def killed(connector: Connector) -> Iterator[Finding]:
    """SIGKILL at --trials places that chance chooses; then a read from the last whole states. What both gave together
    is everything."""
    chance = connector.chance(1)
    size = connector.succeeded.size
    tried = 0
    for _ in range(connector.settings.trials):
        after = chance.randrange(1, max(2, size))
        run = connector.read(connector.streams, act=Act("kill", after), tight=True, what=f"killed after {after} bytes")
        if run.acted is None:
            continue
        tried += 1
        states = for_next(connector.kept(run).last(), connector.streams)
        had = rows_of(run, connector.streams, _ignored(connector))
        place = f"after it was killed at {after} bytes"
        yield from uncovered(connector, connector.resumed(states), had, place, connector.streams)
    if not tried:
        raise Skipped("it was done each time before it could be killed: what it writes fits into a pipe.")


def _ignored(connector: Connector) -> Any:
    return connector.settings.ignored_fields


@check("X2", "No state of a read covers a record that comes after it")
def cut_points(connector: Connector) -> Iterator[Finding]:
    """Of every prefix of the first read: a record after a state whose cursor lies before that of the state is looked
    for by a read that goes on from it."""
    connector.needs_success()
    looked_at = False
    for name, states in connector.kept(connector.first).by_stream.items():
        stream = connector.streams.get(name)
        if stream is None or not stream.incremental or not stream.cursor:
            continue
        looked_at = True
        for line, record_line in _suspects(connector, name)[:_MOST_SUSPECTS]:
            (state,) = [state for place, state in states if place == line]
            run = connector.resumed(for_next([state], connector.streams))
            had = {name: connector.rows[name].until(line)}
            missing = list(uncovered(connector, run, had, f"from the state on line {line}", [name]))
            if missing:
                record = show(connector.first, connector.streams, name, record_line)
                message = f"{name}: the state covers records that come after it, such as {record}."
                yield _at(connector, line, message, name)
    if not looked_at:
        raise Skipped("no stream with a known cursor gave states.")


def _at(connector: Connector, number: int, message: str, name: str) -> Finding:
    for line in connector.first.lines():
        if line.number == number:
            return Finding.at(line, connector.first, message, name)
    return Finding(message, connector.first, number, stream=name)


def _suspects(connector: Connector, name: str) -> list[tuple[int, int]]:
    """States, and for each a later record that lies before it, if the state has one plain cursor: by line. Of
    several states that cover the same record, the first one."""
    cursor = connector.streams[name].cursor
    found: list[tuple[int, int]] = []
    highest: Any = None
    at = 0
    for line, message in connector.first.messages():
        if message["type"] == "STATE" and message["state"].get("type") == "STREAM":
            descriptor = message["state"]["stream"]["stream_descriptor"]
            if full_name(descriptor.get("name"), descriptor.get("namespace")) != name:
                continue
            said = content(message["state"])
            value = comparable(said.get(cursor[-1])) if isinstance(said, dict) else None
            if value is not None and (highest is None or (value[0] == highest[0] and value[1] > highest[1])):
                highest, at = value, line.number
        elif message["type"] == "RECORD" and highest is not None:
            record = message["record"]
            if full_name(record.get("stream"), record.get("namespace")) != name:
                continue
            value = comparable(value_at(record.get("data"), cursor))
            if (
                value is not None
                and value[0] == highest[0]
                and value[1] < highest[1]
                and (not found or found[-1][0] != at)
            ):
                found.append((at, line.number))
    return found


@check("X3", "A state replayed twice gives the same records and the same states")
def idempotent(connector: Connector) -> Iterator[Finding]:
    """Of a source that stands still."""
    if not connector.stands_still:
        raise Skipped("two reads of the source differ: it does not stand still.")
    found = connector.cuts()
    if not found:
        raise Skipped("no stream gave a state before its last one.")
    states = found[len(found) // 2].states
    one = connector.resumed(states)
    two = connector.read(connector.streams, states, what="the same states again")
    if one.code != 0 or two.code != 0:
        raise Skipped("a read that goes on from states fails: F2 tells of it.")
    first, second = rows_of(one, connector.streams), rows_of(two, connector.streams)
    for name in connector.streams:
        if not first[name].contents.same(second[name].contents):
            yield Finding(f"{name}: the same state gives other records the second time.", two, stream=name)
    if final(one) != final(two):
        names = ", ".join(sorted(name for name in final(one) if final(one)[name] != final(two).get(name)))
        yield Finding(f"The same state leads to another last state: {names}.", two)


@check("X16", "Records with the same cursor on both sides of a state are not lost")
def edges(connector: Connector) -> Iterator[Finding]:
    """At the ends of pages and windows: a read that goes on takes what equals the cursor again."""
    found = connector.cuts(edges=True)
    if not any(cut.states for cut in found):
        raise Skipped("no two records around a state have the same cursor.")
    for cut in found:
        run = connector.resumed(cut.states)
        what = "from a state between records with the same cursor"
        yield from uncovered(connector, run, cut.had, what, cut.names, cut.lines)
