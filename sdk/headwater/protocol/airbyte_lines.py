"""Many lines of the Airbyte protocol at once, whatever else is printed between them."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

import msgspec

from headwater.errors import ForeignError
from headwater.protocol.airbyte import decode
from headwater.protocol.lines import Noise, decoded, loose, parsed
from headwater.protocol.messages import Change, Message, Records, State, StreamDescriptor, now_ms
from headwater.protocol.values import encode_rows

TOGETHER = 100
"""Milliseconds: records that were emitted so close to each other may travel in one batch, with the first one's time."""

_RECORD = re.compile(rb'"type"\s*:\s*"RECORD"')
_is_object = re.compile(rb"\s*\{").match


class _Record(msgspec.Struct, gc=False):
    stream: str
    data: msgspec.Raw
    namespace: str | None = None
    emitted_at: int | float = 0
    meta: Any = None


class _Line(msgspec.Struct, gc=False):
    type: str
    record: _Record | None = None
    state: msgspec.Raw = msgspec.Raw()
    trace: msgspec.Raw = msgspec.Raw()
    log: msgspec.Raw = msgspec.Raw()
    control: msgspec.Raw = msgspec.Raw()
    catalog: msgspec.Raw = msgspec.Raw()
    spec: msgspec.Raw = msgspec.Raw()
    connectionStatus: msgspec.Raw = msgspec.Raw()


_LINES = msgspec.json.Decoder(list[_Line])
_KEYS = {
    "STATE": "state",
    "TRACE": "trace",
    "LOG": "log",
    "CONTROL": "control",
    "CATALOG": "catalog",
    "SPEC": "spec",
    "CONNECTION_STATUS": "connectionStatus",
}


def decode_lines(block: bytes) -> Iterator[Message | Noise]:
    """The messages of a block of lines, in their order; consecutive records of a stream as one batch.

    Messages of an unknown type are left out. What is no message is given as :class:`Noise`. What JSON does not
    allow in a record (NaN, bytes that are not UTF-8, lone surrogates) is changed, and the record says so.

    :raises ForeignError: for a record that can't be read: to go on would lose it.
    """
    for found in decoded(block, _LINES):
        if isinstance(found, bytes):
            yield from _alone(found)
        else:
            yield from _messages(*found)


def _messages(lines: list[_Line], block: int) -> Iterator[Message | Noise]:
    groups: list[_Group | Message | Noise] = []
    stream: str | None = None
    namespace: str | None = None
    until: float = 0
    data: list[msgspec.Raw] = []
    for line in lines:
        record = line.record
        if record is not None and line.type == "RECORD":
            if (
                record.stream != stream
                or record.emitted_at > until
                or record.emitted_at < until - TOGETHER
                or record.namespace != namespace
            ):
                stream, namespace, until = record.stream, record.namespace, record.emitted_at + TOGETHER
                group = _Group(StreamDescriptor(stream, namespace or None), int(record.emitted_at))
                data = group.data
                groups.append(group)
            if record.meta is not None:
                group.changes[len(data)] = record.meta
            data.append(record.data)
        elif line.type == "RECORD":
            raise _unreadable(b"", "it has no object in `record`")
        elif (key := _KEYS.get(line.type)) is not None:
            stream = None
            groups.extend(_other(line.type, key, getattr(line, key)))
    yield from _given(groups, block)


def _given(groups: list[_Group | Message | Noise], block: int) -> Iterator[Message | Noise]:
    sizes: dict[StreamDescriptor, int] = {}
    for group in groups:
        if isinstance(group, _Group):
            sizes[group.stream] = sizes.get(group.stream, 0) + len(b"".join(group.data))
    for group in groups:
        if not isinstance(group, _Group):
            yield group
        elif all(map(_is_object, group.data)):
            yield group.records(sizes[group.stream], block)
        else:
            yield from group.without_nulls(sizes[group.stream], block)


