"""Children of parents without a cursor: each of the parent's records is a slice."""

from __future__ import annotations

from typing import Any

import pytest

from headwater import Cursor, HttpStream
from headwater.protocol.messages import State, StreamDescriptor
from headwater.resume import COMPLETE
from headwater.testing import Upstream, read
from headwater.testing.upstream import Answer, Received

from .apis import Api
from .test_parents import Lines, Orders, Shops, shop_api


class Stores(Shops):
    """Shops that don't say when they changed."""

    name = "stores"
    cursor = None


class Receipts(Orders):
    """Of every store; each has its own order."""

    name = "receipts"
    parent = Stores
    cursor = Cursor("changed", "ascending")


class Positions(HttpStream):
    """The lines of every receipt."""

    name = "positions"
    path = "{region}/{grandparent[id]}/{parent[id]}/{stores_id}"
    parent = Receipts
    primary_key = ("id",)
    cursor = Cursor("changed")


def store_api(api: Upstream, receipts: dict[int, list[int]]) -> None:
    """Stores, with a receipt for each value of `changed`."""
    stores = lambda: [{"id": store} for store in receipts]  # noqa: E731
    api.on("/eu/shops", body=lambda request: stores()[2 * int(request.query["page"]) - 2 :][:2])
    for store in range(6):

        def found(_: Received, store: int = store) -> Any:
            return [{"id": f"{store}-{changed}", "changed": changed} for changed in receipts.get(store, ())]

        api.on(f"/eu/shops/{store}/orders", body=found)
        for changed in range(20):
            name = f"{store}-{changed}"
            api.on(f"/eu/{store}/{name}/{store}", json=[{"id": f"{name}-x", "changed": changed}])


@pytest.mark.parametrize("concurrency", [1, 4])
def test_each_record_of_such_a_parent_has_a_state_of_its_own(api: Upstream, concurrency: int) -> None:
    receipts = {0: [1, 2], 1: [5, 9], 2: []}
    store_api(api, receipts)
    first = read(Api(api.url, Receipts, concurrency=concurrency)).ok()
    assert sorted(row["id"] for row in first.records["receipts"]) == ["0-1", "0-2", "1-5", "1-9"]
    blob: Any = first.states[-1].stream_state
    assert blob == {
        "states": [
            {"partition": {"region": "eu", "stores_id": 0}, "cursor": {"changed": 2}},
            {"partition": {"region": "eu", "stores_id": 1}, "cursor": {"changed": 9}},
        ]
    }
    receipts.update({0: [1, 2, 3], 3: [1, 4], 2: [2]})
    second = read(Api(api.url, Receipts, concurrency=concurrency), state=first).ok()
    # older than what others have, and new all the same: of a store that is new, or had none
    assert sorted(row["id"] for row in second.records["receipts"]) == ["0-2", "0-3", "1-9", "2-2", "3-1", "3-4"]


@pytest.mark.parametrize("concurrency", [1, 4])
@pytest.mark.parametrize("broken", range(4))
def test_one_record_s_slice_that_fails_leaves_the_others(api: Upstream, broken: int, concurrency: int) -> None:
    store_api(api, {store: [1, 2] for store in range(4)})
    (route,) = (route for route in api._routes if route.path == f"/eu/shops/{broken}/orders")
    good, route.answers[:] = route.answers[:], [Answer(404)]
    failed = read(Api(api.url, Receipts, concurrency=concurrency))
    assert {row["id"][0] for row in failed.records["receipts"]} == set("0123") - {str(broken)}
    route.answers[:] = good
    again = read(Api(api.url, Receipts), state=failed).ok()
    assert [row["id"] for row in again.records["receipts"] if row["changed"] == 1] == [f"{broken}-1"]


def test_states_of_airbyte_s_substreams_are_known_by_their_values(api: Upstream) -> None:
    store_api(api, {0: [1, 2], 1: [5, 9], 2: [3]})
    entries = [{"partition": {"store_id": store, "parent_slice": {"region": "eu"}}, "cursor": {"changed": at}}
               for store, at in ((0, 2), (1, 9))]  # fmt: skip
    blob = {"use_global_cursor": False, "states": entries, "state": {"changed": 9}, "lookback_window": 1}
    result = read(Api(api.url, Receipts), state=[State.of_stream(StreamDescriptor("receipts"), blob)]).ok()
    assert sorted(row["id"] for row in result.records["receipts"]) == ["0-2", "1-9", "2-3"]


def test_the_grandparent_s_record_is_there_too(api: Upstream) -> None:
    """And a parent that is itself read by records drives its own children."""
    receipts = {0: [1, 2], 1: [5]}
    store_api(api, receipts)
    first = read(Api(api.url, Positions)).ok()
    assert sorted(row["id"] for row in first.records["positions"]) == ["0-1-x", "0-2-x", "1-5-x"]
    receipts[0].append(7)
    receipts[4] = [0]
    second = read(Api(api.url, Positions), state=first).ok()
    assert sorted(row["id"] for row in second.records["positions"]) == ["0-2-x", "0-7-x", "1-5-x", "4-0-x"]


def test_the_grandparent_s_record_where_the_parent_is_driven(api: Upstream) -> None:
    class Under(Lines):
        path = "{region}/{grandparent[id]}/{parent[id]}/lines"

    shop_api(api, [{"id": 1, "at": 1}])
    for number in "ab":
        api.on(f"/eu/1/1{number}/lines", json=[{"id": number}])
    result = read(Api(api.url, Under)).ok()
    assert [row["id"] for row in result.records["lines"]] == ["a", "b"]
    (trace,) = read(Api(api.url, type("No", (Orders,), {"path": "{grandparent[id]}"}))).traces
    assert "names 'grandparent', which its slices don't have" in trace.message


def test_a_record_without_its_key_is_told(api: Upstream) -> None:
    class Nameless(Stores):
        primary_key = ("number",)

    store_api(api, {0: [1]})
    (trace,) = read(Api(api.url, type("Below", (Receipts,), {"parent": Nameless}))).traces
    assert "a record of its parent stores has no 'number', which is its primary key" in trace.message


def test_children_without_a_cursor_go_on_within_the_job(api: Upstream) -> None:
    class Whole(Receipts):
        cursor = None

    store_api(api, {store: [1, 2] for store in range(5)})
    assert Api(api.url, Whole).discover().streams[0].is_resumable
    (route,) = (route for route in api._routes if route.path == "/eu/shops/3/orders")
    good, route.answers[:] = route.answers[:], [Answer(422)]
    failed = read(Api(api.url, Whole, concurrency=1))
    assert len(failed.records["receipts"]) == 6
    route.answers[:] = good
    again = read(Api(api.url, Whole), state=failed, same_job=True).ok()
    assert sorted(row["id"] for row in again.records["receipts"]) == ["3-1", "3-2", "4-1", "4-2"]
    assert again.states[-1].stream_state == COMPLETE
