"""A read's output amid what whoever reads it must bear: noise, unknown types, a huge line, death in mid-line."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec

from headwater.acceptance.recording import Line, Recording, decoded
from headwater.acceptance.streams import full_name

MOST = 64_000_000
"""Bytes of a recording that are given again."""
_HUGE = 20_000_000
_EVERY = 7
NOISE: tuple[bytes, ...] = (
    b"Downloading: 100%|####| 3/3\r\n",
    b"\r\n",
    b"\n",
    b"[1, 2]\n",
    b"17\n",
    b'"a text"\n',
    b"{}\n",
    b'{"type": null}\n',
    b'{"type":"DEBUG","message":"of an old connector"}\n',
    b'{"type":"NEWS","news":{"of":"a later version"}}\n',
    b'{"type":"TRACE","trace":{"type":"ANALYTICS","emitted_at":1.5,"analytics":{"type":"x"}}}\n',
    b'{"type":"LOG","log":{"level":"LOUD","message":"a level that nobody knows"}}\n',
    b"\xff\xfe\x00 is not UTF-8\n",
    "a line\u2028of\u2029many\x85lines\x0b\x0c\x1c\x1d\x1e\n".encode(),
)
"""Lines that are no messages, or none that matter."""


@dataclass
class Taken:
    """What somebody took, or should take, of an output.

    :ivar records: how often each record is there: by its stream's full name and its data as JSON.
    :ivar states: the states, in order, as JSON.
    """

    records: Counter[tuple[str, bytes]] = field(default_factory=Counter)
    states: list[bytes] = field(default_factory=list)

    def record(self, name: str, data: Any) -> None:
        """One more record."""
        self.records[name, canonical(data)] += 1

    def message(self, message: dict[str, Any]) -> None:
        """One more message, if it is a record or a state."""
        if message["type"] == "RECORD" and isinstance(message.get("record"), dict):
            record = message["record"]
            self.record(full_name(record.get("stream"), record.get("namespace")), record.get("data"))
        elif message["type"] == "STATE":
            self.states.append(canonical(message.get("state")))


def canonical(value: Any) -> bytes:
    """JSON with its names in order; of a long one a fingerprint."""
    found = msgspec.json.encode(value, order="sorted")
    return found if len(found) < 1000 else b"%d bytes, %d" % (len(found), hash(found))


def spoil(recording: Recording, path: Path, *, cut: bool) -> Taken:
    """Write a recording's strict lines amid noise; gives what is to be taken of it.

    :param cut: it ends in the middle of a line, after about half of it.
    """
    from headwater.acceptance.checks.process_output import strictness

    wanted = Taken()
    half = min(recording.size, MOST) // 2
    noise = _noise()
    with path.open("wb") as file:
        file.write(b"\xef\xbb\xbf")
        huge = False
        for line in recording.lines():
            message = decoded(line.raw)
            if message is None or strictness(line.raw) is not None:
                continue
            if line.number % _EVERY == 1:
                file.write(next(noise))
            if cut and file.tell() >= half and message["type"] == "RECORD":
                file.write(line.raw[: len(line.raw) // 2])
                break
            _whole(line, message, file, wanted)
            if message["type"] == "RECORD" and not huge and not cut:
                huge = True
                message["record"]["data"] = {**message["record"]["data"], "hw_filler": "x" * _HUGE}
                file.write(json.dumps(message).encode() + b"\n")
                wanted.message(message)
        for one in () if cut else NOISE:
            file.write(one)
    return wanted


def _whole(line: Line, message: dict[str, Any], file: Any, wanted: Taken) -> None:
    """A line as it is, some with another end; a state with a field that nobody knows."""
    raw = line.raw
    if message["type"] == "STATE" and isinstance(message.get("state"), dict):
        message["state"]["hw_unknown"] = line.number
        raw = json.dumps(message).encode() + b"\n"
    elif line.number % 3 == 0:
        raw = raw[:-1] + b"\r\n"
    file.write(raw)
    wanted.message(message)


def _noise() -> Iterator[bytes]:
    while True:
        yield from NOISE
