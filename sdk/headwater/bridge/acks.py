"""The ledger: which states are safe to store, as batches are acknowledged. No IO, no clock, no threads.

A state says "everything I gave you before this is read". It may be stored only once all of that is durable
at the destination; stored earlier, a crash loses rows for good. The ledger is told of every batch and every
state in the order read, and of every acknowledgement in any order, and answers which states may be stored.
"""

from __future__ import annotations

from bisect import bisect_left

from headwater.protocol.messages import State, StreamDescriptor

# States by their stream, oldest first; None stands for a GLOBAL or LEGACY state, which comes first.
_States = dict[StreamDescriptor | None, State]


class Ledger:
    """Releases a state when every batch before it was acknowledged, in the order the states were read.

    "Before it" means batches of its stream for a STREAM state, and of all streams for a GLOBAL or LEGACY one.
    A refused batch blocks all later states of its stream, and all later GLOBAL and LEGACY states, for good.
    A source that mixes the types, which the protocol forbids, is served carefully: once a GLOBAL or LEGACY
    state was seen, every later state waits as they do.

    Memory is bounded by the batches outstanding: of several states that wait for the same ones, only the
    newest of each stream is kept and released.
    """

    def __init__(self) -> None:
        self._newest = 0
        self._streams: dict[int, StreamDescriptor] = {}  # of every outstanding batch
        self._lanes: dict[StreamDescriptor, _Lane] = {}
        self._all = _Lane()
        self._global = False

    def __len__(self) -> int:
        """How many batches are outstanding."""
        return len(self._streams)

    def batch(self, stream: StreamDescriptor) -> int:
        """A batch of the stream begins here, after every state told so far; returns its number."""
        self._newest += 1
        self._streams[self._newest] = stream
        lane = self._lanes.get(stream)
        if lane is None:
            lane = self._lanes[stream] = _Lane()
        lane.outstanding.append(self._newest)
        self._all.outstanding.append(self._newest)
        return self._newest

    def state(self, state: State) -> list[State]:
        """A state was read; it covers every batch begun so far, also the one that is still being filled.

        Returns the states that may be stored now: this one, or nothing.
        """
        stream = state.stream
        self._global = self._global or stream is None
        lane = self._all if self._global or stream is None else self._lanes.get(stream)
        return [state] if lane is None else lane.state(stream, state)

    def ack(self, number: int) -> list[State]:
        """The batch is durable; returns the states that may be stored now, oldest first.

        :raises KeyError: for a number that is not outstanding: acknowledged before, refused, or never given.
        """
        stream = self._streams.pop(number)
        lane = self._lanes[stream]
        released = lane.ack(number)
        if not lane.outstanding and lane.refused is None:
            del self._lanes[stream]
        return [*released, *self._all.ack(number)]

    def refuse(self, number: int) -> None:
        """The batch will never be durable: no state that covers it is ever released.

        :raises KeyError: as for :meth:`ack`.
        """
        self._lanes[self._streams.pop(number)].refuse(number)
        self._all.refuse(number)

    def covered(self, number: int) -> list[State]:
        """The states that :meth:`ack` of this batch would release now, for a sink that commits both at once.

        :raises KeyError: as for :meth:`ack`.
        """
        return [*self._lanes[self._streams[number]].covered(number), *self._all.covered(number)]


class _Lane:
    """Batches that are acknowledged independently of other lanes', and the states that wait for them.

    A state waits at the newest batch that it covers. When that batch is acknowledged before an older one, the
    state moves on to the next older one; at the oldest, it is released.
    """

    __slots__ = ("outstanding", "refused", "waiting")

    def __init__(self) -> None:
        self.outstanding: list[int] = []  # ascending
        self.waiting: dict[int, _States] = {}
        self.refused: int | None = None

    def state(self, stream: StreamDescriptor | None, state: State) -> list[State]:
        if self.refused is not None:
            return []
        if not self.outstanding:
            return [state]
        self._wait(self.outstanding[-1], {stream: state})
        return []

    def ack(self, number: int) -> list[State]:
        at = bisect_left(self.outstanding, number)
        del self.outstanding[at]
        states = self.waiting.pop(number, None)
        if states is None:
            return []
        if at == 0:
            return list(states.values())
        self._wait(self.outstanding[at - 1], states)
        return []

    def refuse(self, number: int) -> None:
        del self.outstanding[bisect_left(self.outstanding, number)]
        self.refused = number if self.refused is None else min(number, self.refused)
        for later in [n for n in self.waiting if n >= number]:
            del self.waiting[later]

    def covered(self, number: int) -> list[State]:
        if self.outstanding[0] != number:
            return []
        return list(self.waiting.get(number, {}).values())

    def _wait(self, number: int, states: _States) -> None:
        """The states wait at this batch, and replace the older ones there that they make superfluous."""
        there = self.waiting.get(number)
        if there is None or None in states:
            self.waiting[number] = states
            return
        for stream, state in states.items():
            there.pop(stream, None)  # so that it comes last: the order is the order read
            there[stream] = state
