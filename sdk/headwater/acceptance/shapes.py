"""The protocol's messages: which fields they have and of which types (airbyte_protocol.yaml 0.18)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Shape:
    """An object.

    :ivar needed: fields that must be there and not null.
    :ivar fields: what each known field must be. Unknown ones are allowed, as the protocol says.
    """

    needed: tuple[str, ...] = ()
    fields: Mapping[str, Any] = field(default_factory=dict)


class _Number:
    """An integer or a float, but no boolean."""


@dataclass(frozen=True)
class _Enum:
    members: tuple[str, ...]


@dataclass(frozen=True)
class _List:
    of: Any


_DESCRIPTOR = Shape(("name",), {"name": str, "namespace": str})
_STREAM_STATE = Shape(("stream_descriptor",), {"stream_descriptor": _DESCRIPTOR, "stream_state": dict})
_STATS = Shape((), {"recordCount": _Number, "rejectedRecordCount": _Number})
_STREAM = Shape(
    ("name", "json_schema", "supported_sync_modes"),
    {
        "name": str, "json_schema": dict, "supported_sync_modes": _List(_Enum(("full_refresh", "incremental"))),
        "source_defined_cursor": bool, "default_cursor_field": _List(str),
        "source_defined_primary_key": _List(_List(str)), "namespace": str, "is_resumable": bool,
        "is_file_based": bool,
    },
)  # fmt: skip
_REASONS = ("SOURCE_RECORD_SIZE_LIMITATION", "SOURCE_FIELD_SIZE_LIMITATION", "SOURCE_SERIALIZATION_ERROR",
            "SOURCE_RETRIEVAL_ERROR", "PLATFORM_RECORD_SIZE_LIMITATION", "PLATFORM_FIELD_SIZE_LIMITATION",
            "PLATFORM_SERIALIZATION_ERROR", "DESTINATION_RECORD_SIZE_LIMITATION",
            "DESTINATION_FIELD_SIZE_LIMITATION", "DESTINATION_SERIALIZATION_ERROR",
            "DESTINATION_TYPECAST_ERROR")  # fmt: skip
_CHANGE = Shape(
    ("field", "change", "reason"),
    {"field": str, "change": _Enum(("NULLED", "TRUNCATED")), "reason": _Enum(_REASONS)},
)
_TRACES = {
    "ERROR": ("error", Shape(("message",), {
        "message": str, "internal_message": str, "stack_trace": str,
        "failure_type": _Enum(("system_error", "config_error", "transient_error")),
        "stream_descriptor": _DESCRIPTOR,
    })),
    "ESTIMATE": ("estimate", Shape(("name", "type"), {
        "name": str, "type": _Enum(("STREAM", "SYNC")), "namespace": str, "row_estimate": int, "byte_estimate": int,
    })),
    "STREAM_STATUS": ("stream_status", Shape(("stream_descriptor", "status"), {
        "stream_descriptor": _DESCRIPTOR, "status": _Enum(("STARTED", "RUNNING", "COMPLETE", "INCOMPLETE")),
        "reasons": _List(Shape(("type",), {
            "type": _Enum(("RATE_LIMITED",)), "rate_limited": Shape((), {"quota_reset": int}),
        })),
    })),
    "ANALYTICS": ("analytics", Shape(("type",), {"type": str, "value": str})),
}  # fmt: skip
_STATES = {
    "STREAM": ("stream", _STREAM_STATE),
    "GLOBAL": ("global", Shape(("stream_states",), {"shared_state": dict, "stream_states": _List(_STREAM_STATE)})),
    "LEGACY": ("data", Shape()),
}
PAYLOADS: dict[str, tuple[str, Shape]] = {
    "RECORD": ("record", Shape(("stream", "data", "emitted_at"), {
        "stream": str, "namespace": str, "data": dict, "emitted_at": int,
        "meta": Shape((), {"changes": _List(_CHANGE)}),
        "file_reference": Shape((), {
            "staging_file_url": str, "source_file_relative_path": str, "file_size_bytes": int,
        }),
    })),
    "STATE": ("state", Shape((), {"type": _Enum(("STREAM", "GLOBAL", "LEGACY")), "sourceStats": _STATS})),
    "LOG": ("log", Shape(("level", "message"), {
        "level": _Enum(("FATAL", "ERROR", "WARN", "INFO", "DEBUG", "TRACE")), "message": str, "stack_trace": str,
    })),
    "SPEC": ("spec", Shape(("connectionSpecification",), {
        "connectionSpecification": dict, "documentationUrl": str, "changelogUrl": str, "protocol_version": str,
        "supportsIncremental": bool, "supportsNormalization": bool, "supportsDBT": bool, "advanced_auth": dict,
        "supported_destination_sync_modes": _List(str),
    })),
    "CONNECTION_STATUS": ("connectionStatus", Shape(("status",), {
        "status": _Enum(("SUCCEEDED", "FAILED")), "message": str,
    })),
    "CATALOG": ("catalog", Shape(("streams",), {"streams": _List(_STREAM)})),
    "TRACE": ("trace", Shape(("type", "emitted_at"), {"type": _Enum(tuple(_TRACES)), "emitted_at": _Number})),
    "CONTROL": ("control", Shape(("type", "emitted_at"), {
        "type": _Enum(("CONNECTOR_CONFIG",)), "emitted_at": _Number,
        "connectorConfig": Shape(("config",), {"config": dict}),
    })),
    "DESTINATION_CATALOG": ("destination_catalog", Shape(("operations",), {"operations": _List(dict)})),
}  # fmt: skip
"""By the messages' type: the key that holds the content, and its shape."""


