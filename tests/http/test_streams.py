"""Streams: paths, pages, parents and children, overrides."""

from __future__ import annotations

import gc
import itertools
import threading
import time
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from headwater import (
    Cursor,
    HttpStream,
    LinkHeader,
    OffsetPages,
    PageNumbers,
    RateLimit,
    Record,
    Request,
    SkipSlice,
    Slice,
    SourceError,
)
from headwater.errors import ConfigError
from headwater.http.path import fill
from headwater.protocol.messages import Records, State
from headwater.testing import Upstream, read
from headwater.testing.upstream import Answer, Received

from .apis import Api, Items

GOOD = [{"id": 1}]


# --- requests --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("base", "path", "url"),
    [
        ("https://h/v1", "a/b", "https://h/v1/a/b"),
        ("https://h/v1/", "/a/b", "https://h/v1/a/b"),
        ("https://h", "a?x=1", "https://h/a?x=1"),
        ("https://h/v1", "", "https://h/v1"),
        ("https://h/v1", "items:search", "https://h/v1/items:search"),
        ("https://h/v1", "a?to=http://x/y", "https://h/v1/a?to=http://x/y"),
        ("https://h/v1", "https://other/z", "https://other/z"),
        ("https://h/v1", "//x/y", "https://h/v1/x/y"),
    ],
)
def test_urls(base: str, path: str, url: str) -> None:
    assert Request(path).url(base) == url


def test_parameters() -> None:
    import datetime

    request = Request(
        "a", {"none": None, "yes": True, "no": False, "list": [1, True, None], "day": datetime.date(2024, 1, 2)}
    )
    assert request.query() == {"yes": "true", "no": "false", "list": [1, "true", None], "day": "2024-01-02"}
    assert request.with_params(yes=None, new=1).query() == {
        "no": "false", "list": [1, "true", None], "day": "2024-01-02", "new": 1,
    }  # fmt: skip


class Odd:
    """Something that JSON does not have."""

    def __init__(self, text: str) -> None:
        self.text = text

    def __str__(self) -> str:
        return self.text


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        (Request("a", {"x": 1, "y": 2}), Request("a", {"y": 2, "x": 1}), True),
        (Request("a", {"x": Odd("1")}), Request("a", {"x": Odd("2")}), False),
        (Request("a", {"x": Odd("1")}), Request("a", {"x": Odd("1")}), True),
        (Request("a", {"x": {3, 1, 2}}), Request("a", {"x": {1, 2, 3}}), True),
        (Request("a", {"x": b"1"}), Request("a", {"x": b"2"}), False),
        (Request("a", {"x": "\ud800"}), Request("a", {"x": "\ud801"}), False),
        (Request("a", {"x": 10**30}), Request("a", {"x": 10**31}), False),
        (Request("a", headers={"page": "1"}), Request("a", headers={"page": "2"}), False),
        (Request("a", json={"page": 1}), Request("a", json={"page": 2}), False),
        (Request("a", method="POST"), Request("a"), False),
        (Request("a", {"x": 1}), Request("a", {"x": 2}), False),
    ],
)
def test_identity(one: Request, other: Request, same: bool) -> None:
    assert (one.identity == other.identity) is same


# --- paths -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("path", "partition", "parent", "filled"),
    [
        ("repos/{repository}/x", {"repository": "octo/al pha"}, None, "repos/octo/al%20pha/x"),
        ("a/{v}", {"v": "é?#{v}%2F&"}, None, "a/%C3%A9%3F%23%7Bv%7D%252F%26"),
        ("a/{v}", {"v": 3}, None, "a/3"),
        ("a/{v}", {"v": True}, None, "a/true"),
        ("a/{v}", {"v": "..."}, None, "a/..."),
        ("a/{parent[id]}/b", {}, {"id": "x/y z?"}, "a/x%2Fy%20z%3F/b"),
        ("a/{parent[id]}/b", {}, {"id": 0}, "a/0/b"),
        ("a/{parent[o][id]}/{v}", {"v": 1}, {"o": {"id": 2}}, "a/2/1"),
        ("a/{{x}}", {}, None, "a/{x}"),
    ],
)
def test_paths(path: str, partition: Any, parent: Any, filled: str) -> None:
    assert fill(path, partition, parent, "items") == filled


