"""States never run ahead of the records, whatever order, failure or stop there is."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Mapping
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from headwater import ConfigError, Cursor, SkipSlice, SourceError, Stream
from headwater.protocol.messages import State
from headwater.state import NO_CURSOR
from headwater.testing import read
from tests.listings import Listing, Listings, Order, Rows, counts, ids, states

# --- the property ----------------------------------------------------------------------------------------------

values = st.one_of(st.integers(0, 12), st.none())


@pytest.fixture(autouse=True)
def _impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """All threads at once, however quick the source is."""
    monkeypatch.setattr("headwater.pool._LOOK", 0.0)
    monkeypatch.setattr("headwater.pool._BUSY", float("inf"))


@st.composite
def listings(draw: st.DrawFn, first: int = 0, least: int = 0) -> dict[str, list[tuple[int, Any]]]:
    """Rows of some partitions, in no order, with ties and missing values."""
    names = draw(st.sampled_from([("",), ("a",), ("a", "b"), ("a", "b", "c")]))
    numbers = itertools.count(first)
    some = st.lists(st.one_of(st.integers(least, least + 8), st.none()), max_size=9)
    return {name: [(next(numbers), at) for at in draw(some)] for name in names}


def arranged(parts: Mapping[str, Rows], order: Order) -> dict[str, list[tuple[int, Any]]]:
    """The rows as a source of this order gives them."""
    if order is None:
        return {name: list(rows) for name, rows in parts.items()}
    return {
        name: sorted(rows, key=lambda row: 99 if row[1] is None else row[1], reverse=order == "descending")
        for name, rows in parts.items()
    }


def truth(parts: Mapping[str, Rows]) -> set[int]:
    """All ids."""
    return {number for rows in parts.values() for number, _ in rows}


@settings(max_examples=100)
@given(
    old=listings(),
    added=listings(first=1000, least=8),
    order=st.sampled_from(["ascending", "descending", None]),
    size=st.integers(1, 4),
    bounded=st.booleans(),
    fails_after=st.integers(0, 12),
    failure=st.sampled_from([SourceError("x"), ConfigError("x"), SkipSlice("x"), KeyError("x")]),
    concurrency=st.sampled_from([1, 2, 4]),
)
def test_going_on_from_any_state_loses_nothing(
    old: dict[str, list[tuple[int, Any]]],
    added: dict[str, list[tuple[int, Any]]],
    order: Order,
    size: int,
    bounded: bool,
    fails_after: int,
    failure: Exception,
    concurrency: int,
) -> None:
    before = arranged(old, order)
    both = arranged({name: [*rows, *added.get(name, ())] for name, rows in old.items()}, order)
    first = read(Listings(before, order=order, size=size, bounded=bounded, concurrency=concurrency)).ok()
    assert set(ids(first.messages)) == truth(before)
    second = read(
        Listings(
            both, order=order, size=size, bounded=bounded, fails_after=fails_after, failure=failure,
            concurrency=concurrency,
        ),
        state=first,
    )  # fmt: skip
    skipped = isinstance(failure, SkipSlice)
    assert counts(first.messages) == len(first.records["rows"])
    # between two states a longer prefix only has more records
    lengths = [place + 1 for place, message in enumerate(second.messages) if isinstance(message, State)]
    for length in (0, *lengths):
        prefix = second.messages[:length]
        latest = states(prefix)[-1:] or first.states
        third = read(Listings(both, order=order, size=size, bounded=bounded), state=latest).ok()
        assert truth(both) <= {*ids(first.messages), *ids(prefix), *ids(third.messages)} or skipped


@settings(max_examples=60)
@given(
    parts=listings(),
    size=st.integers(1, 4),
    fails_after=st.integers(0, 8),
    known=st.none() | st.integers(0, 3),
)
def test_a_source_that_lies_about_its_order_loses_nothing_once_it_is_known(
    parts: dict[str, list[tuple[int, Any]]], size: int, fails_after: int, known: int | None
) -> None:
    parts = {"": next(iter(parts.values()))}
    state = [] if known is None else [State.of_stream(Listing(Listings({})).descriptor, {"at": known})]
    failed = read(Listings(parts, order="ascending", size=size, fails_after=fails_after), state=state)
    seen = set(ids(failed.messages))
    later = read(Listings(arranged(parts, None), size=size), state=failed.states or state).ok()
    wanted = {number for number, at in parts[""] if known is None or at is None or at >= known}
    given_in_order = [at for number, at in parts[""] if number in seen and at is not None]
    if given_in_order != sorted(given_in_order) or failed.error is None:
        assert wanted <= seen | set(ids(later.messages))


# --- order -----------------------------------------------------------------------------------------------------

ASCENDING = {"": [(n, n) for n in range(6)]}


def test_an_ascending_stream_has_a_state_after_each_page() -> None:
    result = read(Listings(ASCENDING, order="ascending")).ok()
    assert [state.stream_state for state in states(result.messages)] == [{"at": 1}, {"at": 3}, {"at": 5}]


def test_an_unordered_stream_has_one_state_at_the_end() -> None:
    result = read(Listings(ASCENDING)).ok()
    assert [state.stream_state for state in states(result.messages)] == [{"at": 5}]


def test_a_broken_order_takes_the_midway_states_back(caplog: pytest.LogCaptureFixture) -> None:
    rows = [(1, 1), (2, 5), (3, 6), (4, 7), (5, 2), (6, 3), (7, 8), (8, 9)]
    result = read(Listings({"": rows}, order="ascending")).ok()
    assert [state.stream_state for state in states(result.messages)] == [
        {"at": 5}, {"at": 7}, NO_CURSOR, {"at": 9},
    ]  # fmt: skip
    assert "not in ascending order of at" in caplog.text
    assert counts(result.messages) == 8
    state = states(result.messages)[:1]
    again = read(Listings({"": rows}, order="ascending", bounded=False), state=state).ok()
    assert states(again.messages)[0].stream_state == {"at": 5}  # of the sync before, not of this one


def test_a_broken_order_after_a_failure_goes_on_from_where_it_began() -> None:
    rows = [(1, 4), (2, 5), (3, 2), (4, 6), (5, 3), (6, 9)]
    failed = read(Listings({"": rows}, order="ascending", fails_after=2))
    assert failed.states[-1].stream_state == NO_CURSOR
    assert len(read(Listings({"": rows}), state=failed).ok().records["rows"]) == 6


def test_the_state_never_goes_back_behind_its_start() -> None:
    start = [State.of_stream(Listing(Listings({})).descriptor, {"at": 4})]
    result = read(Listings(ASCENDING, order="ascending", bounded=False), state=start).ok()
    assert {state.stream_state["at"] for state in states(result.messages) if state.stream_state} <= {4, 5}
    assert ids(result.messages) == [4, 5]


def test_records_before_the_start_that_are_wanted_do_not_move_the_state_back() -> None:
    class Late(Listing):
        def __init__(self, source: Listings) -> None:
            super().__init__(source)
            self.cursor = Cursor("at", source.order, drops_earlier=False)

    class LateListings(Listings):
        def streams(self) -> Iterable[Stream]:
            return [Late(self)]

    start = [State.of_stream(Listing(Listings({})).descriptor, {"at": 4})]
    result = read(LateListings(ASCENDING, order="ascending", bounded=False), state=start).ok()
    assert ids(result.messages) == [0, 1, 2, 3, 4, 5]
    assert {state.stream_state["at"] for state in states(result.messages) if state.stream_state} == {4, 5}


def test_a_descending_stream_stops_at_its_start() -> None:
    rows = {"": [(n, n) for n in range(20, 0, -1)]}
    start = [State.of_stream(Listing(Listings({})).descriptor, {"at": 16})]
    source = Listings(rows, order="descending", bounded=False)
    assert ids(read(source, state=start).ok().messages) == [20, 19, 18, 17, 16]
    assert source.pages_until_failure == 10**9 - 3


def test_a_descending_stream_with_a_pinned_record_in_front_is_read_to_its_end() -> None:
    rows = {"": [(0, 1), *((n, n) for n in range(20, 0, -1))]}
    start = [State.of_stream(Listing(Listings({})).descriptor, {"at": 16})]
    result = read(Listings(rows, order="descending", bounded=False), state=start).ok()
    assert set(ids(result.messages)) == {20, 19, 18, 17, 16}


def test_records_that_look_alike_are_two_unless_a_key_says_otherwise() -> None:
    rows = {"": [(1, 1), (2, 2), (2, 2), (3, 3)]}
    assert ids(read(Listings(rows, order="ascending")).ok().messages) == [1, 2, 3]
    source = Listings(rows, order="ascending")
    keyless = Listing(source)
    keyless.primary_key = ()
    source.streams = lambda: [keyless]  # type: ignore[method-assign]
    assert ids(read(source).ok().messages) == [1, 2, 2, 3]
