"""Bodies: what JSON may be, what servers make of it, and what shape it has."""

from __future__ import annotations

import json
from typing import Any

import pytest

from headwater import (
    Cursor,
    HttpStream,
)
from headwater.protocol.messages import Records
from headwater.testing import Upstream, read

from .apis import Api, Items, Parsed, failure

GOOD = [{"id": 1}]


# --- bodies ----------------------------------------------------------------------------------------------------------


class Dated(Items):
    """With a cursor, whose value is decoded by itself."""

    cursor = Cursor("at.time")


def given(body: bytes, kind: Any = Items, **headers: str) -> tuple[bytes, list[tuple[str, str]]]:
    """The first record of a body as its bytes, and what was changed in it."""
    with Upstream() as api:
        api.on("/items", body=body, headers={name.replace("_", "-"): value for name, value in headers.items()})
        result = read(Api(api.url, kind)).ok()
    (records,) = (message for message in result.messages if isinstance(message, Records))
    json.loads(bytes(records.data[0]))
    assert b"\n" not in bytes(records.data[0])
    return bytes(records.data[0]), [(change.field, change.change) for change in records.changes.get(0, ())]


@pytest.mark.parametrize("kind", [Items, Dated])
@pytest.mark.parametrize(
    ("body", "record"),
    [
        (b'[{"a":1e400,"b":-1E-999}]', b'{"a":1e400,"b":-1E-999}'),
        (b'[{"a":' + b"9" * 400 + b"}]", b'{"a":' + b"9" * 400 + b"}"),
        (b'[{"a":1,"a":2}]', b'{"a":1,"a":2}'),
        (b'[{"a":1.10}]', b'{"a":1.10}'),
        (b'[{"a":"\xe2\x80\xa8"}]', b'{"a":"\xe2\x80\xa8"}'),
        (b'[{"a":"\\ud83d\\ude00 \\n"}]', b'{"a":"\\ud83d\\ude00 \\n"}'),
        (b'[\r\n  {\n    "a": [\n 1,\n\t2 ]\n  }\n]\n', b'{"a":[1,2]}'),
        (b'  [ {"a" : { "b":  1} } ] ', b'{"a" : { "b":  1} }'),
    ],
    ids=lambda body: body[:20].decode(errors="replace"),
)
def test_json_that_is_passed_on_as_it_is(kind: Any, body: bytes, record: bytes) -> None:
    assert given(body, kind) == (record, [])


@pytest.mark.parametrize("kind", [Items, Dated])
@pytest.mark.parametrize(
    ("body", "headers", "record", "changes"),
    [
        (b'[{"a":NaN,"b":[Infinity]}]', {}, {"a": None, "b": [None]}, [("a", "NULLED"), ("b", "NULLED")]),
        (b'[{"a":"x\xffy"}]', {}, {"a": "x\ufffdy"}, [("a", "TRUNCATED")]),
        (b'[{"a":{"b":"\\ud800"}}]', {}, {"a": {"b": "\ufffd"}}, [("a.b", "TRUNCATED")]),
        (b'[{"a":"\\udc00x"}]', {}, {"a": "\ufffdx"}, [("a", "TRUNCATED")]),
        (b'[{"a":"\\ud800\\u0041"}]', {}, {"a": "\ufffdA"}, [("a", "TRUNCATED")]),
        (b'[{"a":"\xed\xa0\x80"}]', {}, {"a": "\ufffd"}, [("a", "TRUNCATED")]),
        (b'\xef\xbb\xbf[{"a":1}]', {}, {"a": 1}, []),
        ('[{"a":"é€"}]'.encode("utf-16"), {}, {"a": "é€"}, []),
        ('[{"a":"é"}]'.encode("utf-16-le"), {}, {"a": "é"}, []),
        ('[{"a":"é"}]'.encode("latin-1"), {"Content_Type": "application/json; charset=ISO-8859-1"}, {"a": "é"}, []),
        ('[{"a":"é"}]'.encode(), {"Content_Type": 'text/json; charset="latin-1"'}, {"a": "é"}, []),
        (b'[{"a":"\xff"}]', {"Content_Type": "text/json; charset=nonsense"}, {"a": "\ufffd"}, [("a", "TRUNCATED")]),
    ],
)  # fmt: skip
def test_json_that_must_be_changed(
    kind: Any, body: bytes, headers: dict[str, str], record: dict[str, Any], changes: list[tuple[str, str]]
) -> None:
    data, made = given(body, kind, **headers)
    assert (json.loads(data), made) == (record, changes)