@pytest.mark.parametrize(
    ("path", "partition", "parent", "words"),
    [
        ("a/{v}", {"w": 1}, None, "names 'v', which its slices don't have; they have 'w'"),
        ("a/{parent[id]}", {}, None, "names 'parent'"),
        ("a/{parent[id]}", {}, {"name": 1, "url": 2}, "parent has no 'id'; it has 'name', 'url'"),
        ("a/{parent[id]}", {}, {"id": None}, r"parent\[id\] is null"),
        ("a/{parent[id]}", {}, {"id": ""}, r"parent\[id\] is empty"),
        ("a/{parent[id]}", {}, {"id": {}}, r"parent\[id\] is not a single value"),
        ("a/{parent[o][id]}", {}, {"o": None}, r"parent\[o\] has no 'id'"),
        ("a/{parent[o][id]}", {}, {"o": "x"}, r"parent\[o\] has no 'id'"),
        ("a/{parent.id}", {}, {"id": 1}, "not a template"),
        ("a/{v", {"v": 1}, None, "not a template"),
        ("a/{v}", {"v": None}, None, "v is null"),
    ],
)
def test_a_path_that_can_not_be_filled_says_why(path: str, partition: Any, parent: Any, words: str) -> None:
    with pytest.raises(SourceError, match=words) as raised:
        fill(path, partition, parent, "items")
    assert "Stream items" in raised.value.message and raised.value.stream == "items"


@pytest.mark.parametrize("value", ["..", ".", "../../admin", "a/../b"])
def test_a_name_does_not_lead_out_of_its_place(value: str) -> None:
    with pytest.raises(ConfigError, match="must not be"):
        fill("repos/{v}/x", {"v": value}, None, "items")


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


# --- parents ---------------------------------------------------------------------------------------------------------


class Shops(HttpStream):
    """Every shop, in two regions."""

    name = "shops"
    path = "{region}/shops"
    primary_key = ("id",)
    cursor = Cursor("at", "ascending")
    paginator = PageNumbers(size=2)
    regions: tuple[str, ...] = ("eu",)

    def partitions(self) -> Iterable[Mapping[str, Any]]:
        return [{"region": region} for region in self.regions]


class Orders(HttpStream):
    """The orders of every shop."""

    name = "orders"
    path = "{region}/shops/{parent[id]}/orders"
    parent: Any = Shops
    cursor = Cursor("changed")


class Lines(HttpStream):
    """The lines of every order of every shop."""

    name = "lines"
    path = "{region}/orders/{parent[id]}/lines"
    parent = Orders
    cursor = Cursor("changed")


def shop_api(api: Upstream, shops: list[dict[str, Any]], order: str | None = "ascending") -> list[dict[str, Any]]:
    """Shops with two orders each, of two lines each; answers as the list is at the time."""

    def listed(request: Received) -> Any:
        found = list(shops)
        if order is not None:
            found.sort(key=lambda shop: shop["at"] or 0, reverse=order == "descending")
        page = int(request.query["page"])
        return found[2 * page - 2 : 2 * page]

    for region in ("eu", "us"):
        api.on(f"/{region}/shops", body=listed)
        for shop in range(10):
            orders = [{"id": f"{shop}{n}", "changed": 1} for n in "ab"]
            api.on(f"/{region}/shops/{shop}/orders", json=orders)
            for made in orders:
                lines = [{"id": f"{made['id']}{n}", "changed": 1} for n in (1, 2)]
                api.on(f"/{region}/orders/{made['id']}/lines", json=lines)
    return shops


def kinds_of(order: Any) -> tuple[Any, Any, Any]:
    """Shops in this order, with what is below them."""
    shops = type("Shops", (Shops,), {"cursor": Cursor("at", order)})
    orders = type("Orders", (Orders,), {"parent": shops})
    return shops, orders, type("Lines", (Lines,), {"parent": orders})


def found(result: Any, stream: str) -> list[str]:
    """The ids of the shops that records are of."""
    return sorted({str(row["id"])[0] for row in result.records[stream]})


@pytest.mark.parametrize("order", ["ascending", "descending", None])
@pytest.mark.parametrize("level", [1, 2])
def test_children_are_read_of_what_is_new_in_their_parent(api: Upstream, order: Any, level: int) -> None:
    kind = kinds_of(order)[level]
    shops = shop_api(api, [{"id": n, "at": n} for n in range(5)], order)
    first = read(Api(api.url, kind)).ok()
    assert len(first.records[kind.name]) == 5 * 2**level
    assert first.states[-1].stream_state == {
        "states": [{"partition": {"region": "eu"}, "cursor": {"changed": 4}}]
    }  # fmt: skip
    shops[1]["at"] = 7
    shops.append({"id": 8, "at": None})
    api.requests.clear()
    second = read(Api(api.url, kind), state=first).ok()
    if order == "descending":  # it sorts what has no value to the end, and the list is not read to there
        assert found(second, kind.name) == ["1", "4"]
        assert len(api.asked("/eu/shops")) == 2
    else:
        assert found(second, kind.name) == ["1", "4", "8"]
    assert second.states[-1].stream_state["states"][0]["cursor"] == {"changed": 7}  # type: ignore[index]


