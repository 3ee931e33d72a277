"""``--http-cache``: the same answers again, and no credential on disk."""

from __future__ import annotations

import base64
import json
import os
import stat
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any
from urllib.parse import quote

import pytest
import requests

from headwater import (
    ApiKey,
    Basic,
    Bearer,
    Config,
    HttpSource,
    HttpStream,
    LinkHeader,
    NextUrl,
    OAuth2,
    Request,
    Secret,
    SessionLogin,
    Setting,
    Source,
)
from headwater.entrypoint import launch
from headwater.http.cache_disk import OnDisk
from headwater.process.masking import Mask
from headwater.testing import Upstream
from headwater.testing.upstream import Answer, Received

CANARY = "c@nary/Sésame+0815=x"
TOKEN = "obtained-0815-sesame"


class ShopConfig(Config):
    """Where, who, and how to say so."""

    url: str
    kind: str
    secret: Annotated[Secret, Setting("Secret")]


class Orders(HttpStream):
    """On two pages."""

    name = "orders"
    path = "orders"
    paginator = LinkHeader()


class Named(HttpStream):
    """With a next URL in the body."""

    name = "named"
    path = "named"
    records = "items"
    paginator = NextUrl()


class Keyed(requests.auth.AuthBase):
    """Of another library: a key in the query."""

    def __init__(self, key: str) -> None:
        self._key = key

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        if "key=" not in str(request.url):
            request.prepare_url(str(request.url), {"key": self._key})
        return request


class Shop(HttpSource):
    """A shop that knows every kind of credentials."""

    name = "shop"
    config: ShopConfig
    headers = {"X-Version": "2024-01-01"}

    def base_url(self) -> str:
        return self.config.url

    def auth(self) -> Any:
        url, secret = self.config.url, self.config.secret
        login = Request(f"{url}/login", method="POST", json={"password": secret.reveal()})
        kinds: dict[str, Any] = {
            "bearer": lambda: Bearer(quote(secret.reveal())),
            "basic": lambda: Basic("me", secret),
            "header": lambda: ApiKey(quote(secret.reveal()), header="X-Key"),
            "param": lambda: ApiKey(secret, param="api_key"),
            "oauth": lambda: OAuth2(f"{url}/token", client_id="me", client_secret=secret),
            "session": lambda: SessionLogin(login, token="t", sent=lambda t: ApiKey(t, header="X-Session")),
            "cookie": lambda: SessionLogin(login),
            "requests": lambda: requests.auth.HTTPBasicAuth("me", secret.reveal().encode()),
            "foreign": lambda: Keyed(secret.reveal()),
        }
        return kinds[self.config.kind]()

    def streams(self) -> list[HttpStream]:
        return [Orders(self), Named(self)]


KINDS = ["bearer", "basic", "header", "param", "oauth", "session", "cookie", "requests", "foreign"]


def echoed(request: Received) -> str:
    """The query as servers repeat it in links."""
    return "&".join(f"{name}={quote(value, safe='')}" for name, value in request.pairs if name != "page")


@pytest.fixture
def shop() -> Iterator[Upstream]:
    """The shop; it repeats what it got wherever servers do."""

    def orders(request: Received) -> Answer:
        first = "page" not in request.query
        headers = {"Content-Type": "application/json", "Set-Cookie": f"sid={TOKEN}; Path=/", "X-Auth-Token": TOKEN}
        if first:
            headers["Link"] = f'</orders?page=2&{echoed(request)}>; rel="next"'
        return Answer(200, headers, json.dumps([{"id": 1 if first else 2}]).encode())

    def named(request: Received) -> Answer:
        first = "page" not in request.query
        following = f"/named?page=2&{echoed(request)}" if first else None
        return Answer(200, {}, json.dumps({"items": [{"id": 3 if first else 4}], "next": following}).encode())

    with Upstream() as api:
        api.on("/orders", body=orders)
        api.on("/named", body=named)
        api.on("/token", method="POST", json={"access_token": TOKEN, "expires_in": 3600})
        api.on("/login", method="POST", json={"t": TOKEN}, headers={"Set-Cookie": f"login={TOKEN}"})
        yield api


