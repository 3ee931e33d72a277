"""OAuth tokens that a config keeps: used while they hold, told when they are new."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest

from headwater import Config, ConfigTokens, HttpSource, Manners, OAuth2, Secret
from headwater.entrypoint import launch
from headwater.http.auth_oauth import Tokens
from headwater.protocol.messages import Control
from headwater.testing import Upstream, read

from .apis import QUICK, Api, Items, left_of
from .test_oauth2 import accepts, oauth

GOOD = [{"id": 1}]
SOON = (datetime.now(timezone.utc) + timedelta(days=1)).strftime("%Y-%m-%dT%H:%M:%SZ")
PAST = "2024-01-01T00:00:00Z"


@pytest.mark.parametrize(
    "expires",
    [SOON, SOON.replace("T", " "), datetime.now() + timedelta(days=1), None, "", "soon"],
    ids=["text", "text with a space", "datetime", "none", "empty", "nonsense"],  # the same for each worker
)
def test_a_token_that_still_holds_is_used(api: Upstream, expires: Any) -> None:
    api.on("/items", body=accepts("held"))
    auth = oauth(api, access_token=Secret("held"), refresh_token="r0", expires=expires)
    read(Api(api.url, auth=auth)).ok()
    assert len(api.requests) == 1


@pytest.mark.parametrize(
    "expires", [PAST, datetime.now(timezone.utc), "2024-01-01T00:00:00"], ids=["text", "datetime", "naive"]
)
def test_a_token_whose_time_is_over_is_not_tried(api: Upstream, expires: Any) -> None:
    api.on("/token", method="POST", json={"access_token": "t1"})
    api.on("/items", body=accepts("t1"))
    read(Api(api.url, auth=oauth(api, access_token="held", refresh_token="r0", expires=expires))).ok()
    assert [request.path for request in api.requests] == ["/token", "/items"]


def test_a_held_token_that_is_refused_is_renewed_once(api: Upstream) -> None:
    api.on("/token", method="POST", json={"access_token": "t1", "refresh_token": "r1", "expires_in": 600})
    api.on("/items", body=accepts("t1"))
    told: list[Tokens] = []
    began = time.time()
    auth = oauth(api, access_token="held", expires=SOON, refresh_token="r0", rotated=told.append)
    read(Api(api.url, auth=auth)).ok()
    assert [request.path for request in api.requests] == ["/items", "/token", "/items"]
    (new,) = told
    assert (new.access_token, new.refresh_token) == ("t1", "r1")
    assert left_of(600, began, new.expires.timestamp() - time.time())
    assert "t1" not in repr(new) and "r1" not in repr(new)


def test_a_server_that_refuses_every_token_ends_it(api: Upstream) -> None:
    api.on("/token", method="POST", json={"access_token": "t1"})
    api.on("/items", status=401)
    result = read(Api(api.url, auth=oauth(api, access_token="held", refresh_token="r0")))
    assert result.traces[0].failure_type == "config_error"
    assert [request.path for request in api.requests] == ["/items", "/token", "/items"]


def test_an_endpoint_that_keeps_the_refresh_token_tells_it_again(api: Upstream) -> None:
    api.on("/token", method="POST", json={"access_token": "t1"})
    api.on("/items", body=accepts("t1"))
    told: list[Tokens] = []
    read(Api(api.url, auth=oauth(api, refresh_token="r0", rotated=told.append))).ok()
    assert [(tokens.access_token, tokens.refresh_token) for tokens in told] == [("t1", "r0")]


def test_the_client_in_a_header_and_fields_of_its_own(api: Upstream) -> None:
    api.on("/token", method="POST", json={"access_token": "t1"})
    api.on("/items", body=accepts("t1"))
    read(Api(api.url, auth=oauth(api, in_header=True, more={"audience": "a"}))).ok()
    (asked,) = api.asked("/token")
    assert asked.form == {"grant_type": "client_credentials", "audience": "a"}
    assert asked.headers["Authorization"] == "Basic bWU6c2VzYW1l"


# --- in a config -----------------------------------------------------------------------------------------------------


class Login(Config):
    """Airbyte's usual names."""

    refresh_token: Secret
    access_token: Secret | None = None
    token_expiry_date: str | None = None


class LoginConfig(Config):
    """An API and how to log in to it."""

    url: str
    credentials: Login


class Shop(HttpSource):
    """A source that keeps its tokens in its config."""

    name = "shop"
    config: LoginConfig
    manners = Manners(retry=QUICK)

    def base_url(self) -> str:
        return self.config.url

    def auth(self) -> OAuth2:
        return OAuth2(f"{self.config.url}/token", client_id="me", client_secret="s", tokens=ConfigTokens(self))

    def streams(self) -> list[Items]:
        return [Items(self)]


class WatchedItems(Items):
    params = {"watched": "yes"}


class WatchedOthers(WatchedItems):
    name = "others"
    path = "others"


class Watched(Shop):
    """With two streams, so that threads read them."""

    def streams(self) -> list[Items]:
        return [WatchedItems(self), WatchedOthers(self)]


