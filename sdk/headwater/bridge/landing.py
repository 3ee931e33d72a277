"""What of a sync lies between the source and the destination: open batches, and states not yet stored."""

from __future__ import annotations

import logging
import time
from collections import OrderedDict
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from headwater.bridge.acks import Ledger
from headwater.bridge.filling import Filling
from headwater.bridge.result import StreamResult, SyncResult
from headwater.bridge.sink import Batch, BatchSize, Sink, wrapped
from headwater.bridge.states.store import StateStore, keep, merged
from headwater.errors import BridgeError, StateError
from headwater.protocol.catalog import ConfiguredStream
from headwater.protocol.messages import Records, State, Status, StreamDescriptor, StreamStatus

_LOG = logging.getLogger(__name__)

# A state store may be slow (a remote call) or write all its states at once: not more often than this.
STORE_SECONDS = 1.0
TICK_SECONDS = 0.2


class Landing:
    """Batches per stream, writes them, and stores the states that their acknowledgements release.

    :param trial: some streams may be cut short: GLOBAL and LEGACY states are never stored, STREAM ones when
        their stream is complete.
    """

    def __init__(
        self,
        sink: Sink,
        store: StateStore,
        result: SyncResult,
        batch_size: BatchSize,
        flush_seconds: float,
        *,
        trial: bool = False,
    ) -> None:
        self.sink = sink
        self.store = store
        self.result = result
        self._together = sink.states is not None
        self._batch_size = batch_size
        self._flush_seconds = flush_seconds
        self._trial = trial
        self._ledger = Ledger()
        self._open: OrderedDict[StreamDescriptor, Filling] = OrderedDict()  # oldest first
        self._size = 0
        self._global = False  # a GLOBAL or LEGACY state waits for the covered parts of all open batches
        self._newest_global: State | None = None
        self._released: dict[StreamDescriptor | None, State] = {}
        self._held: dict[StreamDescriptor, State] = {}
        self._bare: set[StreamDescriptor] = set()  # records were read since the stream's last STREAM state
        self._complete_later: list[StreamResult] = []
        self._stored_at = self._ticked_at = time.monotonic()
        self._failed = False

    def records(self, records: Records, size: int) -> None:
        """Take records of so many bytes, and write whatever has become too large."""
        stream = records.stream
        self._bare.add(stream)
        batch = self._open.get(stream) or self._begin(stream)
        batch.rest.add(records, size)
        self._size += size
        while stream in self._open and self._open[stream].size >= self._batch_size.bytes:
            self._write_oldest_part(stream)
        if stream in self._open and (rows := self._open[stream].rows(self._batch_size.rows)):
            self._write_rows(self._open[stream], rows)
        while self._size > self._batch_size.together:
            self._write_oldest_part(max(self._open, key=lambda name: self._open[name].size))

    def state(self, state: State) -> None:
        """Take a state: it covers the records taken so far."""
        stream = state.stream
        if stream is None:
            self._newest_global = state
            self._global = bool(self._open)
            for batch in self._open.values():
                batch.covered.extend(batch.rest)
        else:
            self._bare.discard(stream)
            if stream in self._open:
                self._open[stream].covered.extend(self._open[stream].rest)
        self._release(self._ledger.state(state))

    def status(self, message: StreamStatus) -> None:
        """Take a stream's status: a complete stream is written out, and so is all before a wait for quota."""
        stream = self.result.streams.get(message.stream)
        if stream is None or (stream.status is Status.COMPLETE and message.status is not Status.INCOMPLETE):
            return
        stream.status = message.status
        stream.rate_limited, stream.quota_reset = message.rate_limited, message.quota_reset
        self._ticked_at = 0.0
        if message.rate_limited:
            self.flush()
        if (
            message.status is Status.COMPLETE
            and stream.stream.sync_mode == "incremental"
            and (message.stream in self._bare)
        ):
            # A GLOBAL state may still come for these records: without it, they are read again.
            self._complete_later.append(stream)
        elif message.status is Status.COMPLETE:
            self._complete(stream)

    def tick(self) -> bool:
        """Write and store what has waited long enough; True when it is time to show progress."""
        now = time.monotonic()
        while self._open:
            stream, oldest = next(iter(self._open.items()))
            if now - oldest.since < self._flush_seconds:
                break
            self._write_oldest_part(stream)
        if self._released and now - self._stored_at >= STORE_SECONDS:
            self._store()
        if now - self._ticked_at < TICK_SECONDS:
            return False
        self._ticked_at = now
        return True

    def flush(self) -> None:
        """Write everything, and store what is safe."""
        while self._open:
            self._write_oldest_part(next(iter(self._open)))
        self._store()

    def finish(self) -> None:
        """The source ended normally: write everything, complete what is complete, store what is safe."""
        self.flush()
        for stream in self._complete_later:
            if stream.complete:
                self._complete(stream)
        self._store()

    def salvage(self, *, interrupted: bool) -> None:
        """The sync failed: write what can be, and store what is safe. Failures in here are only logged.

        Nothing more is written after a refusal. An interrupt leaves out what no state covers: it is read
        again anyway.
        """
        try:
            if interrupted:
                self._drop_uncovered()
            if not self._failed:
                self.flush()
            elif not self._together:
                self._store()
        except BridgeError as error:
            _LOG.error("While ending a failed sync: %s", error)

    def _begin(self, stream: StreamDescriptor, rest: Batch | None = None) -> Filling:
        configured = self.result.streams[stream].stream
        batch = Filling(self._ledger.batch(stream), Batch(configured), rest if rest is not None else Batch(configured))
        self._open[stream] = batch
        return batch

    def _drop_uncovered(self) -> None:
        for name, batch in list(self._open.items()):
            batch.rest = Batch(batch.rest.stream)
            if not batch.covered.parts:
                self._ledger.refuse(self._open.pop(name).number)

    def _complete(self, stream: StreamResult) -> None:
        name = stream.stream.descriptor
        while name in self._open:
            self._write_oldest_part(name)
        held = [self._held.pop(name)] if name in self._held else []
        if self._together:
            self._store()
        with self._failing(stream.stream, "complete the stream"):
            self.sink.complete(stream.stream, held if self._together else [])
        if self._together:
            self._count(held)
        else:
            self._release(held)

    def _write_oldest_part(self, stream: StreamDescriptor) -> None:
        """Write the stream's records up to its last state, or all when there was none."""
        if self._global:
            # The state that waits covers part of every batch, and must not be overtaken by what comes after.
            self._global = False
            for name in [name for name, batch in self._open.items() if batch.covered.parts]:
                self._write_oldest_part(name)
            return
        batch = self._open.pop(stream)
        if batch.covered.parts:
            part, rest = batch.covered, batch.rest
        else:
            part, rest = batch.rest, batch.covered
        self._size -= part.size
        if rest.parts:  # before the write: an interrupt during it must not forget these
            self._begin(stream, rest)
        self._write(batch.number, part)

    def _write_rows(self, filling: Filling, rows: int) -> None:
        """Write so many rows at once, as the destination likes best. The others wait, and states with them."""
        stream = filling.covered.stream.descriptor
        try:
            head = None if self._global else filling.take(rows)
            if head is not None:
                self._size -= head.size
                self._give(head, ())
                return
        except BaseException:  # nobody knows whether they count: no state may, and what follows is read again
            self._size -= self._open.pop(stream).size
            self._ledger.refuse(filling.number)
            raise
        self._write_oldest_part(stream)

    def _write(self, number: int, batch: Batch) -> None:
        if not batch.parts:
            self._release(self._ledger.ack(number))
            return
        covered = merged((), filter(self._may_be_stored, self._ledger.covered(number)))
        try:
            self._give(batch, covered)
        except BaseException:
            self._ledger.refuse(number)  # also when interrupted: nobody knows whether it counts
            raise
        released = self._ledger.ack(number)
        if self._together:
            self._count(covered)
            for state in covered:
                self._forget_held(state)
            released = [state for state in released if not self._may_be_stored(state)]
        self._release(released)

    def _give(self, batch: Batch, covered: Sequence[State]) -> None:
        if self._together and self._released:
            self._store()  # these do not cover the batch: never in its transaction
        with self._failing(batch.stream, "write a batch"):
            self.sink.write(batch, covered if self._together else [])
        result = self.result.streams[batch.stream.descriptor]
        result.landed += len(batch) - batch.refused
        result.refused += batch.refused

    def _may_be_stored(self, state: State) -> bool:
        """Whether a safe state is stored at once: not while its stream must be read whole to count."""
        if state.stream is None:
            # An older one is released with batches that also hold what only the newest covers.
            return state is self._newest_global and not self._trial
        stream = self.result.streams.get(state.stream)
        if stream is None or stream.status is Status.COMPLETE:
            return True
        return not self._trial and stream.stream.sync_mode == "incremental"

    def _release(self, states: Sequence[State]) -> None:
        for state in states:
            if self._may_be_stored(state):
                keep(self._released, state)
                self._forget_held(state)
            elif state.stream is not None:
                self._held[state.stream] = state

    def _forget_held(self, newer: State) -> None:
        if newer.stream is not None:
            self._held.pop(newer.stream, None)

    def _store(self) -> None:
        self._stored_at = time.monotonic()
        if not self._released:
            return
        released, self._released = list(self._released.values()), {}
        try:
            self.store.store(released)
        except BridgeError:
            self._failed = True
            raise
        except Exception as error:
            self._failed = True
            raise StateError(f"The states could not be stored ({type(error).__name__}: {error}).") from error
        self._count(released)

    def _count(self, states: Sequence[State]) -> None:
        for state in states:
            if state.stream is None:
                for stream in self.result.streams.values():
                    stream.states += 1
            elif found := self.result.streams.get(state.stream):
                found.states += 1

    @contextmanager
    def _failing(self, stream: ConfiguredStream, doing: str) -> Iterator[None]:
        """A failure of the sink, named with its stream; nothing more is written afterwards."""
        try:
            with wrapped(f"{doing} of stream {str(stream.descriptor)!r}"):
                yield
        except BridgeError as error:
            self._failed = True
            error.stream = error.stream or str(stream.descriptor)
            raise
