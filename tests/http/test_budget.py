"""Budgets of requests: kept before the server complains, and slower after it did, until it likes us again."""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import closing
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from headwater import Fault, RateLimit, RotatingTokens
from headwater.http.budget import Budget
from headwater.protocol.messages import Status, StreamStatus
from headwater.testing import Upstream, read
from headwater.testing.upstream import Answer
from headwater.waiting import Bell
from tests.http.apis import Api, Items


class Clock:
    """One that stands until it is put on."""

    now = 100.0

    def __call__(self) -> float:
        return self.now


def entered(budget: Budget, clock: Clock) -> float:
    """Wait for a place as a thread does, leave at once, and say when that was."""
    for _ in range(1000):
        delay = budget.enter()
        if delay <= 0:
            budget.leave()
            return clock.now
        clock.now += delay
    raise AssertionError("it is never let in")


LIMITS = st.lists(st.builds(RateLimit, st.integers(1, 6), st.sampled_from([0.5, 1.0, 10.0])), min_size=1, max_size=3)


@given(limits=LIMITS, pauses=st.lists(st.sampled_from([0.0, 0.01, 0.3, 1.0, 7.0]), max_size=40))
def test_never_more_than_so_many_in_any_window(limits: list[RateLimit], pauses: list[float]) -> None:
    clock = Clock()
    budget = Budget(limits, clock)
    sent: list[float] = []
    for pause in pauses:
        clock.now += pause
        sent.append(entered(budget, clock))
    for limit in limits:
        assert limit.requests is not None
        for first, later in zip(sent, sent[limit.requests :], strict=False):
            assert later - first >= limit.seconds - 1e-9


def test_it_does_not_wait_without_need() -> None:
    clock = Clock()
    budget = Budget([RateLimit(3, 10.0)], clock)
    assert [budget.enter() for _ in range(4)] == [0, 0, 0, 10]
    clock.now += 10
    assert [budget.enter() for _ in range(4)] == [0, 0, 0, 10]


@pytest.mark.parametrize("wrong", [{"requests": 0}, {"requests": -1}, {"requests": 1, "seconds": 0}, {"concurrent": 0}])
def test_a_budget_of_nothing_is_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="RateLimit"):
        RateLimit(**wrong)


def test_so_many_at_the_same_time() -> None:
    budget = Budget([RateLimit(concurrent=2), RateLimit(concurrent=5)])
    bell = Bell()
    assert [budget.enter(), budget.enter(), budget.enter(bell)] == [0, 0, math.inf]
    budget.leave()
    assert bell.wait(0) and budget.enter() == 0


class TestSlowingDown:
    def test_one_complaint_halves_what_is_under_way_and_good_answers_give_it_back(self) -> None:
        clock = Clock()
        budget = Budget([RateLimit(concurrent=8)], clock)
        assert [budget.enter() for _ in range(8)] == [0] * 8
        for _ in range(8):  # all eight are refused: that is one complaint
            budget.leave()
            budget.complained(clock.now)
        assert [budget.enter() for _ in range(5)] == [0, 0, 0, 0, math.inf]
        for _ in range(30):
            budget.pleased()
        assert [budget.enter() for _ in range(5)] == [0, 0, 0, 0, math.inf]
        assert not budget.is_slowed

    def test_it_recovers(self) -> None:
        clock = Clock()
        budget = Budget([], clock)
        for _ in range(10):
            clock.now += 0.1
            assert budget.enter() == 0
            budget.leave()
        budget.complained(clock.now)
        gaps = []
        for _ in range(400):
            began = clock.now
            entered(budget, clock)
            gaps.append(clock.now - began)
            budget.pleased()
        assert gaps[0] == pytest.approx(0.2, rel=0.3)  # half as fast as before
        assert gaps == sorted(gaps, reverse=True) and gaps[-1] == 0
        assert not budget.is_slowed

    @given(complaints=st.integers(1, 40))
    def test_however_often_it_complains_it_is_never_slower_than_that(self, complaints: int) -> None:
        clock = Clock()
        budget = Budget([RateLimit(concurrent=6)], clock)
        for _ in range(complaints):
            sent = entered(budget, clock)
            clock.now += 0.05
            budget.complained(sent)
        began = clock.now
        assert entered(budget, clock) - began <= 10.0

    @settings(deadline=None)
    @given(said=st.lists(st.sampled_from(["good", "bad", "hold"]), max_size=60), most=st.sampled_from([None, 1, 4]))
    def test_whatever_it_says_somebody_is_let_in(self, said: list[str], most: int | None) -> None:
        clock = Clock()
        budget = Budget([RateLimit(concurrent=most)], clock)
        for word in said:
            sent = entered(budget, clock)
            clock.now += 0.01
            if word == "good":
                budget.pleased()
            else:
                budget.complained(sent)
                if word == "hold":
                    budget.hold(3.0)
        began = clock.now
        assert entered(budget, clock) - began <= 10.0


class Sharded(Items):
    """Some slices."""

    path = "items/{shard}"

    def partitions(self) -> Iterator[Mapping[str, Any]]:
        yield from ({"shard": shard} for shard in range(8))


class Others(Sharded):
    name = "others"
    path = "others/{shard}"


