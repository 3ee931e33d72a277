"""Credentials: put where they belong, renewed when they must be, and told to nobody else."""

from __future__ import annotations

import base64
import logging
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import requests

from headwater import ApiKey, Auth, Basic, Bearer, ConfigError, LinkHeader, NextUrl, OAuth2, RotatingTokens, Secret
from headwater.errors import SourceError
from headwater.http.request import origin, shown
from headwater.testing import Upstream, read
from headwater.testing.upstream import Answer, Received

from .apis import Api, Items

GOOD = [{"id": 1}]


def said(result: Any, caplog: pytest.LogCaptureFixture) -> str:
    """All that came out of a read but its records: logs at every level, messages, errors."""
    return f"{caplog.text} {result.messages} {result.error!r} {result.error}"


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
        result = read(Api(api.url, auth=ApiKey("sesame", param="api_key"), timeout=0.1))
    assert result.error is not None
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


# --- other hosts -----------------------------------------------------------------------------------------------------

AUTHS: list[Callable[[], Any]] = [
    lambda: Bearer("sesame"),
    lambda: Basic("user", "sesame"),
    lambda: ApiKey("sesame", header="X-Key"),
    lambda: ApiKey("sesame", param="api_key"),
    lambda: RotatingTokens(["sesame"], quota=lambda response: None),
    lambda: requests.auth.HTTPBasicAuth("user", "sesame"),
]


def assert_told_nothing(request: Received) -> None:
    """Nothing of what belongs to the API."""
    assert "sesame" not in f"{request} {request.headers}" and "c2VzYW1l" not in f"{request.headers}"
    assert not {"authorization", "x-key", "x-source", "x-stream", "cookie"} & {n.lower() for n in request.headers}


class Own(Items):
    """With headers of its own."""

    paginator = LinkHeader()

    def request(self, slice: Any) -> Any:
        from dataclasses import replace

        return replace(super().request(slice), headers={"X-Stream": "sesame"})


@pytest.mark.parametrize("auth", AUTHS)
@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_redirect_to_another_host_carries_nothing(api: Upstream, other: Upstream, auth: Any, status: int) -> None:
    api.on(
        "/items",
        body=lambda request: Answer(
            status,
            {  # the query goes with it, as web servers have it
                "Location": f"{other.url}/moved?{'&'.join(f'{k}={v}' for k, v in request.pairs)}",
                "Set-Cookie": "session=sesame",
            },
        ),
    )
    other.on("/moved", json=GOOD)
    source = Api(api.url, Own, auth=auth(), headers={"X-Source": "sesame"})
    assert read(source).ok().records["items"] == GOOD
    assert "sesame" in f"{api.requests[0].headers}"
    assert_told_nothing(other.requests[0])


@pytest.mark.parametrize("auth", AUTHS)
def test_a_next_link_to_another_host_carries_nothing(api: Upstream, other: Upstream, auth: Any) -> None:
    credentials = auth()
    repeats = isinstance(credentials, ApiKey) and "api_key" not in credentials.withheld("/?api_key=1")
    link = f'<{other.url}/2{"?api_key=sesame" if repeats else ""}>; rel="next"'
    api.on("/items", json=GOOD, headers={"Link": link, "Set-Cookie": "a=sesame"})
    other.on("/2", json=[], headers={"Link": f'<{api.url}/3>; rel="next"'})
    api.on("/3", json=GOOD)
    source = Api(api.url, Own, auth=credentials, headers={"X-Source": "sesame"})
    read(source).ok()
    assert_told_nothing(other.requests[0])
    assert api.requests[1].headers["X-Source"] == "sesame"  # and back at home


def test_another_port_is_another_host(api: Upstream) -> None:
    with Upstream() as neighbour:
        headers = {"Location": f"{neighbour.url}/items", "Set-Cookie": "session=sesame"}
        api.on("/items", status=302, headers=headers)
        neighbour.on("/items", json=GOOD)
        read(Api(api.url, auth=Bearer("sesame"))).ok()
        assert_told_nothing(neighbour.requests[0])


