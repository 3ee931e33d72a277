"""Singer's messages and states, and what they are in the Airbyte protocol.

To Singer for a source that is run as a tap, and back for whoever reads taps. Catalogs are in
:mod:`~headwater.protocol.singer_catalog`.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from typing import Any, Union

import msgspec

from headwater.errors import ConfigError, ForeignError
from headwater.protocol.messages import Records, State, StreamDescriptor, descriptor_to_json, now_ms
from headwater.protocol.singer_catalog import tap_stream_id
from headwater.protocol.values import encode as encode_value

# --- messages -------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Schema:
    """What the records of a stream look like from here on."""

    stream: str
    schema: Mapping[str, Any]
    key_properties: tuple[str, ...] = ()
    bookmark_properties: tuple[str, ...] = ()


@dataclass(frozen=True)
class StateValue:
    """How far the tap has come: the whole state of all its streams."""

    value: Any


@dataclass(frozen=True)
class ActivateVersion:
    """Records of the stream with another version are void."""

    stream: str
    version: int


@dataclass(frozen=True)
class Batch:
    """Records of a stream, in files."""

    stream: str
    encoding: Mapping[str, Any]
    manifest: tuple[str, ...]


SingerMessage = Union[Schema, Records, StateValue, ActivateVersion, Batch]  # noqa: UP007 - as in messages


def encode(message: Schema | StateValue | Records, name: str | None = None) -> bytes:
    """The message's lines, each with its ``\\n``; a batch of records is a line a record, and the records are
    copied as they are.

    :param name: of a batch's stream in Singer, where it is not the one that :func:`tap_stream_id` says.
    """
    if isinstance(message, Records):
        return _encode_records(message, tap_stream_id(message.stream) if name is None else name)
    if isinstance(message, StateValue):
        return encode_value({"type": "STATE", "value": message.value}) + b"\n"
    line: dict[str, Any] = {
        "type": "SCHEMA",
        "stream": message.stream,
        "schema": message.schema,
        "key_properties": message.key_properties,
    }
    if message.bookmark_properties:
        line["bookmark_properties"] = message.bookmark_properties
    return encode_value(line) + b"\n"


def _encode_records(batch: Records, name: str) -> bytes:
    if not batch.data:
        return b""
    head = b'{"type":"RECORD","stream":' + encode_value(name) + b',"record":'
    tail = b',"time_extracted":"' + _time(batch.emitted_at).encode() + b'"}\n'
    between = list(batch.data)  # one join, and so one copy, for the whole page
    between[0] = b"".join((head, between[0]))
    between[-1] = b"".join((between[-1], tail))
    return (tail + head).join(between)


_EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)


def _time(milliseconds: int) -> str:
    moment = _EPOCH + timedelta(milliseconds=milliseconds)
    return moment.strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def milliseconds(text: Any) -> int:
    """Of ``time_extracted``; now where it says nothing that can be read."""
    try:
        moment = msgspec.convert(text, datetime)
    except msgspec.ValidationError:
        return now_ms()
    moment = moment if moment.tzinfo else moment.replace(tzinfo=timezone.utc)
    return (moment - _EPOCH) // timedelta(milliseconds=1)


class _Line(msgspec.Struct):
    type: str
    stream: Any = None
    record: msgspec.Raw = msgspec.Raw()
    schema: msgspec.Raw = msgspec.Raw()
    value: msgspec.Raw = msgspec.Raw()
    encoding: msgspec.Raw = msgspec.Raw()
    time_extracted: Any = None
    key_properties: Any = None
    bookmark_properties: Any = None
    version: Any = None
    manifest: Any = None


_LINE = msgspec.json.Decoder(_Line)


def decode(line: bytes) -> SingerMessage | None:
    """One line of a tap; None for a message of a type that this version does not know. A record's version is
    left out.

    :raises ForeignError: if the line is not a message of Singer (JSON, an object, with a ``type``).
    """
    try:
        read = _LINE.decode(line)
        kind = read.type.upper()
        if kind == "STATE":
            return StateValue(_value(read.value))
        if kind not in ("RECORD", "SCHEMA", "ACTIVATE_VERSION", "BATCH"):
            return None
        if not isinstance(read.stream, str):
            raise ValueError("no `stream`")
        if kind == "RECORD":
            if not bytes(read.record).startswith(b"{"):
                raise ValueError("no `record`")
            return Records(StreamDescriptor(read.stream), [read.record], milliseconds(read.time_extracted))
        if kind == "SCHEMA":
            schema = dict(_value(read.schema))
            return Schema(read.stream, schema, _names(read.key_properties), _names(read.bookmark_properties))
        if kind == "BATCH":
            return Batch(read.stream, dict(_value(read.encoding)), _names(read.manifest))
        return ActivateVersion(read.stream, int(read.version))
    except (msgspec.DecodeError, UnicodeDecodeError, TypeError, ValueError) as error:
        raise ForeignError(f"Not a message of Singer: {line[:200]!r} ({error}).") from None


def _value(raw: msgspec.Raw) -> Any:
    """Any JSON; the standard library takes numbers that msgspec doesn't."""
    try:
        return msgspec.json.decode(raw)
    except msgspec.DecodeError:
        return json.loads(bytes(raw))


def _names(value: Any) -> tuple[str, ...]:
    return (value,) if isinstance(value, str) else tuple(str(name) for name in value or ())


# --- states ---------------------------------------------------------------------------------------------------


