"""Several requests at a time: how fast, how they end, and what is said meanwhile."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from headwater import Cursor, PageNumbers
from headwater.errors import Stopped
from headwater.http.ratelimit import RateLimit
from headwater.protocol.messages import Message, Records, State, Status, StreamStatus
from headwater.testing import Upstream, read
from headwater.testing.upstream import Received
from tests.http.apis import Api, Items


class Sharded(Items):
    """Twenty slices."""

    path = "items/{shard}"
    count = 20

    def partitions(self) -> Iterator[Mapping[str, Any]]:
        yield from ({"shard": shard} for shard in range(self.count))


def serve(api: Upstream, delay: float = 0.0, count: int = 20) -> None:
    for shard in range(count):
        api.on(f"/items/{shard}", json=[{"id": shard}], delay=delay)


def threads() -> list[threading.Thread]:
    return [thread for thread in threading.enumerate() if thread.name.startswith("headwater-read")]


def gone() -> bool:
    """Whether no thread reads any more, or soon."""
    until = time.monotonic() + 120.0
    while threads() and time.monotonic() < until:
        time.sleep(0.005)
    return not threads()


def test_slices_are_asked_for_at_the_same_time(api: Upstream) -> None:
    together = threading.Barrier(10, timeout=60.0)

    def answer(request: Received) -> list[dict[str, Any]]:
        together.wait()
        return [{"id": int(request.path.rpartition("/")[2])}]

    for shard in range(20):
        api.on(f"/items/{shard}", body=answer)
    result = read(Api(api.url, Sharded, concurrency=10, timeout=60.0)).ok()
    assert sorted(row["id"] for row in result.records["items"]) == list(range(20))


@settings(max_examples=12, deadline=None)
@given(
    slices=st.lists(st.integers(min_value=0, max_value=5), min_size=1, max_size=6),
    level=st.sampled_from([1, 2, 6, 10]),
    slow=st.sets(st.integers(0, 5)),
    cut=st.integers(0, 30),
)
def test_the_records_are_the_same_at_every_level(slices: list[int], level: int, slow: set[int], cut: int) -> None:
    """And of no prefix does a state say more than it gave: what is missing comes when it is gone on from."""
    with Upstream() as api:
        due = []
        for shard, size in enumerate(slices):
            rows = [{"id": f"{shard}.{number}", "at": number} for number in range(size)]
            due += [row["id"] for row in rows]
            for page in range(size // 2 + 1):
                wait = 0.01 if shard in slow else 0.0
                part = rows[page * 2 : page * 2 + 2]
                api.on(f"/items/{shard}", query={"page": page}, json=part, delay=wait)

        class Some(Sharded):
            count = len(slices)
            primary_key = ("id",)
            cursor = Cursor("at", order="ascending")
            paginator = PageNumbers(start=0, size=2)

        source = Api(api.url, Some, concurrency=level)
        catalog = source.discover().configured()
        messages = list(source.read(catalog))
        assert sorted(ids(messages)) == sorted(due)
        begun = messages[:cut]
        last = [message for message in begun if isinstance(message, State)][-1:]
        assert set(due) == {*ids(begun), *ids(Api(api.url, Some, concurrency=level).read(catalog, last))}


def ids(messages: Iterable[Message]) -> list[str]:
    return [row["id"] for message in messages if isinstance(message, Records) for row in message.rows()]


@pytest.mark.parametrize("how", ["close", "stop"])
def test_a_server_that_never_answers_keeps_no_thread(api: Upstream, how: str) -> None:
    api.on("/items/0", json=[{"id": 0}], delay=0.3)
    for shard in range(1, 4):
        api.on(f"/items/{shard}", fault="hang")

    class Four(Sharded):
        count = 4

    messages = Api(api.url, Four, concurrency=4, timeout=3600.0).read(Api(api.url, Four).discover().configured())
    for message in messages:
        if isinstance(message, Records):
            break
    while len(api.requests) < 4:
        time.sleep(0.01)
    if how == "close":
        messages.close()  # type: ignore[attr-defined]
    else:
        with pytest.raises(Stopped):
            messages.throw(Stopped())  # type: ignore[attr-defined]
            list(messages)
    assert gone()


def test_a_stream_that_fails_does_not_wait_for_a_server_that_never_answers(api: Upstream) -> None:
    api.on("/items/0", fault="hang")
    api.on("/items/1", status=400)
    api.on("/others", json=[{"id": 1}])

    class Two(Sharded):
        count = 2

    class Others(Items):
        name = "others"
        path = "others"

    result = read(Api(api.url, Two, Others, concurrency=3, timeout=3600.0))
    assert result.statuses["items"][-1] is Status.INCOMPLETE
    assert result.statuses["others"][-1] is Status.COMPLETE
    assert result.records["others"]
    assert gone()


def test_a_wait_for_a_quota_is_told_at_once_and_after_started(api: Upstream) -> None:
    api.on("/items/0", status=429, headers={"Retry-After": "3600"})
    api.on("/items/1", json=[])

    class Two(Sharded):
        count = 2

    messages = Api(api.url, Two, concurrency=2).read(Api(api.url, Two).discover().configured())
    said = [next(messages), next(messages)]
    assert [m.rate_limited for m in said if isinstance(m, StreamStatus)] == [False, True]
    messages.close()  # type: ignore[attr-defined]
    assert gone()


def test_a_budget_is_kept_by_all_threads_together(api: Upstream) -> None:
    serve(api)
    began = time.monotonic()
    read(Api(api.url, Sharded, concurrency=10, rate_limit=RateLimit(10, 0.5))).ok()
    assert time.monotonic() - began >= 0.5


@pytest.mark.parametrize("limit", [RateLimit(1, seconds=3600), RateLimit(concurrent=1)])
def test_a_wait_for_a_limit_can_be_stopped(api: Upstream, limit: RateLimit) -> None:
    api.on("/items/0", json=[{"id": 0}])
    for shard in range(1, 20):
        api.on(f"/items/{shard}", fault="hang")
    source = Api(api.url, Sharded, concurrency=4, rate_limit=limit, timeout=3600.0)
    messages = source.read(source.discover().configured())
    for message in messages:
        if isinstance(message, Records):
            break
    with pytest.raises(Stopped):
        messages.throw(Stopped())  # type: ignore[attr-defined]
        list(messages)
    assert gone()