class Busy:
    """An API that counts how many requests are under way.

    :param together: the first ones have no answer until so many are.
    """

    def __init__(self, api: Upstream, together: int = 1, seconds: float = 0.03) -> None:
        self.now = self.peak = 0
        self._lock = threading.Lock()
        self._together, self._enough = together, threading.Event()
        self._seconds = seconds
        for kind in ("items", "others"):
            for shard in range(8):
                api.on(f"/{kind}/{shard}", body=self)

    def __call__(self, request: Any) -> Any:
        with self._lock:
            self.now += 1
            self.peak = max(self.peak, self.now)
            if self.peak >= self._together:
                self._enough.set()
        self._enough.wait(60.0)
        time.sleep(self._seconds)
        with self._lock:
            self.now -= 1
        return [{"id": request.path}]


@pytest.fixture(autouse=True)
def _all_threads(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("headwater.pool._LOOK", 0.0)
    monkeypatch.setattr("headwater.pool._BUSY", float("inf"))


def test_all_streams_and_threads_share_it(api: Upstream) -> None:
    busy = Busy(api, together=2)
    result = read(Api(api.url, Sharded, Others, concurrency=8, rate_limit=RateLimit(concurrent=2))).ok()
    assert busy.peak == 2
    assert (len(result.records["items"]), len(result.records["others"])) == (8, 8)


def test_without_it_there_are_more(api: Upstream) -> None:
    busy = Busy(api, together=3)
    read(Api(api.url, Sharded, Others, concurrency=8)).ok()
    assert busy.peak > 2


def test_a_wait_for_it_is_told(api: Upstream) -> None:
    Busy(api)
    source = Api(api.url, Sharded, concurrency=2, rate_limit=RateLimit(7, seconds=3600))
    with closing(source.read(source.discover().configured())) as messages:
        told = next(message for message in messages if isinstance(message, StreamStatus) and message.rate_limited)
    assert told.status is Status.RUNNING and told.quota_reset is not None
    assert len(api.requests) <= 7


@pytest.mark.parametrize(
    "answer", [{"status": 429}, {"status": 503}, {"status": 200, "body": b'{"error": "slow down"}'}]
)
def test_what_is_a_complaint(api: Upstream, answer: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    complaints: list[float] = []
    monkeypatch.setattr(Budget, "complained", lambda self, sent: complaints.append(sent))
    api.on("/items/3", **answer)
    for shard in range(8):
        api.on(f"/items/{shard}", json=[{"id": shard}])
    rules = (Fault("wait", status=200, fields={"error": "slow down"}),)
    source = Api(api.url, Sharded, concurrency=4, faults=rules)
    assert len(read(source).ok().records["items"]) == 8
    assert len(complaints) == 1


def test_nothing_goes_out_until_the_time_that_the_server_names(api: Upstream, monkeypatch: pytest.MonkeyPatch) -> None:
    refused: list[float] = []
    asked: list[float] = []
    lock = threading.Lock()
    understood = threading.Event()
    hold = Budget.hold

    def held(self: Budget, seconds: float) -> None:
        hold(self, seconds)
        understood.set()

    monkeypatch.setattr(Budget, "hold", held)

    def answer(request: Any) -> Any:
        with lock:
            asked.append(time.monotonic())
            if not refused:
                refused.append(time.monotonic())
                return Answer(429, {"Retry-After": "1"}, b"")
        assert understood.wait(60.0)  # what is under way has no answer before
        return [{"id": request.path}]

    for shard in range(8):
        api.on(f"/items/{shard}", body=answer)
    result = read(Api(api.url, Sharded, concurrency=3)).ok()
    assert len(result.records["items"]) == 8
    late = [at - refused[0] for at in asked[1:]]
    assert sum(each < 1.0 for each in late) <= 2  # what was under way; the rest after the second


@pytest.mark.parametrize("left", ["X-RateLimit", "RateLimit"])
def test_a_quota_that_is_used_up_is_waited_for_without_being_refused(api: Upstream, left: str) -> None:
    headers = {f"{left}-Remaining": "0", f"{left}-Reset": "3"}
    for shard in range(8):
        api.on(f"/items/{shard}", json=[{"id": shard}], headers=headers if shard == 0 else {})
    began = time.monotonic()
    result = read(Api(api.url, Sharded, concurrency=1)).ok()
    assert len(result.records["items"]) == len(api.requests) == 8
    assert time.monotonic() - began > 1.5
    assert [message.rate_limited for message in result.messages if isinstance(message, StreamStatus)].count(True) == 1


def test_other_tokens_are_not_held_by_one_that_is_used_up(api: Upstream) -> None:
    def answer(request: Any) -> Any:
        first = request.headers["Authorization"].endswith("one")
        told = {"X-RateLimit-Remaining": "0" if first else "50", "X-RateLimit-Reset": str(int(time.time()) + 3000)}
        return Answer(200, {"Content-Type": "application/json", **told}, b"[]")

    for shard in range(8):
        api.on(f"/items/{shard}", body=answer)
    read(Api(api.url, Sharded, auth=RotatingTokens(["one", "two"]), concurrency=1)).ok()


def test_credentials_that_ask_the_api_itself_do_not_wait_for_their_own_request(api: Upstream) -> None:
    api.on("/token", json={"token": "t"}).on("/items", json=[{"id": 1}])
    source = Api(api.url, rate_limit=RateLimit(concurrent=1))

    def auth(request: Any) -> Any:
        if not str(request.url).endswith("/token"):
            request.headers["Authorization"] = source.get("token")["token"]
        return request

    source.credentials = auth
    assert read(source).ok().records["items"] == [{"id": 1}]
    assert api.asked("/items")[0].headers["Authorization"] == "t"
