"""Nothing goes on for ever: neither an answer, nor tries, nor waits, nor renewed credentials."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest

from headwater import Auth, Fault, RetryPolicy
from headwater.http import direct
from headwater.testing import Upstream
from tests.http.apis import QUICK, Api, failure

FEW = replace(QUICK, rate_limit_waits=3)

HEADS = [
    b"HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n[",
    b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\n[\r\n",
    b"HTTP/1.1 200 OK\r\n\r\n[",
]


class Dripping:
    """A server that sends a byte now and then."""

    def __init__(self, head: bytes) -> None:
        self._head = head
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._socket.getsockname()[1]}"
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    def _serve(self) -> None:
        while not self._ended.is_set():
            try:
                connection, _ = self._socket.accept()
            except OSError:
                return
            with connection:
                try:
                    connection.recv(65536)
                    connection.sendall(self._head)
                    while not self._ended.wait(0.02):
                        connection.sendall(b"1\r\n \r\n" if b"chunked" in self._head else b" ")
                except OSError:
                    continue

    def close(self) -> None:
        self._ended.set()
        self._socket.close()


@pytest.fixture(params=HEADS, ids=["of a length", "in chunks", "until its end"])
def dripping(request: pytest.FixtureRequest) -> Iterator[Dripping]:
    server = Dripping(request.param)
    yield server
    server.close()


def test_an_answer_that_drips(dripping: Dripping, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(direct, "_LONGEST", 0.3)
    trace = failure(dripping, retry=RetryPolicy(attempts=1), timeout=3600.0)  # type: ignore[arg-type]
    assert "no answer in time" in trace.message


@pytest.mark.parametrize(
    ("answer", "asked"),
    [
        ({"status": 429, "headers": {"Retry-After": "0"}}, FEW.rate_limit_waits + 1),
        ({"status": 429}, FEW.rate_limit_waits + 1),
        ({"status": 503, "headers": {"Retry-After": "0"}}, QUICK.attempts),
        ({"status": 503, "headers": {"RateLimit-Remaining": "0", "Retry-After": "0"}}, FEW.rate_limit_waits + 1),
        ({"status": 500}, QUICK.attempts),
        ({"fault": "reset"}, QUICK.attempts),
        ({"body": b"<html>"}, QUICK.attempts),
    ],
    ids=str,
)
def test_an_answer_that_is_always_the_same(api: Upstream, answer: dict[str, Any], asked: int) -> None:
    api.on("/items", **answer)
    assert failure(api, retry=FEW).failure_type == "transient_error"
    assert len(api.requests) == asked


def test_credentials_that_always_have_others(api: Upstream) -> None:
    class Endless(Auth):
        def recover(self, response: Any) -> bool:
            return True

    api.on("/items", status=401)
    assert failure(api, auth=Endless()).failure_type == "config_error"
    assert len(api.requests) == 11


def test_a_rule_that_waits_for_ever(api: Upstream) -> None:
    api.on("/items", status=418)
    trace = failure(api, faults=(Fault("wait", status=418, seconds=10**9),))
    assert trace.failure_type == "transient_error" and len(api.requests) == 1


def test_a_budget_lets_everybody_in_at_last(api: Upstream) -> None:
    """Complaints slow it down, and never bring it to a stop."""
    source = Api(api.url)
    for _ in range(100):
        source.transport._budgets.of(api.url).complained(time.monotonic())
    assert source.transport._budgets.of(api.url).enter() <= 10.0
