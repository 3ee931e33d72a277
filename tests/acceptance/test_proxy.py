"""The proxy: plain and TLS, what it records, gives again and spoils, and what it keeps of credentials."""

from __future__ import annotations

import json
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest
import requests

from headwater.acceptance.proxy import Answer, Fault, Proxy, Rule
from headwater.acceptance.proxy.authority import Authority
from headwater.acceptance.proxy.server import Session
from tests.acceptance.api import api
from tests.acceptance.suite import TOKEN

HEADERS = {"Authorization": f"Bearer {TOKEN}"}


@pytest.fixture
def folders(tmp_path: Path) -> Path:
    for name in ("api", "proxy"):
        (tmp_path / name).mkdir()
    return tmp_path


@pytest.fixture
def proxy(folders: Path) -> Iterator[Proxy]:
    found = Proxy(folders / "proxy")
    yield found
    found.close()


def get(proxy: Proxy, url: str, session: Session, token: str = TOKEN) -> requests.Response:
    with proxy.session(session) as environment:
        through = {"http": environment["HTTP_PROXY"], "https": environment["HTTPS_PROXY"]}
        client = requests.Session()
        client.trust_env = False
        return client.get(url, headers={"Authorization": f"Bearer {token}"}, proxies=through,
                          verify=environment["REQUESTS_CA_BUNDLE"], timeout=60)  # fmt: skip


def test_it_reads_what_is_said_over_tls(folders: Path) -> None:
    authority = Authority(folders / "api")
    proxy = Proxy(folders / "proxy", trust=authority.file)
    with api(authority.context("127.0.0.1")) as url:
        session = Session()
        answer = get(proxy, f"{url}/users?since=&page=1", session)
    assert len(answer.json()["items"]) == 6
    assert [(seen.request.host, seen.status) for seen in session.seen] == [("127.0.0.1", 200)]
    assert session.seen[0].request.url.startswith(url)
    proxy.close()


def test_an_api_that_nobody_trusts_is_not_reached(folders: Path, proxy: Proxy) -> None:
    with api(Authority(folders / "api").context("127.0.0.1")) as url:
        answer = get(proxy, f"{url}/users?page=1", Session())
    assert answer.status_code == 599
    assert "certificate" in answer.text


def test_a_certificate_of_somebody_else(folders: Path, proxy: Proxy) -> None:
    session = Session([Rule(Fault("tls"), name="a stranger")])
    with pytest.raises(requests.exceptions.SSLError):
        get(proxy, "https://api.test/users", session)
    assert [seen.fault for seen in session.seen] == ["a stranger"]


def test_answers_are_given_again_when_the_api_is_gone_and_only_to_whom_they_were_given(proxy: Proxy) -> None:
    with api() as url:
        first = get(proxy, f"{url}/users?page=1", Session()).content
    proxy._pool.clear()  # the connection to the API is still open
    assert get(proxy, f"{url}/users?page=1", Session()).content == first
    assert get(proxy, f"{url}/users?page=2", Session()).status_code == 599
    assert get(proxy, f"{url}/users?page=1", Session(), token="another").status_code == 599
    assert get(proxy, f"{url}/users?page=1", Session(replay=False)).status_code == 599


def test_no_credentials_are_on_disk(folders: Path, proxy: Proxy) -> None:
    with api() as url:
        get(proxy, f"{url}/users?page=1", Session())
    files = [path for path in folders.rglob("*") if path.is_file()]
    assert (folders / "proxy" / "tape") in files
    assert not any(TOKEN.encode() in path.read_bytes() for path in files)


@pytest.mark.parametrize(
    ("fault", "error"),
    [
        (Fault("reset"), requests.exceptions.ConnectionError),
        (Fault("cut"), requests.exceptions.ChunkedEncodingError),
    ],
)
def test_connections_that_break(proxy: Proxy, fault: Fault, error: type[Exception]) -> None:
    with api() as url:
        session = Session([Rule(fault, times=1, name="broken")])
        with pytest.raises((error, requests.exceptions.ConnectionError)):
            get(proxy, f"{url}/users?page=1", session).json()
        assert get(proxy, f"{url}/users?page=1", session).status_code == 200
    assert [seen.fault for seen in session.seen] == ["broken", None]


def test_answers_that_are_changed(proxy: Proxy) -> None:
    changed = Fault("change", change=lambda request, answer: answer.with_content(b"[]"))
    rules = [Rule(Fault("answer", Answer(503)), times=1), Rule(changed, after=1, times=None)]
    with api() as url:
        session = Session(rules)
        bodies = [get(proxy, f"{url}/users?page=1", session) for _ in range(3)]
    assert [answer.status_code for answer in bodies] == [503, 200, 200]
    assert [answer.content == b"[]" for answer in bodies] == [False, False, True]


def test_a_body_that_comes_drop_by_drop_is_whole(proxy: Proxy) -> None:
    with api() as url:
        session = Session([Rule(Fault("drip", seconds=3.0), times=1, name="drops")])
        with proxy.session(session) as environment:
            port = int(environment["HTTP_PROXY"].rpartition(":")[2])
            with socket.create_connection(("127.0.0.1", port), timeout=120) as connection:
                asked = f"GET {url}/users?page=1 HTTP/1.1\r\nHost: api\r\nAuthorization: Bearer {TOKEN}\r\n"
                connection.sendall(f"{asked}Connection: close\r\n\r\n".encode())
                parts = list(iter(lambda: connection.recv(65_536), b""))
    assert len(parts) > 2  # of 13; some come together where we are late
    body = b"".join(parts).partition(b"\r\n\r\n")[2]
    assert [item["id"] for item in json.loads(body)["items"]] == [1, 2, 3, 4, 5, 6]