class Runs:
    """Runs commands of the shop in a directory."""

    def __init__(self, directory: Path, api: Upstream, capture: pytest.CaptureFixture[bytes]) -> None:
        self.cache = directory / "cache"
        self._directory, self._api, self._capture = directory, api, capture

    def __call__(self, command: str, kind: str, *flags: str, source: type[Source] = Shop) -> list[dict[str, Any]]:
        config, catalog = self._directory / "config.json", self._directory / "catalog.json"
        config.write_text(json.dumps({"url": self._api.url, "kind": kind, "secret": CANARY}))
        streams = [{"stream": {"name": name, "json_schema": {}}} for name in ("orders", "named")]
        catalog.write_text(json.dumps({"streams": streams}))
        more = ["--catalog", str(catalog)] if command == "read" else []
        arguments = [command, "--config", str(config), *more, *(flags or ("--http-cache", str(self.cache)))]
        launch(source, arguments)
        return [json.loads(line) for line in self._capture.readouterr().out.splitlines()]


@pytest.fixture
def run(tmp_path: Path, shop: Upstream, capfdbinary: pytest.CaptureFixture[bytes]) -> Runs:
    """Runs of the shop."""
    return Runs(tmp_path, shop, capfdbinary)


def ids(messages: list[dict[str, Any]]) -> list[int]:
    """The records that came."""
    return [message["record"]["data"]["id"] for message in messages if message["type"] == "RECORD"]


def forms(secret: str) -> set[bytes]:
    """A secret in every encoding in which it might lie somewhere."""
    raw = secret.encode()
    found = {raw, quote(secret).encode(), quote(secret, safe="").encode(), json.dumps(secret)[1:-1].encode(),
             secret.encode("latin-1"), raw.hex().encode(), secret.encode("utf-16-le"), secret.encode("utf-16-be"),
             repr(secret)[1:-1].encode(), raw[:12], base64.b64encode(raw), base64.urlsafe_b64encode(raw)}  # fmt: skip
    for prefix in (b"me:", b"xme:", b"x"):  # wherever it lies in a longer text
        found.add(base64.b64encode(prefix + raw)[5:-4])
    return {form for form in found if len(form) >= 8}


@pytest.mark.parametrize("kind", KINDS)
def test_no_credential_is_on_disk_in_any_encoding(run: Runs, shop: Upstream, kind: str) -> None:
    first = run("read", kind)
    assert sorted(ids(first)) == [1, 2, 3, 4]
    carried = str([(str(request), str(request.headers), request.body) for request in shop.requests])
    assert "sesame" in carried or "0815" in carried or base64.b64encode(CANARY.encode()).decode()[5:15] in carried
    files = [path for path in run.cache.rglob("*") if path.is_file()]
    assert files
    for path in files:
        content = path.read_bytes()
        for form in forms(CANARY) | forms(TOKEN):
            assert form not in content, (path, form)
            assert form.lower() not in content.lower(), (path, form)
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(run.cache.stat().st_mode) == 0o700


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind not in ("param", "foreign")])
def test_the_second_run_asks_nothing(run: Runs, shop: Upstream, kind: str) -> None:
    first = run("read", kind)
    asked = len(shop.requests)
    second = run("read", kind)
    assert len(shop.requests) == asked, shop.requests[asked:]  # nor for a token, nor to log in
    assert sorted(ids(second)) == sorted(ids(first)) == [1, 2, 3, 4]


def test_an_answer_that_repeats_a_credential_is_asked_for_again(run: Runs, shop: Upstream) -> None:
    messages = run("read", "param")
    asked = len(shop.requests)
    assert sorted(ids(run("read", "param"))) == [1, 2, 3, 4]
    assert len(shop.requests) == asked + 2  # the first pages, whose links repeat the key; the others are kept
    said = [m["log"]["message"] for m in messages if m["type"] == "LOG" and m["log"]["level"] == "WARN"]
    assert any(" is not kept: the answer repeats a credential" in text for text in said)
    assert "Sésame" not in str(messages)


