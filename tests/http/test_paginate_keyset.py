"""Keyset pages of a list that is being changed, driven by hand."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from headwater import Keyset, PageNumbers, Request

from .followed import Page, follow

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


@settings(max_examples=200)
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
