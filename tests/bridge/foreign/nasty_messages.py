"""What the connector that misbehaves says; it imports nothing of Headwater's."""

from __future__ import annotations

import json
import sys
from typing import Any

OUT = sys.stdout.buffer


def put(raw: bytes) -> None:
    OUT.write(raw)
    OUT.flush()


def say(message: dict[str, Any], end: bytes = b"\n") -> None:
    put(json.dumps(message).encode() + end)


def record(number: int, stream: str = "a", **more: Any) -> dict[str, Any]:
    return {
        "type": "RECORD",
        "record": {"stream": stream, "data": {"id": number, **more}, "emitted_at": 1_700_000_000_000},
    }


def state(at: int, stream: str = "a") -> dict[str, Any]:
    blob = {"stream_descriptor": {"name": stream}, "stream_state": {"at": at}}
    return {"type": "STATE", "state": {"type": "STREAM", "stream": blob, "id": at, "unknown": {"kept": [True]}}}


def status(what: str, stream: str = "a") -> dict[str, Any]:
    body = {"stream_descriptor": {"name": stream}, "status": what}
    return {"type": "TRACE", "trace": {"type": "STREAM_STATUS", "emitted_at": 1.5, "stream_status": body}}


def error(message: str, stream: str | None = "a", kind: str = "config_error") -> dict[str, Any]:
    body: dict[str, Any] = {"message": message, "failure_type": kind}
    if stream:
        body["stream_descriptor"] = {"name": stream}
    return {"type": "TRACE", "trace": {"type": "ERROR", "emitted_at": 1.5, "error": body}}


def begin() -> None:
    """Two records, their state, and a third record."""
    say(status("STARTED"))
    say(record(1))
    say(status("RUNNING"))
    say(record(2))
    say(state(2))
    say(record(3))


def finish() -> None:
    say(state(3))
    say(status("COMPLETE"))
