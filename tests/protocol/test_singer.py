"""Singer's messages, states and settings: what goes there comes back, and what others wrote is understood."""

from __future__ import annotations

import json
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from headwater.errors import ConfigError, ForeignError
from headwater.protocol.messages import Records, State, StreamDescriptor
from headwater.protocol.singer import (
    ActivateVersion,
    Batch,
    Bookmarks,
    Schema,
    StateValue,
    decode,
    encode,
    settings_from_singer,
    settings_to_singer,
    state_to_singer,
    states_from_singer,
)
from tests.protocol.singer_strategies import names, objects, plain, values


class TestMessages:
    @given(plain, st.lists(objects, min_size=1, max_size=4), st.integers(0, 2**42))
    @settings(max_examples=30, deadline=None)
    def test_records_come_back(self, name: str, rows: list[dict[str, Any]], at: int) -> None:
        lines = encode(Records(StreamDescriptor(name), [msgspec.json.encode(row) for row in rows], at)).split(b"\n")
        assert lines.pop() == b""
        back = [decode(line) for line in lines]
        assert all(isinstance(r, Records) and (r.stream.name, r.emitted_at) == (name, at) for r in back)
        assert [r.rows()[0] for r in back if isinstance(r, Records)] == rows

    @given(
        st.builds(Schema, names, objects, st.lists(names).map(tuple), st.lists(names).map(tuple))
        | st.builds(StateValue, values)
    )
    @settings(max_examples=30, deadline=None)
    def test_others_come_back(self, message: Schema | StateValue) -> None:
        line = encode(message)
        assert line.count(b"\n") == 1
        assert decode(line) == message

    def test_records_are_not_touched(self) -> None:
        raw = b'{"n":  1.10, "big": 12345678901234567890123, "\\u0061": null}'
        lines = encode(Records(StreamDescriptor("s", "n"), [raw, b"{}"], 1_700_000_000_123)).splitlines()
        assert lines[0] == (
            b'{"type":"RECORD","stream":"n-s","record":' + raw + b',"time_extracted":"2023-11-14T22:13:20.123000Z"}'
        )
        assert bytes(decode(lines[0]).data[0]) == raw  # type: ignore[union-attr]

    def test_of_other_taps(self) -> None:
        assert decode(b'{"type":"schema","stream":"s","schema":{"x":1e400},"key_properties":"id"}') == Schema(
            "s", {"x": float("inf")}, ("id",)
        )
        assert decode(b'{"type":"ACTIVATE_VERSION","stream":"s","version":5}') == ActivateVersion("s", 5)
        batch = decode(b'{"type":"BATCH","stream":"s","encoding":{"format":"jsonl"},"manifest":["file:///a"]}')
        assert batch == Batch("s", {"format": "jsonl"}, ("file:///a",))
        assert decode(b'{"type":"NEW"}') is None
        read = decode(b'{"type":"RECORD","stream":"s","record":{},"time_extracted":"yesterday","version":3}')
        assert isinstance(read, Records)
        assert read.emitted_at > 1_700_000_000_000

    @pytest.mark.parametrize(
        "line",
        [
            b"",
            b"no",
            b"[]",
            b"{}",
            b'{"type":5}',
            b'{"type":"RECORD"}',
            b'{"type":"RECORD","stream":"s"}',
            b'{"type":"RECORD","stream":"s","record":5}',
            b'{"type":"STATE"}',
            b'{"type":"SCHEMA","stream":"s","schema":[1]}',
            b'{"type":"ACTIVATE_VERSION","stream":"s"}',
            b'{"type":"SCHEMA","stream":"s"}',
            b'\xff{"type":"STATE"}',
        ],
    )
    def test_none(self, line: bytes) -> None:
        with pytest.raises(ForeignError, match="Singer"):
            decode(line)


blobs = st.dictionaries(names, values, min_size=1, max_size=3).filter(
    lambda blob: not {"replication_key_value", "partitions"} & blob.keys()
)
partitions = st.lists(
    st.builds(
        lambda p, v: {"partition": p, "cursor": {"updated_at": v}}, st.dictionaries(names, names, max_size=2), names
    ),
    max_size=4,
)
stream_blobs = blobs | st.builds(lambda states: {"states": states}, partitions)


