"""The Airbyte protocol's wire: one message a line, JSON in UTF-8, ended by ``\\n``."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

import msgspec

from headwater.errors import ForeignError
from headwater.protocol.messages import (
    CatalogMessage,
    Change,
    ConnectionStatus,
    Control,
    ErrorTrace,
    Estimate,
    Level,
    Log,
    Message,
    Records,
    Spec,
    State,
    Status,
    StreamDescriptor,
    StreamStatus,
    descriptor_from_json,
    descriptor_to_json,
    now_ms,
)
from headwater.protocol.values import encode as encode_value


def encode(message: Message) -> bytes:
    """The message's lines, each with its ``\\n``; a batch of records is a line a record."""
    if isinstance(message, Records):
        return _encode_records(message)
    if isinstance(message, State):
        return b"".join(pieces(message))
    kind, key, payload = _payload(message)
    return b'{"type":"' + kind.encode() + b'","' + key.encode() + b'":' + encode_value(payload) + b"}\n"


def pieces(state: State) -> Iterator[bytes]:
    """A state's line in pieces, made as they are asked for: one of very many partitions is never whole in memory."""
    yield b'{"type":"STATE","state":'
    found = state.pieces
    yield next(found, None) or encode_value(state.raw)
    yield from found
    yield b"}\n"


def _encode_records(batch: Records) -> bytes:
    if not batch.data:
        return b""
    namespace = b'"namespace":' + encode_value(batch.stream.namespace) + b"," if batch.stream.namespace else b""
    head = b'{"type":"RECORD","record":{' + namespace + b'"stream":' + encode_value(batch.stream.name) + b',"data":'
    tail = b',"emitted_at":%d}}\n' % batch.emitted_at
    if not batch.changes:  # the common case: one join, and so one copy, for the whole page
        between = list(batch.data)
        between[0] = b"".join((head, between[0]))
        between[-1] = b"".join((between[-1], tail))
        return (tail + head).join(between)
    lines = []
    for index, data in enumerate(batch.data):
        meta = b""
        if made := batch.changes.get(index):
            changes = [{"field": c.field, "change": c.change, "reason": c.reason} for c in made]
            meta = b',"meta":' + encode_value({"changes": changes})
        lines.append(b"".join((head, data, meta, tail)))
    return b"".join(lines)


def _payload(message: Message) -> tuple[str, str, Any]:
    """Type, key and content of every message that is not a batch of records."""
    assert not isinstance(message, Records)
    if isinstance(message, State):
        return "STATE", "state", message.raw
    if isinstance(message, Log):
        log = {"level": message.level.value, "message": message.message}
        return "LOG", "log", _with(log, stack_trace=message.stack_trace)
    if isinstance(message, Spec):
        return "SPEC", "spec", message.raw
    if isinstance(message, ConnectionStatus):
        status = {"status": "SUCCEEDED" if message.succeeded else "FAILED"}
        return "CONNECTION_STATUS", "connectionStatus", _with(status, message=message.message)
    if isinstance(message, CatalogMessage):
        return "CATALOG", "catalog", message.raw
    if isinstance(message, Control):
        control = {
            "type": "CONNECTOR_CONFIG",
            "emitted_at": now_ms(),
            "connectorConfig": {"config": message.config},
        }
        return "CONTROL", "control", control
    return "TRACE", "trace", _trace(message)


def _trace(message: StreamStatus | ErrorTrace | Estimate) -> dict[str, Any]:
    if isinstance(message, StreamStatus):
        status: dict[str, Any] = {
            "stream_descriptor": descriptor_to_json(message.stream),
            "status": message.status.value,
        }
        if message.rate_limited:
            reason: dict[str, Any] = {"type": "RATE_LIMITED"}
            if message.quota_reset is not None:
                reason["rate_limited"] = {"quota_reset": message.quota_reset}
            status["reasons"] = [reason]
        return {"type": "STREAM_STATUS", "emitted_at": now_ms(), "stream_status": status}
    if isinstance(message, ErrorTrace):
        error = _with(
            {"message": message.message, "failure_type": message.failure_type},
            internal_message=message.internal_message,
            stack_trace=message.stack_trace,
            stream_descriptor=descriptor_to_json(message.stream) if message.stream else None,
        )
        return {"type": "ERROR", "emitted_at": now_ms(), "error": error}
    estimate = _with(
        {"name": message.stream.name, "type": "STREAM"},
        namespace=message.stream.namespace,
        row_estimate=message.rows,
        byte_estimate=message.bytes,
    )
    return {"type": "ESTIMATE", "emitted_at": now_ms(), "estimate": estimate}


