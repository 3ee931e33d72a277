"""A shop that knows every kind of credentials, read with ``--http-cache``."""

from __future__ import annotations

import json
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
