"""What answers mean, as a source lists it: rules and limits."""

from __future__ import annotations

import email.utils
import time
from types import SimpleNamespace
from typing import Any

import pytest

from headwater import ConfigError, Fault, Manners, RetryPolicy, SkipSlice, SourceError, TransientError
from headwater.http.limits import Quota, is_limited, quota, wait_asked
from headwater.protocol.messages import StreamStatus
from headwater.testing import Upstream, read

from .apis import QUICK, Api, Items, asked, failure, left_of

GOOD = [{"id": 1}]


# --- rules -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("rule", "answer", "fits"),
    [
        (Fault("skip", status=409), {"status": 409}, True),
        (Fault("skip", status=(403, 409)), {"status": 404}, False),
        (Fault("skip", status=range(500, 600)), {"status": 521}, True),
        (Fault("skip", status=409, text="Empty"), {"status": 409, "body": b"it is EMPTY here"}, True),
        (Fault("skip", status=409, text="empty"), {"status": 409, "body": b"full"}, False),
        (Fault("skip", text="ü"), {"status": 400, "body": "grün".encode()}, True),
        (Fault("skip", fields={"error.code": 7}), {"status": 400, "json": {"error": {"code": 7}}}, True),
        (Fault("skip", fields={"error.code": 7}), {"status": 400, "json": {"error": [7]}}, False),
        (Fault("skip", fields={"error.code": 7}), {"status": 400, "body": b"<html>"}, False),
        (Fault("skip", status=200, fields={"ok": False}), {"json": {"ok": False}}, True),
        (Fault("skip", fields={"ok": False}), {"json": {"ok": False}}, False),  # of 400 and more, if it does not say
        (Fault("skip", status=200, headers={"X-Off": ""}), {"json": GOOD, "headers": {"X-Off": "1"}}, True),
        (Fault("skip", status=200, headers={"X-Off": ""}), {"json": GOOD}, False),
        (Fault("skip", headers={"X-Off": "^y"}), {"status": 400, "headers": {"X-Off": "Yes"}}, True),
        (Fault("skip", headers={"X-Off": "^y"}), {"status": 400, "headers": {"X-Off": "no"}}, False),
        (Fault("skip", status=403, path="/items$"), {"status": 403}, True),
        (Fault("skip", status=403, path="/other"), {"status": 403}, False),
        (Fault("skip", limited=True), {"status": 403, "headers": {"Retry-After": "1"}}, True),
        (Fault("skip", limited=True), {"status": 403, "headers": {"X-RateLimit-Remaining": "0"}}, True),
        (Fault("skip", limited=True), {"status": 403, "headers": {"X-RateLimit-Remaining": "1"}}, False),
        (Fault("skip", error="cut"), {"status": 500}, False),
    ],
    ids=str,
)
def test_what_a_rule_is_about(api: Upstream, rule: Fault, answer: dict[str, Any], fits: bool) -> None:
    api.on("/items", **answer)
    seen: list[bool] = []

    class Judged(Api):
        def raise_for_status(self, response: Any) -> None:
            seen.append(rule.fits(response))
            super().raise_for_status(response)

    read(Judged(api.url, faults=(rule,)))
    assert seen[0] is fits


@pytest.mark.parametrize(
    ("then", "tries", "kind"),
    [
        ("retry", 3, "transient_error"),
        ("config_error", 1, "config_error"),
        ("transient_error", 1, "transient_error"),
        ("system_error", 1, "system_error"),
    ],
)
def test_what_becomes_of_the_request(api: Upstream, then: Any, tries: int, kind: str) -> None:
    api.on("/items", status=418, body=b"teapot")
    trace = failure(api, faults=(Fault(then, "no coffee.", status=418),))
    assert trace.failure_type == kind and len(api.requests) == tries
    assert trace.message.startswith(f"GET {api.url}/items: no coffee (418).")
    if then != "retry":
        assert "teapot" in str(trace.internal_message)


def test_a_slice_is_skipped(api: Upstream) -> None:
    api.on("/items", status=404)
    assert read(Api(api.url, faults=(Fault("skip", status=404),))).ok().records["items"] == []


def test_a_wait_is_told_and_has_the_servers_time_or_the_rules(api: Upstream) -> None:
    api.on("/items", json={"error": "ratelimited"}, times=2).on("/items", json=GOOD)
    rule = Fault("wait", "slow down", status=200, fields={"error": "ratelimited"}, seconds=0.05)
    began = time.monotonic()
    result = read(Api(api.url, faults=(rule,))).ok()
    assert result.records["items"] == GOOD and time.monotonic() - began >= 0.1
    assert len([m for m in result.messages if isinstance(m, StreamStatus) and m.rate_limited]) == 2
    response = SimpleNamespace(status_code=200, headers={"Retry-After": "7"}, content=b"", url="http://x/y",
                               request=SimpleNamespace(method="GET"))  # fmt: skip
    told = rule.failure(response)  # type: ignore[arg-type]
    assert isinstance(told, TransientError) and (told.retry_after, told.rate_limited) == (7, True)
    assert told.message == "GET http://x/y: slow down (200)."