@pytest.fixture
def single_use(api: Upstream) -> Upstream:
    """An API whose refresh tokens are good for one use, and whose access tokens are not refused."""
    state = {"refresh": "refresh-0", "number": 0}

    def grant(request: Any) -> Any:
        from headwater.testing.upstream import Answer

        if request.form["refresh_token"] != state["refresh"]:
            return Answer(400, body=b'{"error": "invalid_grant"}')
        state["number"] = number = int(state["number"]) + 1
        state["refresh"] = f"refresh-{number}"
        return {"access_token": f"access-{number}", "refresh_token": state["refresh"], "expires_in": 7200}

    api.on("/token", method="POST", body=grant)
    api.on("/items", body=lambda request: accepts(f"access-{state['number']}")(request))  # noqa: PLW0108 - of now
    return api


def run(arguments: list[str], capfdbinary: pytest.CaptureFixture[bytes]) -> list[dict[str, Any]]:
    """The messages of a command."""
    launch(Shop, arguments)
    return [json.loads(line) for line in capfdbinary.readouterr().out.splitlines()]


def test_one_renewal_serves_all_the_commands_that_follow(
    single_use: Upstream, tmp_path: Path, capfdbinary: pytest.CaptureFixture[bytes]
) -> None:
    file, catalog = tmp_path / "config.json", tmp_path / "catalog.json"
    file.write_text(json.dumps({"url": single_use.url, "credentials": {"refresh_token": "refresh-0"}}))
    catalog.write_text(json.dumps({"streams": [{"stream": {"name": "items", "json_schema": {}}}]}))
    commands = [["check"], ["read", "--catalog", str(catalog)], ["check"], ["read", "--catalog", str(catalog)]]
    for number, (command, *more) in enumerate(commands):
        messages = run([command, "--config", str(file), *more], capfdbinary)
        kinds = [message["type"] for message in messages]
        assert ("CONTROL" in kinds) is (number == 0), (command, kinds)
        if number == 0:
            changed = messages[kinds.index("CONTROL")]["control"]["connectorConfig"]["config"]
            assert changed["credentials"]["refresh_token"] == "refresh-1"
            assert changed["credentials"]["access_token"] == "access-1"
            file.write_text(json.dumps(changed))
        answer = [m["connectionStatus"]["status"] for m in messages if m["type"] == "CONNECTION_STATUS"]
        assert answer == (["SUCCEEDED"] if command == "check" else [])
    assert len(single_use.asked("/token")) == 1 and len(single_use.asked("/items")) == 4


def test_the_config_is_told_before_the_token_is_used(single_use: Upstream) -> None:
    source = Shop.from_config({"url": single_use.url, "credentials": {"refresh_token": "refresh-0"}})
    asked: list[int] = []
    source.emit = lambda message: asked.append(len(single_use.asked("/items")))  # type: ignore[method-assign]
    read(source).ok()
    assert asked == [0]


def test_it_is_written_before_the_token_is_used_by_whichever_thread(single_use: Upstream, tmp_path: Path) -> None:
    """By the process: when the API sees the new token, the CONTROL message is in the pipe."""
    output, catalog, config = tmp_path / "output", tmp_path / "catalog.json", tmp_path / "config.json"
    config.write_text(json.dumps({"url": single_use.url, "credentials": {"refresh_token": "refresh-0"}}))
    streams = [{"stream": {"name": name, "json_schema": {}}} for name in ("items", "others")]
    catalog.write_text(json.dumps({"streams": streams}))
    written: list[bool] = []
    for name in ("items", "others"):
        single_use.on(f"/{name}", query={"watched": "yes"}, body=lambda _: written.append(_told(output)) or [])
    command = f"from {__name__} import Watched; Watched.main()"
    with output.open("wb") as file:
        arguments = ["read", "--config", str(config), "--catalog", str(catalog)]
        done = subprocess.run(
            [sys.executable, "-c", command, *arguments],
            stdout=file,
            stderr=subprocess.PIPE,
            check=False,
            timeout=120,
            cwd=Path(__file__).parents[2],
        )
    assert done.returncode == 0, done.stderr
    assert written == [True, True]


def _told(output: Path) -> bool:
    return b'"CONTROL"' in output.read_bytes()


def test_where_the_tokens_live_can_be_said() -> None:
    class Flat(Config):
        refresh: Secret
        access: Secret | None = None

    class Plain(Shop):
        config: Flat  # type: ignore[assignment]

    source = Plain(Flat(refresh=Secret("r0"), access=Secret("a0")))  # type: ignore[arg-type]
    told: list[Any] = []
    source.emit = told.append  # type: ignore[method-assign]
    kept = ConfigTokens(source, refresh_token="refresh", access_token="access", expires="")
    assert (kept.refresh_token, kept.access_token, kept.expires) == ("r0", "a0", None)
    kept.keep(Tokens("a1", "r1", datetime(2024, 1, 31, 12, tzinfo=timezone.utc)))
    assert told == [Control({"refresh": "r1", "access": "a1"})]
    deep = ConfigTokens(source, refresh_token="refresh", expires="a.b.until")
    deep.keep(Tokens("a1", None, datetime(2024, 1, 31, 12, tzinfo=timezone.utc)))
    assert told[1].config == {"credentials": {"access_token": "a1"}, "a": {"b": {"until": "2024-01-31T12:00:00Z"}}}


def test_a_config_without_a_refresh_token_is_the_users_turn(api: Upstream) -> None:
    source = Shop.from_config({"url": api.url, "credentials": {"refresh_token": ""}})
    (trace,) = read(source).traces
    assert trace.failure_type == "config_error" and "credentials.refresh_token" in trace.message
