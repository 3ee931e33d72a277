"""The messages a source gives, in the order it gives them.

One class a message type of the Airbyte protocol, with one difference: records travel as :class:`Records`,
a batch of one stream, each record one JSON object in UTF-8. Batches cost a fraction of single records, and
a record that nobody looks at never becomes a Python object. On the wire each record is a message of its own.
"""

from __future__ import annotations

import json
import time
import zlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum
from typing import Any, Literal, Union

import msgspec

from headwater.errors import FailureType

Json = Mapping[str, Any]

_PIECE = 1 << 16  # bytes of a state that are compressed together


@dataclass(frozen=True, slots=True)
class StreamDescriptor:
    """A stream's full name: two streams may share a name in different namespaces."""

    name: str
    namespace: str | None = None

    def __str__(self) -> str:
        return f"{self.namespace}.{self.name}" if self.namespace else self.name


@dataclass(frozen=True, slots=True)
class Change:
    """What happened to a field on the way: an entry of ``record.meta.changes``.

    ``change`` is NULLED or TRUNCATED; ``reason`` one of the protocol's, such as SOURCE_SERIALIZATION_ERROR.
    """

    field: str
    change: str
    reason: str


@dataclass(slots=True)
class Records:
    """A batch of records of one stream.

    :ivar data: each one whole JSON object: UTF-8, on one line, without NaN and lone surrogates.
    :ivar emitted_at: milliseconds since the epoch, for all of the batch.
    :ivar changes: what was changed in which record (by its index in ``data``); mostly empty.
    """

    stream: StreamDescriptor
    data: Sequence[bytes | msgspec.Raw]
    emitted_at: int = field(default_factory=lambda: now_ms())  # noqa: PLW0108 - defined below
    changes: Mapping[int, Sequence[Change]] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.data)

    @property
    def size(self) -> int:
        """Bytes of JSON in the batch."""
        return len(b"".join(self.data))  # a copy, and yet far quicker than to ask each one

    def between(self, first: int, end: int) -> Records:
        """The records from the first to that before the end, by their place."""
        changes = {index - first: made for index, made in self.changes.items() if first <= index < end}
        return Records(self.stream, self.data[first:end], self.emitted_at, changes)

    def rows(self) -> list[dict[str, Any]]:
        """The records as Python dictionaries, decoded at each call."""
        try:
            return _ROWS.decode(b"[" + b",".join(self.data) + b"]")
        except msgspec.DecodeError:  # a number beyond a float, which the standard library takes
            return [json.loads(bytes(record)) for record in self.data]


class State:
    """How far a source has come; it covers exactly the records before it.

    :param raw: the whole ``state`` object as the source wrote it, unknown fields included.
    """

    __slots__ = ("_of", "_packed", "_raw")

    def __init__(self, raw: Json) -> None:
        self._raw: Json | None = raw
        self._packed: list[bytes] = []  # its JSON, where it was made of pieces: all but the last compressed
        self._of: StreamDescriptor | None = None  # the stream then

    @property
    def raw(self) -> Json:
        """The whole ``state`` object."""
        if self._raw is None:
            self._raw, self._packed = msgspec.json.decode(b"".join(self.pieces), type=dict[str, Any]), []
        return self._raw

    @property
    def pieces(self) -> Iterator[bytes]:
        """Its JSON, in pieces, where it was made of them and nobody has looked into it; else none."""
        packed = self._packed
        yield from map(zlib.decompress, packed[:-1])
        yield from packed[-1:]

    def __eq__(self, other: object) -> bool:
        return self.raw == other.raw if isinstance(other, State) else NotImplemented

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        return f"State(raw={self.raw!r})"

    def __reduce__(self) -> tuple[Any, ...]:
        return State, (self.raw,)

    @property
    def type(self) -> Literal["STREAM", "GLOBAL", "LEGACY"]:
        """STREAM, GLOBAL or LEGACY (also where the type is absent)."""
        if self._of is not None:
            return "STREAM"
        kind = self.raw.get("type")
        return kind if kind in ("STREAM", "GLOBAL") else "LEGACY"

    @property
    def stream(self) -> StreamDescriptor | None:
        """The stream that a STREAM state is of."""
        if self._of is not None:
            return self._of
        if self.type != "STREAM":
            return None
        return descriptor_from_json(self.raw["stream"]["stream_descriptor"])

    @property
    def stream_state(self) -> Json | None:
        """The state blob of a STREAM state; None resets the stream."""
        if self.type != "STREAM":
            return None
        blob = self.raw["stream"].get("stream_state")
        return blob if isinstance(blob, Mapping) else None

    @staticmethod
    def of_stream(stream: StreamDescriptor, blob: Json, record_count: int | None = None) -> State:
        """A STREAM state.

        :param record_count: records of the stream since its previous state (``sourceStats.recordCount``,
            which the platform wants as a float).
        """
        raw: dict[str, Any] = {
            "type": "STREAM",
            "stream": {"stream_descriptor": descriptor_to_json(stream), "stream_state": blob},
        }
        if record_count is not None:
            raw["sourceStats"] = {"recordCount": float(record_count)}
        return State(raw)

    @staticmethod
    def of_pieces(stream: StreamDescriptor, blob: Iterable[bytes], record_count: int) -> State:
        """A STREAM state that is JSON already, and decoded only when somebody looks into it. Until it is written it
        is kept compressed: of very many partitions that is a hundredth of what the dictionaries take.

        :param blob: the JSON of an object, in pieces.
        """
        rest = bytearray(b'{"type":"STREAM","stream":{"stream_descriptor":')
        rest += msgspec.json.encode(descriptor_to_json(stream)) + b',"stream_state":'
        state = State({})
        for piece in blob:
            rest += piece
            if len(rest) > _PIECE:
                state._packed.append(zlib.compress(rest, 1))
                rest.clear()
        rest += b'},"sourceStats":{"recordCount":%b}}' % msgspec.json.encode(float(record_count))
        state._packed.append(bytes(rest))
        state._raw, state._of = None, stream
        return state