class _Group:
    """Consecutive records of one stream."""

    __slots__ = ("changes", "data", "emitted_at", "stream")

    def __init__(self, stream: StreamDescriptor, emitted_at: int) -> None:
        self.stream = stream
        self.emitted_at = emitted_at
        self.data: list[msgspec.Raw] = []
        self.changes: dict[int, Any] = {}

    def records(self, size: int, block: int) -> Records:
        changes = {at: made for at, meta in self.changes.items() if (made := _changes(meta))}
        return Records(self.stream, loose(self.data, size, block), self.emitted_at or now_ms(), changes)

    def without_nulls(self, size: int, block: int) -> Iterator[Records]:
        """A record that is null has nothing in it, and the platform drops it; anything else must be an object."""
        kept = _Group(self.stream, self.emitted_at)
        for at, record in enumerate(self.data):
            if _is_object(record):
                if at in self.changes:
                    kept.changes[len(kept.data)] = self.changes[at]
                kept.data.append(record)
            elif bytes(record).strip() != b"null":
                raise _unreadable(bytes(record), "its `data` is no object", str(self.stream))
        if kept.data:
            yield kept.records(size, block)


def _other(kind: str, key: str, content: msgspec.Raw) -> Iterator[Message | Noise]:
    line = b"".join((b'{"type":"', kind.encode(), b'","', key.encode(), b'":', bytes(content) or b"null", b"}"))
    yield from _decoded(line)


def _decoded(line: bytes) -> Iterator[Message | Noise]:
    try:
        message = decode(line)
    except ForeignError:
        yield Noise(line)
        return
    if isinstance(message, State) and not _is_usable(message.raw):
        yield Noise(line)
    elif message is not None:
        yield message


def _is_usable(state: Mapping[str, Any]) -> bool:
    """Whether a state has the shape that its type says: one that has not would be in the way of the next run."""
    kind, stream, whole = state.get("type"), state.get("stream"), state.get("global")
    if not isinstance(state.get("sourceStats"), (Mapping, type(None))):
        return False
    if kind == "STREAM":
        return isinstance(stream, Mapping) and _names_a_stream(stream)
    if kind == "GLOBAL":
        parts = whole.get("stream_states") if isinstance(whole, Mapping) else 0
        return parts is None or (
            isinstance(parts, list) and all(isinstance(part, Mapping) and _names_a_stream(part) for part in parts)
        )
    return isinstance(stream, (Mapping, type(None)))


def _names_a_stream(part: Mapping[str, Any]) -> bool:
    descriptor = part.get("stream_descriptor")
    return (
        isinstance(descriptor, Mapping)
        and isinstance(descriptor.get("name"), str)
        and isinstance(descriptor.get("namespace"), (str, type(None)))
    )


def _alone(line: bytes) -> Iterator[Message | Noise]:
    """A line that is no message as the others are."""
    if not line.strip():
        return
    try:
        value = parsed(line)
    except ValueError as error:
        if _RECORD.search(line):
            raise _unreadable(line, f"it is not JSON ({error})") from None
        yield Noise(line)
        return
    if not isinstance(value, Mapping) or not isinstance(value.get("type"), str):
        yield Noise(line)
    elif value["type"] == "RECORD":
        yield from _record(value.get("record"), line)
    else:
        (text,), _ = encode_rows([value])
        yield from _decoded(text)


def _record(record: Any, line: bytes) -> Iterator[Records]:
    if not isinstance(record, Mapping) or not isinstance(record.get("stream"), str):
        raise _unreadable(line, "it names no stream")
    data, namespace, at = record.get("data"), record.get("namespace"), record.get("emitted_at")
    if data is None:
        return
    if not isinstance(data, Mapping):
        raise _unreadable(line, "its `data` is no object", record["stream"])
    rows, changes = encode_rows([data])
    if told := _changes(record.get("meta")):
        changes[0] = [*told, *changes.get(0, ())]
    stream = StreamDescriptor(record["stream"], namespace if isinstance(namespace, str) and namespace else None)
    yield Records(stream, rows, int(at) if isinstance(at, (int, float)) and at else now_ms(), changes)


def _changes(meta: Any) -> list[Change]:
    """What ``record.meta`` says was changed; what is no such entry is left out."""
    found = meta.get("changes") if isinstance(meta, Mapping) else None
    return [
        Change(str(change["field"]), str(change["change"]), str(change.get("reason", "")))
        for change in (found if isinstance(found, list) else ())
        if isinstance(change, Mapping) and "field" in change and "change" in change
    ]


def _unreadable(line: bytes, why: str, stream: str | None = None) -> ForeignError:
    where = f" of stream {stream!r}" if stream else ""
    excerpt = line[:300].decode("utf-8", "replace")
    return ForeignError(
        f"The connector sent a record{where} that can't be read: {why}. Nothing more is read, so that it is not "
        "lost; its author must look.",
        stream=stream,
        internal=excerpt or None,
    )