class TestBookmarks:
    @given(st.dictionaries(plain, stream_blobs, max_size=4), st.dictionaries(names, values, max_size=2))
    @settings(max_examples=30, deadline=None)
    def test_states_come_back_exactly(self, by_name: dict[str, Any], others: dict[str, Any]) -> None:
        others = {key: value for key, value in others.items() if key not in ("bookmarks", "type", "singer_state")}
        streams = [StreamDescriptor(name) for name in by_name]
        first = Bookmarks({**others, "bookmarks": {"gone": 5}, "currently_syncing": "x"}, streams)
        for stream in streams:
            first.update(stream, by_name[stream.name])
        message = decode(first.encode())
        assert isinstance(message, StateValue)
        stored = message.value
        assert stored == {**others, "bookmarks": {"gone": 5, **by_name}}
        again = Bookmarks(stored, streams)
        assert again.states() == [State.of_stream(stream, by_name[stream.name]) for stream in streams]
        assert json.loads(again.encode())["value"] == stored

    @pytest.mark.parametrize(
        "value",
        [{"bookmarks": {"s": {"at": 1}}}, {"singer_state": {"bookmarks": {"s": {"at": 1}}}},
         {"type": "STATE", "value": {"bookmarks": {"s": {"at": 1}}}},
         {"bookmarks": {"s": {"replication_key": "at", "replication_key_value": 1, "progress_markers": {"x": 9}}}}],
    )  # fmt: skip
    def test_wrappings(self, value: Any) -> None:
        stream = StreamDescriptor("s")
        assert Bookmarks(value, [stream]).states() == [State.of_stream(stream, {"at": 1})]

    def test_partitions_of_meltanos_sdk(self) -> None:
        stream = StreamDescriptor("s")
        done = {"context": {"r": "a"}, "replication_key": "at", "replication_key_value": 1}
        unsafe = {"context": {"r": "b"}, "progress_markers": {"replication_key": "at", "replication_key_value": 5}}
        mark = {"partitions": [done, unsafe]}
        assert Bookmarks({"bookmarks": {"s": mark}}, [stream]).states() == [
            State.of_stream(stream, {"states": [{"partition": {"r": "a"}, "cursor": {"at": 1}}]})
        ]

    @pytest.mark.parametrize("value", [[], 5, "x", {"bookmarks": []}, {"bookmarks": 5}, [{"type": "STREAM"}]])
    def test_what_is_none(self, value: Any) -> None:
        with pytest.raises(ConfigError, match="state"):
            Bookmarks(value)

    def test_a_bookmark_that_is_none(self) -> None:
        with pytest.raises(ConfigError, match="'s'"):
            Bookmarks({"bookmarks": {"s": 5}}, [StreamDescriptor("s")]).states()
        assert (
            Bookmarks({"bookmarks": {"s": {}, "t": None}}, [StreamDescriptor("s"), StreamDescriptor("t")]).states()
            == []
        )

    def test_foreign(self) -> None:
        assert Bookmarks({"issues": {"since": 5}}).is_foreign
        assert not Bookmarks({}).is_foreign
        assert not Bookmarks(None).is_foreign

    @given(st.dictionaries(plain, blobs, max_size=3), st.booleans())
    @settings(max_examples=30, deadline=None)
    def test_a_taps_state_comes_back(self, marks: dict[str, Any], odd: bool) -> None:
        value = {"bookmarks": marks, **({"extra": [1]} if odd else {})}
        streams = {name: StreamDescriptor(name, "ns") for name in marks}
        states = states_from_singer(value, streams)
        assert {state.type for state in states} <= ({"GLOBAL"} if odd else {"STREAM"})
        assert state_to_singer(states, streams) == value


def test_settings_come_back() -> None:
    schema = {
        "properties": {"secret": {"type": "string", "airbyte_secret": True}, "x": {"oneOf": [{"airbyte_secret": True}]}}
    }
    assert settings_to_singer(schema)["properties"]["secret"] == {"type": "string", "secret": True}
    assert settings_from_singer(settings_to_singer(schema)) == schema
