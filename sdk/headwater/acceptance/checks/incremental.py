"""F1 to F11: reads that go on from a state."""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator
from itertools import pairwise
from typing import Any

from headwater.acceptance.checks import check
from headwater.acceptance.connector import Connector
from headwater.acceptance.recording import Recording
from headwater.acceptance.replays import uncovered
from headwater.acceptance.results import Finding, Skipped
from headwater.acceptance.rows import rows_of
from headwater.acceptance.states import (
    State,
    changed,
    content,
    final,
    in_future,
    names_of,
    of_stream,
    plain,
    regressions,
)
from headwater.acceptance.streams import state_names

_FEW = 10


@check("F1", "A read with the last states is short, succeeds and gives states")
def second_read(connector: Connector) -> Iterator[Finding]:
    """Nothing is read again but what lies at the cursor; each stream has a state."""
    run = connector.second
    if run.code != 0 or run.timed_out:
        error = next((str(error.get("message")) for _, error in run.traces("error")), run.said(200))
        yield Finding(f"The read with the last states {run.ending}: {error}", run)
        return
    found, states = rows_of(run, connector.streams), names_of(connector.kept(run).last())
    for name, stream in connector.streams.items():
        if not stream.incremental:
            continue
        if name not in states and names_of(connector.final_states):
            yield Finding(f"{name}: no state in the read with the last states.", run, stream=name)
        before = connector.rows[name].keys
        count = before.distinct
        if count >= _FEW and not before.missing(found[name].keys).count and _moves(connector, name):
            yield Finding(f"{name}: all {count} records come again, as if there were no state.", run, stream=name)


def _moves(connector: Connector, name: str) -> bool:
    """Whether a stream's states change while it is read: of one whose records are all of one moment they don't."""
    states = connector.kept(connector.first).by_stream.get(name, [])
    return len({json.dumps(content(state), sort_keys=True) for _, state in states}) > 1


@check("F2", "A read goes on from every state without losing anything")
def every_state(connector: Connector) -> Iterator[Finding]:
    """What came before a state and what comes after it together are everything. Some of many states are tried,
    other ones with another --seed, more with --trials."""
    for cut in connector.cuts():
        yield from uncovered(
            connector, connector.resumed(cut.states), cut.had, "from an earlier state", cut.names, cut.lines
        )


@check("F3", "Cursors do not go back")
def no_regression(connector: Connector) -> Iterator[Finding]:
    """Within a read, and from a read to the next one."""
    for name, states in connector.kept(connector.first).by_stream.items():
        for (_, before), (line, after) in pairwise(states):
            for message in regressions(content(before), content(after)):
                yield Finding(f"{name or 'state'}: {message}.", connector.first, line, stream=name)
    first, second = final(connector.first), final(connector.second)
    for name, after in second.items():
        for message in regressions(first.get(name), after):
            yield Finding(f"{name or 'state'}: {message} in the read with the last states.", connector.second)


@check("F4", "With a state of the future there are no records, and a state")
def future(connector: Connector) -> Iterator[Finding]:
    """The cursors are moved far ahead, or `future_state_path` is taken."""
    states, names = future_states(connector)
    run = connector.read(connector.streams, states, what="a state of the future")
    if run.code != 0 or run.timed_out:
        yield Finding(f"A read with a state of the future {run.ending}. {run.said(200)}", run)
        return
    found = rows_of(run, connector.streams)
    told = names_of(connector.kept(run).last())
    for name in names:
        if count := len(found[name].keys):
            message = f"{name}: {count} records with a state of the future."
            yield Finding(message, run, found[name].keys.first, stream=name)
        if name not in told and not connector.kept(run).by_stream.get(""):
            yield Finding(f"{name}: no state after a read with a state of the future.", run, stream=name)


def future_states(connector: Connector) -> tuple[list[State], list[str]]:
    """The states, and the streams that must have no records with them.

    :raises Skipped: there is no cursor to move.
    """
    wanted = connector.settings.future_state
    if wanted.path is not None:
        given = json.loads(wanted.path.read_text(encoding="utf-8"))
        if not isinstance(given, list):
            given = [of_stream(name, None, value) for name, value in given.items()]
        return given, [name for name in names_of(given) if name in connector.streams]
    states, names = [], []
    for state in connector.final_states:
        moved_at_all = 0

        def move(value: Any, state: State = state) -> Any:
            nonlocal moved_at_all
            stream = connector.streams.get(next(iter(state_names(state)), ""))
            cursor = stream.cursor[-1] if stream is not None and stream.cursor else ""
            form = wanted.formats.get(stream.name if stream else "") or wanted.formats.get("")
            value, moved = in_future(value, cursor, form)
            moved_at_all += moved
            return value

        states.append(changed(state, move))
        if moved_at_all:
            names += [name for name in state_names(state) if name in connector.streams]
    names = [name for name in names if connector.streams[name].incremental and name not in wanted.missing]
    if not names:
        raise Skipped("no state has a date or a number that could be moved into the future.")
    return states, names


