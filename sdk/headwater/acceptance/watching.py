"""One pass over a read, which all watches share."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from headwater.acceptance.checks import Watch
from headwater.acceptance.recording import Line, Recording
from headwater.acceptance.streams import Configured, full_name, name_of, state_names


def pass_over(recording: Recording, streams: Configured, watches: Sequence[Watch]) -> None:
    """Show the messages of a read to all watches, each message once, in order."""
    listeners = {
        kind: [getattr(watch, kind) for watch in watches if getattr(type(watch), kind) is not getattr(Watch, kind)]
        for kind in ("record", "state", "status", "estimate")
    }
    for line, message in recording.messages():
        kind = message["type"]
        if kind == "RECORD":
            record = message.get("record")
            if isinstance(record, dict):
                name = full_name(record.get("stream"), record.get("namespace"))
                for tell in listeners["record"]:
                    tell(line, record, name)
        elif kind == "STATE":
            state = message.get("state")
            if isinstance(state, dict):
                names = state_names(state) or tuple(streams)
                for tell in listeners["state"]:
                    tell(line, state, names)
        elif kind == "TRACE":
            _trace(line, message.get("trace"), listeners)
    for watch in watches:
        watch.end()


def _trace(line: Line, trace: Any, listeners: dict[str, list[Any]]) -> None:
    if not isinstance(trace, dict):
        return
    status = trace.get("stream_status")
    if isinstance(status, dict):
        name = name_of(status.get("stream_descriptor"))
        for tell in listeners["status"]:
            tell(line, str(status.get("status")), name, trace)
    elif isinstance(trace.get("estimate"), dict):
        for tell in listeners["estimate"]:
            tell(line, trace["estimate"])