def test_the_first_rule_counts_and_the_defaults_come_after(api: Upstream) -> None:
    api.on("/items", status=404).on("/items", status=401)
    faults = (Fault("retry", status=404), Fault("skip", status=404))
    trace = failure(api, faults=faults)
    assert "credentials are refused (401)" in trace.message and len(api.requests) == 2


def test_an_override_comes_before_the_rules(api: Upstream) -> None:
    class Own(Api):
        manners = Manners(faults=(Fault("skip", status=404),))

        def raise_for_status(self, response: Any) -> None:
            if b"really" in response.content:
                raise ConfigError("really gone")
            super().raise_for_status(response)

    api.on("/items", status=404, body=b"really").on("/items", status=404)
    assert read(Own(api.url)).traces[0].message == "really gone"
    read(Own(api.url)).ok()


@pytest.mark.parametrize(
    ("fault", "error"),
    [
        ({"fault": "hang"}, "time-out"),
        ({"fault": "reset"}, "closed"),
        ({"fault": "cut", "json": GOOD * 99}, "cut"),
        ({"body": b"no gzip", "headers": {"Content-Encoding": "gzip"}}, "cut"),
        ({"body": b"<html>", "headers": {"Content-Type": "text/html"}}, "not json"),
    ],
    ids=str,
)
def test_what_went_wrong_on_the_way_has_rules_too(api: Upstream, fault: Any, error: Any) -> None:
    api.on("/items", **fault)
    faults = (Fault("system_error", "never", error="tls"), Fault("config_error", "check `url`.", error=error))
    timeout = 0.1 if error == "time-out" else 30.0
    trace = failure(api, timeout=timeout, faults=faults)
    assert trace.failure_type == "config_error" and trace.message.endswith(": check `url`.")
    assert asked(api, 1)
    read(Api(api.url, timeout=timeout, faults=(Fault("skip", error=error),))).ok()
    again = failure(api, timeout=timeout, faults=(Fault("retry", error=error),))
    assert again.failure_type == "transient_error" and asked(api, 5)


def test_nobody_there_has_a_rule_too() -> None:
    with Upstream() as api:
        url = api.url
    (trace,) = read(Api(url, faults=(Fault("config_error", "check `url`", error="no connection"),))).traces
    assert trace.failure_type == "config_error" and "unreachable): check `url`." in trace.message


def test_a_parser_that_finds_no_json_is_not_json(api: Upstream) -> None:
    class Careless(Items):
        def parse(self, response: Any, slice: Any) -> Any:
            return response.json()["data"]

    api.on("/items", body=b"<html>")
    trace = failure(api, Careless, faults=(Fault("config_error", "a web page", error="not json"),))
    assert trace.failure_type == "config_error" and trace.message.endswith("a web page.")


def test_a_rule_that_can_be_about_nothing_is_refused() -> None:
    with pytest.raises(ValueError, match="'ignore' is none of retry"):
        Fault("ignore")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="error="):
        Fault("retry", error="cut", status=500)


@pytest.mark.parametrize("then", ["retry", "wait"])
def test_a_rule_that_always_fits_ends(api: Upstream, then: Any) -> None:
    api.on("/items", json=GOOD, headers={"Retry-After": "0"})
    policy = RetryPolicy(attempts=3, rate_limit_waits=4, first_delay=0.001, longest_delay=0.002)
    trace = failure(api, faults=(Fault(then, status=200),), retry=policy)
    assert trace.failure_type == "transient_error"
    assert len(api.requests) == (3 if then == "retry" else 5)


@pytest.mark.parametrize("error", [ConfigError("x"), SkipSlice("x"), SourceError("x"), TransientError("x")])
def test_a_rules_error_is_of_the_kind_that_it_says(error: Exception) -> None:
    then: dict[type[Exception], Any] = {
        ConfigError: "config_error", SkipSlice: "skip", SourceError: "system_error", TransientError: "retry",
    }  # fmt: skip
    with Upstream() as api:
        api.on("/items", status=400)
        source = Api(api.url, faults=(Fault(then[type(error)]),), retry=QUICK)
        with pytest.raises(type(error)):
            source.get("items")


# --- limits ----------------------------------------------------------------------------------------------------------


def answer(status: int = 429, **headers: str) -> Any:
    """An answer with these headers."""
    from requests.structures import CaseInsensitiveDict

    named = CaseInsensitiveDict({name.replace("_", "-"): value for name, value in headers.items()})
    return SimpleNamespace(status_code=status, headers=named)


