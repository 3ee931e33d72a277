"""States in memory: for tests and trials."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from headwater.bridge.states.store import merged
from headwater.protocol.messages import State


class MemoryStates:
    """Keeps states as long as it lives.

    :ivar calls: what each call of :meth:`store` was given.
    """

    def __init__(self, states: Iterable[State] = ()) -> None:
        self._states = merged((), states)
        self.calls: list[list[State]] = []

    def load(self) -> list[State]:
        """The states kept."""
        return list(self._states)

    def store(self, states: Sequence[State]) -> None:
        """Keep these; see :func:`~headwater.bridge.states.store.merged`."""
        self.calls.append(list(states))
        self._states = merged(self._states, states)

    def replace(self, states: Sequence[State]) -> None:
        """Keep these and nothing else."""
        self._states = list(states)
