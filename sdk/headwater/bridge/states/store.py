"""What keeps states between two syncs."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any, Protocol

from headwater.protocol.messages import State, StreamDescriptor, descriptor_from_json


class StateStore(Protocol):
    """Keeps the last state of every stream of one flow."""

    def load(self) -> list[State]:
        """The states to start from: one of each stream, or one GLOBAL or LEGACY; empty at the first run.

        :raises StateError: when a stored state can't be read; it is never taken for a first run.
        """

    def store(self, states: Sequence[State]) -> None:
        """Replace the stored states of these states' streams, durably and all or nothing.

        What is kept afterwards is :func:`merged` of both. Unknown fields are kept.
        :raises StateError: when it could not be stored.
        """


def merged(stored: Iterable[State], newer: Iterable[State]) -> list[State]:
    """What to keep of states in the order they were given.

    A STREAM state replaces its stream's; a GLOBAL or LEGACY one replaces all. A STREAM state after a GLOBAL
    or LEGACY one replaces that too: both together would contradict each other, and what only the older one
    knew is read again, which loses nothing.
    """
    kept: dict[StreamDescriptor | None, State] = {}
    for state in (*stored, *newer):
        keep(kept, state)
    return list(kept.values())


def keep(kept: dict[StreamDescriptor | None, State], state: State) -> None:
    """Add one state to those kept so far, by :func:`merged`'s rule; the order is the order given."""
    stream = state.stream
    if stream is None:
        kept.clear()
    else:
        kept.pop(None, None)
        kept.pop(stream, None)
    kept[stream] = state


def streams_of(states: Iterable[State]) -> list[StreamDescriptor]:
    """The streams that states are of; also those inside a GLOBAL state. A LEGACY state tells none."""
    found: list[StreamDescriptor] = []
    for state in states:
        if state.stream is not None:
            found.append(state.stream)
        body: Mapping[str, Any] = state.raw.get("global") or {}
        found += [descriptor_from_json(part["stream_descriptor"]) for part in body.get("stream_states") or ()]
    return found


def without(states: Iterable[State], streams: Collection[StreamDescriptor]) -> list[State]:
    """The states but for those of these streams; also inside a GLOBAL state, whose shared part stays.

    A LEGACY state can't be taken apart and stays as it is.
    """
    kept = []
    for state in states:
        if state.stream in streams:
            continue
        kept.append(_global_without(state, streams) if state.type == "GLOBAL" else state)
    return kept


def _global_without(state: State, streams: Collection[StreamDescriptor]) -> State:
    body: Mapping[str, Any] = state.raw.get("global") or {}
    parts = body.get("stream_states") or []
    left = [part for part in parts if descriptor_from_json(part["stream_descriptor"]) not in streams]
    if len(left) == len(parts):
        return state
    return State({**state.raw, "global": {**body, "stream_states": left}})