def _with(value: dict[str, Any], **optional: Any) -> dict[str, Any]:
    return {**value, **{name: found for name, found in optional.items() if found is not None}}


class _Record(msgspec.Struct):
    stream: str
    data: msgspec.Raw
    namespace: str | None = None
    emitted_at: int | float = 0
    meta: Any = None


class _Line(msgspec.Struct):
    type: str
    record: _Record | None = None


_LINE = msgspec.json.Decoder(_Line)


def decode(line: bytes) -> Message | None:
    """One line as a message; None for a message of a type that this version does not know.

    :raises ForeignError: if the line is not a message of the protocol (JSON, an object, with a ``type``).
    """
    try:
        head = _LINE.decode(line)
        if head.type == "RECORD" and head.record is not None:
            return _record(head.record)
        key, reader = _READERS.get(head.type, ("", None))
        if reader is None:
            return None
        content = msgspec.json.decode(line)[key]
        if not isinstance(content, Mapping):
            raise TypeError(f"no object in {key!r}")
        return reader(content)
    except (msgspec.DecodeError, UnicodeDecodeError, KeyError, TypeError, ValueError, AttributeError) as error:
        raise ForeignError(f"Not a message of the Airbyte protocol: {line[:200]!r} ({error}).") from None


def _record(record: _Record) -> Records:
    changes: dict[int, list[Change]] = {}
    if isinstance(record.meta, Mapping) and record.meta.get("changes"):
        changes[0] = [Change(c["field"], c["change"], c["reason"]) for c in record.meta["changes"]]
    stream = StreamDescriptor(record.stream, record.namespace or None)
    return Records(stream, [record.data], int(record.emitted_at), changes)


def _read_trace(trace: Mapping[str, Any]) -> Message | None:
    if trace["type"] == "STREAM_STATUS":
        body = trace["stream_status"]
        reasons = body.get("reasons") or []
        limited = len(reasons) == 1 and reasons[0].get("type") == "RATE_LIMITED"
        reset = _whole((reasons[0].get("rate_limited") or {}).get("quota_reset")) if limited else None
        stream = descriptor_from_json(body["stream_descriptor"])
        return StreamStatus(stream, Status(body["status"]), limited, reset)
    if trace["type"] == "ERROR":
        body = trace["error"]
        of = body.get("stream_descriptor")
        failure = body.get("failure_type")
        return ErrorTrace(
            str(body["message"]),
            failure if failure in ("config_error", "transient_error") else "system_error",
            descriptor_from_json(of) if of else None,
            _text(body.get("internal_message")),
            _text(body.get("stack_trace")),
        )
    if trace["type"] == "ESTIMATE":
        body = trace["estimate"]
        stream = StreamDescriptor(str(body.get("name", "")), body.get("namespace") or None)
        return Estimate(stream, _whole(body.get("row_estimate")), _whole(body.get("byte_estimate")))
    return None


def _whole(value: Any) -> int | None:
    """A number that is only for people to look at; None for what can't be meant."""
    found = isinstance(value, (int, float)) and not isinstance(value, bool) and 0 <= value < 2**63
    return int(value) if found else None


def _text(value: Any) -> str | None:
    return None if value is None else str(value)


def _read_log(log: Mapping[str, Any]) -> Log:
    level = log.get("level")
    known = Level(level) if level in Level.__members__ else Level.INFO
    return Log(known, str(log["message"]), _text(log.get("stack_trace")))


def _read_status(status: Mapping[str, Any]) -> ConnectionStatus:
    return ConnectionStatus(status["status"] == "SUCCEEDED", _text(status.get("message")))


def _read_control(control: Mapping[str, Any]) -> Control:
    config = control["connectorConfig"]["config"]
    if not isinstance(config, Mapping):
        raise TypeError("no object in 'config'")
    return Control(config)


def _no_record(_: Mapping[str, Any]) -> Message:
    raise TypeError("no object in 'record'")


_READERS: dict[str, tuple[str, Callable[[Mapping[str, Any]], Message | None] | None]] = {
    "RECORD": ("record", _no_record),
    "STATE": ("state", State),
    "LOG": ("log", _read_log),
    "TRACE": ("trace", _read_trace),
    "SPEC": ("spec", Spec),
    "CONNECTION_STATUS": ("connectionStatus", _read_status),
    "CATALOG": ("catalog", CatalogMessage),
    "CONTROL": ("control", _read_control),
}
