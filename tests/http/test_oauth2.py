"""OAuth 2: tokens got, renewed and refused."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import requests

from headwater import ConfigError, OAuth2, Secret
from headwater.http.auth_oauth import Tokens
from headwater.testing import Upstream, read
from headwater.testing.upstream import Answer, Received

from .apis import Api, asked, said

GOOD = [{"id": 1}]


# --- OAuth 2 ---------------------------------------------------------------------------------------------------------


def oauth(api: Upstream, **arguments: Any) -> OAuth2:
    """Tokens of the upstream's ``/token``."""
    return OAuth2(f"{api.url}/token", client_id="me", client_secret=Secret("sesame"), timeout=60.0, **arguments)


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

    def keep(tokens: Tokens) -> None:
        told.append((str(tokens.refresh_token), len(api.asked("/items"))))

    auth = oauth(api, refresh_token="r0", rotated=keep)
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
    timeout = 0.1 if fault.get("fault") == "hang" else 30.0
    auth = OAuth2(f"{api.url}/token?x=sesame", client_id="me", client_secret="sesame", timeout=timeout)
    with caplog.at_level(logging.DEBUG):
        result = read(Api(api.url, auth=auth))
    assert result.traces[0].failure_type == kind
    assert "token endpoint" in result.traces[0].message
    assert asked(api, 3 if kind == "transient_error" else 1)
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


def test_requests_refused_with_one_token_all_wait_for_its_renewal(api: Upstream) -> None:
    def refused(auth: OAuth2, token: str) -> requests.Response:
        response = requests.Response()
        response.status_code = 401
        response.request = auth(requests.Request("GET", api.url).prepare())
        assert response.request.headers["Authorization"] == f"Bearer {token}"
        return response

    api.on("/token", method="POST", body=lambda request: {"access_token": f"t{len(api.requests)}"})
    auth = oauth(api)
    first, second, late = (refused(auth, "t1") for _ in range(3))
    assert auth.recover(first) and auth.recover(second)
    renewed = refused(auth, "t2")
    assert auth.recover(late)  # there is a newer one
    assert not auth.recover(renewed)
    assert len(api.requests) == 2


def test_another_hosts_refusal_renews_nothing(api: Upstream, other: Upstream) -> None:
    api.on("/token", method="POST", json={"access_token": "sesame"})
    api.on("/items", status=302, headers={"Location": f"{other.url}/items"})
    other.on("/items", status=401)
    assert read(Api(api.url, auth=oauth(api))).traces[0].failure_type == "config_error"
    assert len(api.asked("/token")) == len(other.requests) == 1


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
