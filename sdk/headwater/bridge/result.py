"""What became of a sync, stream by stream; also what a progress display shows while it runs."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from headwater.errors import (
    ConfigError,
    FailureType,
    ForeignError,
    HeadwaterError,
    SourceError,
    TransientError,
)
from headwater.protocol.catalog import ConfiguredStream
from headwater.protocol.messages import ErrorTrace, Estimate, Status, StreamDescriptor


@dataclass(slots=True)
class StreamResult:
    """One stream's part of a sync.

    :ivar records: how many were read, before any transform.
    :ivar bytes: of their JSON.
    :ivar landed: how many the destination acknowledged; fewer than ``records`` where a transform drops some.
    :ivar refused: how many of the others the destination refused, and keeps apart.
    :ivar status: the last that the source told; None when it told none.
    :ivar states: how many states were stored.
    :ivar cut: a trial's ``limit`` ended the stream early.
    :ivar rate_limited: the source waits for a quota.
    :ivar quota_reset: when that comes back, in milliseconds since the epoch, where known.
    :ivar estimate: how much the source expects, where it said so.
    """

    stream: ConfiguredStream
    records: int = 0
    bytes: int = 0
    landed: int = 0
    refused: int = 0
    status: Status | None = None
    states: int = 0
    cut: bool = False
    rate_limited: bool = False
    quota_reset: int | None = None
    estimate: Estimate | None = None

    @property
    def complete(self) -> bool:
        """Whether all was read that should be: the source said COMPLETE, or a trial's limit was reached."""
        return self.cut or self.status is Status.COMPLETE


@dataclass(slots=True)
class SyncResult:
    """A sync's outcome; it changes while the sync runs.

    :ivar errors: what the source told of failures, in the order told.
    :ivar config: the config that the source asked to keep for the next run (CONTROL); it holds secrets.
    :ivar duration: seconds, once the sync has ended.
    """

    streams: dict[StreamDescriptor, StreamResult]
    errors: list[ErrorTrace] = field(default_factory=list)
    config: Mapping[str, Any] | None = field(default=None, repr=False)
    duration: float | None = None
    _started: float = field(default_factory=time.monotonic, repr=False)

    @staticmethod
    def of(streams: Iterable[ConfiguredStream]) -> SyncResult:
        """An empty one for these streams."""
        return SyncResult({stream.descriptor: StreamResult(stream) for stream in streams})

    @property
    def complete(self) -> bool:
        """Whether every stream is complete and the source told no error."""
        return not self.errors and all(stream.complete for stream in self.streams.values())

    @property
    def records(self) -> int:
        """Records read, of all streams."""
        return sum(stream.records for stream in self.streams.values())

    @property
    def landed(self) -> int:
        """Records that the destination acknowledged, of all streams."""
        return sum(stream.landed for stream in self.streams.values())

    @property
    def bytes(self) -> int:
        """Bytes of JSON read, of all streams."""
        return sum(stream.bytes for stream in self.streams.values())

    @property
    def refused(self) -> int:
        """Records that the destination refused and keeps apart, of all streams."""
        return sum(stream.refused for stream in self.streams.values())

    @property
    def elapsed(self) -> float:
        """Seconds so far, or in total."""
        return time.monotonic() - self._started if self.duration is None else self.duration

    def end(self) -> None:
        """The sync ended now."""
        self.duration = time.monotonic() - self._started

    def failures(self) -> dict[str, Exception]:
        """Why each incomplete stream is so, by its full name; ``""`` for what is of no stream."""
        failures: dict[str, Exception] = {}
        for trace in self.errors:
            failures.setdefault(str(trace.stream or ""), error_of(trace))
        for descriptor, stream in self.streams.items():
            if not stream.complete and str(descriptor) not in failures:
                failures[str(descriptor)] = _unfinished(stream)
        return failures


def error_of(trace: ErrorTrace) -> HeadwaterError:
    """What a source told of a failure, as an error that says whose turn it is."""
    kinds: dict[FailureType, type[HeadwaterError]] = {
        "config_error": ConfigError,
        "transient_error": TransientError,
        "system_error": SourceError,
    }
    stream = str(trace.stream) if trace.stream else None
    return kinds[trace.failure_type](trace.message, stream=stream, internal=trace.internal_message)


def _unfinished(stream: StreamResult) -> ForeignError:
    name = str(stream.stream.descriptor)
    said = f"said {stream.status.value} of it last" if stream.status else "told no status of it"
    return ForeignError(
        f"Stream {name!r} is incomplete: the source ended normally, but {said}, never COMPLETE. Its rows so "
        "far stay, its state is where that is safe. Run again; tell the connector's author if it persists.",
        stream=name,
    )