def test_check_and_discover_take_it_too(run: Runs, shop: Upstream) -> None:
    for _ in range(2):
        (status,) = [m["connectionStatus"] for m in run("check", "bearer") if m["type"] == "CONNECTION_STATUS"]
        assert status["status"] == "SUCCEEDED"
    assert len(shop.requests) == 1
    assert [m for m in run("discover", "bearer") if m["type"] == "CATALOG"]
    assert sorted(ids(run("read", "bearer"))) == [1, 2, 3, 4]
    assert len(shop.requests) == 4


def test_without_the_flag_nothing_is_kept(run: Runs, shop: Upstream) -> None:
    for _ in range(2):
        run("read", "bearer", "--debug")
    assert len(shop.requests) == 8 and not run.cache.exists()


def test_other_credentials_are_given_the_same_answers(run: Runs, shop: Upstream) -> None:
    run("read", "bearer")
    run("read", "basic")
    assert len(shop.requests) == 4


@pytest.mark.parametrize(
    "fault",
    [
        {"status": 500}, {"status": 404}, {"status": 429}, {"status": 204, "headers": {"Location": "/x"}, "body": b""},
        {"body": b"<html>"}, {"body": b'[{"id": 1}, {"i'}, {"json": {"no": "list"}}, {"fault": "cut", "json": [1] * 99},
    ],
    ids=str,
)  # fmt: skip
def test_errors_are_not_kept(run: Runs, fault: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    from headwater import RetryPolicy

    impatient = RetryPolicy(attempts=1, rate_limit_waits=0)
    monkeypatch.setattr(Shop, "manners", Shop.manners.but(retry=impatient))
    with Upstream() as api:
        run._api = api
        api.on("/named", json={"items": []})
        api.on("/orders", **fault)
        run("read", "bearer")
        run("read", "bearer")
        assert len(api.asked("/orders")) == (1 if fault.get("status") == 204 else 2)  # nothing is an answer too
        assert len(api.asked("/named")) == 1


def test_requests_cache_that_is_not_installed_is_told(run: Runs, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "requests_cache.backends.sqlite", None)
    (status,) = [m["connectionStatus"] for m in run("check", "bearer") if m["type"] == "CONNECTION_STATUS"]
    assert status["status"] == "FAILED" and "pip install 'headwater[cache]'" in status["message"]
    (trace,) = [m["trace"]["error"] for m in run("read", "bearer") if m["type"] == "TRACE"]
    assert trace["failure_type"] == "config_error" and "requests-cache" in trace["message"]


def test_a_source_of_something_else_is_told(run: Runs) -> None:
    from headwater import Stream

    class Lines(Stream):
        name = "lines"

        def read(self, slice: Any) -> Any:
            return iter(())

    class Files(Source):
        name = "files"
        config: Config

        def streams(self) -> list[Stream]:
            return [Lines(self)]

    (trace,) = [m["trace"]["error"] for m in run("read", "bearer", source=Files) if m["type"] == "TRACE"]
    assert "asks no HTTP API" in trace["message"]


def test_a_directory_that_can_not_be_used_is_told(run: Runs, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    (trace,) = [
        m["trace"]["error"]
        for m in run("read", "bearer", "--http-cache", str(tmp_path / "file"))
        if m["type"] == "TRACE"
    ]
    assert "can't be used" in trace["message"] and trace["failure_type"] == "config_error"
    wrong = tmp_path / "wrong"
    wrong.mkdir()
    (wrong / "answers.sqlite").write_text("no database, but long enough to be taken for one" * 50)
    messages = run("read", "bearer", "--http-cache", str(wrong))
    assert "can't be used" in str(messages) and not ids(messages)


def test_the_file_is_made_private_before_anything_is_in_it(tmp_path: Path) -> None:
    old = os.umask(0)
    try:
        OnDisk(str(tmp_path / "a" / "b"), Mask()).close()
        (tmp_path / "open.d").mkdir()
        (tmp_path / "open.d" / "answers.sqlite").touch(0o666)
        OnDisk(str(tmp_path / "open.d"), Mask()).close()
    finally:
        os.umask(old)
    for directory in ("a/b", "open.d"):
        assert stat.S_IMODE((tmp_path / directory / "answers.sqlite").stat().st_mode) == 0o600
    (tmp_path / "link").mkdir()
    (tmp_path / "link" / "answers.sqlite").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(Exception, match="can't be used"):
        OnDisk(str(tmp_path / "link"), Mask())
    assert not (tmp_path / "elsewhere").exists()


def stored(directory: Path, body: bytes, mask: Mask, **headers: str) -> bool:
    """Whether an answer with this body is kept."""
    response = requests.Response()
    response.status_code, response.url = 200, "http://api.test/items?key=sesame"
    response.headers.update(headers)
    response.request = requests.Request("GET", "http://api.test/items").prepare()
    vars(response).update(_content=body, _content_consumed=True)
    shelf = OnDisk(str(directory), mask)
    shelf.keep("k", response, Request("items"), "items")
    found = shelf.get("k") is not None
    shelf.close()
    return found


@pytest.mark.parametrize(
    ("body", "kept"),
    [
        (b'{"a": "other"}', True),
        (b'{"a": "sesame-0815"}', False),
        (b'{"a": "https://x/?k=sesame-0815&y"}', False),
        (b'{"a": "' + base64.b64encode(b"me:sesame-0815") + b'"}', False),
        (b'{"a": "\\u0073esame-0815"}', False),
        ('{"a": "sesame-0815"}'.encode("utf-16"), False),
        (b'{"a": "sesame-0815', False),
        (b"\xff\xfe\x00\\", True),
    ],
)
def test_a_body_that_repeats_a_secret_is_not_kept(tmp_path: Path, body: bytes, kept: bool) -> None:
    assert stored(tmp_path, body, Mask(["sesame-0815"])) is kept


def test_a_header_that_repeats_a_secret_is_not_kept(tmp_path: Path) -> None:
    assert not stored(tmp_path, b"[]", Mask(["sesame-0815"]), Link="</x?key=sesame-0815>; rel=next")


class Whole(Orders):
    """Sends the secret as a parameter of its own."""

    name = "named"
    path = "secret"
    paginator = None

    def request(self, slice: Any) -> Request:
        assert isinstance(self.source, Shop)
        return super().request(slice).with_params(password=self.source.config.secret.reveal())


class Careless(Shop):
    """A shop whose author knows of no auth()."""

    def streams(self) -> list[HttpStream]:
        return [Orders(self), Whole(self)]


def assert_not_on_disk(directory: Path, *secrets: str) -> None:
    """In none of the files, in no form."""
    content = b"".join(path.read_bytes() for path in directory.rglob("*") if path.is_file())
    assert content
    assert not [form for secret in secrets for form in forms(secret) if form in content]


def test_a_secret_among_the_parameters_is_not_in_a_key(run: Runs, shop: Upstream) -> None:
    shop.on("/secret", json=[{"id": 9}])
    for _ in range(2):
        assert 9 in ids(run("read", "bearer", source=Careless))
    assert len(shop.asked("/secret")) == 1 and shop.asked("/secret")[0].query["password"] == CANARY
    assert_not_on_disk(run.cache, CANARY)


@pytest.mark.parametrize("kind", ["oauth", "session", "cookie"])
def test_a_token_that_was_got_on_the_way_is_not_on_disk_either(run: Runs, shop: Upstream, kind: str) -> None:
    def mirror(request: Received) -> Any:
        seen = [request.headers.get(name) for name in ("Authorization", "X-Session", "Cookie")]
        return [{"id": 9, "seen": str(seen)}]

    shop.on("/secret", body=mirror)
    messages = run("read", kind, source=Careless)
    assert TOKEN in str([m for m in messages if m["type"] == "RECORD"])
    assert_not_on_disk(run.cache, CANARY, TOKEN)
    assert TOKEN not in str([m for m in messages if m["type"] != "RECORD"])
