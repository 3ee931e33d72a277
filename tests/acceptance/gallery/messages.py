"""What a connector of the gallery writes: its messages, one method for each kind."""

from __future__ import annotations

import json
import os
import time
from typing import Any

LOST: Any = object()
"""In place of a number that Python's floats can't hold."""


class Failed(Exception):
    """Something that is told in an ERROR trace."""

    def __init__(self, message: str, kind: str = "config_error") -> None:
        super().__init__(message)
        self.message, self.kind = message, kind


class Stopped(BaseException):
    """A signal came."""


class Writes:
    """Writes messages.

    :ivar counts: records since the last state, by stream.
    :ivar stopping: a signal came.
    """

    counts: dict[str, int]
    stopping: bool

    def write(self, message: dict[str, Any]) -> None:
        """A message."""
        self.line(json.dumps(message).encode() + b"\n")
        if self.stopping:
            self.stopping = False
            raise Stopped

    def line(self, line: bytes) -> None:
        """Bytes, all of them."""
        while line:
            line = line[os.write(1, line) :]

    def trace(self, message: str, kind: str, stream: dict[str, Any] | None = None) -> None:
        """An ERROR trace."""
        error = {"message": message, "failure_type": kind}
        if stream is not None:
            error["stream_descriptor"] = self.descriptor(stream)
        self.write({"type": "TRACE", "trace": {"type": "ERROR", "emitted_at": time.time() * 1000, "error": error}})

    def log(self, message: str, level: str = "INFO") -> None:
        """A log line."""
        self.write({"type": "LOG", "log": {"level": level, "message": message}})

    def descriptor(self, stream: dict[str, Any]) -> dict[str, Any]:
        """A stream's descriptor."""
        found = {"name": stream["name"]}
        if stream.get("namespace"):
            found["namespace"] = stream["namespace"]
        return found

    def status(self, stream: dict[str, Any], status: str) -> None:
        """A stream's status."""
        told = {"stream_descriptor": self.descriptor(stream), "status": status}
        trace = {"type": "STREAM_STATUS", "emitted_at": time.time() * 1000, "stream_status": told}
        self.write({"type": "TRACE", "trace": trace})

    def record(self, stream: dict[str, Any], data: dict[str, Any]) -> None:
        """A record."""
        self.counts[stream["name"]] = self.counts.get(stream["name"], 0) + 1
        record = {**self.addressed(stream), "data": data, "emitted_at": self.now()}
        lost = [name for name, value in data.items() if value is LOST]
        if lost:
            record["data"] = {name: None if value is LOST else value for name, value in data.items()}
            reason = {"change": "NULLED", "reason": "SOURCE_SERIALIZATION_ERROR"}
            record["meta"] = {"changes": [{"field": name, **reason} for name in lost]}
        self.write({"type": "RECORD", "record": record})

    def now(self) -> Any:
        """Milliseconds."""
        return int(time.time() * 1000)

    def addressed(self, stream: dict[str, Any]) -> dict[str, Any]:
        """Whose record it is."""
        found = {"stream": stream["name"]}
        if stream.get("namespace"):
            found["namespace"] = stream["namespace"]
        return found

    def state(self, stream: dict[str, Any], content: dict[str, Any]) -> None:
        """A state."""
        self.write({"type": "STATE", "state": {
            "type": "STREAM",
            "stream": {"stream_descriptor": self.descriptor(stream), "stream_state": content},
            "sourceStats": {"recordCount": float(self.counts.pop(stream["name"], 0))},
        }})  # fmt: skip
