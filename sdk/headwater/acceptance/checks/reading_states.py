"""E14 to E18: the states of a read."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from headwater.acceptance.checks import Watch, watch
from headwater.acceptance.recording import Line
from headwater.acceptance.streams import value_at


def content(state: dict[str, Any]) -> Any:
    """What a state says, without counts."""
    return state.get("stream") or state.get("global") or state.get("data")


@watch("E14", "Each stream that completes has a state")
class HasState(Watch):
    """Also one read in full, and one without records: without a state it never counts as complete."""

    def begin(self) -> None:
        """As :meth:`Watch.begin`."""
        self.seen: set[str] = set()

    def state(self, line: Line, state: dict[str, Any], names: tuple[str, ...]) -> None:
        """As :meth:`Watch.state`."""
        self.seen.update(names)

    def end(self) -> None:
        """As :meth:`Watch.end`."""
        if self.recording.code == 0:
            for name in self.streams:
                if name not in self.seen:
                    self.found(f"{name}: no state.", None, name)


@watch("E15", "States are of one type, which is not LEGACY")
class OneType(Watch):
    """The platform refuses a sync that mixes STREAM and GLOBAL."""

    def begin(self) -> None:
        """As :meth:`Watch.begin`."""
        self.kind: str | None = None

    def state(self, line: Line, state: dict[str, Any], names: tuple[str, ...]) -> None:
        """As :meth:`Watch.state`."""
        kind = state.get("type") or "LEGACY"
        if kind == "LEGACY":
            self.found("A state of type LEGACY.", line)
        elif self.kind not in (None, kind):
            self.found(f"A state of type {kind} after one of type {self.kind}.", line)
        self.kind = self.kind or kind


@watch("E16", "`recordCount` is the number of records since the state before")
class Counts(Watch):
    """Of the stream, or of all streams for a GLOBAL state; the platform compares it with its own count."""

    def begin(self) -> None:
        """As :meth:`Watch.begin`."""
        self.counts: dict[str, int] = {}

    def record(self, line: Line, record: dict[str, Any], name: str) -> None:
        """As :meth:`Watch.record`."""
        self.counts[name] = self.counts.get(name, 0) + 1

    def state(self, line: Line, state: dict[str, Any], names: tuple[str, ...]) -> None:
        """As :meth:`Watch.state`."""
        if state.get("type") == "STREAM":
            counted = sum(self.counts.pop(name, 0) for name in names)
            what = names[0]
        else:
            counted, what = sum(self.counts.values()), "all streams"
            self.counts.clear()
        said = (state.get("sourceStats") or {}).get("recordCount")
        if said is None:
            self.found(f"{what}: a state without `sourceStats.recordCount`.", line, what)
        elif said != counted:
            self.found(f"{what}: `recordCount` is {said}, but {counted} records came.", line, what)


def _scalars(value: Any) -> Iterator[Any]:
    """All values in a state's content, at any depth."""
    if isinstance(value, dict):
        value = list(value.values())
    if isinstance(value, list):
        for each in value:
            yield from _scalars(each)
    elif value is not None:
        yield value


@watch("E17", "No state comes twice in a row with records in between")
class Moves(Watch):
    """A state that says the same as the one before covers nothing of what came since; unless each of those records
    has a cursor value that this state has, or that the record before had. Not of streams read in full."""

    # The record before is for states that have their values in a form of their own. The state's values are for streams
    # of parts: the last page of one, all of it at the second where its state already stands, may come just after a page
    # of another, and the last state is still due.

    def begin(self) -> None:
        """As :meth:`Watch.begin`."""
        self.before: dict[str, str] = {}
        self.since: dict[str, int] = {}
        self.moved: set[str] = set()
        self.cursors: dict[str, Any] = {}
        self.covered: dict[str, set[Any]] = {}

    def record(self, line: Line, record: dict[str, Any], name: str) -> None:
        """As :meth:`Watch.record`."""
        stream = self.streams.get(name)
        if stream is None or not stream.incremental:
            return
        self.since[name] = self.since.get(name, 0) + 1
        value = value_at(record.get("data"), stream.cursor) if stream.cursor else line.number
        if value != self.cursors.get(name):
            self.cursors[name] = value
            if isinstance(value, (dict, list)) or value not in self.covered.get(name, ()):
                self.moved.add(name)

    def state(self, line: Line, state: dict[str, Any], names: tuple[str, ...]) -> None:
        """As :meth:`Watch.state`."""
        if state.get("type") != "STREAM":
            return
        (name,) = names
        said = json.dumps(content(state), sort_keys=True)
        if name in self.moved and self.before.get(name) == said:
            count = self.since[name]
            self.found(f"{name}: the same state as before, though {count} records came in between.", line, name)
        self.before[name] = said
        self.covered[name] = set(_scalars(content(state)))
        self.since[name] = 0
        self.moved.discard(name)


@watch("E18", "A stream's last state comes after its last record and before COMPLETE")
class LastState(Watch):
    """Else what comes after it is read again in every sync."""

    def begin(self) -> None:
        """As :meth:`Watch.begin`."""
        self.records: dict[str, Line] = {}
        self.states: dict[str, int] = {}
        self.complete: set[str] = set()

    def record(self, line: Line, record: dict[str, Any], name: str) -> None:
        """As :meth:`Watch.record`."""
        self.records[name] = line

    def state(self, line: Line, state: dict[str, Any], names: tuple[str, ...]) -> None:
        """As :meth:`Watch.state`."""
        for name in names:
            self.states[name] = line.number
            if name in self.complete and state.get("type") == "STREAM":
                self.found(f"{name}: a state after COMPLETE.", line, name)

    def status(self, line: Line, status: str, name: str, trace: dict[str, Any]) -> None:
        """As :meth:`Watch.status`."""
        if status == "COMPLETE":
            self.complete.add(name)

    def end(self) -> None:
        """As :meth:`Watch.end`."""
        for name, line in self.records.items():
            if name in self.states and self.states[name] < line.number and self.recording.code == 0:
                self.found(f"{name}: a record after its last state.", line, name)
