"""A parent that several streams read is asked for once a run."""

from __future__ import annotations

import random
import threading
from collections.abc import Iterable, Mapping
from typing import Any

import pytest
import requests

from headwater import Cursor, HttpStream, LinkHeader, Request, Source, Stream
from headwater.http.cache import InMemory, Kept, key_of, readers
from headwater.protocol.messages import StreamDescriptor
from headwater.testing import Upstream, read

from .apis import Api, failure


class Shops(HttpStream):
    """Every shop, on several pages."""

    name = "shops"
    path = "shops"
    paginator = LinkHeader()


class Orders(HttpStream):
    """A child."""

    name = "orders"
    path = "shops/{parent[id]}/orders"
    parent = Shops


class Staff(Orders):
    """Another."""

    name = "staff"
    path = "shops/{parent[id]}/staff"


class Lines(HttpStream):
    """A grandchild."""

    name = "lines"
    path = "orders/{parent[id]}/lines"
    parent = Orders


KINDS = (Shops, Orders, Staff, Lines)


def shop_api(api: Upstream, pages: int = 3) -> None:
    """Shops of some pages, with an order, a person and a line each."""
    for page in range(1, pages + 1):
        link = {"Link": f'</shops?page={page + 1}>; rel="next"'} if page < pages else {}
        query = {"page": page} if page > 1 else {"page": None}
        api.on("/shops", query=query, json=[{"id": page}], headers={**link, "Set-Cookie": "sid=sesame"})
        api.on(f"/shops/{page}/orders", json=[{"id": page * 10}])
        api.on(f"/shops/{page}/staff", json=[{"id": page * 100}])
        api.on(f"/orders/{page * 10}/lines", json=[{"id": page * 1000}])


@pytest.mark.parametrize(
    ("streams", "asked"),
    [
        (("shops",), {"/shops": 3}),
        (("orders",), {"/shops": 3, "/shops/1/orders": 1}),
        (("shops", "orders"), {"/shops": 3}),
        (("orders", "staff"), {"/shops": 3, "/shops/1/orders": 1, "/shops/1/staff": 1}),
        (("orders", "lines"), {"/shops": 3, "/shops/1/orders": 1, "/orders/10/lines": 1}),
        (("shops", "orders", "staff", "lines"), {"/shops": 3, "/shops/1/orders": 1}),
    ],
)
def test_a_parent_is_asked_for_once(api: Upstream, streams: tuple[str, ...], asked: dict[str, int]) -> None:
    shop_api(api)
    result = read(Api(api.url, *KINDS), *streams).ok()
    ids = {"shops": [1, 2, 3], "orders": [10, 20, 30], "staff": [100, 200, 300], "lines": [1000, 2000, 3000]}
    assert {name: [row["id"] for row in rows] for name, rows in result.records.items()} == {
        name: ids[name] for name in streams
    }
    assert {path: len(api.asked(path)) for path in asked} == asked


def test_a_run_asks_anew(api: Upstream) -> None:
    shop_api(api)
    source = Api(api.url, *KINDS)
    for _ in range(2):
        read(source, "orders", "staff").ok()
    assert len(api.asked("/shops")) == 6
    assert source._shared is None


def test_a_stream_that_is_read_once_is_not_kept(api: Upstream, monkeypatch: pytest.MonkeyPatch) -> None:
    shop_api(api)
    monkeypatch.setattr(InMemory, "keep", lambda *_: pytest.fail("kept"))
    read(Api(api.url, *KINDS), "lines").ok()


def test_only_what_was_good_is_kept(api: Upstream) -> None:
    api.on("/shops", status=500).on("/shops", body=b"<html>").on("/shops", json=[{"id": 1}])
    for path in ("orders", "staff"):
        api.on(f"/shops/1/{path}", json=[])
    read(Api(api.url, *KINDS), "orders", "staff").ok()
    assert len(api.asked("/shops")) == 3


def test_what_failed_is_asked_for_again(api: Upstream) -> None:
    api.on("/shops", status=404).on("/shops", json=[{"id": 1}])
    api.on("/shops/1/staff", json=[{"id": 100}])
    result = read(Api(api.url, *KINDS), "orders", "staff")
    assert len(api.asked("/shops")) == 2 and len(result.traces) == 1
    assert sum(map(len, result.records.values())) <= 1


def test_where_a_redirect_led_to_is_not_kept(api: Upstream) -> None:
    api.on("/shops", status=302, headers={"Location": "/all"})
    api.on("/all", json=[{"id": 1}])
    for path in ("orders", "staff"):
        api.on(f"/shops/1/{path}", json=[])
    read(Api(api.url, *KINDS), "orders", "staff").ok()
    assert len(api.asked("/all")) == 2


class Changed(Shops):
    """With a cursor."""

    cursor = Cursor("id", order="ascending")


class ChangedOrders(Orders):
    """Read as its parent is."""

    parent = Changed
    cursor = Cursor("id")


class ChangedStaff(Staff):
    """Read as its parent is."""

    parent = Changed
    cursor = Cursor("id")


