"""States of a read: which ones a prefix of it leaves, and the cursor values inside of them."""

from __future__ import annotations

import copy
import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from headwater.acceptance.recording import Recording
from headwater.acceptance.streams import Configured, name_of, state_names

State = dict[str, Any]
DURATIONS = ("lookback_window",)
"""What airbyte-cdk keeps in a state besides the cursor: how many seconds the last sync took, other ones each time."""
_DATE = re.compile(r"^(\d{4})(-\d{2}(-\d{2}([T ].*)?)?)$")
_EPOCH = 10**9
FUTURE = "2999"


@dataclass
class Kept:
    """The states of a read.

    :ivar lines: of each stream the lines with its states, and these; of a GLOBAL state under "".
    """

    by_stream: dict[str, list[tuple[int, State]]] = field(default_factory=dict)

    def last(self, until: int | None = None) -> list[State]:
        """The last state of each stream up to a line: what ``--state`` is given after that."""
        found = []
        for states in self.by_stream.values():
            before = [state for line, state in states if until is None or line <= until]
            if before:
                found.append(before[-1])
        return found


def kept(recording: Recording) -> Kept:
    """All states of a read."""
    found = Kept()
    for line, state in recording.of("STATE", "state"):
        name = state_names(state)[0] if state.get("type") == "STREAM" and state_names(state) else ""
        found.by_stream.setdefault(name, []).append((line.number, state))
    return found


def for_next(states: Sequence[State], streams: Configured, *, same_job: bool = True) -> list[State]:
    """The states that the platform gives to the next attempt: of streams that go on from them.

    :param same_job: a retry, in which a resumable stream that is read in full goes on as well.
    """

    def goes_on(state: State) -> bool:
        if state.get("type") != "STREAM":
            return True
        stream = streams.get(state_names(state)[0])
        if stream is None:
            return False
        return stream.incremental or (same_job and bool(stream.stream.get("is_resumable")))

    return [plain(state) for state in states if goes_on(state)]


def plain(state: State) -> State:
    """A state without counts, as the platform stores it."""
    return {name: value for name, value in state.items() if name in ("type", "stream", "global", "data")}


def content(state: Mapping[str, Any]) -> Any:
    """What a state says."""
    if state.get("type") == "STREAM":
        return (state.get("stream") or {}).get("stream_state")
    return state.get("global") or state.get("data")


def changed(state: State, change: Callable[[Any], Any]) -> State:
    """A state whose content was changed, of each of its streams."""
    found = copy.deepcopy(state)
    if isinstance(found.get("stream"), dict):
        found["stream"]["stream_state"] = change(found["stream"].get("stream_state"))
    for one in (found.get("global") or {}).get("stream_states") or ():
        one["stream_state"] = change(one.get("stream_state"))
    return found


def leaves(value: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Any]]:
    """The simple values in a state, by path. Items of lists by their ``partition``; lists without are left out."""
    if isinstance(value, dict):
        for name, inner in value.items():
            if name not in DURATIONS:
                yield from leaves(inner, (*path, name))
    elif isinstance(value, list):
        for item in value:
            if isinstance(item, dict) and "partition" in item:
                rest = {name: inner for name, inner in item.items() if name != "partition"}
                yield from leaves(rest, (*path, json.dumps(item["partition"], sort_keys=True)))
    elif value is not None and not isinstance(value, bool):
        yield path, value


def comparable(value: Any) -> tuple[str, Any] | None:
    """A cursor's value, for comparing: its kind, and the value; None if it is no date and no number."""
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        return "number", value
    if isinstance(value, str) and _DATE.match(value):
        # forms of different lengths don't compare as texts
        return f"date of {len(value)} characters {value[19:]}", value
    return None


def regressions(before: Any, after: Any) -> Iterator[str]:
    """Where a state says less than an earlier one: cursor values that went back, by path."""
    old = dict(leaves(before))
    for path, value in leaves(after):
        was = comparable(old.get(path))
        now = comparable(value)
        if was is not None and now is not None and was[0] == now[0] and now[1] < was[1]:
            yield f"{'/'.join(path)} went back from {was[1]} to {now[1]}"


def in_future(value: Any, cursor: str, formats: str | None = None) -> tuple[Any, int]:
    """A state far ahead of all records; and how many values were moved.

    :param cursor: the cursor field's name: a number under it is moved, any other only if it looks like a time.
    :param formats: how values of the cursor are written, as ``strftime`` has it.
    """
    moved = 0

    def walk(value: Any, name: str) -> Any:
        nonlocal moved
        if isinstance(value, dict):
            return {key: walk(inner, key) for key, inner in value.items()}
        if isinstance(value, list):
            return [walk(inner, name) for inner in value]
        if isinstance(value, str) and (match := _DATE.match(value)):
            moved += 1
            if formats and name == cursor:
                from datetime import datetime

                return datetime(int(FUTURE), 1, 1).strftime(formats)
            return FUTURE + match.group(2)
        if isinstance(value, (int, float)) and not isinstance(value, bool) and (name == cursor or value > _EPOCH):
            moved += 1
            return value * 20 if value > _EPOCH else value + _EPOCH
        return value

    return walk(value, ""), moved


def names_of(states: Sequence[State]) -> set[str]:
    """The streams that states are about."""
    return {name for state in states for name in state_names(state)}


def of_stream(name: str, namespace: str | None, content: Any) -> State:
    """A state of one stream."""
    descriptor = {"name": name, **({"namespace": namespace} if namespace else {})}
    return {"type": "STREAM", "stream": {"stream_descriptor": descriptor, "stream_state": content}}


def lasting(value: Any) -> Any:
    """A state's content without durations."""
    if isinstance(value, dict):
        return {name: lasting(inner) for name, inner in value.items() if name not in DURATIONS}
    return [lasting(inner) for inner in value] if isinstance(value, list) else value


def final(recording: Recording) -> dict[str, Any]:
    """What the last state of each stream says, without durations."""
    found: dict[str, Any] = {}
    for state in kept(recording).last():
        if state.get("type") == "STREAM":
            found[name_of(state["stream"]["stream_descriptor"])] = lasting(content(state))
        else:
            found[""] = lasting(content(state))
    return found
