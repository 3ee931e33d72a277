"""Records to look at: of JSON lines, and of a connector's output."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from headwater.errors import ConfigError
from headwater.schemas.conversions import decode_exactly

log = logging.getLogger("headwater")

# What else a message has, by its type: records with a field `type` of their own are no messages.
_MESSAGES = {
    "RECORD": ("record",), "STATE": ("state", "value"), "LOG": ("log",), "TRACE": ("trace",), "SPEC": ("spec",),
    "CONTROL": ("control",), "CATALOG": ("catalog",), "CONNECTION_STATUS": ("connectionStatus",),
    "SCHEMA": ("schema",), "ACTIVATE_VERSION": ("version",),
}  # fmt: skip


def of_lines(lines: Iterable[bytes], where: str, stream: str | None = None) -> Iterator[Mapping[str, Any]]:
    """The records of JSON lines, or of the RECORD messages (Airbyte's or Singer's) among them.

    :param where: what the lines are called in an error.
    :param stream: whose records are wanted, of messages; None: there must be one alone.
    :raises ConfigError: naming the line that is no object, or the streams to choose from.
    """
    messages: bool | None = None
    seen = stream
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        try:
            value = decode_exactly(line)
        except (ValueError, RecursionError):
            if messages:
                continue  # what a connector, or a library of it, prints besides
            value = None
        if not isinstance(value, Mapping):
            raise ConfigError(f"{where}, line {number}: one JSON object a line is due.")
        if messages is None:
            messages = _is_message(value)
        if not messages:
            yield value
            continue
        found = _record(value)
        if found is None:
            continue
        name, record = found
        seen = name if seen is None else seen
        if name == seen:
            yield record
        elif stream is None:
            raise ConfigError(f"{where} has records of several streams ({seen}, {name}): choose one with --stream.")


def _is_message(value: Mapping[str, Any]) -> bool:
    kind = value.get("type")
    return isinstance(kind, str) and any(name in value for name in _MESSAGES.get(kind, ()))


def _record(message: Mapping[str, Any]) -> tuple[str, Mapping[str, Any]] | None:
    """A RECORD's stream and data."""
    kind, body = message.get("type"), message.get("record")
    if kind == "RECORD" and isinstance(body, Mapping):
        if isinstance(message.get("stream"), str):
            return message["stream"], body
        if isinstance(body.get("stream"), str) and isinstance(body.get("data"), Mapping):
            return body["stream"], body["data"]
    trace = message.get("trace")
    if kind == "TRACE" and isinstance(trace, Mapping) and isinstance(trace.get("error"), Mapping):
        log.warning("The connector failed, so records are missing: %s", trace["error"].get("message"))
    return None