@check("F5", "The states of the last accepted version are accepted")
def older_states(connector: Connector) -> Iterator[Finding]:
    """The baseline file `states.json`; --update writes it."""
    from headwater.acceptance.baseline import baseline

    now = {"states": connector.final_states}
    before = baseline(connector.settings, "states.json", now)
    run = connector.read(connector.streams, before["states"], what="states of the last accepted version")
    yield from _accepted(run, "states of the last accepted version", refused=False)


def _accepted(run: Recording, what: str, refused: bool = True) -> Iterator[Finding]:
    """It succeeds, or says that it is the user's turn."""
    errors = [error for _, error in run.traces("error")]
    if run.timed_out:
        yield Finding(f"A read with {what} does not end.", run)
    elif run.code != 0:
        kinds = {error.get("failure_type") for error in errors}
        if not refused or kinds != {"config_error"}:
            said = errors[-1].get("message") if errors else run.said(200)
            yield Finding(f"A read with {what} {run.ending}: {said}", run)


@check("F6", "Unknown names in a state are no error")
def unknown_names(connector: Connector) -> Iterator[Finding]:
    """A later version wrote it."""

    def add(value: Any) -> Any:
        return {**value, "__of_another_version__": {"a": [1]}} if isinstance(value, dict) else value

    states = [changed(state, add) for state in connector.final_states]
    run = connector.read(connector.streams, states, what="unknown names in states")
    yield from _accepted(run, "unknown names in a state")


@check("F7", "The state of a stream that does not exist is no error")
def unknown_streams(connector: Connector) -> Iterator[Finding]:
    """A stream was taken out, its state is still there."""
    states = [*connector.final_states, of_stream("__stream_of_another_version__", None, {"cursor": "2024-01-01"})]
    run = connector.read(connector.streams, states, what="the state of an unknown stream")
    yield from _accepted(run, "the state of an unknown stream", refused=False)


@check("F8", "An empty state of a stream means that it is read from the beginning")
def null_states(connector: Connector) -> Iterator[Finding]:
    """`stream_state` null: the platform resets a stream so."""
    names = [name for name, stream in connector.streams.items() if stream.incremental]
    if not names:
        raise Skipped("no stream is read incrementally.")
    states = [
        of_stream(connector.streams[name].stream["name"], connector.streams[name].stream.get("namespace"), None)
        for name in names
    ]
    run = connector.read(connector.streams, states, what="null states")
    yield from uncovered(connector, run, {}, "from a `stream_state` of null", names)


@check("F9", "An empty state is none, and one of the legacy form is taken or refused in words")
def legacy_states(connector: Connector) -> Iterator[Finding]:
    """``[]`` and ``{}`` are read as no state; one object for all streams is taken, or a config_error."""
    catalog = str(connector.file("catalog.json", connector.streams.json))
    for text in ("[]", "{}"):
        state = str(connector.file("state.json", text))
        files = ("--config", str(connector.config_file), "--catalog", catalog, "--state", state)
        run = connector.run("read", *files, what=f"{text} as the state")
        yield from uncovered(connector, run, {}, f"from {text} as its state", connector.streams)
    legacy = {
        state["stream"]["stream_descriptor"]["name"]: content(state)
        for state in connector.final_states
        if state.get("type") == "STREAM"
    }
    state = str(connector.file("state.json", json.dumps(legacy)))
    files = ("--config", str(connector.config_file), "--catalog", catalog, "--state", state)
    run = connector.run("read", *files, what="a state of the legacy form")
    yield from _accepted(run, "a state of the legacy form")


@check("F10", "A stream that is read in full is not held up by its state")
def full_with_state(connector: Connector) -> Iterator[Finding]:
    """One that can't be resumed gives all its records again."""
    names = [
        name
        for name, stream in connector.streams.items()
        if not stream.incremental and not stream.stream.get("is_resumable")
    ]
    if not names:
        raise Skipped("no stream is read in full without being resumable.")
    states = [plain(copy.deepcopy(state)) for state in connector.kept(connector.first).last()]
    run = connector.read(connector.streams, states, what="states of streams that are read in full")
    yield from uncovered(connector, run, {}, "in full with a state", names)


@check("F11", "What changes between two syncs comes with the second one")
def changed_between(connector: Connector) -> Iterator[Finding]:
    """After `between_syncs_command` of `client_container_config` a read with the last states has other records than
    before it. It is the last read of a suite."""
    client = connector.settings.client
    if client is None or not client.has("between_syncs"):
        raise Skipped("nothing changes the source: `client_container_config.between_syncs_command` is not there.")
    ignored = connector.settings.ignored_fields
    before = rows_of(connector.second, connector.streams, ignored)
    client.run("between_syncs")
    run = connector.read(connector.streams, connector.final_states, what="after between_syncs_command")
    if run.code != 0 or run.timed_out:
        yield Finding(f"After `between_syncs_command` the read {run.ending}: {run.said(200)}", run)
        return
    after = rows_of(run, connector.streams, ignored)
    names = [name for name, stream in connector.streams.items() if stream.incremental]
    if all(after[name].contents.same(before[name].contents) for name in names):
        yield Finding("After `between_syncs_command` the next sync has the same records as before it.", run)