def _at(text: str) -> str:
    """A header's value, of the time at which it is asked for."""
    kind, seconds = text.split(" in ") if " in " in text else ("", text)
    if kind == "date":
        return email.utils.formatdate(time.time() + float(seconds), usegmt=True)
    return in_(float(seconds.split(" ")[0])) + seconds.partition(" ")[2] if kind else text


def in_(seconds: float) -> str:
    """An epoch second."""
    return str(int(time.time() + seconds))


@pytest.mark.parametrize(
    ("headers", "left", "resets_in"),
    [
        ({"RateLimit_Remaining": "5", "RateLimit_Reset": "30"}, 5, 30),
        ({"RateLimit_Remaining": "0", "RateLimit_Reset": "epoch in 30"}, 0, 30),
        ({"RateLimit": "limit=100, remaining=50, reset=5"}, 50, 5),
        ({"RateLimit": '"default";r=0;t=30'}, 0, 30),
        ({"RateLimit": '"burst";r=0;t=1, "day";r=0;t=600, "other";r=9;t=9999'}, 0, 600),
        ({"RateLimit": '"default";r=3'}, 3, None),
        ({"X_RateLimit_Remaining": "0", "X_RateLimit_Reset": "epoch in 90"}, 0, 90),
        ({"X_RateLimit_Remaining": "0", "X_RateLimit_Reset": "epoch in 90 000"}, 0, 90),
        ({"X_RateLimit_Remaining": "0", "X_RateLimit_Reset": "12.5"}, 0, 12.5),
        ({"X_Rate_Limit_Remaining": "1", "X_Rate_Limit_Reset": "epoch in 90"}, 1, 90),
        ({"X_RateLimit_Reset": "date in 90"}, None, 90),
        ({"X_RateLimit_Remaining": "many", "X_RateLimit_Reset": "soon"}, None, None),
        ({"X_RateLimit_Remaining": "-1"}, None, None),
        ({"RateLimit_Limit": "100"}, None, None),
        ({"RateLimit": "nonsense"}, None, None),
        ({}, None, None),
    ],
    ids=str,
)
def test_what_headers_say_of_a_quota(headers: dict[str, str], left: int | None, resets_in: float | None) -> None:
    began = time.time()
    told = quota(answer(**{name: _at(value) for name, value in headers.items()}))
    assert told.left == left
    if resets_in is None:
        assert told.resets is None
    else:
        assert told.resets is not None and left_of(resets_in, began, told.resets - time.time())


def test_an_epoch_is_compared_with_the_servers_clock() -> None:
    began = time.time()
    then = {"Date": "Mon, 01 Jan 2024 00:00:00 GMT", "X_RateLimit_Remaining": "0"}
    told = quota(answer(**then, X_RateLimit_Reset="1704067290"))
    assert told.resets is not None and left_of(90, began, told.resets - time.time())


@pytest.mark.parametrize(
    ("headers", "wait"),
    [
        ({"Retry_After": "7", "RateLimit_Remaining": "0", "RateLimit_Reset": "30"}, 7),
        ({"RateLimit_Remaining": "0", "RateLimit_Reset": "30"}, 30),
        ({"RateLimit_Reset": "30"}, 30),
        ({"RateLimit_Remaining": "0", "RateLimit_Reset": "0"}, 1),
        ({"RateLimit_Remaining": "9", "RateLimit_Reset": "30"}, None),  # it is another limit's
        ({"RateLimit_Remaining": "0"}, None),
        ({}, None),
    ],
)
def test_when_to_come_back(headers: dict[str, str], wait: float | None) -> None:
    began = time.time()
    asked = wait_asked(answer(**headers))
    assert asked == wait or (asked is not None and wait is not None and left_of(wait, began, asked))


def test_which_answers_are_about_a_limit() -> None:
    assert is_limited(answer(Retry_After="0")) and is_limited(answer(RateLimit_Remaining="0"))
    assert not is_limited(answer(RateLimit_Remaining="1")) and not is_limited(answer())
    assert Quota() == Quota(None, None)


@pytest.mark.parametrize("status", [429, 503])
@pytest.mark.parametrize(
    "headers",
    [
        {"RateLimit-Remaining": "0", "RateLimit-Reset": "1"},
        {"RateLimit": '"default";r=0;t=1'},
        {"X-RateLimit-Remaining": "0", "X-RateLimit-Reset": "{soon}"},
        {"RateLimit-Remaining": "0", "RateLimit-Reset": "{soon}"},
    ],
)
def test_limits_are_understood_without_a_rule(api: Upstream, status: int, headers: dict[str, str]) -> None:
    told = {name: value.format(soon=in_(1)) for name, value in headers.items()}
    api.on("/items", status=status, headers=told).on("/items", json=GOOD)
    began = time.monotonic()
    result = read(Api(api.url)).ok()
    assert time.monotonic() - began >= 0.9
    assert len([m for m in result.messages if isinstance(m, StreamStatus) and m.rate_limited]) == 1
