"""The records of a read as fingerprints, to compare reads without keeping them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import msgspec

from headwater.acceptance.expected import without
from headwater.acceptance.prints import Parts, Prints
from headwater.acceptance.recording import Recording
from headwater.acceptance.streams import Configured, Stream, full_name, value_at


class Had(Protocol):
    """What was read of a stream: what rows are compared by."""

    @property
    def keys(self) -> Parts:
        """Of the records' keys; of their contents, if the stream has none."""
        ...

    @property
    def contents(self) -> Parts:
        """Of their contents."""
        ...


@dataclass(frozen=True)
class Rows:
    """The records of a stream in a read, by their fingerprints; see :class:`Had`."""

    keys: Prints
    contents: Prints

    @staticmethod
    def of(stream: Stream) -> Rows:
        """None yet."""
        keys = Prints()
        return Rows(keys, Prints() if stream.primary_key else keys)

    def until(self, line: int) -> Had:
        """What came up to a line."""
        return _Before(self.keys.until(line), self.contents.until(line))


@dataclass(frozen=True)
class _Before:
    keys: Parts
    contents: Parts


def rows_of(
    recording: Recording, streams: Configured, ignored: Mapping[str, Sequence[str]] | None = None
) -> dict[str, Rows]:
    """The records of each configured stream.

    :param ignored: paths of fields that are left out of the content, by stream.
    """
    found = {name: Rows.of(stream) for name, stream in streams.items()}
    encode = msgspec.json.Encoder(order="sorted").encode
    for line, record in recording.of("RECORD", "record"):
        name, data = full_name(record.get("stream"), record.get("namespace")), record.get("data")
        rows = found.get(name)
        if rows is None or not isinstance(data, dict):
            continue
        paths = (ignored or {}).get(name, ())
        content = hash(encode(without(data, paths)))
        key = streams[name].primary_key
        rows.contents.add(content, line.number)
        if key:
            rows.keys.add(hash(encode([value_at(data, path) for path in key])), line.number)
    return found


def show(recording: Recording, streams: Configured, name: str, line: int) -> str:
    """A record, for people: its key, or the beginning of what it holds."""
    for found in recording.lines():
        if found.number == line:
            record = msgspec.json.decode(found.raw).get("record", {})
            key: Any = [value_at(record.get("data"), path) for path in streams[name].primary_key]
            text = msgspec.json.encode(key or record.get("data")).decode()
            return f"{name} {text[:120]} (line {line})"
    return f"{name} (line {line})"
