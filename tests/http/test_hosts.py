"""Other hosts get nothing of what belongs to the API: by redirects, by links, by URLs that look alike."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import requests

from headwater import ApiKey, Basic, Bearer, LinkHeader, RotatingTokens
from headwater.http.request import origin, shown
from headwater.testing import Upstream, read
from headwater.testing.upstream import Answer, Received

from .apis import Api, Items

GOOD = [{"id": 1}]


# --- other hosts -----------------------------------------------------------------------------------------------------


class InQuery(requests.auth.AuthBase):
    """Of another library: a key in the query, which nobody has told us of."""

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        request.prepare_url(str(request.url), {"api_key": "sesame"})
        return request


AUTHS: list[Callable[[], Any]] = [
    lambda: Bearer("sesame"),
    lambda: Basic("user", "sesame"),
    lambda: ApiKey("sesame", header="X-Key"),
    lambda: ApiKey("sesame", param="api_key"),
    lambda: RotatingTokens(["sesame"], quota=lambda response: None),
    lambda: requests.auth.HTTPBasicAuth("user", "sesame"),
    InQuery,
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
    assert "sesame" in f"{api.requests[0]} {api.requests[0].headers}"
    assert_told_nothing(other.requests[0])


@pytest.mark.parametrize("auth", AUTHS)
def test_a_next_link_to_another_host_carries_nothing(api: Upstream, other: Upstream, auth: Any) -> None:
    credentials = auth()
    repeats = isinstance(credentials, InQuery) or (
        isinstance(credentials, ApiKey) and "api_key" not in credentials.withheld("/?api_key=1")
    )
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
        ("x?y", "x"),
        ("api.test:8443/a?key=sesame", "api.test:8443/a"),
        ("user:sesame@api.test/a", "api.test/a"),
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
