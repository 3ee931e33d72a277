"""Messages survive the wire, and the wire is strict JSON."""

from __future__ import annotations

import copy
import json
import pickle
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from headwater.errors import ForeignError
from headwater.protocol.airbyte import decode, encode
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
)
from headwater.protocol.values import encode as encode_value
from tests.protocol.test_values import strict

text = st.text(st.characters(exclude_categories=["Cs"]), max_size=30)
name = st.text(st.characters(exclude_categories=["Cs"]), min_size=0, max_size=10)
streams = st.builds(StreamDescriptor, name, st.none() | name.filter(bool))
json_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**64 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | text,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(text, inner, max_size=3),
    max_leaves=8,
)
objects = st.dictionaries(text, json_values, max_size=4)
failures = st.sampled_from(["system_error", "config_error", "transient_error"])
maybe = st.none() | text
messages: st.SearchStrategy[Message] = st.one_of(
    st.builds(State.of_stream, streams, objects, st.none() | st.integers(0, 10**9)),
    st.builds(State, st.fixed_dictionaries({"type": st.just("GLOBAL"), "global": objects, "id": st.integers(0, 99)})),
    st.builds(Log, st.sampled_from(Level), text, maybe),
    st.builds(StreamStatus, streams, st.sampled_from(Status)),
    st.builds(StreamStatus, streams, st.just(Status.RUNNING), st.just(True), st.none() | st.integers(0, 2**50)),
    st.builds(ErrorTrace, text, failures, st.none() | streams, maybe, maybe),
    st.builds(Estimate, streams, st.none() | st.integers(0, 2**60), st.none() | st.integers(0, 2**60)),
    st.builds(Control, objects),
    st.builds(Spec, objects),
    st.builds(CatalogMessage, objects),
    st.builds(ConnectionStatus, st.booleans(), maybe),
)  # fmt: skip
change = st.builds(Change, text, st.sampled_from(["NULLED", "TRUNCATED"]), text)
data = st.lists(objects.map(msgspec.json.encode), max_size=5)
changed = st.dictionaries(st.integers(0, 5), st.lists(change, max_size=2), max_size=3)
batches = st.builds(Records, streams, data, st.integers(0, 2**50), changed)


@settings(max_examples=300)
@given(messages)
def test_a_message_comes_back(message: Message) -> None:
    line = encode(message)
    assert line.endswith(b"}\n")
    value = strict(line[:-1])
    assert next(iter(value)) == "type"
    assert len(value) == 2
    assert msgspec.json.decode(line) == value
    assert decode(line) == message


@given(batches)
def test_a_batch_is_a_line_a_record(batch: Records) -> None:
    lines = encode(batch).split(b"\n")
    assert lines.pop() == b""
    assert len(lines) == len(batch)
    for place, line in enumerate(lines):
        record = strict(line)["record"]
        assert record["emitted_at"] == batch.emitted_at
        assert record.get("namespace") == batch.stream.namespace
        read = decode(line)
        assert isinstance(read, Records)
        assert (read.stream, read.emitted_at) == (batch.stream, batch.emitted_at)
        assert [bytes(one) for one in read.data] == [batch.data[place]]
        assert list(read.changes.get(0, ())) == list(batch.changes.get(place, ()))


@given(st.binary(max_size=60) | json_values.map(msgspec.json.encode))
def test_rubbish_is_foreign(line: bytes) -> None:
    try:
        decode(line)
    except ForeignError as error:
        assert "Not a message" in error.message


@pytest.mark.parametrize(
    "line",
    [b"", b"null", b"[]", b"{}", b'{"type":5}', b'{"type":"RECORD"}', b'{"type":"STATE"}', b'{"type":"LOG","log":{}}',
     b'{"type":"TRACE","trace":{}}', b'{"type":"TRACE","trace":{"type":"STREAM_STATUS"}}',
     b'{"type":"RECORD","record":{}}', b'{"type":"RECORD","record":null}',
     b'{"type":"TRACE","trace":{"type":"STREAM_STATUS","stream_status":{"stream_descriptor":{"name":"a"},"status":"X"}}}',
     b'{"type":"TRACE","trace":{"type":"ERROR","error":{}}}', b'{"type":"LOG","log":null}', b'{"type":"LOG","log":[]}',
     b'{"type":"CONTROL","control":{"connectorConfig":5}}', b'{"type":"CONNECTION_STATUS","connectionStatus":"x"}',
     b'{"type":"STATE","state":5}', b'{"type":"RECORD","record":{"stream":"a","data":{},"meta":{"changes":[1]}}}',
     b'{"type":"SPEC","spec":null}', b'{"type":"CATALOG","catalog":[]}', b'\xff', b'{"type":"LOG"'],
)  # fmt: skip
def test_what_is_not_of_the_protocol(line: bytes) -> None:
    with pytest.raises(ForeignError):
        decode(line)


@pytest.mark.parametrize(
    "line", [b'{"type":"NEW","new":1}', b'{"type":"TRACE","trace":{"type":"ANALYTICS","analytics":{}}}']
)
def test_what_this_version_does_not_know(line: bytes) -> None:
    assert decode(line) is None


def test_unknown_fields_stay_in_states_and_enums_are_read_kindly() -> None:
    raw: dict[str, Any] = {"type": "STREAM", "stream": {"stream_descriptor": {"name": "a"}, "x": 1}, "id": 7, "new": {}}
    assert decode(json.dumps({"type": "STATE", "state": raw}).encode()) == State(raw)
    assert decode(b'{"type":"LOG","log":{"level":"NOTICE","message":"m"}}') == Log(Level.INFO, "m")


def test_an_empty_batch_is_nothing() -> None:
    assert encode(Records(StreamDescriptor("a"), [])) == b""


def test_counts_are_floats() -> None:
    assert b'"recordCount":3.0' in encode(State.of_stream(StreamDescriptor("a"), {"x": 1}, 3))


def test_a_state_in_pieces_is_like_any_other() -> None:
    stream = StreamDescriptor("items", "shop")
    blob = {"states": [{"partition": {"a": "\u2028"}, "cursor": {"at": 1}}]}

    def pieces() -> State:
        return State.of_pieces(stream, [b"{", *(encode_value(blob)[1:-1], b"}")], 3)

    plain = State.of_stream(stream, blob, 3)
    assert encode(pieces()) == encode(plain)
    state = pieces()
    assert (state.type, state.stream, state.stream_state) == ("STREAM", stream, blob)
    assert encode(state) == encode(plain)
    assert pieces() == plain == pieces() != State.of_stream(stream, blob, 4)
    assert copy.deepcopy(pieces()) == pickle.loads(pickle.dumps(pieces())) == plain
    assert repr(pieces()) == repr(plain)