def test_another_hosts_refusal_renews_nothing(api: Upstream, other: Upstream) -> None:
    api.on("/token", method="POST", json={"access_token": "sesame"})
    api.on("/items", status=302, headers={"Location": f"{other.url}/items"})
    other.on("/items", status=401)
    assert read(Api(api.url, auth=oauth(api))).traces[0].failure_type == "config_error"
    assert len(api.asked("/token")) == len(other.requests) == 1


@pytest.mark.parametrize(
    ("url", "same"),
    [
        ("https://api.test/v2", True), ("https://api.test:443/", True), ("https://API.test/", True),
        ("http://api.test/", False), ("https://api.test.evil.test/", False), ("https://api.test:8443/", False),
        ("https://api.test@evil.test/", False), ("https://evil.test\\@api.test/", False),
        ("https://api.test\\@evil.test/", False), ("https://evil.test#@api.test/", False),
        ("https://api.test:x/", False), ("https://a pi.test/", False),
        ("https://api.test\n.evil.test/", False), ("", False),
    ],
)  # fmt: skip
def test_origins(url: str, same: bool) -> None:
    assert (origin(url) == origin("https://api.test/v1")) is same


def test_from_https_to_http_nothing_is_carried(monkeypatch: pytest.MonkeyPatch) -> None:
    sent: list[requests.PreparedRequest] = []

    def send(self: Any, prepared: requests.PreparedRequest, **settings: Any) -> requests.Response:
        sent.append(prepared)
        response = requests.Response()
        response.status_code, response.url, response.request = 200, str(prepared.url), prepared
        response._content = b"[]"
        if len(sent) == 1:
            response.status_code, response.headers["Location"] = 302, "http://api.test/items"
        return response

    monkeypatch.setattr(requests.Session, "send", send)
    read(Api("https://api.test", auth=Bearer("sesame"), headers={"X-Source": "sesame"})).ok()
    first, second = sent
    assert first.headers["Authorization"] == "Bearer sesame" and second.url == "http://api.test/items"
    assert "sesame" not in str(second.headers)


@pytest.mark.parametrize(
    ("url", "text"),
    [
        ("https://user:sesame@api.test:8443/a%20b?key=sesame#sesame", "https://api.test:8443/a%20b"),
        ("http://[::1]:80/x", "http://[::1]:80/x"),
        ("http://a:sesame", "(a URL that can't be read)"),
        ("x?y", "://x"),
    ],
)
def test_urls_for_people(url: str, text: str) -> None:
    assert shown(url) == text


def test_a_redirect_with_other_letters(api: Upstream) -> None:
    api.on("/items", status=302, headers={"Location": "/bücher ok?q=é".encode().decode("latin-1")})
    api.on("/bücher ok", query={"q": "é"}, json=GOOD)
    assert read(Api(api.url)).ok().records["items"] == GOOD


def test_a_redirect_in_a_circle_ends(api: Upstream) -> None:
    api.on("/items", status=302, headers={"Location": "/items"})
    assert "more than 10 redirects" in read(Api(api.url)).traces[0].message
    assert len(api.requests) == 11


@pytest.mark.parametrize(
    "location", ["http://[::1", "ftp://a/b", "http://a:port/", "file:///etc/passwd", "http://", "//:80"]
)
def test_a_redirect_to_nowhere_is_the_servers_fault(api: Upstream, location: str) -> None:
    api.on("/items", status=302, headers={"Location": location})
    assert read(Api(api.url)).traces[0].failure_type == "system_error"


def test_a_post_becomes_a_get_where_the_rfc_says_so(api: Upstream) -> None:
    class Posting(Items):
        def request(self, slice: Any) -> Any:
            from headwater import Request

            return Request("items", method="POST", json={"q": 1})

    for status, method in ((301, "GET"), (302, "GET"), (303, "GET"), (307, "POST"), (308, "POST")):
        with Upstream() as served:
            served.on("/items", method="POST", status=status, headers={"Location": "moved"})
            served.on("/moved", method=method, json=GOOD)
            read(Api(served.url, Posting)).ok()
            assert served.requests[1].body == (b"" if method == "GET" else b'{"q": 1}')