class Bookmarks:
    """The state of a source that is run as a tap: that of each stream as it is, under ``bookmarks``.

    :param value: a state as a runner of taps stored it: ``{"bookmarks": ...}``, in Meltano's ``singer_state`` or
        in a whole STATE message. What else is in it is kept.
    :param streams: the source's streams. Bookmarks of others are kept.
    :raises ConfigError: for what is no such state.
    """

    def __init__(self, value: Any, streams: Iterable[StreamDescriptor] = ()) -> None:
        for wrapped, key in (("type", "value"), ("singer_state", "singer_state")):
            if isinstance(value, Mapping) and wrapped in value and key in value and "bookmarks" not in value:
                value = value[key]
        value = {} if value is None else value
        marks = value.get("bookmarks") if isinstance(value, Mapping) else ()
        if not isinstance(marks, (Mapping, type(None))):
            raise ConfigError("state: a JSON object with an object in `bookmarks` is needed.")
        self._others = {key: part for key, part in value.items() if key not in ("bookmarks", "currently_syncing")}
        self._given: Mapping[str, Any] = marks or {}
        # encoded once, however often they are written for other streams' sake
        self._marks = {name: encode_value(mark) for name, mark in self._given.items()}
        self._streams = {tap_stream_id(stream): stream for stream in streams}
        for name in self._streams:
            if not isinstance(self._given.get(name), (Mapping, type(None))):
                raise ConfigError(f"state: the bookmark of stream {name!r} must be an object.")

    @property
    def is_foreign(self) -> bool:
        """Whether there is a state, and nothing in it that any stream could go on from."""
        return bool(self._others) and not self._marks

    def states(self) -> list[State]:
        """The states of the source's streams; bookmarks that Meltano's SDK wrote are read as what they mean."""
        given = ((stream, self._given.get(name)) for name, stream in self._streams.items())
        return [State.of_stream(stream, _understood(mark)) for stream, mark in given if mark]

    def update(self, stream: StreamDescriptor, blob: Mapping[str, Any]) -> None:
        """The stream's state has changed."""
        self._marks[tap_stream_id(stream)] = encode_value(blob)

    @property
    def size(self) -> int:
        """About how many bytes it takes to write it."""
        return sum(map(len, self._marks.values()))

    def encode(self) -> bytes:
        """The STATE line: all that a later run needs."""
        others = b"".join(encode_value(key) + b":" + encode_value(part) + b"," for key, part in self._others.items())
        marks = b",".join(encode_value(name) + b":" + mark for name, mark in self._marks.items())
        return b"".join((b'{"type":"STATE","value":{', others, b'"bookmarks":{', marks, b"}}}\n"))


def _understood(mark: Mapping[str, Any]) -> Mapping[str, Any]:
    """A bookmark as this SDK writes it, of one as Meltano's does. Its ``progress_markers`` are left out: they
    are not safe to go on from."""
    if not ("replication_key_value" in mark or isinstance(mark.get("partitions"), list)):
        return mark
    states = [
        {"partition": part["context"], "cursor": {part["replication_key"]: part["replication_key_value"]}}
        for part in mark.get("partitions") or ()
        if isinstance(part, Mapping) and {"context", "replication_key", "replication_key_value"} <= part.keys()
    ]
    if states:
        return {"states": states}
    key = mark.get("replication_key")
    return {key: mark["replication_key_value"]} if key and "replication_key_value" in mark else {}


def states_from_singer(value: Any, streams: Mapping[str, StreamDescriptor]) -> list[State]:
    """A tap's state as Airbyte states: one a stream where it is kept by stream, else one for all, which holds the
    tap's whole.

    :param streams: the streams that are read, by their ``tap_stream_id``.
    """
    marks = value.get("bookmarks") if isinstance(value, Mapping) else None
    if (
        isinstance(marks, Mapping)
        and value.keys() <= {"bookmarks", "currently_syncing"}
        and all(name in streams and isinstance(mark, Mapping) for name, mark in marks.items())
    ):
        return [State.of_stream(streams[name], mark) for name, mark in marks.items()]
    each = [{"stream_descriptor": descriptor_to_json(stream), "stream_state": {}} for stream in streams.values()]
    return [State({"type": "GLOBAL", "global": {"shared_state": value, "stream_states": each}})]


def state_to_singer(states: Sequence[State], streams: Mapping[str, StreamDescriptor]) -> Any:
    """The tap's state that :func:`states_from_singer` made these of."""
    for state in states:
        if state.type == "GLOBAL":
            return (state.raw.get("global") or {}).get("shared_state")
    names = {stream: name for name, stream in streams.items()}
    found = [(state.stream, state.stream_state) for state in states]
    return {"bookmarks": {names[stream]: blob for stream, blob in found if stream in names and blob is not None}}


# --- settings -------------------------------------------------------------------------------------------------


def settings_to_singer(schema: Any) -> Any:
    """Settings as ``--about`` tells them: what Airbyte calls ``airbyte_secret`` is ``secret``."""
    return _renamed(schema, "airbyte_secret", "secret")


def settings_from_singer(schema: Any) -> Any:
    """A tap's settings as a connector's spec has them."""
    return _renamed(schema, "secret", "airbyte_secret")


def _renamed(node: Any, old: str, new: str) -> Any:
    if isinstance(node, Mapping):  # a setting that is named so has an object there, not a boolean
        return {(new if k == old and v.__class__ is bool else k): _renamed(v, old, new) for k, v in node.items()}
    return [_renamed(part, old, new) for part in node] if isinstance(node, list) else node
