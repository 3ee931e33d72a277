"""Paginators, driven by hand: each is a generator of requests."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from headwater import (
    Keyset,
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
from headwater.cursor import Key, plain_key
from headwater.http.paginate import Paginator

PAGE = "https://api.test/v1/items"


@dataclass
class Page:
    """A page that came back."""

    rows: list[dict[str, Any]] = field(default_factory=list)
    body: Any = None
    headers: Mapping[str, str] = field(default_factory=dict)
    url: str = PAGE
    key: Key = plain_key
    instead: Any = None

    def mark(self) -> Any:
        return tuple(map(repr, self.rows))

    def unseen(self, seen: set[Any]) -> Any:
        new = Page([row for row in self.rows if repr(row) not in seen])
        seen.update(map(repr, self.rows))
        return new

    def given(self) -> list[dict[str, Any]]:
        """The rows that come of it."""
        return self.rows if self.instead is None else [row for page in self.instead for row in page.rows]

    def __len__(self) -> int:
        return len(self.rows)

    @property
    def response(self) -> Any:
        return SimpleNamespace(headers=self.headers, url=self.url)

    def json(self) -> Any:
        return self.body

    def last(self) -> Any:
        return self.rows[-1] if self.rows else None

    def cursor_values(self) -> list[Any]:
        return [row.get("at") for row in self.rows]


def follow(
    paginator: Paginator,
    serve: Callable[[Request], Page],
    first: Request | None = None,
    given: list[dict[str, Any]] | None = None,
) -> list[Request]:
    """Every request of a listing; fails where one is asked for twice, or where it does not end.

    :param given: gets the rows that come of it.
    """
    pages = paginator.requests(first or Request("items", {"a": 1}))
    asked: list[Request] = []
    request = next(pages)
    while True:
        assert len(asked) < 500, "it does not end"
        assert request.identity not in {other.identity for other in asked}, f"asked for twice: {request}"
        asked.append(request)
        page = serve(request)
        try:
            request = pages.send(page)
        except StopIteration:
            return asked
        finally:
            if given is not None:
                given.extend(page.given())


def rows(count: int) -> list[dict[str, Any]]:
    """So many records."""
    return [{"id": number} for number in range(count)]


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


# --- keyset pages of a list that is being changed -------------------------------------------------------------------

steps = st.lists(st.lists(st.integers(0, 40), max_size=3), max_size=60)


class Changing:
    """A list sorted by ``at`` where records are updated, and so move to its end, between requests."""

    def __init__(
        self, stamps: list[int], updates: list[list[int]], size: int, *, bounded: Any = True, sort: bool = True
    ) -> None:
        self.items = dict(enumerate(sorted(stamps)))
        self.began = dict(self.items)
        self.clock = max(stamps, default=0)
        self.updates, self.size, self.bounded, self.sort = list(updates), size, bounded, sort
        self.disordered = False

    def __call__(self, request: Request) -> Page:
        listed = list(self.items.items())
        if self.sort:
            listed.sort(key=lambda item: (item[1], item[0]))
        if (since := request.params.get("since")) is not None and self.bounded:
            listed = [item for item in listed if (item[1] > since if self.bounded == "after" else item[1] >= since)]
        start = (request.params["page"] - 1) * self.size
        found = listed[start : start + self.size]
        self.disordered |= [at for _, at in found] != sorted(at for _, at in found)
        for number in self.updates.pop(0) if self.updates else ():
            if number in self.items:
                self.clock += 1
                self.items[number] = self.clock
        return Page([{"id": number, "at": at} for number, at in found])


def distinct(count: int) -> st.SearchStrategy[list[int]]:
    """Stamps with few ties: never more than two alike."""
    return st.lists(st.integers(0, 30), max_size=count).filter(
        lambda stamps: all(stamps.count(stamp) <= 2 for stamp in stamps)
    )


@settings(deadline=None, max_examples=200)
@given(
    stamps=st.lists(st.integers(0, 30), max_size=25) | st.lists(st.integers(0, 2), max_size=25),
    updates=steps,
    size=st.integers(1, 9),
    bounded=st.sampled_from([True, "after"]),
)
def test_keyset_loses_nothing_of_a_list_that_changes(
    stamps: list[int], updates: list[list[int]], size: int, bounded: Any
) -> None:
    """Also where more records than a page holds have one cursor value."""
    api = Changing(stamps, updates, size, bounded=bounded)
    given: list[dict[str, Any]] = []
    follow(Keyset("since", PageNumbers(size=size)), api, given=given)
    seen: dict[int, set[int]] = {}
    for row in given:
        seen.setdefault(row["id"], set()).add(row["at"])
    assert set(seen) == set(api.items)
    for number, at in api.items.items():  # as it is now, or, where it changed behind the reader, as it was
        assert seen[number] & {at, api.began[number], *range(max(stamps, default=0) + 1, api.clock + 1)}


@settings(deadline=None)
@given(
    stamps=st.lists(st.integers(0, 3), max_size=25),
    size=st.integers(1, 9),
    bounded=st.sampled_from([True, False, "after"]),
    sort=st.booleans(),
    order=st.randoms(use_true_random=False),
)
def test_keyset_loses_nothing_whatever_the_server_makes_of_it(
    stamps: list[int], size: int, bounded: Any, sort: bool, order: Any
) -> None:
    """Ties of more than a page, a bound that is ignored, exclusive or both, records in no order."""
    api = Changing(stamps, [], size, bounded=bounded, sort=sort)
    if not sort:
        shuffled = list(api.items.items())
        order.shuffle(shuffled)
        api.items = dict(shuffled)
    given: list[dict[str, Any]] = []
    follow(Keyset("since", PageNumbers(size=size)), api, given=given)
    if sort or api.disordered:  # of a list that only looks sorted nobody can know
        assert {row["id"] for row in given} == set(api.items)


def test_keyset_without_cursor_values_is_its_inner_paginator() -> None:
    def serve(request: Request) -> Page:
        return Page([{"id": n} for n in range(3)] if request.params["page"] < 3 else [])

    asked = follow(Keyset("since", PageNumbers(size=3)), serve)
    assert [dict(request.params) for request in asked] == [{"a": 1, "page": page} for page in (1, 2, 3)]


@pytest.mark.parametrize(
    "values",
    [
        [1, 2, 3, 0, 5, 4, 6],  # the first page happens to ascend
        [1, 2, 3, 9, 9, 9, 0, 0, 0, 9, 8, 7],
    ],
)
def test_keyset_goes_back_to_the_plain_listing_of_a_server_that_does_not_sort(values: list[int]) -> None:
    api = Changing([], [], 3, sort=False)
    api.items = dict(enumerate(values))
    given: list[dict[str, Any]] = []
    follow(Keyset("since", PageNumbers(size=3)), api, given=given)
    assert {row["id"] for row in given} == set(api.items)


def test_keyset_gives_the_first_page_once_where_its_bound_is_ignored() -> None:
    api = Changing(list(range(10)), [], 3, bounded=False)
    asked = follow(Keyset("since", PageNumbers(size=3)), api)
    assert [request.params["page"] for request in asked] == [1, 1, 2, 3, 4]
    assert [request.params.get("since") for request in asked] == [None, 1, None, None, None]
