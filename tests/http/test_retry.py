"""How long to wait: retries, and a budget of requests. Neither sleeps."""

from __future__ import annotations

import email.utils
import time
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headwater import RetryPolicy, TransientError
from headwater.http.limits import retry_after

from .apis import left_of

chances = st.floats(0, 1, exclude_max=True)


@given(
    attempts=st.integers(1, 8),
    first=st.floats(0.001, 10),
    longest=st.floats(0.001, 100),
    jitter=st.floats(0, 1),
    chance=chances,
)
def test_delays_are_bounded_and_end(attempts: int, first: float, longest: float, jitter: float, chance: float) -> None:
    policy = RetryPolicy(attempts, first, longest, jitter)
    delays = [policy.delay(TransientError("x"), tries, chance=lambda: chance) for tries in range(1, attempts + 3)]
    assert [delay is None for delay in delays] == [tries >= attempts for tries in range(1, attempts + 3)]
    for number, delay in enumerate(delays[: attempts - 1]):
        full = min(longest, first * 2**number)
        assert delay is not None and full * (1 - jitter) <= delay <= full


def test_a_thousand_failures_are_no_overflow() -> None:
    assert RetryPolicy(attempts=10**6).delay(TransientError("x"), 5000, chance=lambda: 0.0) == 60.0


@given(asked=st.floats(0, 3700), failures=st.integers(1, 5), chance=chances, limited=st.booleans())
def test_the_servers_time_is_the_least(asked: float, failures: int, chance: float, limited: bool) -> None:
    error = TransientError("x", retry_after=asked, rate_limited=limited)
    delay = RetryPolicy().delay(error, failures, failures, chance=lambda: chance)
    assert delay is not None and asked <= delay <= max(asked + 1, 2.0**failures)


def test_a_server_that_always_says_at_once_is_left_alone_longer_each_time() -> None:
    error = TransientError("x", retry_after=0.0, rate_limited=True)
    delays = [RetryPolicy(jitter=0).delay(error, 0, waits, chance=lambda: 0.0) for waits in (1, 2, 3, 4)]
    assert delays == [1, 2, 4, 8]


@pytest.mark.parametrize("asked", [3700.1, 1e300, float("inf"), float("nan")])
def test_a_wait_that_is_too_long_is_not_waited_for(asked: float) -> None:
    assert RetryPolicy().delay(TransientError("x", retry_after=asked), 1) is None
    assert RetryPolicy().delay(TransientError("x", retry_after=asked, rate_limited=True), 0, 1) is None


def test_rate_limits_have_their_own_count() -> None:
    policy = RetryPolicy(attempts=2, rate_limit_waits=3)
    limited = TransientError("x", rate_limited=True)
    assert [policy.delay(limited, 1, waits) is None for waits in (1, 2, 3, 4)] == [False, False, False, True]
    assert policy.delay(TransientError("x"), 2, 1) is None
    assert policy.delay(TransientError("x"), 1, 99) is not None


def test_impatient() -> None:
    policy = RetryPolicy(attempts=6, longest_wait=3700).impatient()
    assert policy.delay(TransientError("x"), 1) is not None
    assert policy.delay(TransientError("x"), 2) is None
    assert policy.delay(TransientError("x", retry_after=6), 1) is None
    assert policy.delay(TransientError("x", rate_limited=True), 0, 2) is None
    assert RetryPolicy(attempts=1).impatient().delay(TransientError("x"), 1) is None


# --- Retry-After ---------------------------------------------------------------------------------------------------


def answer(**headers: str) -> Any:
    """An answer with these headers."""
    return SimpleNamespace(headers={name.replace("_", "-"): value for name, value in headers.items()})


@pytest.mark.parametrize(
    ("value", "seconds"),
    [("120", 120), ("0", 0), (" 7 ", 7), ("1.5", 1.5), ("99999999999", 99999999999)],
)
def test_retry_after_in_seconds(value: str, seconds: float) -> None:
    assert retry_after(answer(Retry_After=value)) == seconds


@pytest.mark.parametrize(
    "value",
    ["", "-5", "soon", "nan", "inf", "1e3", "1_000", "٣", "1, 2", "9" * 400, "Mon, 99 Foo 2024 00:00:00 GMT",
     "Mon, 01 Jan 99999 00:00:00 GMT", "2024-01-01T00:00:00Z"],
)  # fmt: skip
def test_what_is_no_retry_after_is_none(value: str) -> None:
    assert retry_after(answer(Retry_After=value)) is None


def test_retry_after_as_a_date() -> None:
    began = time.time()
    soon = email.utils.formatdate(began + 90, usegmt=True)
    past = email.utils.formatdate(began - 90, usegmt=True)
    wait = retry_after(answer(Retry_After=soon))
    assert wait is not None and left_of(90, began, wait)
    assert retry_after(answer(Retry_After=past)) == 0


def test_a_date_is_compared_with_the_servers_clock() -> None:
    headers = {"Retry_After": "Mon, 01 Jan 2024 00:01:30 GMT", "Date": "Mon, 01 Jan 2024 00:00:00 GMT"}
    assert retry_after(answer(**headers)) == 90
