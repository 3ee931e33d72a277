"""What keeps states between two syncs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from headwater.protocol.messages import State


class StateStore(Protocol):
    """Keeps the last state of every stream of one flow."""

    def load(self) -> list[State]:
        """The states to start from: one of each stream, or one GLOBAL or LEGACY; empty at the first run.

        :raises StateError: when a stored state can't be read; it is never taken for a first run.
        """

    def store(self, states: Sequence[State]) -> None:
        """Replace the stored states of these states' streams, durably and all or nothing.

        A STREAM state replaces its stream's; a GLOBAL or LEGACY one replaces all. Unknown fields are kept.
        :raises StateError: when it could not be stored.
        """
