"""Many records with one cursor value, in a list that changes while it is read: over HTTP, with states."""

from __future__ import annotations

import random
from typing import Any

import pytest

from headwater import Cursor, HttpStream, Keyset, PageNumbers
from headwater.testing import Upstream, read
from headwater.testing.upstream import Received

from .apis import Api

SIZE = 5


class Imported(HttpStream):
    """As a bulk edit leaves them: all changed in the same second."""

    name = "items"
    path = "items"
    primary_key = ("id",)
    cursor = Cursor("at", "ascending")
    paginator = Keyset("since", PageNumbers(size=SIZE))


@pytest.mark.parametrize("seed", range(8))
def test_none_is_lost(api: Upstream, seed: int, caplog: pytest.LogCaptureFixture) -> None:
    chance = random.Random(seed)
    items = {number: chance.choice([1, 1, 1, 2]) for number in range(40)}
    clock = 2

    def listed(request: Received) -> list[dict[str, Any]]:
        nonlocal clock
        rows = sorted((at, number) for number, at in items.items() if at >= int(request.query.get("since", 0)))
        start = (int(request.query["page"]) - 1) * SIZE
        found = [{"id": number, "at": at} for at, number in rows[start : start + SIZE]]
        if clock < 40 and chance.random() < 0.4:
            clock += 1
            items[chance.choice(list(items))] = clock
        return found

    api.on("/items", body=listed)
    result = read(Api(api.url, Imported)).ok()
    assert {row["id"] for row in result.records["items"]} == set(range(40))
    assert "not in ascending order" not in caplog.text
    clock = 40  # and now it rests
    again = read(Api(api.url, Imported), state=result).ok()
    given = {row["id"]: row["at"] for row in [*result.records["items"], *again.records["items"]]}
    assert given == items
    assert again.states[-1].stream_state == {"at": max(items.values())}


def test_a_list_that_rests_is_given_once(api: Upstream) -> None:
    rows = [{"id": number, "at": 1} for number in range(13)]
    api.on("/items", body=lambda request: rows[5 * int(request.query["page"]) - 5 :][:5])
    result = read(Api(api.url, Imported)).ok()
    assert [row["id"] for row in result.records["items"]] == list(range(13))
    assert [request.query["page"] for request in api.requests] == ["1", "2", "1", "3", "2"]


def test_a_list_that_never_rests_comes_to_an_end(api: Upstream, caplog: pytest.LogCaptureFixture) -> None:
    count = 0

    def listed(request: Received) -> list[dict[str, Any]]:
        nonlocal count
        count += 1
        page = int(request.query["page"])
        return [{"id": number, "at": 1, "seen": count} for number in range(5 * page - 5, min(5 * page, 13))]

    api.on("/items", body=listed)
    result = read(Api(api.url, Imported)).ok()
    assert {row["id"] for row in result.records["items"]} == set(range(13))
    assert "A list changes faster than it is read" in caplog.text
