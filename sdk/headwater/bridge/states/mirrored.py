"""A destination that keeps states, and a host that wants to have them too."""

from __future__ import annotations

import logging
from collections.abc import Sequence

from headwater.bridge.sink import Batch, Sink, batch_size_of
from headwater.bridge.states.store import StateStore, merged
from headwater.errors import FlowError
from headwater.protocol.catalog import ConfiguredCatalog, ConfiguredStream, DestinationSyncMode
from headwater.protocol.messages import State

_LOG = logging.getLogger(__name__)


class MirroredSink:
    """A sink whose states are copied to a host's store after they were committed with the rows.

    The destination's states are those that a sync starts from: they are true whatever dies when. Where the
    host's differ (it was down, the database was restored from a backup), they are replaced, with a warning; what the
    host alone has is not used, and stays until its stream gives a new state.

    :param sink: one that keeps states.
    :param host: gets each state soon after the destination has it.
    :raises FlowError: for a sink that keeps none.
    """

    def __init__(self, sink: Sink, host: StateStore) -> None:
        if sink.states is None:
            raise FlowError("The destination keeps no states that could be copied.")
        self._sink = sink
        self._host = host
        self.states: StateStore = _Mirrored(sink.states, host)
        self.batch_size = batch_size_of(sink)

    @property
    def modes(self) -> frozenset[DestinationSyncMode]:
        """See ``Sink``."""
        return self._sink.modes

    def open(self, catalog: ConfiguredCatalog) -> None:
        """See ``Sink``."""
        self._sink.open(catalog)

    def write(self, batch: Batch, covered: Sequence[State]) -> None:
        """See ``Sink``."""
        self._sink.write(batch, covered)
        self._copy(covered)

    def complete(self, stream: ConfiguredStream, covered: Sequence[State]) -> None:
        """See ``Sink``."""
        self._sink.complete(stream, covered)
        self._copy(covered)

    def _copy(self, states: Sequence[State]) -> None:
        if states:
            self._host.store(states)

    def close(self) -> None:
        """See ``Sink``."""
        self._sink.close()


class _Mirrored:
    def __init__(self, destination: StateStore, host: StateStore) -> None:
        self._destination = destination
        self._host = host

    def load(self) -> list[State]:
        """The destination's."""
        found, copied = self._destination.load(), self._host.load()
        if _by_stream(found) != _by_stream(copied):
            if copied:
                _LOG.warning(
                    "The states in the destination differ from those that are kept outside of it. The destination's "
                    "are true: it has the rows.%s",
                    _what_becomes(found, copied),
                )
            if found:
                self._host.store(found)
        return found

    def store(self, states: Sequence[State]) -> None:
        """In both, the destination first."""
        self._destination.store(states)
        self._host.store(states)


def _by_stream(states: Sequence[State]) -> dict[str, object]:
    return {str(state.stream): state.raw if state.stream is None else state.stream_state for state in states}


def _what_becomes(found: Sequence[State], copied: Sequence[State]) -> str:
    """Of the host's states, where they differ from the destination's."""
    true = _by_stream(found)
    left = [name for name in _by_stream(merged(copied, found)) if name not in true]
    said = " They replace the others of the same streams." if found else ""
    if left:
        names = ", ".join("all streams" if name == str(None) else repr(name) for name in left)
        said += f" It has none of {names}: each that is kept outside stays, unused, until its stream gives a new state."
    return said