class Level(str, Enum):
    """Log levels of the protocol, most severe first."""

    FATAL = "FATAL"
    ERROR = "ERROR"
    WARN = "WARN"
    INFO = "INFO"
    DEBUG = "DEBUG"
    TRACE = "TRACE"


@dataclass(frozen=True, slots=True)
class Log:
    """A line for the log."""

    level: Level
    message: str
    stack_trace: str | None = None


class Status(str, Enum):
    """What happened to a stream: STARTED, RUNNING on its first record, then COMPLETE or INCOMPLETE."""

    STARTED = "STARTED"
    RUNNING = "RUNNING"
    COMPLETE = "COMPLETE"
    INCOMPLETE = "INCOMPLETE"


@dataclass(frozen=True, slots=True)
class StreamStatus:
    """A stream's progress.

    :ivar rate_limited: with RUNNING, that the stream waits for a quota.
    :ivar quota_reset: when that quota comes back, in milliseconds since the epoch, where it is known.
    """

    stream: StreamDescriptor
    status: Status
    rate_limited: bool = False
    quota_reset: int | None = None


@dataclass(frozen=True, slots=True)
class ErrorTrace:
    """Why the source, or one of its streams, failed."""

    message: str
    failure_type: FailureType = "system_error"
    stream: StreamDescriptor | None = None
    internal_message: str | None = None
    stack_trace: str | None = None


@dataclass(frozen=True, slots=True)
class Estimate:
    """How much a stream is expected to give, for a progress display."""

    stream: StreamDescriptor
    rows: int | None = None
    bytes: int | None = None


@dataclass(frozen=True, slots=True)
class Control:
    """The source changed its own config (a refresh token was rotated): keep this one for the next run."""

    config: Json


@dataclass(frozen=True, slots=True)
class Spec:
    """Which settings a connector takes.

    :ivar raw: the ``spec`` object, unknown fields included; ``connectionSpecification`` is a JSON Schema.
    """

    raw: Json


@dataclass(frozen=True, slots=True)
class ConnectionStatus:
    """The answer to ``check``."""

    succeeded: bool
    message: str | None = None


@dataclass(frozen=True, slots=True)
class CatalogMessage:
    """The answer to ``discover``: the ``catalog`` object as the source wrote it."""

    raw: Json


Message = Union[  # noqa: UP007 - also evaluated at run time on Python 3.10
    Records, State, Log, StreamStatus, ErrorTrace, Estimate, Control, Spec, ConnectionStatus, CatalogMessage
]

_ROWS = msgspec.json.Decoder(list[dict[str, Any]])


def now_ms() -> int:
    """Milliseconds since the epoch: the protocol's ``emitted_at``."""
    return time.time_ns() // 1_000_000


def descriptor_to_json(stream: StreamDescriptor) -> dict[str, str]:
    """The protocol's form of a stream descriptor; a missing namespace is left out."""
    if stream.namespace:
        return {"name": stream.name, "namespace": stream.namespace}
    return {"name": stream.name}


def descriptor_from_json(value: Mapping[str, Any]) -> StreamDescriptor:
    """Read a descriptor leniently: an empty namespace is none."""
    return StreamDescriptor(str(value["name"]), value.get("namespace") or None)
