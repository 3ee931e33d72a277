"""Children of parents, and grandchildren."""

from __future__ import annotations

import gc
from collections.abc import Iterable, Mapping
from typing import Any

import pytest

from headwater import (
    Cursor,
    HttpStream,
    PageNumbers,
    SkipSlice,
)
from headwater.protocol.messages import State, StreamDescriptor
from headwater.resume import COMPLETE
from headwater.state import NO_CURSOR
from headwater.testing import Upstream, read
from headwater.testing.upstream import Answer, Received

from .apis import Api

GOOD = [{"id": 1}]


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


@pytest.mark.parametrize("order", ["ascending", "descending", None])
@pytest.mark.parametrize("level", [1, 2])
def test_a_full_refresh_begins_where_the_config_says(api: Upstream, order: Any, level: int) -> None:
    kinds = kinds_of(order)
    kinds[0].start = lambda self: 3
    shop_api(api, [{"id": n, "at": n} for n in range(8)], order)
    result = read(Api(api.url, kinds[level]), full_refresh=True).ok()
    assert found(result, kinds[level].name) == ["3", "4", "5", "6", "7"]
    assert len(result.records[kinds[level].name]) == 5 * 2**level
    assert len(api.asked("/eu/shops")) == (3 if order == "descending" else 5)
    # the orders have no key by which their lines could be gone on with
    assert result.states[-1].stream_state == (COMPLETE if level == 1 else NO_CURSOR)


def test_an_empty_parent(api: Upstream) -> None:
    shop_api(api, [])
    result = read(Api(api.url, Shops, Orders, Lines)).ok()
    assert result.records == {"shops": [], "orders": [], "lines": []}


def test_the_parent_s_state_of_an_airbyte_substream_is_where_its_children_begin(api: Upstream) -> None:
    shop_api(api, [{"id": n, "at": n} for n in range(5)])
    children = [{"partition": {"shop_id": n, "parent_slice": {"region": "eu"}}, "cursor": {"changed": 9}}
                for n in range(5)]  # fmt: skip
    for parent_state in (
        {"shops": {"at": 3}},
        {"shops": {"states": [{"partition": {"region": "eu"}, "cursor": {"at": 3}}]}},
        {"shops": {"state": {"at": 5}, "use_global_cursor": True, "lookback_window": 2}},
    ):
        blob = {"use_global_cursor": False, "states": children, "state": {"changed": 9}, "parent_state": parent_state}
        result = read(Api(api.url, Orders), state=[State.of_stream(StreamDescriptor("orders"), blob)]).ok()
        assert found(result, "orders") == ["3", "4"]
        nested = {**blob, "parent_state": {"orders": {**blob, "parent_state": parent_state}}}
        result = read(Api(api.url, Lines), state=[State.of_stream(StreamDescriptor("lines"), nested)]).ok()
        assert found(result, "lines") == ["3", "4"]
    wrong = {"parent_state": {"shops": "x"}}
    (trace,) = read(Api(api.url, Orders), state=[State.of_stream(StreamDescriptor("orders"), wrong)]).traces
    assert "state of stream 'orders': its `parent_state` of 'shops' must be an object" in trace.message


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
