"""Many lines of a Singer tap at once, whatever else it prints between them."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

import msgspec

from headwater.errors import ForeignError
from headwater.protocol.lines import Noise, decoded, loose, parsed
from headwater.protocol.messages import Records, StreamDescriptor
from headwater.protocol.singer import SingerMessage, decode, milliseconds
from headwater.protocol.values import encode_rows

_RECORD = re.compile(rb'"type"\s*:\s*"RECORD"', re.IGNORECASE)
_is_object = re.compile(rb"\s*\{").match
# Records whose times agree so far, to the tenth of a second, travel together: 2024-01-01T00:00:00.1
_TOGETHER = 21


class _Line(msgspec.Struct, gc=False):
    type: str
    stream: Any = None
    record: msgspec.Raw = msgspec.Raw()
    time_extracted: Any = None
    schema: msgspec.Raw = msgspec.Raw()
    value: msgspec.Raw = msgspec.Raw()
    encoding: msgspec.Raw = msgspec.Raw()
    manifest: msgspec.Raw = msgspec.Raw()
    key_properties: msgspec.Raw = msgspec.Raw()
    bookmark_properties: msgspec.Raw = msgspec.Raw()
    version: msgspec.Raw = msgspec.Raw()


_LINES = msgspec.json.Decoder(list[_Line])
_PARTS = ("schema", "value", "encoding", "manifest", "key_properties", "bookmark_properties", "version")


def decode_lines(block: bytes) -> Iterator[SingerMessage | Noise]:
    """The messages of a block of lines, in their order; consecutive records of a stream as one batch.

    As :func:`headwater.protocol.airbyte_lines.decode_lines`; a batch's descriptor has the tap's name of the stream.

    :raises ForeignError: for a record that can't be read: to go on would lose it.
    """
    for found in decoded(block, _LINES):
        if isinstance(found, bytes):
            yield from _alone(found)
        else:
            yield from _messages(*found)


def _messages(lines: list[_Line], block: int) -> Iterator[SingerMessage | Noise]:
    groups: list[tuple[str, Any, list[msgspec.Raw]] | SingerMessage | Noise] = []
    stream: str | None = None
    second: Any = None
    data: list[msgspec.Raw] = []
    for line in lines:
        if line.type == "RECORD" or line.type.upper() == "RECORD":
            time = line.time_extracted
            until = time[:_TOGETHER] if isinstance(time, str) else None
            if line.stream != stream or until != second or stream is None:
                if not isinstance(line.stream, str):
                    raise _unreadable(bytes(line.record), "it names no stream")
                stream, second, data = line.stream, until, []
                groups.append((stream, time, data))
            data.append(line.record)
        else:
            stream = None
            groups.extend(_other(line))
    sizes: dict[str, int] = {}
    for group in groups:
        if isinstance(group, tuple):
            sizes[group[0]] = sizes.get(group[0], 0) + len(b"".join(group[2]))
    for group in groups:
        if isinstance(group, tuple):
            yield _records(*group, sizes[group[0]], block)
        else:
            yield group


def _records(stream: str, time: Any, data: list[msgspec.Raw], size: int, block: int) -> Records:
    if not all(map(_is_object, data)):
        bad = next(bytes(record) for record in data if not _is_object(record))
        raise _unreadable(bad, "its `record` is no object", stream)
    return Records(StreamDescriptor(stream), loose(data, size, block), milliseconds(time))


def _other(line: _Line) -> Iterator[SingerMessage | Noise]:
    parts = [b'{"type":' + msgspec.json.encode(line.type), b'"stream":' + msgspec.json.encode(line.stream)]
    parts += [b'"%s":%s' % (name.encode(), bytes(part)) for name in _PARTS if (part := bytes(getattr(line, name)))]
    yield from _decoded(b",".join(parts) + b"}")


def _decoded(line: bytes) -> Iterator[SingerMessage | Noise]:
    try:
        message = decode(line)
    except ForeignError:
        yield Noise(line)
        return
    if message is not None:
        yield message


def _alone(line: bytes) -> Iterator[SingerMessage | Noise]:
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
    elif value["type"].upper() == "RECORD":
        stream, record = value.get("stream"), value.get("record")
        if not isinstance(stream, str):
            raise _unreadable(line, "it names no stream")
        if not isinstance(record, Mapping):
            raise _unreadable(line, "its `record` is no object", stream)
        rows, changes = encode_rows([record])
        yield Records(StreamDescriptor(stream), rows, milliseconds(value.get("time_extracted")), changes)
    else:
        (text,), _ = encode_rows([value])
        yield from _decoded(text)


def _unreadable(line: bytes, why: str, stream: str | None = None) -> ForeignError:
    where = f" of stream {stream!r}" if stream else ""
    return ForeignError(
        f"The tap sent a record{where} that can't be read: {why}. Nothing more is read, so that it is not lost; its "
        "author must look.",
        stream=stream,
        internal=line[:300].decode("utf-8", "replace") or None,
    )
