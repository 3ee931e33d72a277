"""Every way an answer can be wrong, and what becomes of it."""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Iterator
from typing import Any

import pytest

from headwater import (
    ConfigError,
    Cursor,
    HttpStream,
    PageNumbers,
    Record,
    RetryPolicy,
    SkipSlice,
    Slice,
    TransientError,
)
from headwater.protocol.messages import ErrorTrace, Records, Status, StreamStatus
from headwater.testing import Upstream, read

from .apis import Api, Items

GOOD = [{"id": 1}]
HTML = {"Content-Type": "text/html"}


def failure(api: Upstream, *kinds: Any, **constants: Any) -> ErrorTrace:
    """Why the read of one stream failed."""
    result = read(Api(api.url, *kinds, **constants))
    (trace,) = result.traces
    return trace


# --- what passes -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "fault",
    [
        {"status": 500},
        {"status": 502, "body": b"<html>", "headers": HTML},
        {"status": 503, "headers": {"Retry-After": "0"}},
        {"status": 429, "headers": {"Retry-After": "0"}},
        {"status": 429, "headers": {"Retry-After": "soon"}},
        {"status": 408},
        {"status": 425},
        {"status": 520},
        {"fault": "reset"},
        {"fault": "reset after headers", "json": GOOD},
        {"fault": "cut", "json": GOOD},
        {"body": b"<html>please log in</html>", "headers": HTML},
        {"body": b'[{"id": 1}, {"id"'},
        {"body": b""},
        {"body": b"", "headers": {"Content-Type": "application/json", "Content-Encoding": "gzip"}},
        {"body": b"no gzip", "headers": {"Content-Encoding": "gzip"}},
        {"body": b'[{"id": "a\x00b"}]'},
        {"body": b'[{"id": 1}] trailing'},
        {"body": b"\xff\xfe"},
    ],
    ids=str,
)
def test_a_fault_that_passes_is_nothing(fault: dict[str, Any]) -> None:
    with Upstream() as api:
        api.on("/items", **fault).on("/items", json=GOOD)
        assert read(Api(api.url)).ok().records == {"items": GOOD}
        assert len(api.requests) == 2


def test_a_fault_that_stays_is_told_after_some_tries(caplog: pytest.LogCaptureFixture) -> None:
    with Upstream() as api:
        api.on("/items", status=503, body=b"down")
        trace = failure(api)
        assert len(api.requests) == 3
        assert trace.failure_type == "transient_error"
        assert trace.message == f"GET {api.url}/items: the server failed (503). Given up after 3 tries."
    assert [record.levelname for record in caplog.records] == ["WARNING", "WARNING"]


@pytest.mark.parametrize(
    ("fault", "words"),
    [
        ({"fault": "hang"}, "no answer in time"),
        ({"fault": "reset"}, "the connection was closed in the middle"),
        ({"fault": "cut", "json": GOOD * 99}, "cut off"),
        ({"body": b"<p>", "headers": HTML}, "is not JSON (text/html, 3 bytes)"),
        ({"body": b""}, "is empty"),
    ],
)
def test_what_went_wrong_is_said(fault: dict[str, Any], words: str) -> None:
    with Upstream() as api:
        api.on("/items", **fault)
        trace = failure(api, timeout=0.1, retry=RetryPolicy(attempts=1))
        assert words in trace.message and trace.failure_type == "transient_error"


def test_nobody_there() -> None:
    with Upstream() as api:
        url = api.url
    result = read(Api(url, retry=RetryPolicy(attempts=1)))
    assert "no connection (refused or unreachable)" in result.traces[0].message


@pytest.mark.parametrize("status", [400, 405, 422])
def test_a_refused_request_is_the_connectors_fault(status: int) -> None:
    with Upstream() as api:
        api.on("/items", status=status, body=b"no such parameter")
        trace = failure(api)
        assert trace.failure_type == "system_error" and "no such parameter" in str(trace.internal_message)
        assert len(api.requests) == 1


@pytest.mark.parametrize("status", [401, 403, 404, 410])
def test_what_the_user_must_act_on(status: int) -> None:
    with Upstream() as api:
        api.on("/items", status=status)
        assert failure(api).failure_type == "config_error"
        assert len(api.requests) == 1


@pytest.mark.parametrize("wait", ["4000", "99999999999999", "Fri, 31 Dec 2999 23:59:59 GMT"])
def test_a_wait_of_more_than_the_policy_allows_is_not_begun(wait: str) -> None:
    with Upstream() as api:
        api.on("/items", status=429, headers={"Retry-After": wait})
        assert failure(api).failure_type == "transient_error"
        assert len(api.requests) == 1


