"""Blocks of lines: what many lines at once give is what each alone gives, whatever stands between them."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headwater.errors import ForeignError
from headwater.protocol.airbyte import encode
from headwater.protocol.airbyte_lines import decode_lines
from headwater.protocol.lines import Lines, Noise
from headwater.protocol.messages import (
    Change,
    ConnectionStatus,
    Log,
    Message,
    Records,
    State,
    StreamDescriptor,
)

AT = 1_700_000_000_000


def record(data: Any, stream: str = "a", at: Any = AT, **more: Any) -> bytes:
    return json.dumps({"type": "RECORD", "record": {"stream": stream, "data": data, "emitted_at": at, **more}}).encode()


def state(at: Any) -> bytes:
    stream = {"stream_descriptor": {"name": "a"}, "stream_state": {"at": at}}
    return json.dumps({"type": "STATE", "state": {"type": "STREAM", "stream": stream, "id": 7}}).encode()


def read(*lines: bytes) -> list[Message | Noise]:
    return list(decode_lines(b"\n".join(lines)))


def rows(found: list[Message | Noise]) -> list[dict[str, Any]]:
    return [row for message in found if isinstance(message, Records) for row in message.rows()]


def test_consecutive_records_of_a_stream_are_one_batch() -> None:
    found = read(record({"i": 1}), record({"i": 2}), record({"i": 3}, "b"), state(5), record({"i": 4}))
    assert [type(message).__name__ for message in found] == ["Records", "Records", "State", "Records"]
    assert [row["i"] for row in rows(found)] == [1, 2, 3, 4]


def test_records_far_apart_in_time_keep_their_times() -> None:
    found = read(record({}, at=AT), record({}, at=AT + 50), record({}, at=AT + 500), record({}, at=AT - 9))
    assert [(len(m), m.emitted_at) for m in found if isinstance(m, Records)] == [(2, AT), (1, AT + 500), (1, AT - 9)]


def test_namespaces_tell_streams_apart_and_an_empty_one_is_none() -> None:
    found = read(record({}, namespace="x"), record({}, namespace=""), record({}, namespace=None))
    assert [(str(m.stream), len(m)) for m in found if isinstance(m, Records)] == [("x.a", 1), ("a", 1), ("a", 1)]


def test_changes_stay_with_their_record() -> None:
    meta = {"changes": [{"field": "f", "change": "NULLED", "reason": "R"}]}
    (found,) = read(record({"i": 1}), record({"i": 2}, meta=meta), record({"i": 3}, meta={"changes": "?"}))
    assert isinstance(found, Records)
    assert found.changes == {1: [Change("f", "NULLED", "R")]}


def test_a_state_keeps_what_nobody_knows() -> None:
    (found,) = read(b'{"type":"STATE","state":{"type":"GLOBAL","global":{"stream_states":[]},"id":7,"new":{"x":[1]}}}')
    assert found == State({"type": "GLOBAL", "global": {"stream_states": []}, "id": 7, "new": {"x": [1]}})


NOISE = [
    b"Using AIRBYTE_ENTRYPOINT: python main.py",
    b"[1, 2]",
    b"null",
    b'"text"',
    b'{"no": "type"}',
    b'{"type": 5}',
    b'{"type":"STATE","sta',
    b'{"type":"TRACE","trace":{"type":"STREAM_STATUS"}}',
    b'{"type":"LOG"}',
    b"\xff\xfe",
    b"{" * 5000,
]


@pytest.mark.parametrize("noise", NOISE)
def test_noise_is_told_and_the_rest_is_read(noise: bytes) -> None:
    lines = [record({"i": i}) for i in range(50)]
    found = read(*lines[:17], noise, *lines[17:])
    assert [m.line for m in found if isinstance(m, Noise)] in ([noise], [noise.replace(b'LOG"', b'LOG","log":null')])
    assert [row["i"] for row in rows(found)] == list(range(50))


def test_blank_lines_carriage_returns_and_unknown_types_are_nothing() -> None:
    found = read(
        b"", record({"i": 1}) + b"\r", b"  \r", b'{"type":"NEWS","news":1}', b'{"type":"DEBUG"}', record({"i": 2})
    )
    assert [row["i"] for row in rows(found)] == [1, 2]
    assert not [m for m in found if isinstance(m, Noise)]


@pytest.mark.parametrize(
    ("line", "row", "changed"),
    [
        (record({"a": float("nan")}), {"a": None}, "NULLED"),
        (record({"a": "\ud83d"}), {"a": "\ufffd"}, "TRUNCATED"),
        (record({"a": "x"}).replace(b'"x"', b'"\xff"'), {"a": "\ufffd"}, "TRUNCATED"),
    ],
)
def test_what_json_does_not_allow_is_changed_and_told(line: bytes, row: Any, changed: str) -> None:
    found = read(record({"i": 1}), line, record({"i": 2}))
    assert rows(found) == [{"i": 1}, row, {"i": 2}]
    (batch,) = [m for m in found if isinstance(m, Records) and m.changes]
    assert [(c.field, c.change) for c in batch.changes[0]] == [("a", changed)]


def test_numbers_travel_as_they_are_written() -> None:
    data = b'{"n":1.10,"big":123456789012345678901234567890}'
    (found,) = read(b'{"type":"RECORD","record":{"stream":"a","data":' + data + b',"emitted_at":1.0}}')
    assert isinstance(found, Records)
    assert bytes(found.data[0]) == data


@pytest.mark.parametrize(
    ("line", "why"),
    [
        (b'{"type":"RECORD","record":{"stream":"a","data":{"i', "is not JSON"),
        (record({"i": 1}) + record({"i": 2}), "is not JSON"),
        (record({"i": 1}) + b"," + record({"i": 2}), "is not JSON"),
        (b'{"type": "RECORD"}', "no object in `record`|names no stream"),
        (b'{"type":"RECORD","record":{"data":{}}}', "names no stream"),
        (record([1]), "'a' that can't be read: its `data` is no object"),
        (record("x"), "its `data` is no object"),
    ],
)
def test_a_record_that_can_t_be_read_is_never_skipped(line: bytes, why: str) -> None:
    with pytest.raises(ForeignError, match=why) as caught:
        read(record({"secret": "s3cret"}), line, record({}))
    assert "s3cret" not in str(caught.value)


def test_a_record_that_is_null_has_nothing_in_it() -> None:
    found = read(
        record({"i": 1}),
        record(None),
        record({"i": 2}),
        b'{"type":"RECORD","record":{"stream":"a","data":null,"x":NaN}}',
    )
    assert rows(found) == [{"i": 1}, {"i": 2}]


def test_a_few_records_among_many_of_others_do_not_keep_their_block() -> None:
    found = read(*[record({"x": "y" * 500}, "b")] * 100, record({"i": 1}), *[record({"x": "y" * 500}, "b")] * 100)
    kinds = {str(m.stream): type(m.data[0]).__name__ for m in found if isinstance(m, Records)}
    assert kinds == {"a": "bytes", "b": "Raw"}


def test_answers_to_other_commands() -> None:
    found = read(
        b'{"type":"CONNECTION_STATUS","connectionStatus":{"status":"FAILED","message":"no"}}',
        b'{"type":"LOG","log":{"level":"LOUD","message":"x","new":1}}',
    )
    assert found[0] == ConnectionStatus(False, "no")
    assert isinstance(found[1], Log)


names = st.sampled_from(["a", "b", "\u2028", 'q"', ""])
values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(exclude_categories=["Cs"])),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.text(st.characters(exclude_categories=["Cs"]), max_size=4), inner, max_size=3)
    ),
    max_leaves=8,
)
streams = st.builds(StreamDescriptor, names, st.none() | st.sampled_from(["n", "\x85"]))


@given(
    st.lists(
        st.tuples(
            streams, st.dictionaries(st.sampled_from(["x", "\u2028", "y"]), values, max_size=2), st.integers(1, AT)
        )
    ),
    st.integers(1, 60),
    st.booleans(),
    st.booleans(),
)
def test_any_records_cut_anywhere_arrive_whole_and_in_order(
    sent: list[tuple[StreamDescriptor, dict[str, Any], int]], step: int, raw: bool, crlf: bool
) -> None:
    wire = b"\xef\xbb\xbf"
    for stream, data, at in sent:
        text = json.dumps(data, ensure_ascii=not raw).encode()
        line = encode(Records(stream, [text], at))
        wire += line.replace(b"\n", b"\r\n") if crlf else line
    lines = Lines()
    got = []
    for start in range(0, len(wire), step):
        for message in decode_lines(lines.feed(wire[start : start + step])):
            assert isinstance(message, Records)
            got += [(message.stream, json.loads(bytes(one))) for one in message.data]
    assert lines.rest() == b""
    assert got == [(stream, data) for stream, data, _ in sent]


def test_a_line_of_64_mb_and_no_longer_than_allowed() -> None:
    lines = Lines(longest=80 * 2**20)
    text = record({"x": "y" * 64 * 2**20}) + b"\n"
    blocks = [lines.feed(text[at : at + 2**20]) for at in range(0, len(text), 2**20)]
    (found,) = decode_lines(blocks[-1])
    assert isinstance(found, Records)
    assert found.size > 64 * 2**20
    with pytest.raises(ForeignError, match="more than 80 MiB"):
        for _ in range(81):
            lines.feed(b"x" * 2**20)
