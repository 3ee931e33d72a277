"""``--http-cache``: the same answers again."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest

from headwater import Config, Source
from headwater.testing import Upstream

from .cached import KINDS, Runs, Shop, ids, run, shop

__all__ = ["run", "shop"]


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind not in ("param", "foreign")])
def test_the_second_run_asks_nothing(run: Runs, shop: Upstream, kind: str) -> None:
    first = run("read", kind)
    asked = len(shop.requests)
    second = run("read", kind)
    assert len(shop.requests) == asked, shop.requests[asked:]  # nor for a token, nor to log in
    assert sorted(ids(second)) == sorted(ids(first)) == [1, 2, 3, 4]


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
