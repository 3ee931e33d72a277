"""A full refresh that failed goes on within its job: the next page is the state."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any

import pytest

from headwater import (
    ApiKey,
    Bearer,
    Config,
    Cursor,
    Keyset,
    Secret,
    SinglePage,
)
from headwater.protocol.messages import State, Status, StreamDescriptor
from headwater.resume import COMPLETE, PagesState
from headwater.state import NO_CURSOR
from headwater.testing import Upstream, read
from headwater.testing.reading import ReadResult, result_of
from tests.listings import counts, ids, states

from .apis import Api, Items
from .paged import PAGES, SIZE, TOTAL, Flaky, Linked, asked, listing, stream


@pytest.fixture(autouse=True)
def _often(monkeypatch: pytest.MonkeyPatch) -> None:
    """A state with every page, however small."""
    monkeypatch.setattr("headwater.reader._PAGES_BYTES", 0)


@pytest.mark.parametrize("name", PAGES)
@pytest.mark.parametrize("fails_after", range(1, 6))
def test_goes_on_from_every_state(api: Upstream, name: str, fails_after: int) -> None:
    listing(api)
    kind = stream(name)
    whole = read(Linked(api.url, kind), full_refresh=True).ok()
    assert sorted(set(ids(whole.messages))) == list(range(TOTAL))
    assert whole.states[-1].stream_state == COMPLETE
    assert counts(whole.messages) == len(ids(whole.messages))
    requests = asked(api)
    failed = read(Linked(api.url, kind, pages_until_failure=fails_after), full_refresh=True)
    if fails_after >= requests:
        return
    assert failed.statuses["items"][-1] is Status.INCOMPLETE
    told = states(failed.messages)
    assert COMPLETE not in [state.stream_state for state in told]
    assert len(told) == fails_after
    for state in told:
        asked(api)
        before = ids(failed.messages[: failed.messages.index(state)])
        again = read(Linked(api.url, kind), state=[state], full_refresh=True, same_job=True).ok()
        assert set(before) | set(ids(again.messages)) == set(range(TOTAL))
        assert again.states[-1].stream_state == COMPLETE
        repeated = set(before) & set(ids(again.messages))
        assert len(repeated) <= (SIZE if name in ("numbers", "offset", "rule") else 2 if "keyset" in name else 0)
        assert asked(api) < requests or len(before) <= SIZE


def test_the_catalog_says_so(api: Upstream) -> None:
    class Mine:
        def requests(self, first: Any) -> Any:
            yield first

    class Own(Items):
        name = "own"
        paginator = Mine()

    class Never(Items):
        name = "never"
        resumable = False

    class Read(Items):
        name = "read"

        def read(self, slice: Any) -> Any:
            return super().read(slice)

    class Inner(Items):
        name = "inner"
        cursor = Cursor("at", "ascending")
        paginator = Keyset("since", Mine())

    found = Api(api.url, Items, Own, Never, Read, Inner).discover().to_json()["streams"]
    assert {s["name"]: s.get("is_resumable", False) for s in found} == {
        "items": True, "own": False, "never": False, "read": False, "inner": False,
    }  # fmt: skip
    assert [s["name"] for s in found if s.get("source_defined_cursor")] == ["items", "inner"]


@pytest.mark.parametrize("name", ["numbers", "offset", "rule"])
def test_what_is_deleted_between_two_tries_costs_no_other_record(api: Upstream, name: str) -> None:
    rows = listing(api)
    failed = read(Linked(api.url, stream(name), pages_until_failure=2), full_refresh=True)
    assert failed.error is not None
    for gone in (0, 1, 4):
        rows.remove(next(row for row in rows if row["id"] == gone))
    again = read(Linked(api.url, stream(name)), state=failed, full_refresh=True, same_job=True).ok()
    assert set(ids(failed.messages)) | set(ids(again.messages)) == set(range(TOTAL))


def test_a_new_job_begins_anew(api: Upstream) -> None:
    """And what another kind of read has left, or nothing at all, is no page."""
    listing(api)
    kind = stream("token")
    first = read(Flaky(api.url, kind), full_refresh=True).ok()
    assert len(ids(read(Flaky(api.url, kind), state=first, full_refresh=True).ok().messages)) == TOTAL
    assert not ids(read(Flaky(api.url, kind), state=first, full_refresh=True, same_job=True).ok().messages)
    catalog = Flaky(api.url, kind).discover().configured(full_refresh=True)
    again = result_of(Flaky(api.url, kind).read(catalog, first.states), catalog)  # as PyAirbyte, which numbers no jobs
    assert len(ids(again.ok().messages)) == TOTAL
    for blob in (NO_CURSOR, {"at": 5}, {}):
        given = [State.of_stream(StreamDescriptor("items"), blob)]
        assert len(ids(read(Flaky(api.url, kind), state=given, full_refresh=True, same_job=True).messages)) == TOTAL


def test_a_stream_that_can_not_go_on_has_no_state_to_go_on_from(api: Upstream) -> None:
    listing(api)
    kind = type("Never", (stream("token"),), {"resumable": False})
    result = read(Flaky(api.url, kind), full_refresh=True).ok()
    assert [state.stream_state for state in states(result.messages)] == [NO_CURSOR]
    again = read(Flaky(api.url, kind), state=[State.of_stream(StreamDescriptor("items"), COMPLETE)], same_job=True)
    assert len(ids(again.messages)) == TOTAL


@pytest.mark.parametrize("concurrency", [1, 3])
def test_partitions_that_were_read_whole_are_not_read_again(api: Upstream, concurrency: int) -> None:
    class Parts(stream("token")):  # type: ignore[misc]
        path = "{part}/items"

        def partitions(self) -> Iterable[Mapping[str, Any]]:
            return [{"part": part} for part in "abc"]

    for part in "abc":
        for row in listing(api, f"/{part}/items"):
            row["part"] = part
    whole = read(Flaky(api.url, Parts, concurrency=concurrency), full_refresh=True).ok()
    assert len(ids(whole.messages)) == 3 * TOTAL
    assert whole.states[-1].stream_state == COMPLETE
    assert counts(whole.messages) == 3 * TOTAL
    for pages in range(1, 15):
        failed = read(Flaky(api.url, Parts, concurrency=concurrency, pages_until_failure=pages), full_refresh=True)
        headers = {"Try": str(pages)}  # a request of a thread that was stopped may still arrive
        again = read(Flaky(api.url, Parts, headers=headers), state=failed, full_refresh=True, same_job=True).ok()
        known = pages_known(failed)
        asked_again = [each for each in api.requests if each.headers.get("Try") == str(pages)]
        assert len(asked_again) == sum(5 - known[part] for part in "abc")
        if concurrency == 1:
            assert sum(known.values()) == pages
        for part in "abc":
            before, after = numbers(failed, part), numbers(again, part)
            assert after == list(range(SIZE * known[part], TOTAL))
            # a page is known as soon as it was given; only what was behind the last one may not be: the thread that
            # was to look there was stopped as another one failed
            given = -(-len(before) // SIZE)
            assert known[part] == given or (known[part], given, concurrency) == (4, 5, 3)


def pages_known(result: ReadResult) -> Counter[str]:
    """How many pages of each part the last state says to be read."""
    blob: Any = result.states[-1].stream_state if result.states else {}
    known: Counter[str] = Counter()
    for entry in blob.get("states", ()):
        cursor = entry["cursor"]
        known[entry["partition"]["part"]] = 5 if cursor == COMPLETE else cursor["next_page"]["params"]["after"] // SIZE
    return known


def numbers(result: ReadResult, part: str) -> list[int]:
    """The records of a part, in the order in which they came."""
    return [row["id"] for row in result.records["items"] if row["part"] == part]


def test_a_page_that_is_gone_is_no_reason_to_fail_for_ever(api: Upstream, caplog: pytest.LogCaptureFixture) -> None:
    api.on("/items", query={"after": None}, json={"items": [{"id": 1}], "token": "new"})
    api.on("/items", query={"after": "new"}, json={"items": [{"id": 2}], "token": None})
    api.on("/items", query={"after": "old"}, status=410)
    state = [State.of_stream(StreamDescriptor("items"), {"next_page": {"params": {"after": "old"}}})]
    result = read(Api(api.url, stream("token")), state=state, full_refresh=True, same_job=True).ok()
    assert ids(result.messages) == [1, 2]
    assert "the page where an earlier try had come to is refused, so it is read anew" in caplog.text


@pytest.mark.parametrize(
    "blob",
    [{"next_page": "x"}, {"next_page": {"url": 5}}, {"next_page": {"params": ["x"]}}, {"states": "x"},
     {"states": ["x"]}, {"states": [{"partition": "x", "cursor": {}}]}, {"next_page": {"params": {"page": "x"}}},
     {"next_page": {"params": {"size": 5}}}],
)  # fmt: skip
def test_a_state_of_a_wrong_shape_is_refused_by_the_stream_s_name(api: Upstream, blob: Any) -> None:
    listing(api)
    state = [State.of_stream(StreamDescriptor("items"), blob)]
    result = read(Api(api.url, stream("numbers")), state=state, full_refresh=True, same_job=True)
    (trace,) = result.traces
    assert (trace.failure_type, str(trace.stream)) == ("config_error", "items")
    assert "state of stream 'items'" in trace.message
    assert not ids(result.messages)


class Tokened(Config):
    """With a secret."""

    token: Secret


@pytest.mark.parametrize(
    ("auth", "link"),
    [
        (ApiKey("s3cret/+key", param="api_key"), "/items?page=2&api_key=s3cret%2F%2Bkey"),
        (Bearer("s3cret/+key"), "/items?page=2&t=s3cret%2F%2Bkey"),
        (None, "/items?page=2&mine=conf1g%20secret"),
    ],
)
def test_no_secret_comes_into_a_state(api: Upstream, auth: Any, link: str) -> None:
    """A server may repeat its caller's key in the next link."""
    api.on("/items", query={"page": None}, json={"items": [{"id": 1}], "next": link})
    api.on("/items", query={"page": "2"}, json={"items": [{"id": 2}], "next": None})
    source = Flaky(api.url, stream("next"), auth=auth, pages_until_failure=1)
    source.config = Tokened(token=Secret("conf1g secret"))
    failed = read(source, full_refresh=True)
    assert ids(failed.messages) == [1]
    assert failed.error is not None
    assert not failed.states


