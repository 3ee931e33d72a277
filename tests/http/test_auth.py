"""Credentials: put where they belong, renewed when they must be, and told to nobody else."""

from __future__ import annotations

import base64
import logging
import time
from typing import Any

import pytest
import requests

from headwater import ApiKey, Auth, Basic, Bearer, ConfigError, NextUrl, RotatingTokens, Secret
from headwater.errors import SourceError
from headwater.testing import Upstream, read
from headwater.testing.upstream import Answer, Received

from .apis import Api, Items, left_of, said

GOOD = [{"id": 1}]


# --- one request -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("auth", "header"),
    [
        (Bearer("sesame"), "Bearer sesame"),
        (Bearer(Secret("sesame"), "token"), "token sesame"),
        (Basic("aladdin", "öffne"), "Basic " + base64.b64encode("aladdin:öffne".encode()).decode()),
        (Basic(Secret("key")), "Basic " + base64.b64encode(b"key:").decode()),
        (requests.auth.HTTPBasicAuth("a", "b"), "Basic YTpi"),
        (None, None),
    ],
)
def test_the_authorization_header(api: Upstream, auth: Any, header: str | None) -> None:
    api.on("/items", json=GOOD)
    read(Api(api.url, auth=auth)).ok()
    assert api.requests[0].headers["Authorization"] == header


def test_an_api_key_in_a_header(api: Upstream) -> None:
    api.on("/items", json=GOOD)
    read(Api(api.url, auth=ApiKey("sesame", header="X-Key"))).ok()
    assert api.requests[0].headers["x-key"] == "sesame"


def test_an_api_key_in_the_query_is_there_once(api: Upstream) -> None:
    class Linked(Items):
        paginator = NextUrl()
        records = "items"
        params = {"a b": "c&d", "e": ["f", "g"]}

    api.on("/items", json={"items": GOOD, "next": "/items?page=2&api_key=ses%26ame&x=1"})
    api.on("/items", query={"page": 2}, json={"items": GOOD})
    read(Api(api.url, Linked, auth=ApiKey(Secret("ses&ame"), param="api_key"))).ok()
    first, second = api.requests
    assert first.pairs == (("a b", "c&d"), ("e", "f"), ("e", "g"), ("api_key", "ses&ame"))
    assert second.pairs == (("page", "2"), ("x", "1"), ("api_key", "ses&ame"))


@pytest.mark.parametrize("arguments", [{}, {"header": "a", "param": "b"}])
def test_an_api_key_is_in_one_place(arguments: Any) -> None:
    with pytest.raises(ValueError, match="either header= or param="):
        ApiKey("x", **arguments)


FAULTS: list[dict[str, Any]] = [
    {"status": 400}, {"status": 401}, {"status": 404}, {"status": 500}, {"fault": "reset"},
    {"fault": "cut", "json": [1]}, {"body": b"<html>"}, {"json": {"no": "list"}}, {"json": [1]}, {"fault": "hang"},
    {"status": 302, "headers": {"Location": "http://[::1"}}, {"status": 302, "headers": {"Location": "ftp://h/x?y=z"}},
    {"status": 302, "headers": {"Location": "http://h:port/?sesame"}},
    {"status": 302, "headers": {"Location": "/items"}},
    {"status": 429, "headers": {"Retry-After": "0"}},
]  # fmt: skip


@pytest.mark.parametrize("fault", FAULTS, ids=str)
def test_a_key_in_the_query_is_never_told(api: Upstream, fault: Any, caplog: pytest.LogCaptureFixture) -> None:
    api.on("/items", **fault)
    with caplog.at_level(logging.DEBUG):
        timeout = 0.1 if fault.get("fault") == "hang" else 30.0
        result = read(Api(api.url, auth=ApiKey("sesame", param="api_key"), timeout=timeout))
    assert result.error is not None
    while not api.requests:  # one that nobody waited for may still be on its way
        time.sleep(0.01)
    assert api.requests[0].query["api_key"] == "sesame"
    assert "sesame" not in said(result, caplog)