def test_a_parent_whose_state_counts_is_asked_for_by_each(api: Upstream) -> None:
    """Its state would say that it was read when the child was, and not when the answer was given."""
    shop_api(api)
    kinds = (Changed, ChangedOrders, ChangedStaff)
    read(Api(api.url, *kinds), "orders", "staff").ok()
    assert len(api.asked("/shops")) == 6
    read(Api(api.url, *kinds), "shops", "orders", full_refresh=True).ok()
    assert len(api.asked("/shops")) == 9


def test_who_is_read_how_often(api: Upstream) -> None:
    source = Api(api.url, *KINDS)
    streams = source._streams()
    catalog = source.discover().configured(None)
    assert readers(streams, catalog) == {"shops": 4, "orders": 2}
    assert readers({}, catalog) == {}
    assert readers({StreamDescriptor("shops"): _Other(source)}, catalog) == {}


class _Other(Stream):
    """No stream of HTTP."""

    name = "shops"

    def __init__(self, source: Source) -> None:
        super().__init__(source)

    def read(self, slice: Any) -> Any:
        raise NotImplementedError

    def partitions(self) -> Iterable[Mapping[str, Any]]:
        return ()


def test_two_threads_that_need_the_same_ask_once(api: Upstream) -> None:
    api.on("/shops", json=[{"id": 1}], delay=0.1)
    source = Api(api.url, *KINDS)
    source._shared = InMemory({"shops": 4})
    rows: list[Any] = []

    def take() -> None:
        rows.append(source.send(Request("shops"), lambda response: response.json(), StreamDescriptor("shops")))

    threads = [threading.Thread(target=take) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert rows == [[{"id": 1}]] * 4 and len(api.requests) == 1
    assert source._shared.size == 0 and not source._shared._turns


def test_one_that_fails_lets_the_next_ask(api: Upstream) -> None:
    api.on("/shops", status=404).on("/shops", json=[])
    source = Api(api.url, *KINDS)
    source._shared = InMemory({"shops": 2})
    for _ in range(2):
        try:
            source.send(Request("shops"), lambda response: response.json(), StreamDescriptor("shops"))
        except Exception as error:
            assert "(404)" in str(error)
    assert len(api.requests) == 2 and not source._shared._turns


# --- the store -------------------------------------------------------------------------------------------------------


def answer(body: bytes = b"[]", **headers: str) -> requests.Response:
    """A good answer."""
    response = requests.Response()
    response.status_code, response.reason = 200, "OK"
    response.headers.update({name.replace("_", "-"): value for name, value in headers.items()})
    vars(response).update(_content=body, _content_consumed=True)
    return response


def test_an_answer_is_the_same_again() -> None:
    given = answer("[é]".encode("latin-1"), Content_Type="text/plain; charset=latin-1", X_Next="2", Set_Cookie="a=b")
    request = Request("items", {"a": [1, True], "b": None})
    again = Kept.of(given).response(request, "http://api.test/v1")
    assert (again.status_code, again.reason, again.ok, again.text) == (200, "OK", True, "[é]")
    assert again.url == "http://api.test/v1/items?a=1&a=true"
    assert again.headers["x-next"] == "2" and "Set-Cookie" not in again.headers
    assert again.request.method == "GET" and not again.request.headers and again.history == []


def test_there_is_no_more_than_the_budget() -> None:
    shelf = InMemory({"small": 3, "large": 3}, budget=3000)
    body = random.Random(1).randbytes(700)  # nothing to compress
    shelf.keep("s", answer(body), Request(""), "small")
    for number in range(50):
        shelf.keep(f"l{number}", answer(body), Request(""), "large")
        assert shelf.size <= 3000
    assert shelf.get("s") is not None
    assert not shelf.serves("large") and all(shelf.get(f"l{number}") is None for number in range(50))


def test_what_was_taken_for_the_last_time_is_forgotten() -> None:
    shelf = InMemory({"shops": 3})
    shelf.keep("k", answer(b"[1]"), Request(""), "shops")
    assert [getattr(shelf.get("k"), "body", None) for _ in range(3)] == [b"[1]", b"[1]", None]
    assert shelf.size == 0


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        (Request("a", {"b": 1, "c": 2}), Request("a", {"c": 2, "b": 1}), True),
        (Request("a", {"b": None}), Request("a"), True),
        (Request("a", {"b": 1}), Request("a", {"b": 2}), False),
        (Request("a"), Request("b"), False),
        (Request("a"), Request("a", method="POST"), False),
        (Request("a", json={"q": 1}), Request("a", json={"q": 2}), False),
        (Request("a", headers={"Accept": "x"}), Request("a", headers={"Accept": "y"}), False),
    ],
)
def test_which_requests_are_the_same(one: Request, other: Request, same: bool) -> None:
    base = "http://api.test"
    assert (key_of(one, one.url(base)) == key_of(other, other.url(base))) is same


def test_a_request_that_can_not_be_told_apart_is_not_kept() -> None:
    loop: dict[str, Any] = {}
    loop["loop"] = loop
    assert key_of(Request("a", json=loop), "http://x/a") is None


def test_a_bug_of_a_parser_is_told_and_not_hidden_by_what_is_kept(api: Upstream) -> None:
    class Broken(Orders):
        parent = Shops

        def parse(self, response: Any, slice: Any) -> Any:
            raise KeyError("total")

    shop_api(api)
    assert "bug of the connector" in failure(api, Broken).message