def test_a_wait_for_a_quota_is_told() -> None:
    with Upstream() as api:
        api.on("/items", status=429, headers={"Retry-After": "0.05"}).on("/items", json=GOOD)
        result = read(Api(api.url)).ok()
    (wait,) = (m for m in result.messages if isinstance(m, StreamStatus) and m.rate_limited)
    assert wait.status is Status.RUNNING
    assert wait.quota_reset and abs(wait.quota_reset - time.time() * 1000) < 2000


def test_check_is_impatient() -> None:
    class Slow(Api):
        retry = RetryPolicy(first_delay=0.001)

    with Upstream() as api:
        api.on("/items", status=503)
        with pytest.raises(TransientError):
            Slow(api.url).check()
        assert len(api.requests) == 2


# --- bodies ----------------------------------------------------------------------------------------------------------


class Dated(Items):
    """With a cursor, whose value is decoded by itself."""

    cursor = Cursor("at.time")


class Parsed(Items):
    """With a parser of its own."""

    def parse(self, response: Any, slice: Slice) -> Iterator[Record]:
        yield from ({**record, "more": 1} for record in super().parse(response, slice))


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


# --- an author's code ------------------------------------------------------------------------------------------------


def parsing(error: Any) -> type[HttpStream]:
    """A stream whose parser raises this the first two times."""
    left = [error, error]

    class Raising(Items):
        def parse(self, response: Any, slice: Slice) -> Any:
            if left:
                raise left.pop()
            return super().parse(response, slice)

    return Raising


def test_a_transient_error_of_a_parser_is_tried_again() -> None:
    with Upstream() as api:
        api.on("/items", json=GOOD)
        assert read(Api(api.url, parsing(TransientError("not ready")))).ok().records["items"] == GOOD
        assert len(api.requests) == 3


def test_a_bug_of_a_parser_is_told_as_one() -> None:
    with Upstream() as api:
        api.on("/items", json=GOOD)
        result = read(Api(f"{api.url}", parsing(KeyError("total"))))
        (trace,) = result.traces
        assert trace.failure_type == "system_error" and "bug of the connector" in trace.message
        assert trace.internal_message == "KeyError: 'total'"
        assert "in parse" in str(trace.stack_trace)
        assert len(api.requests) == 1


def test_a_parser_may_skip_the_slice() -> None:
    with Upstream() as api:
        api.on("/items", json=GOOD)
        assert read(Api(api.url, parsing(SkipSlice("off")))).ok().records["items"] == []


class Careless(Items):
    """As one would write it with requests alone."""

    params = {"key": "sesame"}

    def parse(self, response: Any, slice: Slice) -> Any:
        response.raise_for_status()
        return response.json()["data"]


def test_a_parser_that_finds_no_json_is_tried_again() -> None:
    with Upstream() as api:
        api.on("/items", body=b"<html>").on("/items", json={"data": GOOD})
        assert read(Api(api.url, Careless)).ok().records["items"] == GOOD


def test_requests_own_errors_mean_what_the_status_means() -> None:
    class Judged(Api):
        def raise_for_status(self, response: Any) -> None:
            response.raise_for_status()

    with Upstream() as api:
        api.on("/items", status=503).on("/items", status=401)
        (trace,) = read(Judged(api.url, Careless)).traces
        assert trace.failure_type == "config_error"
        assert "sesame" not in f"{trace}" and len(api.requests) == 2


def test_requests_own_errors_keep_no_query() -> None:
    class Lenient(Api):
        def raise_for_status(self, response: Any) -> None:
            pass

    with Upstream() as api:
        api.on("/items", status=404)
        (trace,) = read(Lenient(api.url, Careless)).traces
        assert "404, HTTPError" in trace.message and "sesame" not in f"{trace}"


def test_a_length_counts_what_the_server_gave(caplog: pytest.LogCaptureFixture) -> None:
    class Odd(Items):
        records = "items"
        paginator = PageNumbers(size=3)

        def parse(self, response: Any, slice: Slice) -> Iterator[Record]:
            yield from (record for record in super().parse(response, slice) if record["id"] % 2)

    with Upstream() as api:
        for page, ids in enumerate(([1, 2, 3], [4, 6, 8], [9]), 1):
            api.on("/items", query={"page": page}, json={"items": [{"id": number} for number in ids]})
        with caplog.at_level(logging.WARNING):
            result = read(Api(api.url, Odd)).ok()
    assert [record["id"] for record in result.records["items"]] == [1, 3, 9]


def test_get_is_for_what_is_no_record() -> None:
    with Upstream() as api:
        api.on("/me", query={"full": "true", "x": None}, json={"id": 7})
        assert Api(f"{api.url}/").get("me", full=True, x=None) == {"id": 7}
        api.on("/gone", status=404)
        with pytest.raises(ConfigError):
            Api(api.url).get("/gone")
