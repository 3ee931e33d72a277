"""Paginators, driven by hand: each is a generator of requests."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headwater import (
    LastRecord,
    LinkHeader,
    NextUrl,
    OffsetPages,
    PageNumbers,
    Request,
    SinglePage,
    SourceError,
    StopWhen,
    TokenPages,
)

from .followed import Page, follow, rows


def test_a_single_page() -> None:
    assert follow(SinglePage(), lambda request: Page(rows(100))) == [Request("items", {"a": 1})]


# --- numbers, offsets, tokens, URLs: every record once, whatever the size ------------------------------------------


@given(total=st.integers(0, 40), size=st.integers(1, 12), start=st.integers(0, 3))
def test_page_numbers(total: int, size: int, start: int) -> None:
    seen: list[int] = []

    def serve(request: Request) -> Page:
        assert request.params["a"] == 1 and request.params["per_page"] == size
        number = request.params["page"] - start
        found = rows(total)[number * size : (number + 1) * size]
        seen.extend(row["id"] for row in found)
        return Page(found)

    asked = follow(PageNumbers(start=start, size=size, size_param="per_page"), serve)
    assert seen == list(range(total))
    assert len(asked) == total // size + 1


@given(total=st.integers(0, 40), served=st.integers(1, 12))
def test_page_numbers_of_an_unknown_size(total: int, served: int) -> None:
    seen: list[int] = []

    def serve(request: Request) -> Page:
        number = request.params["p"] - 1
        found = rows(total)[number * served : (number + 1) * served]
        seen.extend(row["id"] for row in found)
        return Page(found)

    follow(PageNumbers("p"), serve)
    assert seen == list(range(total))


@given(total=st.integers(0, 40), size=st.integers(1, 12))
def test_offsets(total: int, size: int) -> None:
    seen: list[int] = []

    def serve(request: Request) -> Page:
        assert request.params["limit"] == size
        found = rows(total)[request.params["offset"] :][:size]
        seen.extend(row["id"] for row in found)
        return Page(found)

    follow(OffsetPages(size), serve)
    assert seen == list(range(total))


@given(total=st.integers(0, 40), size=st.integers(1, 12), tells=st.booleans())
def test_by_the_last_record(total: int, size: int, tells: bool) -> None:
    seen: list[int] = []

    def serve(request: Request) -> Page:
        after = request.params.get("after", -1)
        found = rows(total)[after + 1 :][:size]
        seen.extend(row["id"] for row in found)
        return Page([{"at": row} for row in found], body={"more": after + 1 + size < total})

    asked = follow(LastRecord("after", "at.id", more="more" if tells else ""), serve)
    assert seen == list(range(total))
    assert len(asked) == (max(1, -(-total // size)) if tells else -(-total // size) + 1)


@given(total=st.integers(1, 40), size=st.integers(1, 12))
def test_a_rule_says_which_page_is_the_last(total: int, size: int) -> None:
    seen: list[int] = []

    def serve(request: Request) -> Page:
        found = rows(total)[(request.params["page"] - 1) * size :][:size]
        seen.extend(row["id"] for row in found)
        return Page(found, body={"pages": -(-total // size), "page": request.params["page"]})

    paginator = StopWhen(PageNumbers(), lambda page: page.json()["page"] >= page.json()["pages"])
    assert len(follow(paginator, serve)) == -(-total // size)
    assert seen == list(range(total))
    seen.clear()
    assert follow(StopWhen(PageNumbers(), lambda page: True), serve)[1:] == []
    follow(StopWhen(PageNumbers(), lambda page: False), serve)
    assert seen[size:] == list(range(total)) or seen == [*range(min(size, total)), *range(total)]


@given(tokens=st.lists(st.text(min_size=1) | st.integers(), unique_by=str), end=st.sampled_from([None, "", {}]))
def test_tokens(tokens: list[Any], end: Any) -> None:
    body = {token: {"meta": {"next": after}} for token, after in zip([None, *tokens], tokens, strict=False)}
    last = {"meta": {"next": end}} if end != {} else {"meta": None}
    asked = follow(TokenPages("meta.next", "token"), lambda r: Page(body=body.get(r.params.get("token"), last)))
    assert [request.params.get("token") for request in asked] == [None, *tokens]
    assert all(request.params["a"] == 1 for request in asked)


@pytest.mark.parametrize(
    ("given_url", "asked_url"),
    [
        ("https://api.test/v1/items?page=2", "https://api.test/v1/items?page=2"),
        ("/v1/items?page=2", "https://api.test/v1/items?page=2"),
        ("?page=2", "https://api.test/v1/items?page=2"),
        ("items/2", "https://api.test/v1/items/2"),
        ("../v2/items", "https://api.test/v2/items"),
        ("//other.test/x", "https://other.test/x"),
    ],
)
def test_next_urls_are_relative_to_their_page(given_url: str, asked_url: str) -> None:
    def by_header(request: Request) -> Page:
        return Page(headers={"Link": f'<{given_url}>; rel="next"'} if request.path == "items" else {})

    def by_body(request: Request) -> Page:
        return Page(body={"next": given_url} if request.path == "items" else {"next": None})

    for paginator, serve in ((LinkHeader(), by_header), (NextUrl(), by_body)):
        _, second = follow(paginator, serve)
        assert second.url("https://elsewhere.test/base") == asked_url
        assert not second.params  # the query is the URL's own


def test_a_next_url_that_is_none() -> None:
    pages = LinkHeader().requests(Request("items"))
    next(pages)
    with pytest.raises(SourceError, match="next URL that is none"):
        pages.send(Page(headers={"Link": '<http://[::1>; rel="next"'}))


@pytest.mark.parametrize(
    ("header", "target"),
    [
        ('<u?page=2>; rel="next", <u?page=9>; rel="last"', "u?page=2"),
        ('<u?page=1>; rel="prev", <u?page=3>; rel="next"', "u?page=3"),
        ("<u>; rel=next", "u"),
        ('<u>; REL="Next"', "u"),
        ('<u>; rel="last next"', "u"),
        ('<u>; title="a, b; rel=next"; rel="prev"', None),
        ('<u;jsessionid=1?a=b,c>; rel="next"', "u;jsessionid=1?a=b,c"),
        ('<u>; title="x \\" y"; rel="next"', "u"),
        ('<a>,<u> ; rel="next"', "u"),
        ('<u>; rel="nextish"', None),
        ('<>; rel="next"', None),
        ("garbage", None),
        ("", None),
    ],
)
def test_link_headers(header: str, target: str | None) -> None:
    asked = follow(LinkHeader(), lambda r: Page(headers={"Link": header} if r.path == "items" else {}))
    assert [request.path for request in asked[1:]] == ([f"https://api.test/v1/{target}"] if target else [])
