"""The short way to a host does what requests does: the same requests, the same answers, the same trust."""

from __future__ import annotations

import gzip
import ipaddress
import ssl
import zlib
from collections.abc import Iterator
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest
import requests
from hypothesis import given, settings
from hypothesis import strategies as st
from requests.cookies import RequestsCookieJar

from headwater import Bearer, LinkHeader
from headwater.http.prepare import checked, prepared
from headwater.testing import Upstream, read
from tests.http.apis import Api, failure

TEXT = st.text(st.sampled_from("abz019-._~!$&'()*+,;=:@/% ?#[]\"<>^`{|}\\äλ"), max_size=6)
PART = st.one_of(
    TEXT, st.sampled_from(["..", ".", "%2F", "%41", "%c3%a9", "%zz", "acme%2Fapi", "2024-01-01T00:00:00Z"])
)
BASE = st.sampled_from(
    ["https://api.test", "http://api.test:80", "https://API.test", "http://127.0.0.1:8080", "http://a_b"]
)
VALUE = st.one_of(TEXT, st.integers(), st.booleans(), st.lists(TEXT, max_size=2), st.floats(allow_nan=False))


@settings(max_examples=400, deadline=None)
@given(
    base=BASE,
    parts=st.lists(PART, max_size=3),
    query=st.one_of(st.just(""), TEXT.map("?{}".format), st.just("?page=2&since=2024-01-01T00%3A00%3A00Z")),
    params=st.dictionaries(TEXT, VALUE, max_size=3),
    more=st.dictionaries(st.sampled_from(["X-A", "accept"]), st.sampled_from(["a", "b"]), max_size=1),
)
def test_requests_are_those_of_requests(base: str, parts: list[str], query: str, params: Any, more: Any) -> None:
    url = "/".join([base, *parts]) + query
    common = {"User-Agent": "headwater", "Accept": "*/*"}

    def made(ours: bool) -> Any:
        credentials = Bearer("sesame")
        jar = RequestsCookieJar()
        try:
            if ours:
                found = prepared(
                    "GET", url, params=params, headers=checked(common), more=more, body=(None, None), auth=credentials,
                    cookies=jar,
                )  # fmt: skip
            else:
                found = requests.PreparedRequest()
                headers = {**checked(common), **more}
                found.prepare("GET", url, params=params, headers=headers, auth=credentials, cookies=jar)
        except (requests.RequestException, ValueError) as error:
            return type(error)
        return found.method, found.url, dict(found.headers), found.body, found.hooks

    assert made(ours=True) == made(ours=False)


def test_what_was_prepared_once_is_not_changed_by_a_request() -> None:
    common = checked({"Accept": "*/*"})
    for _ in range(2):
        made = prepared(
            "GET", "https://api.test/a", params=None, headers=common, more={}, body=(None, None), auth=Bearer("sesame"),
            cookies=None,
        )  # fmt: skip
        assert made.headers["Authorization"] == "Bearer sesame"
    assert dict(common) == {"Accept": "*/*"}