def test_a_next_page_at_another_host_is_told_with_its_host(api: Upstream, other: Upstream) -> None:
    api.on("/items", json={"items": [{"id": 1}], "next": f"{other.url}/items?page=2"})
    other.on("/items", json={"items": [{"id": 2}], "next": None})
    failed = read(Flaky(api.url, stream("next"), auth=Bearer("t"), pages_until_failure=1), full_refresh=True)
    assert failed.states[-1].stream_state == {"next_page": {"url": f"{other.url}/items?page=2"}}
    again = read(Flaky(api.url, stream("next"), auth=Bearer("t")), state=failed, full_refresh=True, same_job=True).ok()
    assert ids(again.messages) == [2]
    assert "Authorization" not in other.requests[-1].headers


def test_states_go_out_now_and_then(api: Upstream, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("headwater.reader._PAGES_BYTES", 1 << 20)
    listing(api)
    result = read(Flaky(api.url, stream("token")), full_refresh=True).ok()
    assert [state.stream_state for state in states(result.messages)] == [COMPLETE]


def test_a_last_page_alone_is_no_end_of_the_stream() -> None:
    state = PagesState(None, "items")
    place, _ = state.expect({})
    state.set(place, COMPLETE)
    assert state.to_json() == NO_CURSOR
    state.finish()
    assert state.to_json() == COMPLETE == PagesState(json.loads(json.dumps(COMPLETE)), "x").expect({"any": 1})[1]


def test_a_state_of_partitions_in_pieces_is_the_same() -> None:
    state = PagesState(None, "items")
    assert state.to_pieces() is None
    for shop, page in ((1, COMPLETE), (2, lambda: {"url": "/items?page=2"}), (3, lambda: None), (4, None)):
        place, _ = state.expect({"shop": shop})
        state.set(place, page)
    assert json.loads(b"".join(state.to_pieces() or ())) == state.to_json()
    assert [entry["partition"] for entry in state.to_json()["states"]] == [{"shop": 1}, {"shop": 2}]
    state.finish()
    assert state.to_pieces() is None


def test_one_page_alone_is_read_anew(api: Upstream) -> None:
    api.on("/items", json=[{"id": 1}])
    result = read(Api(api.url, type("One", (Items,), {"paginator": SinglePage()})), full_refresh=True).ok()
    assert result.states[-1].stream_state == COMPLETE
