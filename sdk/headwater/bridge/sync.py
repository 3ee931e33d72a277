"""The one loop between a source and a destination: batches, acknowledgements, states."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from headwater.bridge.landing import Landing
from headwater.bridge.result import SyncResult
from headwater.bridge.sink import BatchSize, Sink, batch_size_of, wrapped
from headwater.bridge.start import resumable, tell_gone
from headwater.bridge.states.store import StateStore, streams_of
from headwater.bridge.transform import Transform, transformed
from headwater.errors import FlowError, ForeignError, IncompleteError
from headwater.protocol.catalog import ConfiguredCatalog, ConfiguredStream
from headwater.protocol.messages import (
    Control,
    ErrorTrace,
    Estimate,
    Level,
    Log,
    Message,
    Records,
    State,
    Status,
    StreamDescriptor,
    StreamStatus,
)
from headwater.protocol.readable import Readable

_LOG = logging.getLogger("headwater.source")
_LEVELS = {
    Level.FATAL: logging.CRITICAL,
    Level.ERROR: logging.ERROR,
    Level.WARN: logging.WARNING,
    Level.INFO: logging.INFO,
    Level.DEBUG: logging.DEBUG,
    Level.TRACE: logging.DEBUG,
}


def sync(
    source: Readable,
    catalog: ConfiguredCatalog,
    sink: Sink,
    states: StateStore | None = None,
    *,
    batch_bytes: int | None = None,
    flush_seconds: float = 10.0,
    limit: int | None = None,
    everything: bool = False,
    transform: Transform | None = None,
    progress: Callable[[SyncResult], None] | None = None,
    control: Callable[[Mapping[str, Any]], None] | None = None,
) -> SyncResult:
    """Read the configured streams into the sink, from where the last sync safely came.

    It reads, batches and writes in one thread: a slow destination slows the source. A state is stored only
    after the destination acknowledged every record before it. Streams read with full_refresh start without a
    state, and theirs is stored when they are complete.

    :param sink: opened and closed here, also after a failure.
    :param states: where states are kept; not used when the sink keeps them itself (:attr:`Sink.states`).
    :param batch_bytes: JSON bytes of one stream's batch; default: as the destination likes them
        (:class:`~headwater.bridge.sink.BatchSize`, which says what all batches hold together).
    :param flush_seconds: how long a record waits for its batch to fill. Looked at when the source says
        something; a source that announces a wait for its quota has everything written at once.
    :param limit: a trial: at most so many records of each stream. The streams are read one by one, and no
        state of a stream that was cut short is stored.
    :param everything: the catalog has all that the source offers, so a stream that has a state and is not in it is gone
        from the source; a warning tells.
    :param transform: called with a stream's descriptor and each record; None drops the record.
    :param progress: called with the result so far, now and then.
    :param control: called with the config that the source asks to keep for its next run, before anything else
        is read.
    :raises FlowError: for a destination mode that the sink can't do; nothing was read.
    :raises DestinationError: the sink refused a batch, named with its stream, or failed.
    :raises StateError: states could not be loaded or stored.
    :raises IncompleteError: the source ended, but streams of it are incomplete or failed.
    :raises ForeignError: the source sent records of a stream that was not asked for.

    What the source raises is raised here, after what it gave before was written and safe states were stored.
    So is an interrupt (KeyboardInterrupt, SystemExit): then only records that a state covers are written.
    """
    check_modes(catalog, sink)
    result = SyncResult.of(catalog.streams)
    with _opened(sink, catalog):
        store = sink.states or states
        if store is None:
            raise FlowError("The destination keeps no states itself: give the sync a state store.")
        stored = store.load()
        if everything:
            tell_gone(map(str, streams_of(stored)), (str(stream.descriptor) for stream in catalog.streams))
        start = resumable(stored, catalog)
        size = batch_size_of(sink) if batch_bytes is None else BatchSize(batch_bytes)
        landing = Landing(sink, store, result, size, flush_seconds, trial=limit is not None)
        with _ending(landing, result, progress):
            _Loop(source, landing, limit, transform, progress, control).run(catalog, start)
    if not result.complete:
        raise IncompleteError(result.failures())
    return result


@contextmanager
def _ending(landing: Landing, result: SyncResult, progress: Callable[[SyncResult], None] | None) -> Iterator[None]:
    """However the read ends: what is safe is kept, and the result is told."""
    try:
        yield
    except BaseException as error:
        landing.salvage(interrupted=not isinstance(error, Exception))
        raise
    finally:
        result.end()
        if progress:
            progress(result)


def check_modes(catalog: ConfiguredCatalog, sink: Sink) -> None:
    """Raises FlowError where a stream is to be written, or read, as can't be."""
    for stream in catalog.streams:
        mode = stream.destination_sync_mode
        name = str(stream.descriptor)
        if mode not in sink.modes:
            raise FlowError(
                f"Stream {name!r}: this destination can't do the mode {mode!r}. "
                f"It can do: {', '.join(sorted(sink.modes))}.",
                stream=name,
            )
        if mode in ("append_dedup", "overwrite_dedup") and not stream.primary_key:
            raise FlowError(
                f"Stream {name!r}: the mode {mode!r} needs a primary key, and the stream has none. "
                "Set one, or use the mode 'append'.",
                stream=name,
            )
        if mode.startswith("overwrite") and stream.sync_mode == "incremental":
            raise FlowError(
                f"Stream {name!r}: the mode {mode!r} replaces all rows, so the stream must be read whole: "
                "set its sync mode to 'full_refresh'.",
                stream=name,
            )