def test_netrc_is_not_used(api: Upstream, other: Upstream, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    netrc = tmp_path / "netrc"
    netrc.write_text("machine 127.0.0.1 login me password sesame\nmachine 127.0.0.2 login me password sesame\n")
    netrc.chmod(0o600)
    monkeypatch.setenv("NETRC", str(netrc))
    api.on("/token", method="POST", json={"access_token": "t"})
    api.on("/items", status=302, headers={"Location": f"{other.url}/items"})
    other.on("/items", json=GOOD)
    read(Api(api.url)).ok()
    read(Api(api.url, auth=oauth(api))).ok()
    assert [request.headers.get("Authorization") for request in (*api.requests, *other.requests)] == [
        None, None, "Bearer t", None, None,
    ]  # fmt: skip


# --- OAuth 2 ---------------------------------------------------------------------------------------------------------


def oauth(api: Upstream, **arguments: Any) -> OAuth2:
    """Tokens of the upstream's ``/token``."""
    return OAuth2(f"{api.url}/token", client_id="me", client_secret=Secret("sesame"), timeout=5.0, **arguments)


def accepts(*tokens: str) -> Callable[[Received], Answer]:
    """Answers to requests with these tokens only."""

    def answer(request: Received) -> Answer:
        good = request.headers.get("Authorization") in {f"Bearer {token}" for token in tokens}
        return Answer(200 if good else 401, body=b'[{"id": 1}]')

    return answer


def test_client_credentials(api: Upstream) -> None:
    api.on("/token", method="POST", json={"access_token": "t1", "expires_in": 3600, "refresh_token": "ignored"})
    api.on("/items", body=accepts("t1"))
    source = Api(api.url, auth=oauth(api, scopes=("a", "b")))
    read(source).ok()
    read(source).ok()
    (asked,) = api.asked("/token")
    assert asked.form == {
        "client_id": "me", "client_secret": "sesame", "grant_type": "client_credentials", "scope": "a b",
    }  # fmt: skip


def test_a_refresh_token_of_one_use_is_told_before_the_new_token_is_used(api: Upstream) -> None:
    told: list[tuple[str, int]] = []
    for number in (1, 2):
        api.on("/token", method="POST", json={"access_token": f"t{number}", "refresh_token": f"r{number}"})
    api.on("/items", body=accepts("t2"))
    auth = oauth(api, refresh_token="r0", rotated=lambda token: told.append((token, len(api.asked("/items")))))
    read(Api(api.url, auth=auth)).ok()
    assert told == [("r1", 0), ("r2", 1)]
    assert [request.form["refresh_token"] for request in api.asked("/token")] == ["r0", "r1"]


@pytest.mark.parametrize("lasts", [1, "1", 0.9])
def test_a_token_is_renewed_before_it_expires(api: Upstream, lasts: Any) -> None:
    api.on("/token", method="POST", json={"access_token": "t1", "expires_in": lasts})
    api.on("/token", method="POST", json={"access_token": "t2", "expires_in": 3600})
    api.on("/items", body=accepts("t1", "t2"))
    source = Api(api.url, auth=oauth(api))
    read(source).ok()
    time.sleep(0.55)
    read(source).ok()
    assert [request.headers["Authorization"] for request in api.asked("/items")] == ["Bearer t1", "Bearer t2"]


@pytest.mark.parametrize("lasts", [None, 0, -1, "soon", "nan", "inf", [], True])
def test_an_odd_expiry_does_not_mean_a_renewal_each_time(api: Upstream, lasts: Any) -> None:
    api.on("/token", method="POST", json={"access_token": "t1", "expires_in": lasts})
    api.on("/items", body=accepts("t1"))
    source = Api(api.url, auth=oauth(api))
    read(source).ok()
    read(source).ok()
    assert len(api.asked("/token")) == 1


def test_a_refused_token_is_renewed_once_and_not_for_ever(api: Upstream) -> None:
    api.on("/token", method="POST", body=lambda request: {"access_token": f"t{len(api.requests)}"})
    api.on("/items", status=401)
    result = read(Api(api.url, auth=oauth(api)))
    assert result.traces[0].failure_type == "config_error" and "(401)" in result.traces[0].message
    assert (len(api.asked("/token")), len(api.asked("/items"))) == (2, 2)


def test_a_token_may_be_refused_again_after_it_worked(api: Upstream) -> None:
    api.on("/token", method="POST", body=lambda request: {"access_token": f"t{len(api.asked('/token'))}"})

    def each_token_once(request: Received) -> Answer:
        return accepts(f"t{(len(api.asked('/items')) + 1) // 2}")(request)

    api.on("/items", body=each_token_once)
    source = Api(api.url, auth=oauth(api))
    for _ in range(4):
        read(source).ok()


@pytest.mark.parametrize(
    ("fault", "kind"),
    [
        ({"status": 400, "json": {"error": "invalid_grant"}}, "config_error"),
        ({"status": 401, "json": {"error": {"nested": "sesame"}}}, "config_error"),
        ({"status": 200, "json": {"error": "bad_verification_code"}}, "config_error"),
        ({"status": 403, "body": b"<html>"}, "config_error"),
        ({"status": 302, "headers": {"Location": "/login"}}, "config_error"),
        ({"status": 400, "json": {"error": "temporarily_unavailable"}}, "transient_error"),
        ({"status": 200, "body": b"<html>maintenance"}, "transient_error"),
        ({"status": 429}, "transient_error"),
        ({"status": 500}, "transient_error"),
        ({"status": 521}, "transient_error"),
        ({"fault": "reset"}, "transient_error"),
        ({"fault": "hang"}, "transient_error"),
    ],
    ids=str,
)
def test_a_token_endpoint_that_gives_none(
    api: Upstream, fault: Any, kind: str, caplog: pytest.LogCaptureFixture
) -> None:
    api.on("/token", method="POST", **fault)
    auth = OAuth2(f"{api.url}/token?x=sesame", client_id="me", client_secret="sesame", timeout=0.05)
    with caplog.at_level(logging.DEBUG):
        result = read(Api(api.url, auth=auth))
    assert result.traces[0].failure_type == kind
    assert "token endpoint" in result.traces[0].message
    assert len(api.requests) == (3 if kind == "transient_error" else 1)
    assert "sesame" not in said(result, caplog)


@pytest.mark.parametrize("url", ["nowhere", "ftp://x/y", "http://"])
def test_a_token_endpoint_that_is_no_url(url: str) -> None:
    auth = OAuth2(url, client_id="me", client_secret="sesame")
    with pytest.raises(ConfigError, match="URL of the token endpoint"):
        auth(requests.PreparedRequest())


def test_threads_share_one_token(api: Upstream) -> None:
    api.on("/token", method="POST", delay=0.02, body=lambda request: {"access_token": f"t{len(api.asked('/token'))}"})
    api.on("/items", body=accepts("t2"))
    source = Api(api.url, auth=oauth(api))
    failed: list[Exception] = []

    def work() -> None:
        try:
            for _ in range(3):
                source.get("items")
        except Exception as error:
            failed.append(error)

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failed
    assert len(api.asked("/token")) == 2


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
    for token, reset in (("a", time.time() + 90), ("b", time.time() + 30)):
        response = requests.Response()
        response.request = requests.Request("GET", "http://x").prepare()
        response.request.headers["Authorization"] = f"Bearer {token}"
        response.headers["Reset"] = str(reset)
        auth.observe(response)
        response.status_code = 403
    assert auth(requests.Request("GET", "http://x").prepare()).headers["Authorization"] == "Bearer b"
    assert auth.wait() == pytest.approx(30, abs=1)
    assert not auth.recover(response)


def test_no_tokens_are_refused() -> None:
    with pytest.raises(ValueError, match="at least one token"):
        RotatingTokens([], quota=quota)


def test_auth_by_itself_does_nothing(api: Upstream) -> None:
    api.on("/items", status=401)
    result = read(Api(api.url, auth=Auth()))
    assert isinstance(result.error, SourceError) and len(api.requests) == 1
