"""Requests: URLs, queries, identity, and paths filled with names."""

from __future__ import annotations

from typing import Any

import pytest

from headwater import (
    Request,
    SourceError,
)
from headwater.errors import ConfigError
from headwater.http.path import fill

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
