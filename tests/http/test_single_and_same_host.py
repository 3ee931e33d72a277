"""Answers that are one object, and servers that give links under another name."""

from __future__ import annotations

from typing import Any

import pytest

from headwater import Bearer, Cursor, LinkHeader, NextUrl
from headwater.errors import SourceError
from headwater.http.decode import raw_records
from headwater.http.request import at_host_of
from headwater.testing import Upstream, read
from headwater.testing.upstream import Answer

from .apis import Api, Items, Parsed, failure


def one(place: str, kind: type[Items] = Items, cursor: Cursor | None = None) -> type[Items]:
    """A stream whose answers are one object."""

    class Single(kind):  # type: ignore[misc, valid-type]
        records = place

    Single.cursor = cursor
    return Single


@pytest.mark.parametrize("cursor", [None, Cursor("at"), Cursor("deep.at")])
@pytest.mark.parametrize("kind", [Items, Parsed])
@pytest.mark.parametrize(
    ("place", "body"),
    [
        (".", b'{"id": 1, "at": 5, "deep": {"at": 5}}'),
        (".", b' \n{"id": 1,\n "at": 5, "deep": {"at": 5}}\n'),
        (".", b' {"id": 1, "at": 5, "deep": {"at": 5}}'),
        ("data.", b'{"data": {"id": 1, "at": 5, "deep": {"at": 5}}, "more": []}'),
        ("a.b.", b'{"a": {"b": {"id": 1, "at": 5, "deep": {"at": 5}}}}'),
    ],
)
def test_one_object_is_the_record(
    api: Upstream, place: str, body: bytes, kind: type[Items], cursor: Cursor | None
) -> None:
    api.on("/items", body=body)
    result = read(Api(api.url, one(place, kind, cursor))).ok()
    (record,) = result.records["items"]
    assert record["id"] == 1 and record.get("more") == (1 if kind is Parsed else None)
    if cursor is not None:
        assert list((result.states[0].stream_state or {}).values()) == [5]


def test_the_fast_way_takes_it() -> None:
    page = raw_records("data.", "at").page(b'{"data":{"id":1,"at":5}}')
    assert [bytes(record) for record in page.data] == [b'{"id":1,"at":5}'] and list(page.cursors) == [5]
    assert raw_records(".", None).count(b'{"a":1}') == 1


@pytest.mark.parametrize(
    ("place", "answer"),
    [
        (".", {"status": 204}),
        ("data.", {"json": {"data": None}}),
    ],
)
def test_no_object_is_no_record(api: Upstream, place: str, answer: dict[str, Any]) -> None:
    api.on("/items", **answer)
    assert read(Api(api.url, one(place))).ok().records["items"] == []


@pytest.mark.parametrize(
    ("place", "json", "words"),
    [
        (".", [{"id": 1}], "An object was due in the body of"),
        (".", "text", "there is a string"),
        ("data.", {"data": [1]}, "An object was due in the body.data"),
        ("data.", {"rows": {}}, "has no 'data'"),
    ],
)
@pytest.mark.parametrize("cursor", [None, Cursor("at")])
def test_what_is_not_one_object_is_told(
    api: Upstream, place: str, json: Any, words: str, cursor: Cursor | None
) -> None:
    api.on("/items", json=json)
    assert words in failure(api, one(place, cursor=cursor)).message


# --- links under another name ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("same_host", [True, False])
@pytest.mark.parametrize("in_body", [True, False])
def test_links_can_be_kept_at_home(api: Upstream, other: Upstream, same_host: bool, in_body: bool) -> None:
    class Linked(Items):
        records = "items"
        paginator = NextUrl(same_host=same_host) if in_body else LinkHeader(same_host=same_host)

    link = f"{other.url}/2?page=2"
    for served in (api, other):
        served.on("/2", json={"items": [{"id": 2}]})
    body = {"items": [{"id": 1}], **({"next": link} if in_body else {})}
    api.on("/items", json=body, headers={} if in_body else {"Link": f'<{link}>; rel="next"'})
    result = read(Api(api.url, Linked, auth=Bearer("sesame"))).ok()
    assert [record["id"] for record in result.records["items"]] == [1, 2]
    followed = (api if same_host else other).asked("/2")[0]
    assert followed.query == {"page": "2"}
    assert followed.headers["Authorization"] == ("Bearer sesame" if same_host else None)


@pytest.mark.parametrize(
    ("url", "there"),
    [
        ("http://inner:8080/v1/x?page=2#top", "https://api.test/v1/x?page=2"),
        ("https://user:sesame@evil.test/x", "https://api.test/x"),
        ("https://api.test/x", "https://api.test/x"),
    ],
)
def test_a_url_at_another_host(url: str, there: str) -> None:
    assert at_host_of("https://api.test/items?page=1", url) == there


def test_a_link_that_is_no_url_is_told() -> None:
    with pytest.raises(SourceError, match="next URL that is none"):
        at_host_of("https://api.test/items", "http://[::1")


def test_pages_that_go_round_at_home_end(api: Upstream) -> None:
    class Linked(Items):
        paginator = LinkHeader(same_host=True)

    links = {"Link": '<http://elsewhere.test/items?page=1>; rel="next"'}
    api.on("/items", body=lambda request: Answer(headers=links, body=b'[{"id": 1}]'))
    assert "go round in a circle" in failure(api, Linked).message