@pytest.mark.parametrize("order", ["ascending", "descending", None])
@pytest.mark.parametrize("level", [1, 2])
@pytest.mark.parametrize("broken", range(5))
def test_a_childs_state_is_never_ahead_of_its_parents(api: Upstream, order: Any, level: int, broken: int) -> None:
    kind = kinds_of(order)[level]
    shop_api(api, [{"id": n, "at": n} for n in (3, 0, 4, 1, 2)], order)
    path = f"/eu/shops/{broken}/orders" if level == 1 else f"/eu/orders/{broken}b/lines"
    (route,) = (route for route in api._routes if route.path == path)
    good = route.answers[:]
    route.answers[:] = [Answer(422)]
    failed = read(Api(api.url, kind))
    assert failed.error is not None
    route.answers[:] = good
    again = read(Api(api.url, kind), state=failed).ok()
    assert {*found(failed, kind.name), *found(again, kind.name)} == set("01234")
    given_ids = {row["id"] for result in (failed, again) for row in result.records[kind.name]}
    assert len(given_ids) == 5 * 2**level
    if order == "ascending" and broken == 4:
        assert failed.states  # it went on midway
        assert found(again, kind.name) == ["3", "4"]
    if order != "ascending":
        assert not failed.states


def test_a_parent_that_lies_about_its_order(api: Upstream) -> None:
    """Its children's midway states are taken back."""
    kind = kinds_of("ascending")[1]
    shop_api(api, [{"id": n, "at": at} for n, at in ((0, 5), (1, 6), (2, 1), (3, 2), (4, 3))], None)
    api._routes.sort(key=lambda route: route.path != "/eu/shops/4/orders")
    good, api._routes[0].answers[:] = api._routes[0].answers[:], [Answer(422)]
    failed = read(Api(api.url, kind))
    api._routes[0].answers[:] = good
    again = read(Api(api.url, kind), state=failed).ok()
    assert {*found(failed, "orders"), *found(again, "orders")} == set("01234")


def test_an_empty_parent(api: Upstream) -> None:
    shop_api(api, [])
    result = read(Api(api.url, Shops, Orders, Lines)).ok()
    assert result.records == {"shops": [], "orders": [], "lines": []}


def test_a_parent_without_a_cursor_is_read_whole_and_the_childs_own_cursor_counts(api: Upstream) -> None:
    class Plain(Shops):
        cursor = None

    class Below(Orders):
        parent = Plain

    api.on("/eu/shops", query={"page": 1}, json=[{"id": 1}])
    api.on("/eu/shops/1/orders", json=[{"id": "a", "changed": 3}, {"id": "b", "changed": 2}])
    first = read(Api(api.url, Below)).ok()
    assert first.states[0].stream_state["states"][0]["cursor"] == {"changed": 3}  # type: ignore[index]
    second = read(Api(api.url, Below), state=first).ok()
    assert [row["id"] for row in second.records["orders"]] == ["a"]


def test_a_child_without_a_cursor(api: Upstream) -> None:
    class Whole(Orders):
        cursor = None

    shop_api(api, [{"id": n, "at": n} for n in range(3)])
    assert found(read(Api(api.url, Whole)).ok(), "orders") == ["0", "1", "2"]


def test_one_parents_child_that_is_skipped_leaves_the_others(api: Upstream) -> None:
    class Skipping(Api):
        def raise_for_status(self, response: Any) -> None:
            if response.status_code == 410:
                raise SkipSlice("off")
            super().raise_for_status(response)

    shop_api(api, [{"id": n, "at": n} for n in range(4)])
    (route,) = (route for route in api._routes if route.path == "/eu/shops/1/orders")
    route.answers[:] = [Answer(410)]
    result = read(Skipping(api.url, Orders)).ok()
    assert found(result, "orders") == ["0", "2", "3"]


def test_a_field_that_the_parents_record_does_not_have_is_named(api: Upstream) -> None:
    class Wrong(Orders):
        path = "shops/{parent[number]}/orders"

    shop_api(api, [{"id": 1, "at": 1}])
    (trace,) = read(Api(api.url, Wrong)).traces
    assert trace.failure_type == "system_error"
    assert "parent has no 'number'; it has 'id', 'at'" in trace.message


def test_children_of_several_partitions(api: Upstream) -> None:
    class Two(Shops):
        regions = ("eu", "us")

    class Below(Orders):
        parent = Two

    shop_api(api, [{"id": n, "at": n} for n in range(3)])
    result = read(Api(api.url, Below)).ok()
    assert len(result.records["orders"]) == 12
    assert len(result.states[-1].stream_state["states"]) == 2  # type: ignore[index]


def test_parents_made_anew_cost_nothing_that_stays(api: Upstream) -> None:
    shop_api(api, [{"id": n, "at": n} for n in range(5)])
    source = Api(api.url, Lines)
    read(source).ok()
    gc.collect()
    before = len(gc.get_objects())
    for _ in range(3):
        read(source).ok()
        api.requests.clear()
    gc.collect()
    assert len(gc.get_objects()) - before < 300


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
    source = Api(api.url, rate_limit=RateLimit(2, 0.15))
    for _ in range(3):
        source.get("items")
    assert all(later - earlier > 0.14 for earlier, later in zip(at, at[2:], strict=False))


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
