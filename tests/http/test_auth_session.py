"""Logins, sessions, and the schemes of requests itself."""

from __future__ import annotations

import logging
import time
from typing import Any

import pytest
import requests

from headwater import ApiKey, Request, RotatingTokens, SessionLogin
from headwater.http.auth_session import Cookies
from headwater.testing import Upstream, read
from headwater.testing.upstream import Answer, Received

from .apis import Api, left_of, said

GOOD = b'[{"id": 1}]'


def login(api: Upstream, **arguments: Any) -> SessionLogin:
    """A login at the upstream."""
    request = Request(f"{api.url}/login", method="POST", json={"user": "me", "password": "sesame"})
    return SessionLogin(request, timeout=60.0, **arguments)


def sessions(api: Upstream, *, uses: int = 99) -> None:
    """Gives a session for a login, good for so many requests, in every way."""

    def logged_in(request: Received) -> Answer:
        assert request.json() == {"user": "me", "password": "sesame"}
        number = len(api.asked("/login"))
        headers = {"Set-Cookie": f"sid=s{number}; Path=/", "X-Token": f"s{number}", "Content-Type": "application/json"}
        return Answer(200, headers, f'{{"data": {{"session": "s{number}"}}}}'.encode())

    def answer(request: Received) -> Answer:
        number = len(api.asked("/login"))
        used = sum(f"s{number}" in str(asked.headers) for asked in api.asked("/items"))
        return Answer(200 if f"s{number}" in str(request.headers) and used <= uses else 401, body=GOOD)

    api.on("/login", method="POST", body=logged_in)
    api.on("/items", body=answer)


def x_session(token: str) -> ApiKey:
    """In a header of its own."""
    return ApiKey(token, header="X-Session")


@pytest.mark.parametrize(
    ("arguments", "name", "value"),
    [
        ({"token": "data.session"}, "Authorization", "Bearer s1"),
        ({"token": "data.session", "sent": x_session}, "X-Session", "s1"),
        ({"header": "X-Token", "sent": x_session}, "X-Session", "s1"),
        ({}, "Cookie", "sid=s1"),
    ],
)
def test_a_login_is_done_once(api: Upstream, arguments: dict[str, Any], name: str, value: str) -> None:
    sessions(api)
    source = Api(api.url, auth=login(api, **arguments))
    for _ in range(3):
        read(source).ok()
    assert len(api.asked("/login")) == 1
    assert [request.headers[name] for request in api.asked("/items")] == [value] * 3


@pytest.mark.parametrize("arguments", [{"token": "data.session"}, {"header": "X-Token"}, {}])
def test_a_session_that_is_over_is_begun_anew(api: Upstream, arguments: dict[str, Any]) -> None:
    sessions(api, uses=2)
    source = Api(api.url, auth=login(api, **arguments))
    for _ in range(5):
        read(source).ok()
    assert (len(api.asked("/login")), len(api.asked("/items"))) == (3, 7)


def test_a_session_is_renewed_before_its_time_is_over(api: Upstream) -> None:
    sessions(api)
    source = Api(api.url, auth=login(api, token="data.session", lasts=0.2))
    read(source).ok()
    time.sleep(0.15)
    read(source).ok()
    assert [r.headers["Authorization"] for r in api.asked("/items")] == ["Bearer s1", "Bearer s2"]


@pytest.mark.parametrize(
    ("fault", "arguments", "kind", "words"),
    [
        ({"status": 401}, {"token": "a"}, "config_error", "refused the credentials (401)"),
        ({"status": 302, "headers": {"Location": "/"}}, {"token": "a"}, "config_error", "(302)"),
        ({"status": 200, "json": {}}, {}, "config_error", "no cookie"),
        ({"status": 200, "json": {"a": {"b": 1}}}, {"token": "a"}, "system_error", "'a' in its body"),
        ({"status": 200, "body": b"<html>"}, {"token": "a.b"}, "system_error", "'a.b' in its body"),
        ({"status": 200}, {"header": "X-Token"}, "system_error", "header 'X-Token'"),
        ({"status": 503}, {"token": "a"}, "transient_error", "gives none now (503)"),
        ({"fault": "reset"}, {"token": "a"}, "transient_error", "can't be reached"),
    ],
)
def test_a_login_that_fails(
    api: Upstream, fault: Any, arguments: Any, kind: str, words: str, caplog: pytest.LogCaptureFixture
) -> None:
    api.on("/login", method="POST", **fault)
    with caplog.at_level(logging.DEBUG):
        result = read(Api(api.url, auth=login(api, **arguments)))
    assert result.traces[0].failure_type == kind and words in result.traces[0].message
    assert "sesame" not in said(result, caplog) and not api.asked("/items")
    assert len(api.requests) == (3 if kind == "transient_error" else 1)


