"""What a destination is to the bridge."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from headwater.bridge.states.store import StateStore
from headwater.protocol.catalog import ConfiguredCatalog, ConfiguredStream
from headwater.protocol.messages import Records, State


@dataclass(slots=True)
class Batch:
    """Consecutive records of one stream: what a sink takes, and acknowledges, as a whole.

    :ivar stream: the configured stream: its keys, schema and destination mode.
    :ivar parts: the records, in the order read.
    """

    stream: ConfiguredStream
    parts: list[Records] = field(default_factory=list)
    size: int = 0

    def __len__(self) -> int:
        return sum(map(len, self.parts))

    def rows(self) -> Iterable[dict[str, Any]]:
        """The records as dictionaries."""
        for part in self.parts:
            yield from part.rows()


class Sink(Protocol):
    """A destination of records."""

    def open(self, catalog: ConfiguredCatalog) -> None:
        """Called once, before anything is read: connect, create or alter what the streams need.

        :raises DestinationError: when the destination can't be used, naming what to do.
        """

    def write(self, batch: Batch, covered: Sequence[State]) -> None:
        """Make the batch durable. Returning is the acknowledgement; raising means that none of it counts.

        :param covered: the states that become safe with this batch. A sink that is also the state store
            (:attr:`states`) stores them in the batch's own transaction; every other ignores them.
        :raises DestinationError: when the batch was refused or the destination failed.
        """

    @property
    def states(self) -> StateStore | None:
        """The store of states inside this destination; None where the destination keeps no states."""

    def close(self) -> None:
        """Called once at the end, also after a failure."""
