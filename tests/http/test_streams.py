"""Streams: pages, overrides, threads, budgets."""

from __future__ import annotations

import itertools
import threading
import time
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from headwater import (
    Cursor,
    Keyset,
    LastRecord,
    LinkHeader,
    NextUrl,
    OffsetPages,
    PageNumbers,
    RateLimit,
    Record,
    Request,
    Slice,
    StopWhen,
    TokenPages,
)
from headwater.protocol.messages import Records, State
from headwater.testing import Upstream, read
from headwater.testing.upstream import Answer, Received

from .apis import Api, Items

GOOD = [{"id": 1}]


def never(page: Any) -> bool:
    """No page is the last one."""
    return False


# --- pages -----------------------------------------------------------------------------------------------------------


def test_a_circle_is_found(api: Upstream) -> None:
    class Linked(Items):
        paginator = LinkHeader()

    api.on("/items", json=GOOD, headers={"Link": '<?p=2>; rel="next"'})
    api.on("/items", query={"p": 2}, json=[{"id": 2}], headers={"Link": '<?p=3>; rel="next"'})
    api.on("/items", query={"p": 3}, json=[{"id": 3}], headers={"Link": '<?p=2>; rel="next"'})
    result = read(Api(api.url, Linked))
    assert "go round in a circle" in result.traces[0].message
    assert len(api.requests) == 3


@pytest.mark.parametrize("paginator", [PageNumbers(), PageNumbers(size=2), OffsetPages(2)])
@pytest.mark.parametrize("noise", [False, True])
def test_a_server_that_does_not_page_is_found(api: Upstream, paginator: Any, noise: bool) -> None:
    class Numbered(Items):
        records = "items"

    numbers = itertools.count()
    body = {"items": [{"id": 1}, {"id": 2}]}
    api.on("/items", body=lambda request: {**body, "took_ms": next(numbers)} if noise else body)
    result = read(Api(api.url, Numbered, paginator=paginator))
    assert "the same page 3 times" in result.traces[0].message
    assert len(api.requests) == 3


