"""What docs/http.md shows is run, and is true."""

from __future__ import annotations

import re
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from headwater import HttpSource
from headwater.http.faults import Then
from headwater.http.session import Kind
from headwater.testing import Upstream, read

PAGE = (Path(__file__).parents[2] / "docs" / "http.md").read_text("utf-8")


@pytest.fixture(scope="module")
def page() -> ModuleType:
    """The page's code, run from its beginning to its end."""
    module = sys.modules["docs_http"] = ModuleType("docs_http")
    for block in re.findall(r"^```python\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL):
        exec(compile(block, "docs/http.md", "exec"), vars(module))
    return module


def source(page: ModuleType, name: str, url: str, *kinds: Any) -> HttpSource:
    """A source of the page, at the upstream."""

    class Here(getattr(page, name)):  # type: ignore[misc]
        manners = getattr(page, name).manners.but(retry=page.RetryPolicy(attempts=2, first_delay=0.01))

        def base_url(self) -> str:
            return url

        def streams(self) -> list[Any]:
            return [kind(self) for kind in kinds]

    made: HttpSource = Here.from_config({})
    return made


def test_every_scheme_is_there(page: ModuleType) -> None:
    assert len(page.SCHEMES) == 10
    assert len(page.Polite.manners.limits) == 2 and page.Patient.manners.retry.attempts == 10


def test_the_source_with_tokens_reads_them_from_its_config(page: ModuleType) -> None:
    login = {"client_id": "i", "client_secret": "s", "refresh_token": "r", "access_token": "a"}
    auth = page.Acme.from_config({"credentials": login}).auth()
    from requests import Request

    assert auth(Request("GET", "https://api.acme.test").prepare()).headers["Authorization"] == "Bearer a"


@pytest.mark.parametrize(
    ("answer", "kind"),
    [
        ({"status": 409, "body": b"it is empty"}, None),
        ({"status": 404, "headers": {"X-Moved": "1"}}, None),
        ({"status": 403, "body": b"insufficient_scope"}, "config_error"),
        ({"body": b"<html>"}, "config_error"),
        ({"status": 400, "headers": {"X-Try-Again": "Yes"}}, "transient_error"),
        ({"status": 401}, "config_error"),
        ({"status": 400}, "system_error"),
    ],
    ids=str,
)
def test_the_rules_of_the_page(page: ModuleType, answer: dict[str, Any], kind: str | None) -> None:
    with Upstream() as api:
        api.on("/project", **answer)
        result = read(source(page, "Watched", api.url, page.Project))
        assert [trace.failure_type for trace in result.traces] == ([kind] if kind else [])


def test_one_object_is_the_record(page: ModuleType) -> None:
    with Upstream() as api:
        api.on("/project", json={"id": 1})
        assert read(source(page, "Forge", api.url, page.Project)).ok().records["project"] == [{"id": 1}]


def test_the_page_names_every_choice() -> None:
    for choice in (*Then.__args__, *Kind.__args__):  # type: ignore[attr-defined]
        assert f"`{choice}`" in PAGE.replace("\n", " "), choice


def test_what_it_says_of_numbers() -> None:
    from headwater.http import budget, direct, listing, transport
    from headwater.http.cache import InMemory

    assert (listing._EMPTY_PAGES, listing._EQUAL_PAGES, transport._REDIRECTS, transport._RECOVERIES) == (
        1000,
        3,
        10,
        10,
    )
    assert InMemory({})._budget == 64 << 20
    assert (direct._LONGEST, budget._SLOWEST, transport._LONGEST_HEEDED, transport._TOLD) == (1800, 10, 60, 1)


def test_a_paginator_of_ones_own_can_be_gone_on_with(page: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("headwater.reader._PAGES_BYTES", 0)
    with Upstream() as api:
        api.on("/entries", query={"after": None}, json={"more": True, "last": 7})
        api.on("/entries", query={"after": "7"}, status=422)
        entries = type("Entries", (page.Entries,), {"records": "rows", "parse": lambda *_: [{"id": 1}]})
        forge = source(page, "Forge", api.url, entries, page.Ranking)
        assert [stream.is_resumable for stream in forge.discover().streams] == [True, False]
        failed = read(forge, "entries")
        assert failed.states[-1].stream_state == {"next_page": {"params": {"after": 7}}}


def test_pages_of_ones_own_can_be_gone_on_with(page: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("headwater.reader._PAGES_BYTES", 0)
    with Upstream() as api:
        api.on("/feed", query={"token": None}, json={"rows": [{"id": 1}], "next": "b"})
        api.on("/feed", query={"token": "b"}, status=422).on("/feed", query={"token": "b"}, json={"rows": [{"id": 2}]})
        forge = source(page, "Forge", api.url, page.Feed)
        assert [stream.is_resumable for stream in forge.discover().streams] == [True]
        failed = read(forge, "feed")
        assert failed.states[-1].stream_state == {"next_page": {"token": "b"}}
        again = read(forge, "feed", state=failed, full_refresh=True, same_job=True).ok()
    assert again.records["feed"] == [{"id": 2}]
    assert again.states[-1].stream_state == {"__ab_full_refresh_sync_complete": True}


def test_what_it_says_of_resumed_reads() -> None:
    from headwater import reader

    assert (reader._PAGES_BYTES, reader._PAGES_SECONDS) == (1 << 20, 10.0)
    assert (reader._SHARE, reader._SECONDS, reader._SECONDS_EACH) == (400, 60.0, 0.005)