@pytest.fixture
def opened(api: Upstream, monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """The connections that the API accepts."""
    found: list[Any] = []
    accept = api._server.get_request

    def accepted() -> Any:
        found.append(accept())
        return found[-1]

    monkeypatch.setattr(api._server, "get_request", accepted)
    return found


def paged(api: Upstream, **headers: str) -> None:
    for page in range(4):
        link = {"Link": f'</items?page={page + 1}>; rel="next"'} if page < 3 else {}
        api.on("/items", query={"page": page or None}, json=[{"id": page}], headers={**link, **headers})


@pytest.mark.parametrize(("headers", "connections"), [({}, 1), ({"Connection": "close"}, 4)])
@pytest.mark.parametrize("named", [{}, {"Host": "api.test"}, {"X-Letter": "é", "User-Agent": b"bytes"}])
def test_a_connection_is_kept(
    api: Upstream, opened: list[Any], headers: Any, named: dict[str, Any], connections: int
) -> None:
    paged(api, **headers)
    assert len(read(Api(api.url, paginator=LinkHeader(same_host=True), headers=named)).ok().records["items"]) == 4
    assert len(opened) == connections
    assert {request.headers["Host"] for request in api.requests} == {named.get("Host", api.url[len("http://") :])}


def test_one_that_the_server_has_closed_is_opened_again(api: Upstream, opened: list[Any]) -> None:
    source = Api(api.url)
    api.on("/items", json=[])
    read(source).ok()
    opened[0][0].shutdown(2)
    read(source).ok()
    assert (len(opened), len(api.requests)) == (2, 2)


BODY = b'[{"id":1}]'


@pytest.mark.parametrize(
    ("headers", "body"),
    [
        ({"Content-Encoding": "gzip"}, gzip.compress(BODY, mtime=0)),
        ({"Content-Encoding": "gzip"}, gzip.compress(BODY[:4], mtime=0) + gzip.compress(BODY[4:], mtime=0)),
        ({"Content-Encoding": "deflate"}, zlib.compress(BODY)),
        ({"Content-Encoding": "deflate"}, zlib.compress(BODY)[2:-4]),
        ({"Content-Encoding": "identity"}, BODY),
        ({"Transfer-Encoding": "chunked"}, b"4\r\n" + BODY[:4] + b"\r\n6\r\n" + BODY[4:] + b"\r\n0\r\n\r\n"),
        ({"Connection": "close", "Transfer-Encoding": "identity"}, BODY),
    ],
    ids=["gzip", "two gzips", "zlib", "deflate", "identity", "chunks", "until the end"],
)
def test_bodies(api: Upstream, headers: dict[str, str], body: bytes) -> None:
    api.on("/items", body=body, headers=headers)
    assert read(Api(api.url)).ok().records["items"] == [{"id": 1}]


@pytest.mark.parametrize(
    ("headers", "body", "kind"),
    [
        ({"Content-Encoding": "gzip"}, gzip.compress(BODY, mtime=0)[:-9] + b"rubbishes", "decompressed"),
        ({"Content-Encoding": "gzip"}, BODY, "decompressed"),
        ({"Transfer-Encoding": "chunked"}, b"4\r\n[{\r\n", "cut off|closed"),
        ({"Transfer-Encoding": "chunked"}, b"xyz\r\n", "cut off|failed"),
    ],
)
def test_bodies_that_are_not_whole(api: Upstream, headers: dict[str, str], body: bytes, kind: str) -> None:
    api.on("/items", body=body, headers={**headers, "Connection": "close"})
    found = failure(api)
    assert found.failure_type == "transient_error"
    assert any(word in found.message for word in kind.split("|")), found.message


def test_cookies_are_kept_and_sent_where_they_belong(api: Upstream) -> None:
    paged(api, **{"Set-Cookie": "sid=s1; Path=/"})
    read(Api(api.url, paginator=LinkHeader())).ok()
    assert [request.headers.get("Cookie") for request in api.requests] == [None, "sid=s1", "sid=s1", "sid=s1"]


def test_through_a_proxy(api: Upstream, monkeypatch: pytest.MonkeyPatch) -> None:
    api.on("/http://api.test/items", json=[{"id": 1}])
    monkeypatch.setenv("http_proxy", api.url)
    monkeypatch.delenv("no_proxy", raising=False)
    assert read(Api("http://api.test")).ok().records["items"] == [{"id": 1}]


def test_not_through_a_proxy(api: Upstream, other: Upstream, monkeypatch: pytest.MonkeyPatch) -> None:
    api.on("/items", json=[{"id": 1}])
    monkeypatch.setenv("http_proxy", other.url)
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    assert read(Api(api.url)).ok().records["items"] == [{"id": 1}]


def test_a_library_for_tests_is_not_gone_past(monkeypatch: pytest.MonkeyPatch) -> None:
    def send(self: Any, request: requests.PreparedRequest, *_: Any, **__: Any) -> requests.Response:
        response = requests.Response()
        response.status_code, response.url, response.request = 200, str(request.url), request
        response._content = BODY
        return response

    monkeypatch.setattr(requests.adapters.HTTPAdapter, "send", send)
    assert read(Api("http://api.test")).ok().records["items"] == [{"id": 1}]


@pytest.fixture
def secure(tmp_path: Path) -> Iterator[tuple[Upstream, Path]]:
    """An API over TLS, and the certificate that must be trusted for it."""
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "headwater test")])
    now = datetime.now(timezone.utc)
    made = (
        x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key())
        .serial_number(1).not_valid_before(now - timedelta(days=1)).not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )  # fmt: skip
    pem, private = tmp_path / "cert.pem", tmp_path / "key.pem"
    pem.write_bytes(made.public_bytes(serialization.Encoding.PEM))
    private.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
    )  # fmt: skip
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(pem, private)
    with Upstream() as api:
        api._server.socket = context.wrap_socket(api._server.socket, server_side=True)
        yield api, pem


def test_a_certificate_that_nobody_signed_is_refused(secure: tuple[Upstream, Path]) -> None:
    api, _ = secure
    api.on("/items", json=[{"id": 1}])
    result = read(Api(api.url.replace("http:", "https:")))
    (trace,) = result.traces
    assert "no trusted TLS connection" in trace.message and not api.requests


def test_a_certificate_that_the_environment_trusts(
    secure: tuple[Upstream, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    api, pem = secure
    api.on("/items", json=[{"id": 1}])
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(pem))
    assert read(Api(api.url.replace("http:", "https:"))).ok().records["items"] == [{"id": 1}]
    result = read(Api(api.url.replace("http://127.0.0.1", "https://localhost")))  # not the name that it is made out to
    assert "no trusted TLS connection" in result.traces[0].message