@pytest.mark.parametrize(
    "paginator",
    [LinkHeader(), NextUrl(), TokenPages("token", "after"), LastRecord("after"), PageNumbers(), OffsetPages(2),
     StopWhen(LinkHeader(), never), Keyset("since", LinkHeader()), Keyset("since", PageNumbers())],
    ids=lambda each: str(each).split(" at 0x")[0],  # an address differs between the tests' processes
)  # fmt: skip
@pytest.mark.parametrize("empty", [False, True])
def test_a_server_that_repeats_itself_comes_to_an_end(
    api: Upstream, paginator: Any, empty: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever is asked, it gives one page, with a next one that leads to it again."""

    class Repeated(Items):
        records = "items"
        cursor = Cursor("id", "ascending")

    rows = [] if empty else [{"id": 1}, {"id": 2}]
    body = {"items": rows, "next": "?page=2", "token": "t"}
    api.on("/items", json=body, headers={"Link": '<?page=2>; rel="next"'})
    result = read(Api(api.url, Repeated, paginator=paginator))
    assert len(api.requests) <= 5
    if not empty:
        assert "in a circle" in result.traces[0].message or "the same page 3 times" in result.traces[0].message


@pytest.mark.parametrize("paginator", [NextUrl(), TokenPages("token", "after")], ids=str)
def test_a_server_that_has_no_last_page_comes_to_an_end(
    api: Upstream, paginator: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Endless(Items):
        records = "items"

    monkeypatch.setattr("headwater.http.listing._EMPTY_PAGES", 20)
    numbers = itertools.count()
    api.on("/items", body=lambda _: {"items": [], "next": f"?page={next(numbers)}", "token": next(numbers)})
    result = read(Api(api.url, Endless, paginator=paginator))
    assert "20 pages without a record" in result.traces[0].message
    assert len(api.requests) == 20


def test_what_parse_leaves_out_is_gone_on_from_all_the_same(api: Upstream) -> None:
    class Few(Items):
        paginator = LastRecord("after")

        def parse(self, response: Any, slice: Slice) -> Iterator[Record]:
            yield from (record for record in super().parse(response, slice) if record["id"] == 1)

    api.on("/items", query={"after": None}, json=[{"id": 1}, {"id": 2}])
    api.on("/items", query={"after": "2"}, json=[{"id": 3}])
    api.on("/items", query={"after": "3"}, json=[])
    assert read(Api(api.url, Few)).ok().records["items"] == [{"id": 1}]


def test_empty_pages_may_be_alike(api: Upstream) -> None:
    class Linked(Items):
        paginator = LinkHeader()

    for page in range(1, 6):
        link = {"Link": f'<?p={page + 1}>; rel="next"'} if page < 5 else {}
        api.on("/items", query={"p": page if page > 1 else None}, json=[], headers=link)
    assert read(Api(api.url, Linked)).ok().records["items"] == []
    assert len(api.requests) == 5


# --- overrides -------------------------------------------------------------------------------------------------------


def test_read_overridden_is_what_is_read(api: Upstream) -> None:
    class Twice(Items):
        cursor = Cursor("id")

        def read(self, slice: Slice) -> Iterator[Record]:
            for record in super().read(slice):
                yield {**record, "half": "first"}
            for record in self.source.get("others"):
                yield {**record, "half": "second"}

    api.on("/items", json=[{"id": 1}, {"id": 1e300}]).on("/others", json=[{"id": 5}])
    result = read(Api(api.url, Twice)).ok()
    assert [(row["id"], row["half"]) for row in result.records["items"]] == [
        (1, "first"), (1e300, "first"), (5, "second"),
    ]  # fmt: skip
    assert result.states[0].stream_state == {"id": 1e300}


def test_pages_overridden_is_what_read_gives(api: Upstream) -> None:
    class Half(Items):
        paginator = PageNumbers()

        def pages(self, slice: Slice) -> Any:
            return itertools.islice(super().pages(slice), 1)

    api.on("/items", query={"page": 1}, json=GOOD)
    assert list(Half(Api(api.url)).read(Slice())) == GOOD
    assert read(Api(api.url, Half)).ok().records["items"] == GOOD


def test_request_overridden_asks_for_less(api: Upstream) -> None:
    class Since(Items):
        cursor = Cursor("id", "ascending")

        def request(self, slice: Slice) -> Request:
            return super().request(slice).with_params(since=slice.start)

        def start(self) -> Any:
            return 3

    api.on("/items", query={"since": 3}, json=[{"id": 2}, {"id": 3}, {"id": 9}])
    first = read(Api(api.url, Since)).ok()
    assert [row["id"] for row in first.records["items"]] == [3, 9]
    api.on("/items", query={"since": 9}, json=[{"id": 9}])
    read(Api(api.url, Since), state=first).ok()


def test_large_numbers_pass_through_read(api: Upstream) -> None:
    api.on("/items", body=b'[{"id":1e400},{"id":123456789012345678901234567890}]')
    assert [row["id"] for row in Items(Api(api.url)).read(Slice())] == [float("inf"), 123456789012345678901234567890]


# --- a source from several threads, and its budget -------------------------------------------------------------------


def test_threads_share_a_transport(api: Upstream) -> None:
    made: list[int] = []

    class Counting(Api):
        def auth(self) -> Any:
            made.append(1)
            time.sleep(0.01)
            return super().auth()

    api.on("/busy", status=429, headers={"Retry-After": "0"}, times=8).on("/busy", json=1)
    for number in range(8):
        api.on(f"/{number}", json=number)
    source, results = Counting(api.url), [[] for _ in range(8)]  # type: ignore[var-annotated]

    def work(number: int) -> None:
        for _ in range(10):
            results[number].append(source.get(str(number)))
        source.get("busy")

    threads = [threading.Thread(target=work, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert results == [[number] * 10 for number in range(8)]
    assert made == [1]


def test_the_budget_counts_every_request_to_the_api(api: Upstream) -> None:
    at: list[float] = []

    def answer(request: Received) -> Answer:
        at.append(time.monotonic())
        return (
            Answer(302, {"Location": "/items?again"})
            if not request.query and "again" not in str(request)
            else Answer(body=b"[]")
        )

    api.on("/items", body=answer)
    source = Api(api.url, rate_limit=RateLimit(2, 2.0))
    for _ in range(2):
        source.get("items")
    assert len(at) == 4
    # far less than the period: when a request is seen here says little of when it was sent
    assert all(later - earlier > 0.3 for earlier, later in zip(at, at[2:], strict=False))


@settings(max_examples=25, deadline=None)
@given(stamps=st.lists(st.integers(0, 9), max_size=14), cut=st.integers(0, 6), size=st.integers(1, 4))
def test_an_http_stream_cut_off_anywhere_goes_on_without_loss(stamps: list[int], cut: int, size: int) -> None:
    rows = [{"id": number, "at": at} for number, at in enumerate(sorted(stamps))]

    class Sorted(Items):
        cursor = Cursor("at", "ascending")
        paginator = PageNumbers(size=size)

        def request(self, slice: Slice) -> Request:
            return super().request(slice).with_params(since=slice.start)

    def listed(request: Received) -> Any:
        start = (int(request.query["page"]) - 1) * size
        return [row for row in rows if row["at"] >= int(request.query.get("since", 0))][start : start + size]

    with SHARED as api:
        api.requests.clear()
        api._routes.clear()
        api.on("/items", body=lambda r: Answer(422) if len(api.requests) > cut else listed(r))
        first = read(Api(api.url, Sorted))
        api._routes.clear()
        api.on("/items", body=listed)
        second = read(Api(api.url, Sorted), state=first).ok()
    given_ids = [row["id"] for result in (first, second) for row in result.records["items"]]
    assert set(given_ids) == set(range(len(rows)))
    for result in (first, second):
        counted = sum(m.raw["sourceStats"]["recordCount"] for m in result.messages if isinstance(m, State))
        before = [m for m in result.messages if isinstance(m, (Records, State))]
        while before and not isinstance(before[-1], State):
            before.pop()
        assert counted == sum(len(m) for m in before if isinstance(m, Records))


class _Shared:
    """One upstream for all examples of a test."""

    def __init__(self) -> None:
        self.api: Upstream | None = None

    def __enter__(self) -> Upstream:
        if self.api is None:
            self.api = Upstream().__enter__()
        return self.api

    def __exit__(self, *error: object) -> None:
        pass


SHARED = _Shared()
