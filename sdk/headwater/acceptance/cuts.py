"""Where the first read is cut, for another read to go on from: at states, several streams at once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from random import Random
from typing import TYPE_CHECKING

from headwater.acceptance.rows import Had
from headwater.acceptance.states import State, for_next
from headwater.acceptance.streams import full_name, value_at

if TYPE_CHECKING:
    from headwater.acceptance.connector import Connector


@dataclass
class Cut:
    """States to go on from, what had been read before each of them, and on which line of the first read it is."""

    states: list[State] = field(default_factory=list)
    had: dict[str, Had] = field(default_factory=dict)
    lines: dict[str, int] = field(default_factory=dict)

    @property
    def names(self) -> list[str]:
        """The streams whose state is among them."""
        return list(self.had)


def cuts(connector: Connector, count: int, *, edges: bool = False) -> list[Cut]:
    """At most so many cuts. States of streams are independent, so that each cut has one of every stream: its n-th
    chosen one. A GLOBAL state is of all."""
    chance = connector.chance(2)
    chosen: dict[str, list[tuple[int, State]]] = {}
    wanted = _edges(connector) if edges else None
    for name, states in connector.kept(connector.first).by_stream.items():
        # the last state is that of the second read
        usable = [one for one in states[:-1] if for_next([one[1]], connector.streams)]
        if wanted is not None:
            usable = [one for one in usable if one[0] in wanted]
        chosen[name] = _chosen(usable, count, chance)
    found = []
    for number in range(max(map(len, chosen.values()), default=0)):
        cut = Cut()
        for name, states in chosen.items():
            if number < len(states):
                line, state = states[number]
                cut.states += for_next([state], connector.streams)
                names = list(connector.streams) if name == "" else [name]
                cut.lines.update(dict.fromkeys(names, line))
                cut.had.update({one: connector.rows[one].until(line) for one in names if one in connector.rows})
        found.append(cut)
    return found


def _chosen(states: Sequence[tuple[int, State]], count: int, chance: Random) -> list[tuple[int, State]]:
    """All of few; of many the first, the last and some."""
    if len(states) <= count:
        return list(states)
    middle = sorted(chance.sample(range(1, len(states) - 1), max(0, count - 2)))
    return [states[place] for place in [0, *middle, len(states) - 1][:count]]


def _edges(connector: Connector) -> set[int]:
    """The lines of states for which the records on both sides have the same cursor value."""
    before: dict[str, object] = {}
    open_states: dict[str, list[int]] = {}
    found: set[int] = set()
    for line, message in connector.first.messages():
        if message["type"] == "RECORD":
            record = message["record"]
            name = full_name(record.get("stream"), record.get("namespace"))
            stream = connector.streams.get(name)
            if stream is None or not stream.cursor:
                continue
            value = value_at(record.get("data"), stream.cursor)
            if value is not None and before.get(name) == value:
                found.update(open_states.get(name, ()))
            open_states[name] = []
            before[name] = value
        elif message["type"] == "STATE" and message["state"].get("type") == "STREAM":
            descriptor = message["state"]["stream"]["stream_descriptor"]
            name = full_name(descriptor.get("name"), descriptor.get("namespace"))
            open_states.setdefault(name, []).append(line.number)
    return found