@pytest.mark.parametrize("token", ["sesame\n", "sesame\r\nX-Other: 1", "sesame…"])
@pytest.mark.parametrize("auth", [Bearer, lambda token: ApiKey(token, header="X-Key")])
def test_a_token_that_no_header_can_hold(
    api: Upstream, token: str, auth: Any, caplog: pytest.LogCaptureFixture
) -> None:
    result = read(Api(api.url, auth=auth(token)))
    assert result.traces[0].failure_type == "config_error"
    assert "Check the credentials" in result.traces[0].message
    assert "sesame" not in said(result, caplog) and not api.requests


def test_a_base_url_with_a_user_is_told_without(api: Upstream, caplog: pytest.LogCaptureFixture) -> None:
    api.on("/items", status=500)
    result = read(Api(api.url.replace("//", "//me:sesame@")))
    assert "sesame" not in said(result, caplog)
    assert api.requests[0].headers["Authorization"] == "Basic " + base64.b64encode(b"me:sesame").decode()


@pytest.mark.parametrize(
    "base", ["api.test", "ftp://api.test", "http://", "http://:80", "http://a:port", "http://[::1"]
)
def test_a_base_url_that_is_none_is_the_users_turn(base: str) -> None:
    (trace,) = read(Api(base)).traces
    assert trace.failure_type == "config_error"


# --- several tokens --------------------------------------------------------------------------------------------------


def quota(response: requests.Response) -> tuple[int, float] | None:
    """What the test's API says of a token."""
    left = response.headers.get("X-Left")
    return None if left is None else (int(left), time.time() + 60)


def test_tokens_take_turns_and_rest(api: Upstream) -> None:
    used: list[str] = []

    def answer(request: Received) -> Answer:
        token = request.headers["Authorization"]
        used.append(token[-1])
        spent = used.count(token[-1]) > {"a": 1, "b": 3, "c": 99}[token[-1]]
        return Answer(403 if spent else 200, {"X-Left": "0" if spent else "5"}, b"[]")

    api.on("/items", body=answer)
    source = Api(api.url, auth=RotatingTokens(["a", Secret("b"), "c"], quota=quota, scheme="token"))
    for _ in range(9):
        source.get("items")
    assert used[:4] == ["a", "b", "c", "a"]  # refused, and at once sent again with the next
    assert used[4:] == ["b", "c", "b", "c", "b", "c", "c"]


def test_a_refusal_that_is_not_about_the_quota_is_no_reason_for_another_token(api: Upstream) -> None:
    api.on("/items", status=403, headers={"X-Left": "5"})
    with pytest.raises(ConfigError):
        Api(api.url, auth=RotatingTokens(["a", "b"], quota=quota)).get("items")
    assert len(api.requests) == 1


def test_when_all_rest_the_first_to_come_back_is_used() -> None:
    auth = RotatingTokens(["a", "b"], quota=lambda response: (0, float(response.headers["Reset"])))
    began = time.time()
    for token, reset in (("a", began + 90), ("b", began + 30)):
        response = requests.Response()
        response.request = requests.Request("GET", "http://x").prepare()
        response.request.headers["Authorization"] = f"Bearer {token}"
        response.headers["Reset"] = str(reset)
        auth.observe(response)
        response.status_code = 403
    assert auth(requests.Request("GET", "http://x").prepare()).headers["Authorization"] == "Bearer b"
    wait = auth.wait()
    assert wait is not None and left_of(30, began, wait)
    assert not auth.recover(response)


def test_no_tokens_are_refused() -> None:
    with pytest.raises(ValueError, match="at least one token"):
        RotatingTokens([], quota=quota)


def test_auth_by_itself_does_nothing(api: Upstream) -> None:
    api.on("/items", status=401)
    result = read(Api(api.url, auth=Auth()))
    assert isinstance(result.error, SourceError) and len(api.requests) == 1