@pytest.mark.parametrize(
    ("body", "record"),
    [
        (b'[{"a":1e400}]', {"a": None, "more": 1}),
        (b'[{"a":' + b"9" * 5000 + b"}]", {"a": None, "more": 1}),
        (b'[{"a":123456789012345678901234567890}]', {"a": 123456789012345678901234567890, "more": 1}),
    ],
    ids=["1e400", "5000 digits", "30 digits"],
)
def test_numbers_that_pass_a_parser(body: bytes, record: Any) -> None:
    data, changes = given(body, Parsed)
    assert json.loads(data) == record
    assert changes == ([] if record["a"] else [("a", "NULLED")])


@pytest.mark.parametrize("kind", [Items, Parsed, Dated])
def test_too_deep(kind: Any) -> None:
    with Upstream() as api:
        api.on("/items", body=b'[{"a":' + b"[" * 100_000 + b"]" * 100_000 + b"}]")
        trace = failure(api, kind)
    assert "nested too deeply" in trace.message


@pytest.mark.parametrize("encoding", ["gzip", "deflate"])
def test_compressed_bodies(encoding: str) -> None:
    import gzip
    import zlib

    body = json.dumps(GOOD * 100).encode()
    packed = gzip.compress(body) if encoding == "gzip" else zlib.compress(body)
    with Upstream() as api:
        api.on("/items", body=packed, headers={"Content-Encoding": encoding})
        assert len(read(Api(api.url)).ok().records["items"]) == 100
        api.on("/cut", body=packed[: len(packed) // 2], headers={"Content-Encoding": encoding})


# --- shapes ----------------------------------------------------------------------------------------------------------


def shaped(where: str) -> type[HttpStream]:
    """A stream whose records are there."""
    return type("Shaped", (Items,), {"records": where})


@pytest.mark.parametrize(
    ("where", "body", "words"),
    [
        ("", {"items": []}, "A list was due in the body of GET {url}/items; there is an object with 'items'."),
        ("", "text", "there is a string"),
        ("", None, "there is null"),
        ("", 3, "there is a number"),
        (
            "items",
            {"error": "x", "code": 1},
            "the body of GET {url}/items has no 'items'; there is an object with 'error'",
        ),
        ("items", [], "has no 'items'; there is a list"),
        ("a.b", {"a": {}}, "the body.a of GET {url}/items has no 'b'; there is an object with nothing in it."),
        ("a.b", {"a": None}, "has no 'b'; there is null"),
        ("items", {"items": {"id": 1}}, "A list was due in the body.items"),
        ("", [1, 2], "A list of objects was due"),
        ("", [{"id": 1}, None], "A list of objects was due"),
    ],
)
@pytest.mark.parametrize("cursor", [None, Cursor("id"), Cursor("a.b")])
def test_a_wrong_shape_is_named(where: str, body: Any, words: str, cursor: Any) -> None:
    kind = type("Shaped", (Items,), {"records": where, "cursor": cursor})
    with Upstream() as api:
        api.on("/items", json=body)
        trace = failure(api, kind)
        assert words.format(url=api.url) in trace.message
        assert trace.failure_type == "system_error" and len(api.requests) == 1


@pytest.mark.parametrize(
    ("where", "answer"),
    [
        ("", {"json": []}),
        ("a", {"json": {"a": []}}),
        ("a", {"json": {"a": None}}),
        ("a.b", {"json": {"a": {"b": None}}}),
        ("", {"status": 204, "body": b""}),
        ("a", {"status": 204, "body": b""}),
    ],
)
def test_no_records(where: str, answer: dict[str, Any]) -> None:
    for kind in (shaped(where), type("Both", (Parsed,), {"records": where})):
        with Upstream() as api:
            api.on("/items", **answer)
            assert read(Api(api.url, kind)).ok().records["items"] == []


@pytest.mark.parametrize("kind", [Items, Parsed])
def test_cursor_values_of_every_kind(kind: Any) -> None:
    rows = [{"at": at} for at in (None, 3, "2024-01-01T00:00:00Z", 2.5, "x", True, {"a": 1}, [1])]
    dated = type("Dated", (kind,), {"cursor": Cursor("at")})
    with Upstream() as api:
        api.on("/items", json=[*rows, {"id": 1}])
        result = read(Api(api.url, dated)).ok()
    assert len(result.records["items"]) == 9
    assert result.states[0].stream_state == {"at": "x"}
