"""The records of a read as fingerprints, to compare reads without keeping them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import msgspec

from headwater.acceptance.expected import without
from headwater.acceptance.recording import Recording
from headwater.acceptance.streams import Configured, full_name, value_at

SHOWN = 3
Print = tuple[int, int]
"""A record's fingerprints: of its key (of its content, if the stream has none), and of its content."""


@dataclass
class Rows:
    """The records of a stream in a read, in order.

    :ivar lines: the lines that they came on.
    """

    prints: list[Print] = field(default_factory=list)
    lines: list[int] = field(default_factory=list)

    def keys(self) -> set[int]:
        """Which keys there are."""
        return {key for key, _ in self.prints}

    def contents(self) -> Counter[int]:
        """How often each content is there."""
        return Counter(content for _, content in self.prints)

    def until(self, line: int) -> set[Print]:
        """What came up to a line."""
        return {one for one, place in zip(self.prints, self.lines, strict=True) if place <= line}


def rows_of(
    recording: Recording, streams: Configured, ignored: Mapping[str, Sequence[str]] | None = None
) -> dict[str, Rows]:
    """The records of each configured stream.

    :param ignored: paths of fields that are left out of the content, by stream.
    """
    found = {name: Rows() for name in streams}
    encode = msgspec.json.Encoder(order="sorted").encode
    for line, record in recording.of("RECORD", "record"):
        name, data = full_name(record.get("stream"), record.get("namespace")), record.get("data")
        rows = found.get(name)
        if rows is None or not isinstance(data, dict):
            continue
        paths = (ignored or {}).get(name, ())
        content = hash(encode(without(data, paths)))
        key = streams[name].primary_key
        identity = hash(encode([value_at(data, path) for path in key])) if key else content
        rows.prints.append((identity, content))
        rows.lines.append(line.number)
    return found


def first_lines(rows: Rows, keys: Iterable[int], of: Callable[[Print], int] = lambda one: one[0]) -> list[int]:
    """The lines on which some of these records came."""
    wanted = set(keys)
    return [line for one, line in zip(rows.prints, rows.lines, strict=True) if of(one) in wanted][:SHOWN]


def show(recording: Recording, streams: Configured, name: str, line: int) -> str:
    """A record, for people: its key, or the beginning of what it holds."""
    for found in recording.lines():
        if found.number == line:
            record = msgspec.json.decode(found.raw).get("record", {})
            key: Any = [value_at(record.get("data"), path) for path in streams[name].primary_key]
            text = msgspec.json.encode(key or record.get("data")).decode()
            return f"{name} {text[:120]} (line {line})"
    return f"{name} (line {line})"