@contextmanager
def _opened(sink: Sink, catalog: ConfiguredCatalog) -> Iterator[None]:
    """The sink is closed in any case; what goes wrong in closing must not hide why the sync failed."""
    try:
        with wrapped("open"):
            sink.open(catalog)
        yield
    except BaseException:
        try:
            sink.close()
        except Exception as error:  # noqa: BLE001 - whatever a sink does
            _LOG.warning("The destination did not close properly: %s: %s", type(error).__name__, error)
        raise
    with wrapped("close"):
        sink.close()


class _Loop:
    """Reads messages and tells the landing."""

    def __init__(
        self,
        source: Readable,
        landing: Landing,
        limit: int | None,
        transform: Transform | None,
        progress: Callable[[SyncResult], None] | None,
        control: Callable[[Mapping[str, Any]], None] | None,
    ) -> None:
        self.source = source
        self.landing = landing
        self.result = landing.result
        self.limit = limit
        self.transform = transform
        self.progress = progress
        self.control = control
        self.counted: dict[StreamDescriptor, int] = {}  # records at each stream's last state
        self.log = _LOG.getChild(str(getattr(source, "name", "source")))

    def run(self, catalog: ConfiguredCatalog, start: list[State]) -> None:
        """Read to the end, and have everything written and stored."""
        if self.limit is None:
            self._read(catalog, start)
        else:  # one by one, so that a read ends where it is cut
            for stream in catalog.streams:
                self._read(ConfiguredCatalog((stream,)), start)
        self.landing.finish()

    def _read(self, catalog: ConfiguredCatalog, start: list[State]) -> None:
        cut = catalog.streams[0] if self.limit is not None else None
        messages = self.source.read(catalog, start)
        try:
            for message in messages:
                self._take(message)
                if self.landing.tick() and self.progress:
                    self.progress(self.result)
                if cut is not None and self._cut(cut):
                    return
        finally:
            close_quietly(messages)

    def _cut(self, stream: ConfiguredStream) -> bool:
        result = self.result.streams[stream.descriptor]
        result.cut = result.records >= (self.limit or 0) and result.status is not Status.COMPLETE
        return result.cut

    def _take(self, message: Message) -> None:
        if isinstance(message, Records):
            self._records(message)
        elif isinstance(message, State):
            self._count(message)
            self.landing.state(message)
        elif isinstance(message, Log):
            self.log.log(_LEVELS[message.level], "%s", message.message)
        elif isinstance(message, StreamStatus):
            self.landing.status(message)
        elif isinstance(message, ErrorTrace):
            self.result.errors.append(message)
            where = f"Stream {str(message.stream)!r}: " if message.stream else ""
            self.log.error("%s%s", where, message.message)
        elif isinstance(message, Estimate):
            if stream := self.result.streams.get(message.stream):
                stream.estimate = message
        elif isinstance(message, Control):
            self.result.config = message.config
            if self.control:
                self.control(message.config)

    def _count(self, state: State) -> None:
        """Compare the records that arrived since the stream's last state with what the source says it sent."""
        stream = self.result.streams.get(state.stream) if state.stream else None
        if stream is None or state.stream is None:
            return
        arrived = stream.records - self.counted.get(state.stream, 0)
        self.counted[state.stream] = stream.records
        sent = (state.raw.get("sourceStats") or {}).get("recordCount")
        if isinstance(sent, (int, float)) and sent != arrived:
            self.log.warning(
                "Stream %r: the source says that it sent %d records since its last state, but %d arrived.",
                str(state.stream),
                sent,
                arrived,
            )

    def _records(self, records: Records) -> None:
        if not len(records):
            return
        stream = self.result.streams.get(records.stream)
        if stream is None:
            raise ForeignError(
                f"The source sent records of stream {str(records.stream)!r}, which was not "
                f"asked for ({', '.join(map(str, self.result.streams))}). Its author must look at name and "
                "namespace.",
                stream=str(records.stream),
            )
        if stream.status is Status.COMPLETE:
            raise ForeignError(
                f"The source sent records of stream {str(records.stream)!r} after it had said that the "
                "stream is complete. Its author must look.",
                stream=str(records.stream),
            )
        if self.limit is not None and len(records) > self.limit - stream.records:
            records = records.between(0, self.limit - stream.records)
        size = records.size
        stream.records += len(records)
        stream.bytes += size
        stream.rate_limited = False
        if self.transform:
            records = transformed(records, self.transform)
            size = records.size
        if len(records):
            self.landing.records(records, size)


def close_quietly(messages: Iterator[Message]) -> None:
    """End a read; what goes wrong in ending it must not hide why it ended."""
    close = getattr(messages, "close", None)
    if close is None:
        return
    try:
        close()
    except Exception as error:  # noqa: BLE001 - whatever a source does
        _LOG.warning("The source did not end properly: %s: %s", type(error).__name__, error)
