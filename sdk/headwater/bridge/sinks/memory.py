"""A destination in memory: for tests and trials."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec

from headwater.bridge.sink import Batch
from headwater.errors import DestinationError
from headwater.protocol.catalog import ConfiguredCatalog, ConfiguredStream, DestinationSyncMode
from headwater.protocol.messages import State, StreamDescriptor


class MemorySink:
    """Keeps records as dictionaries.

    :ivar rows: every stream's visible records, by its full name, in the order written.
    :ivar completed: the full names of the streams that were complete, in order.
    """

    modes: frozenset[DestinationSyncMode] = frozenset({"append", "overwrite"})
    states = None

    def __init__(self) -> None:
        self.rows: dict[str, list[dict[str, Any]]] = {}
        self.completed: list[str] = []
        self._new: dict[StreamDescriptor, list[dict[str, Any]]] = {}

    def open(self, catalog: ConfiguredCatalog) -> None:
        """Forget what an unfinished overwrite left."""
        self._new = {s.descriptor: [] for s in catalog.streams if s.destination_sync_mode == "overwrite"}

    def write(self, batch: Batch, covered: Sequence[State]) -> None:
        """Keep the records."""
        descriptor = batch.stream.descriptor
        try:
            rows = list(batch.rows())
        except (msgspec.MsgspecError, ValueError) as error:
            raise DestinationError(f"Stream {str(descriptor)!r}: a record is not JSON ({error}).") from error
        new = self._new.get(descriptor)
        (self.rows.setdefault(str(descriptor), []) if new is None else new).extend(rows)

    def complete(self, stream: ConfiguredStream, covered: Sequence[State]) -> None:
        """Make what overwrote visible."""
        name = str(stream.descriptor)
        self.completed.append(name)
        if stream.descriptor in self._new:
            self.rows[name] = self._new.pop(stream.descriptor)

    def close(self) -> None:
        """Nothing to do: the rows stay."""
