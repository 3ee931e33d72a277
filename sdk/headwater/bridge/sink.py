"""What a destination is to the bridge."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Protocol

from headwater.bridge.states.store import StateStore
from headwater.errors import BridgeError, DestinationError
from headwater.protocol.catalog import ConfiguredCatalog, ConfiguredStream, DestinationSyncMode
from headwater.protocol.messages import Records, State

_FEW = 100
_TOGETHER = 64 * 2**20


@dataclass(frozen=True, slots=True)
class BatchSize:
    """How large a batch is to be.

    :ivar bytes: a stream's batch is written when it holds so many, of JSON.
    :ivar rows: it is written at so many records, too, and what is more waits for the next: for a destination that
        writes so many at once for less. None: any number.
    :ivar columns: of a table with more, the destination writes no more at once than usual. None: any number.
    """

    bytes: int = 8 * 2**20
    rows: int | None = None
    columns: int | None = None

    @property
    def together(self) -> int:
        """Bytes that the batches of all streams hold together at most: four batches, but no more than 64 MiB
        unless one alone is larger."""
        return max(self.bytes, min(4 * self.bytes, _TOGETHER))


@dataclass(slots=True)
class Batch:
    """Consecutive records of one stream: what a sink takes, and acknowledges, as a whole.

    No batch has records from both sides of a state that it releases: those after the state follow in the
    next one.

    :ivar stream: the configured stream: its keys, schema and destination mode.
    :ivar parts: the records, in the order read.
    :ivar size: bytes of JSON.
    :ivar refused: set by a sink that keeps refused records apart: how many of these.
    """

    stream: ConfiguredStream
    parts: list[Records] = field(default_factory=list)
    size: int = 0
    refused: int = 0
    _open: bool = False
    _count: int = field(init=False)

    def __post_init__(self) -> None:
        self._count = sum(map(len, self.parts))

    def __len__(self) -> int:
        return self._count

    def add(self, records: Records, size: int) -> None:
        """Append records of so many bytes.

        Few records at once (a process gives them one by one) are gathered into one part a millisecond.
        """
        self.size += size
        self._count += len(records)
        few = len(records) < _FEW and not records.changes
        last = self.parts[-1] if self._open else None
        if few and last is not None and last.emitted_at == records.emitted_at:
            last.data.extend(records.data)  # type: ignore[attr-defined]  # a list of our own, made below
        elif few:
            self.parts.append(Records(records.stream, list(records.data), records.emitted_at))
        else:
            self.parts.append(records)
        self._open = few

    def extend(self, later: Batch) -> None:
        """Append another batch of the same stream, and empty it."""
        self.parts.extend(later.parts)
        self.size += later.size
        self._count += len(later)
        self._open = later._open if later.parts else self._open
        later.parts, later.size, later._open, later._count = [], 0, False, 0

    def cut(self, count: int) -> tuple[Batch, Batch]:
        """Two batches: so many records, and those after them."""
        head: list[Records] = []
        tail: list[Records] = []
        for part in self.parts:
            if count >= len(part):
                head.append(part)
            elif count <= 0:
                tail.append(part)
            else:
                head.append(part.between(0, count))
                tail.append(part.between(count, len(part)))
            count = max(0, count - len(part))
        size = sum(part.size for part in tail)
        return Batch(self.stream, head, self.size - size), Batch(self.stream, tail, size)

    def rows_in(self, size: int) -> int:
        """About how many of its records are so many bytes."""
        return max(1, len(self) * size // max(1, self.size))

    def rows(self) -> Iterable[dict[str, Any]]:
        """The records as dictionaries."""
        for part in self.parts:
            yield from part.rows()


class Sink(Protocol):
    """A destination of records. One sync calls it from one thread: open, then the others, then close.

    It may have an attribute ``batch_size``, a :class:`BatchSize`, if the usual one does not suit it.
    """

    @property
    def modes(self) -> frozenset[DestinationSyncMode]:
        """The destination modes that it can do; :func:`~headwater.bridge.sync.sync` refuses all others."""

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

    def complete(self, stream: ConfiguredStream, covered: Sequence[State]) -> None:
        """The source said that the stream is complete, and every batch of it was written.

        Called once a stream at most, also for a stream without records, and never for one that failed or was
        cut short. What the mode overwrite wrote becomes visible here. For a stream whose last records no STREAM
        state covers, it is called at the end of the read.

        :param covered: as for :meth:`write`: states that were held back until the stream was complete.
        :raises DestinationError: when that failed.
        """

    @property
    def states(self) -> StateStore | None:
        """The store of states inside this destination; None where the destination keeps no states."""

    def close(self) -> None:
        """Called once at the end, also after a failure."""


def batch_size_of(sink: Sink) -> BatchSize:
    """How large a destination's batches are to be."""
    size = getattr(sink, "batch_size", None)
    return size if isinstance(size, BatchSize) else BatchSize()


@contextmanager
def wrapped(doing: str) -> Iterator[None]:
    """Whatever a destination raises becomes a DestinationError that says what it was doing."""
    try:
        yield
    except BridgeError:
        raise
    except Exception as error:
        raise DestinationError(f"The destination failed to {doing}: {type(error).__name__}: {error}") from error