def test_a_login_by_a_form_may_send_on(api: Upstream) -> None:
    api.on("/login", method="POST", status=303, headers={"Location": "/home", "Set-Cookie": "sid=s1"})
    api.on("/items", body=GOOD)
    read(Api(api.url, auth=login(api))).ok()
    assert [request.path for request in api.requests] == ["/login", "/items"]


def test_a_cookie_that_the_server_replaces_is_replaced(api: Upstream) -> None:
    api.on("/login", method="POST", headers={"Set-Cookie": "sid=s1; Path=/"})
    api.on("/items", body=GOOD, headers={"Set-Cookie": "sid=s2; Path=/"})
    api.on("/items", body=GOOD, headers={"Set-Cookie": "lang=en; Path=/"})
    source = Api(api.url, auth=login(api))
    for _ in range(3):
        read(source).ok()
    assert [request.headers["Cookie"] for request in api.asked("/items")] == ["sid=s1", "sid=s2", "lang=en; sid=s2"]


def test_a_session_stays_with_its_host(api: Upstream, other: Upstream) -> None:
    api.on("/login", method="POST", json={"t": "sesame"})
    api.on("/items", body=lambda r: Answer(302, {"Location": f"{other.url}/items?key={r.query['key']}"}))
    other.on("/items", body=GOOD)
    read(Api(api.url, auth=login(api, token="t", sent=lambda token: ApiKey(token, param="key")))).ok()
    assert "sesame" not in f"{other.requests[0]} {other.requests[0].headers}"


def test_a_token_is_in_one_place() -> None:
    with pytest.raises(ValueError, match="either token= or header="):
        SessionLogin(Request("http://x"), token="a", header="b")


def test_cookies_beside_others() -> None:
    request = requests.Request("GET", "http://x", headers={"Cookie": "a=1; sid=old"}).prepare()
    assert Cookies({"sid": "new"})(request).headers["Cookie"] == "a=1; sid=new"


# --- the schemes of requests -----------------------------------------------------------------------------------------


def test_digest_authentication_of_requests(api: Upstream) -> None:
    challenge = {"WWW-Authenticate": 'Digest realm="r", nonce="n", qop="auth", algorithm=SHA-256'}
    api.on("/items", status=401, headers=challenge).on("/items", body=GOOD)
    assert read(Api(api.url, auth=requests.auth.HTTPDigestAuth("me", "sesame"))).ok().records["items"] == [{"id": 1}]
    assert api.requests[1].headers["Authorization"].startswith('Digest username="me", realm="r"')


def test_a_scheme_of_another_library(api: Upstream) -> None:
    class Signed(requests.auth.AuthBase):
        def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
            request.headers["X-Signature"] = f"{request.method} {request.path_url}"
            return request

    api.on("/items", body=GOOD)
    read(Api(api.url, auth=Signed())).ok()
    assert api.requests[0].headers["X-Signature"] == "GET /items"


# --- several tokens --------------------------------------------------------------------------------------------------


def test_the_token_with_the_most_left_is_used(api: Upstream) -> None:
    left = {"a": 3, "b": 6, "c": 1}
    used = ""

    def answer(request: Received) -> Answer:
        nonlocal used
        token = request.headers["Authorization"][-1]
        used += token
        left[token] -= 1
        refused = left[token] < 0
        headers = {"X-RateLimit-Remaining": str(max(0, left[token])), "X-RateLimit-Reset": str(int(time.time()) + 60)}
        return Answer(429 if refused else 200, headers, GOOD)

    api.on("/items", body=answer)
    source = Api(api.url, auth=RotatingTokens(["a", "b", "c"]))
    for _ in range(10):
        source.get("items")
    assert used[:3] == "abc" and used[3:6] == "bbb"  # nothing is known of them; then b has the most
    assert sorted(used) == sorted("aaabbbbbbc")  # ten requests, ten that there were: not one was refused


def test_requests_on_their_way_count() -> None:
    def prepared() -> requests.PreparedRequest:
        return requests.Request("GET", "http://x").prepare()

    began = time.time()
    auth = RotatingTokens(["a", "b"])
    for number, left in ((0, 3), (1, 2)):
        response = requests.Response()
        response.request = auth(prepared())
        assert response.request.headers["Authorization"] == f"Bearer {'ab'[number]}"
        response.headers.update({"RateLimit-Remaining": str(left), "RateLimit-Reset": "60"})
        auth.observe(response)
    given = [str(auth(prepared()).headers["Authorization"])[-1] for _ in range(5)]
    assert sorted(given) == list("aaabb") and given[0] == "a"
    wait = auth.wait()
    assert wait is not None and left_of(60, began, wait)
