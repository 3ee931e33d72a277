"""The scripted upstream, asked with another client than the SDK's."""

from __future__ import annotations

import time
from http.client import HTTPConnection, IncompleteRead
from typing import Any
from urllib.parse import urlsplit

import pytest

from headwater.testing import Upstream
from headwater.testing.upstream import Answer


def ask(api: Upstream, target: str, method: str = "GET", body: bytes | None = None) -> tuple[int, bytes]:
    """Status and body of one request on a connection of its own."""
    connection = HTTPConnection(urlsplit(api.url).netloc, timeout=60)
    try:
        connection.request(method, target, body)
        response = connection.getresponse()
        return response.status, response.read()
    finally:
        connection.close()


def test_answers_come_in_turn_and_the_last_one_stays() -> None:
    with Upstream() as api:
        api.on("/a", json=1).on("/a", status=503, body=b"busy", times=2).on("/a", json=2)
        assert [ask(api, "/a") for _ in range(5)] == [
            (200, b"1"), (503, b"busy"), (503, b"busy"), (200, b"2"), (200, b"2"),
        ]  # fmt: skip


def test_the_answer_that_asks_for_most_of_the_query_is_given() -> None:
    with Upstream() as api:
        api.on("/a", json="any").on("/a", query={"page": 2}, json="second")
        api.on("/a", query={"page": 2, "since": None}, json="second, of all")
        assert ask(api, "/a?since=1")[1] == b'"any"'
        assert ask(api, "/a?since=1&page=2")[1] == b'"second"'
        assert ask(api, "/a?page=2")[1] == b'"second, of all"'


def test_what_came_is_kept() -> None:
    with Upstream() as api:
        api.on("/a b/c", method="POST", json=None)
        ask(api, "/a%20b/c?x=1&x=2&y=", "POST", b"k=v%20w")
        (request,) = api.requests
        assert request.path == "/a%20b/c"
        assert request.pairs == (("x", "1"), ("x", "2"), ("y", ""))
        assert request.query == {"x": "2", "y": ""}
        assert request.form == {"k": "v w"}
        assert request.headers["host"] == urlsplit(api.url).netloc
        assert api.asked("/a b/c") == api.asked("/a%20b/c") == [request]


def test_a_function_answers() -> None:
    with Upstream() as api:
        api.on("/a", body=lambda request: {"page": request.query["page"]})
        api.on("/b", body=lambda request: Answer(418, body=b"teapot"))
        assert ask(api, "/a?page=7") == (200, b'{"page": "7"}')
        assert ask(api, "/b") == (418, b"teapot")


def test_a_request_that_nothing_answers_is_named() -> None:
    said = r"nothing answers GET /a\?page=3.*GET /a\?page=1 \(used up\)"
    with pytest.raises(AssertionError, match=said), Upstream() as api:
        api.on("/a", query={"page": 1}, json=[], times=1)
        ask(api, "/a?page=1")
        assert ask(api, "/a?page=3")[0] == 400


def test_it_does_not_hide_what_was_raised_before() -> None:
    with pytest.raises(KeyError), Upstream() as api:
        ask(api, "/")
        raise KeyError


@pytest.mark.parametrize(
    ("fault", "error"),
    [("reset", OSError), ("reset after headers", (OSError, IncompleteRead)), ("cut", IncompleteRead)],
)
def test_faults(fault: Any, error: Any) -> None:
    with Upstream() as api:
        api.on("/a", json="x" * 1000, fault=fault).on("/a", json=1)
        with pytest.raises(error):
            ask(api, "/a")
        assert ask(api, "/a") == (200, b"1")


def test_hanging_and_slow_answers() -> None:
    with Upstream() as api:
        api.on("/slow", json=1, delay=0.1).on("/hang", fault="hang")
        began = time.monotonic()
        assert ask(api, "/slow") == (200, b"1")
        assert time.monotonic() - began >= 0.1
        connection = HTTPConnection(urlsplit(api.url).netloc, timeout=0.1)
        connection.request("GET", "/hang")
        with pytest.raises(TimeoutError):
            connection.getresponse()
        connection.close()  # and its end does not wait for what hangs


def test_two_hosts() -> None:
    with Upstream() as one, Upstream("127.0.0.2") as other:
        other.on("/a", json=2)
        assert ask(other, "/a") == (200, b"2")
        assert not one.requests
