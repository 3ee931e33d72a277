"""Children of parents of every kind: whatever fails, going on from any state loses nothing."""

from __future__ import annotations

import itertools
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from headwater import ConfigError, Cursor, HttpStream, PageNumbers, Request, SkipSlice, SourceError
from headwater.protocol.messages import Records, State
from headwater.testing import read

from .stub import Stub

SIZE = 2
Version = tuple[int, int]  # an order's id, and when it changed


@pytest.fixture(autouse=True)
def _impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """All threads at once, however quick the source is."""
    monkeypatch.setattr("headwater.pool._LOOK", 0.0)
    monkeypatch.setattr("headwater.pool._BUSY", float("inf"))


class Shops:
    """Shops with orders, and a clock. In a shop that tells of its changes, `at` is the last one."""

    def __init__(self, order: Any) -> None:
        self.order = order
        self.clock = 0
        self.shops: dict[int, int] = {}
        self.orders: dict[int, tuple[int, int]] = {}  # shop, changed

    def change(self, steps: list[tuple[int, int, bool]]) -> None:
        """For each step, an order of a shop is new or changed; a clock of the shop's own may be late."""
        for shop, order, slowly in steps:
            self.clock += 1
            number = order if order not in self.orders or self.orders[order][0] == shop else 100 * (shop + 1) + order
            before = max((at for where, at in self.orders.values() if where == shop), default=0)
            self.orders[number] = (shop, before + 1 if slowly else max(self.clock, before + 1))
            self.shops[shop] = self.clock

    def __call__(self, request: Request) -> Any:
        if request.path == "shops":
            rows = [{"id": shop, "at": at} for shop, at in self.shops.items()]
            if self.order is not None:
                rows.sort(key=lambda row: row["at"], reverse=self.order == "descending")
        else:
            shop = int(request.path.split("/")[1])
            rows = [{"id": number, "changed": at} for number, (where, at) in self.orders.items() if where == shop]
            rows.sort(key=lambda row: row["changed"])
        start = (int(request.params["page"]) - 1) * SIZE
        return rows[start : start + SIZE]

    def truth(self) -> set[Version]:
        """Every order as it is now."""
        return {(number, changed) for number, (_, changed) in self.orders.items()}


def kind_of(driven: bool, order: Any) -> type[HttpStream]:
    """Orders of shops that have a cursor, or have none."""
    parent_cursor = Cursor("at", order) if driven else None
    fact = {"name": "shops", "path": "shops", "primary_key": ("id",), "cursor": parent_cursor}
    shops = type("ShopStream", (HttpStream,), {**fact, "paginator": PageNumbers(size=SIZE)})
    orders = {"name": "orders", "path": "shops/{parent[id]}/orders", "primary_key": ("id",), "parent": shops}
    cursor = Cursor("changed", None if driven else order if order != "descending" else None)
    return type("Orders", (HttpStream,), {**orders, "cursor": cursor, "paginator": PageNumbers(size=SIZE)})


def versions(messages: Any) -> set[Version]:
    """What was given."""
    return {(row["id"], row["changed"]) for m in messages if isinstance(m, Records) for row in m.rows()}


steps = st.lists(st.tuples(st.integers(0, 4), st.integers(0, 9), st.booleans()), max_size=10)


@settings(max_examples=150)
@given(
    driven=st.booleans(),
    order=st.sampled_from(["ascending", "descending", None]),
    first=steps,
    then=steps,
    fails_after=st.integers(0, 14),
    failure=st.sampled_from([SourceError("x"), ConfigError("x"), SkipSlice("x")]),
    concurrency=st.sampled_from([1, 3]),
)
def test_going_on_from_any_state_loses_nothing(
    driven: bool,
    order: Any,
    first: list[Any],
    then: list[Any],
    fails_after: int,
    failure: Exception,
    concurrency: int,
) -> None:
    api, kind = Shops(order), kind_of(driven, order)
    api.change(first)
    begun = read(Stub(api, kind)).ok()
    assert versions(begun.messages) == api.truth()
    api.change(then)
    failed = read(Stub(api, kind, fails_after=fails_after, failure=failure, concurrency=concurrency), state=begun)
    lengths = [place + 1 for place, message in enumerate(failed.messages) if isinstance(message, State)]
    skipped = isinstance(failure, SkipSlice) and driven  # of this record's children there is nothing to read, it says
    for length in (0, *lengths):
        prefix = failed.messages[:length]
        state = [message for message in prefix if isinstance(message, State)][-1:] or begun.states
        again = read(Stub(api, kind), state=state).ok()
        given_in_all = versions(itertools.chain(begun.messages, prefix, again.messages))
        assert api.truth() <= given_in_all or skipped


@settings(max_examples=60)
@given(
    first=steps,
    order=st.sampled_from(["ascending", "descending", None]),
    fails_after=st.integers(0, 14),
    concurrency=st.sampled_from([1, 3]),
)
def test_a_full_refresh_goes_on_from_any_state(
    first: list[Any], order: Any, fails_after: int, concurrency: int
) -> None:
    """Also of children that their parent drives, in an incremental read."""
    api = Shops(order)
    api.change(first)
    kind = type("Whole", (kind_of(order is not None, order),), {"cursor": None})
    assert Stub(api, kind).discover().streams[0].is_resumable
    failed = read(Stub(api, kind, fails_after=fails_after, concurrency=concurrency))
    for length in range(len(failed.messages) + 1):
        prefix = failed.messages[:length]
        state = [message for message in prefix if isinstance(message, State)][-1:]
        if length and not isinstance(prefix[-1], State):
            continue
        again = read(Stub(api, kind), state=state, same_job=True).ok()
        assert api.truth() == versions(itertools.chain(prefix, again.messages))
