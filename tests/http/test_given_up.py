"""An end to everything: requests that fail for long, and lists that never end."""

from __future__ import annotations

import time
from typing import Any

from headwater import LinkHeader, NextUrl, RetryPolicy, TransientError
from headwater.testing import Upstream, read
from headwater.testing.upstream import Answer

from .apis import Api, Items, failure

GOOD = [{"id": 1}]


def test_a_request_that_has_failed_for_long_is_not_tried_again() -> None:
    policy = RetryPolicy(attempts=10**6, longest_total=10.0, first_delay=1.0, jitter=0.0)
    assert policy.delay(TransientError("x"), 1, spent=8.9) == 1.0
    assert policy.delay(TransientError("x"), 1, spent=9.1) is None
    assert policy.delay(TransientError("x", retry_after=11.0), 1) is None
    assert policy.delay(TransientError("x", rate_limited=True), 0, 1, spent=99.0) == 1.0


def test_time_is_up_before_the_tries_are(api: Upstream) -> None:
    api.on("/items", status=500, delay=0.05)
    began = time.monotonic()
    trace = failure(api, retry=RetryPolicy(attempts=10**6, longest_total=0.5, first_delay=0.01, longest_delay=0.05))
    assert time.monotonic() - began > 0.3 and "Given up after" in trace.message


def test_waits_for_a_limit_are_not_counted_as_time_of_failure(api: Upstream) -> None:
    api.on("/items", status=429, headers={"Retry-After": "3.1"}, times=1)
    api.on("/items", status=500).on("/items", json=GOOD)
    policy = RetryPolicy(longest_total=3.0, first_delay=0.01)  # long enough for what a busy machine takes to ask
    assert read(Api(api.url, retry=policy)).ok().records["items"] == GOOD


def test_pages_without_records_that_never_end(api: Upstream) -> None:
    def page(request: Any) -> Answer:
        return Answer(headers={"Link": f'</items?page={len(api.requests)}>; rel="next"'}, body=b"[]")

    class Linked(Items):
        paginator = LinkHeader()

    api.on("/items", body=page)
    trace = failure(api, Linked)
    assert "1000 pages without a record" in trace.message and trace.failure_type == "system_error"


def test_an_empty_page_with_a_next_link_is_not_the_last(api: Upstream) -> None:
    class Linked(Items):
        paginator = LinkHeader()

    class Named(Items):
        name = "named"
        path = "named"
        records = "items"
        paginator = NextUrl()

    api.on("/items", json=[], headers={"Link": '</items?page=2>; rel="next"'})
    api.on("/items", query={"page": 2}, json=GOOD)
    api.on("/named", json={"items": [], "next": "/named?page=2"})
    api.on("/named", query={"page": 2}, json={"items": GOOD, "next": None})
    assert read(Api(api.url, Linked, Named)).ok().records == {"items": GOOD, "named": GOOD}