def faults(message: Mapping[str, Any]) -> Iterator[str]:
    """What is wrong with a message, field by field."""
    kind = message["type"]
    if kind not in PAYLOADS:
        yield f"there is no message type {kind!r}"
        return
    key, shape = PAYLOADS[kind]
    content = message.get(key)
    if not isinstance(content, dict):
        yield f"a {kind} message has its content in `{key}`"
        return
    yield from _object(content, shape, key)
    if kind == "TRACE" and content.get("type") in _TRACES:
        yield from _named(content, *_TRACES[content["type"]], where="trace")
    if kind == "STATE":
        yield from _named(content, *_STATES.get(content.get("type") or "LEGACY", ("data", Shape())), where="state")
    if kind == "CONTROL":
        yield from _named(content, "connectorConfig", Shape(("config",), {"config": dict}), where="control")


def _named(content: Mapping[str, Any], key: str, shape: Shape, where: str) -> Iterator[str]:
    if isinstance(content.get(key), dict):
        yield from _object(content[key], shape, f"{where}.{key}")
    else:
        yield f"`{where}.{key}` must be an object"


def _object(value: Mapping[str, Any], shape: Shape, where: str) -> Iterator[str]:
    for name in shape.needed:
        if value.get(name) is None:
            yield f"`{where}.{name}` is missing"
    for name, kind in shape.fields.items():
        if value.get(name) is not None:
            yield from _value(value[name], kind, f"{where}.{name}")


def _value(value: Any, kind: Any, where: str) -> Iterator[str]:
    if isinstance(kind, Shape):
        if isinstance(value, dict):
            yield from _object(value, kind, where)
        else:
            yield f"`{where}` must be an object, not {_shown(value)}"
    elif isinstance(kind, _List):
        if not isinstance(value, list):
            yield f"`{where}` must be a list, not {_shown(value)}"
            return
        for place, item in enumerate(value):
            yield from _value(item, kind.of, f"{where}[{place}]")
    elif isinstance(kind, _Enum):
        if value not in kind.members:
            yield f"`{where}` is {_shown(value)}; it must be one of {', '.join(kind.members)}"
    elif kind is _Number:
        if isinstance(value, bool) or not isinstance(value, (int, float)):
            yield f"`{where}` must be a number, not {_shown(value)}"
    elif not isinstance(value, kind) or (kind is int and isinstance(value, bool)):
        yield f"`{where}` must be {_WORDS[kind]}, not {_shown(value)}"


_WORDS = {str: "a string", int: "a whole number", bool: "a boolean", dict: "an object"}


def _shown(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 60 else text[:57] + "..."
