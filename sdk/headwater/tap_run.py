"""What a tap tells: its streams' SCHEMA, RECORD and STATE on standard output, logs and metrics on standard error."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from headwater.errors import SourceError
from headwater.process.masking import Mask
from headwater.process.stop import Stop
from headwater.process.wire import Wire
from headwater.protocol.messages import (
    ErrorTrace,
    Level,
    Log,
    Message,
    Records,
    State,
    Status,
    StreamDescriptor,
    StreamStatus,
)
from headwater.protocol.singer import Bookmarks, Schema, encode
from headwater.protocol.singer_selection import Selected, Selection, without
from headwater.state import NO_CURSOR

_LEVELS = {Level.FATAL: "CRITICAL", Level.WARN: "WARNING", Level.TRACE: "DEBUG"}
_METRIC_SECONDS = 60.0
# A state larger than this is written only when as many bytes of records went out, or its stream ended: it is the
# whole state of all streams, and would outweigh the records.
_SMALL_STATE = 64 * 1024


class _LogWire(Wire):
    """Standard error, in the form of Singer's own library. Nobody reading it is no reason to stop."""

    def write(self, message: Message) -> None:
        """Write a log message's lines; of others nothing."""
        masked = self._masked(message)
        if not isinstance(masked, Log) or self.closed:
            return
        level = _LEVELS.get(masked.level, masked.level.value)
        lines = [f"{level} {line}\n" for line in masked.message.splitlines() or [""]]
        # in front, since the last line is what a runner shows for the whole
        text = "".join([(masked.stack_trace or "").rstrip("\n") + "\n" if masked.stack_trace else "", *lines])
        with self._whole, self._lock:
            self._put(text.encode("utf-8", "replace"))


class TapWire(Wire):
    """Standard output for Singer's lines, which come encoded, and standard error for logs."""

    def __init__(self, fd: int, mask: Mask, stop: Stop, lost: Callable[[], None], errors: int) -> None:
        self._logs = _LogWire(errors, mask, stop)
        super().__init__(fd, mask, stop, lost)

    def write(self, message: Message) -> None:
        """Log it, if it is for the log."""
        self._logs.write(message)

    def write_if_free(self, message: Message) -> None:
        """Log it, unless that would have to wait."""
        self._logs.write_if_free(message)

    def put(self, lines: bytes) -> None:
        """Write whole lines to standard output."""
        if lines and not self.closed:
            with self._whole, self._lock:
                self._put(lines)

    def unlock(self) -> None:
        """In a forked child: whoever held the locks is not there."""
        super().unlock()
        self._logs.unlock()


@dataclass
class _Told:
    """What was told of one stream."""

    selected: Selected
    schema: bool = False
    counted: int = 0
    changed: int = 0
    began: float = field(default_factory=time.monotonic)
    last_count: float = field(default_factory=time.monotonic)


class TapRun:
    """One run's messages as Singer has them.

    :param wire: where they go.
    :param selection: the streams that are read.
    :param bookmarks: how far they were read before; moves with the run.
    :ivar failures: why a stream failed, by its name.
    :ivar incremental: the streams that have a state. Singer knows no tries of one job: what is read whole begins anew.
    """

    def __init__(self, wire: TapWire, selection: Selection, bookmarks: Bookmarks) -> None:
        self.failures: dict[str, str] = {}
        self._wire = wire
        self._bookmarks = bookmarks
        self._streams = {selected.configured.descriptor: _Told(selected) for selected in selection.streams}
        self.incremental = frozenset(
            name for name, told in self._streams.items() if told.selected.configured.sync_mode == "incremental"
        )
        self._pending = False
        self._bytes = 0
        for remark in selection.remarks:
            self._log(Level.WARN, remark)
        if bookmarks.is_foreign:
            self._log(Level.WARN, "The state has no bookmarks; it is kept, and nothing is gone on from.")
        if not selection.streams:
            self._log(Level.WARN, "The catalog selects no stream.")

    def tell(self, message: Message) -> None:
        """Write what the source says."""
        if isinstance(message, Records):
            self._records(message)
        elif isinstance(message, State):
            self._state(message)
        elif isinstance(message, StreamStatus):
            self._status(message)
        elif isinstance(message, ErrorTrace) and message.stream is not None:
            self.failures[str(message.stream)] = message.message
            # to a user's mistake the stack has nothing to add
            stack = message.stack_trace if message.failure_type == "system_error" else None
            self._wire.write(Log(Level.ERROR, f"Stream {message.stream}: {message.message}", stack))
        else:
            self._wire.write(message)

    def _records(self, batch: Records) -> None:
        told = self._streams[batch.stream]
        self._schema(told)
        if told.selected.dropped:
            batch.data = [without(record, told.selected.dropped) for record in batch.data]
        lines = encode(batch, told.selected.name)
        self._wire.put(lines)
        self._pending = True
        self._bytes += len(lines)
        told.counted += len(batch)
        told.changed += len(batch.changes)
        if time.monotonic() - told.last_count > _METRIC_SECONDS:
            self._count(batch.stream, told)

    def _schema(self, told: _Told) -> None:
        if not told.schema:
            told.schema = True
            selected = told.selected
            schema = selected.configured.stream.json_schema
            self._wire.put(encode(Schema(selected.name, schema, selected.keys, selected.bookmarks)))

    def _state(self, message: State) -> None:
        stream, blob = message.stream, message.stream_state
        if stream is None:
            raise SourceError(f"A {message.type} state can't be told in Singer; states by stream can.")
        # a stream that is read whole has no bookmark, and keeps the one that it may have had
        if blob is not None and blob != NO_CURSOR and stream in self.incremental:
            self._bookmarks.update(stream, blob)
        self._pending = True
        size = self._bookmarks.size
        if size < _SMALL_STATE or self._bytes > size:
            self._write_state()

    def _write_state(self) -> None:
        """All that was written so far is covered, or comes again: the state never is ahead."""
        if self._pending:
            self._wire.put(self._bookmarks.encode())
            self._pending, self._bytes = False, 0

    def _status(self, message: StreamStatus) -> None:
        told = self._streams.get(message.stream)
        if message.rate_limited:
            self._log(Level.INFO, f"Stream {message.stream} waits for its quota.")
        if told is None:
            return
        if message.status is Status.STARTED:
            told.began = told.last_count = time.monotonic()
        if message.status is Status.COMPLETE:
            self._schema(told)  # also where there was no record
        if message.status in (Status.COMPLETE, Status.INCOMPLETE):
            self._write_state()
            self._count(message.stream, told)
            ended = "succeeded" if message.status is Status.COMPLETE else "failed"
            seconds = round(time.monotonic() - told.began, 3)
            self._metric("timer", "sync_duration", seconds, message.stream, status=ended)
            if told.changed:
                self._log(
                    Level.WARN,
                    f"Stream {message.stream}: {told.changed} records had values that JSON can't hold.",
                )

    def _count(self, stream: StreamDescriptor, told: _Told) -> None:
        """The records since the last time."""
        count, told.counted, told.last_count = told.counted, 0, time.monotonic()
        self._metric("counter", "record_count", count, stream)

    def _metric(self, kind: str, name: str, value: float, stream: StreamDescriptor, **tags: str) -> None:
        # `endpoint` to Singer's own library, `stream` to Meltano's
        named = {"endpoint": str(stream), "stream": str(stream), **tags}
        point = {"type": kind, "metric": name, "value": value, "tags": named}
        self._log(Level.INFO, f"METRIC: {json.dumps(point)}")

    def _log(self, level: Level, text: str) -> None:
        self._wire.write(Log(level, text))
