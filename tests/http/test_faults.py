"""Every way an answer can be wrong, and what becomes of it."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator
from typing import Any

import pytest

from headwater import (
    ConfigError,
    HttpStream,
    Manners,
    PageNumbers,
    Record,
    RetryPolicy,
    SkipSlice,
    Slice,
    TransientError,
)
from headwater.protocol.messages import Status, StreamStatus
from headwater.testing import Upstream, read

from .apis import Api, Items, failure

GOOD = [{"id": 1}]
HTML = {"Content-Type": "text/html"}


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
        trace = failure(api, timeout=0.1 if fault == {"fault": "hang"} else 30.0, retry=RetryPolicy(attempts=1))
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
        began = time.time()
        result = read(Api(api.url)).ok()
    (wait,) = (m for m in result.messages if isinstance(m, StreamStatus) and m.rate_limited)
    assert wait.status is Status.RUNNING
    assert wait.quota_reset and began * 1000 < wait.quota_reset < (time.time() + 2) * 1000


def test_check_is_impatient() -> None:
    class Slow(Api):
        manners = Manners(retry=RetryPolicy(first_delay=0.001))

    with Upstream() as api:
        api.on("/items", status=503)
        with pytest.raises(TransientError):
            Slow(api.url).check()
        assert len(api.requests) == 2


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
