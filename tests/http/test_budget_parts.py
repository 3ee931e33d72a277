"""Parts of an API that have quotas of their own."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import closing
from typing import Any

import pytest

from headwater import HttpSource, Manners, RateLimit
from headwater.http.budget import Budgets
from headwater.protocol.messages import Status, StreamStatus
from headwater.testing import Upstream, read
from headwater.testing.upstream import Answer
from tests.http.apis import Api, Items


class Shards(Items):
    """What the rest of the API has."""

    name = "shards"
    path = "shards/{shard}"

    def partitions(self) -> Iterator[Mapping[str, Any]]:
        yield from ({"shard": shard} for shard in range(8))


@pytest.mark.parametrize(
    ("url", "part"),
    [
        ("https://api.test/search/issues?q=1", "search"), ("https://api.test/v3/search/", "search"),
        ("https://api.test/graphql", "graphql"), ("https://api.test/items?q=/search/", "rest"),
        ("https://api.test", "rest"),
    ],
)  # fmt: skip
def test_a_request_counts_in_the_budget_of_its_part_alone(url: str, part: str) -> None:
    budgets = Budgets(
        [RateLimit(1, seconds=3600), RateLimit(1, seconds=3600, path="/search/"), RateLimit(path="^/graphql$")]
    )
    places = {"search": "/search/x", "graphql": "/graphql", "rest": "/items"}
    budgets.of(url).hold(60.0)
    held = {name: budgets.of(f"https://api.test{path}").enter() > 0 for name, path in places.items()}
    assert held == {name: name == part for name in places}


def test_several_limits_of_one_part_are_all_kept() -> None:
    budget = Budgets([RateLimit(2, path="a"), RateLimit(1, seconds=3600, path="a")]).of("https://api.test/a")
    assert budget.enter() == 0.0
    budget.leave()
    assert budget.enter() > 3000


def test_while_one_part_waits_the_others_are_read(api: Upstream) -> None:
    api.on("/items", body=lambda _: Answer(429, {"Retry-After": "3600"}, b""))
    for shard in range(8):
        api.on(f"/shards/{shard}", json=[{"id": shard}])
    source = Api(api.url, Items, Shards, concurrency=2, rate_limit=RateLimit(path="^/items"))
    with closing(source.read(source.discover().configured(None))) as messages:
        statuses = (message for message in messages if isinstance(message, StreamStatus))
        assert any((each.stream.name, each.status) == ("shards", Status.COMPLETE) for each in statuses)


def test_a_quota_that_is_used_up_is_that_of_its_part(api: Upstream) -> None:
    api.on("/items", json=[{"id": 1}], headers={"RateLimit": '"day";r=0;t=50'})
    source = Api(api.url, Items, rate_limit=RateLimit(path="^/items"))
    assert len(read(source).ok().records["items"]) == 1
    assert source.transport._budgets.of(f"{api.url}/items").enter() > 0
    assert source.transport._budgets.of(f"{api.url}/shards").enter() == 0


def test_where_a_fact_is_said_in_its_old_place_is_told() -> None:
    with pytest.raises(TypeError, match="manners = Manners"):

        class _Old(HttpSource):
            rate_limit = RateLimit(1)

    assert Manners().but(timeout=3.0).timeout == 3.0
