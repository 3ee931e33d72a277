"""A full refresh that is read in windows and failed goes on within its job."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from headwater import ConfigError, Cursor, SourceError
from headwater.protocol.messages import State, StreamDescriptor
from headwater.resume import COMPLETE, WindowsState
from headwater.state import NO_CURSOR
from headwater.testing import read
from headwater.testing.reading import result_of
from tests.calendars import Calendar, day
from tests.listings import ids, states

PARTS = {"": [(number, day(number)) for number in range(0, 300, 5)]}
CURSOR = Cursor("at", "ascending", window=timedelta(days=30))


@pytest.fixture(autouse=True)
def _often(monkeypatch: pytest.MonkeyPatch) -> None:
    """A state with every page, however small."""
    monkeypatch.setattr("headwater.reader._PAGES_BYTES", 0)
    monkeypatch.setattr("headwater.pool._LOOK", 0.0)
    monkeypatch.setattr("headwater.pool._BUSY", float("inf"))


rows = st.lists(st.integers(0, 900), max_size=8).map(lambda days: [(n, day(at)) for n, at in enumerate(days)])


@settings(max_examples=60)
@given(
    parts=st.sampled_from([("",), ("a", "b")]).flatmap(lambda names: st.fixed_dictionaries(dict.fromkeys(names, rows))),
    order=st.sampled_from(["ascending", "descending", None]),
    days=st.integers(40, 400),
    inclusive=st.booleans(),
    fails_after=st.integers(0, 12),
    failure=st.sampled_from([SourceError("x"), ConfigError("x")]),
    concurrency=st.sampled_from([1, 3]),
)
def test_going_on_from_any_state_loses_nothing(
    parts: Any, order: Any, days: int, inclusive: bool, fails_after: int, failure: Exception, concurrency: int
) -> None:
    parts = {name: [(number + 100 * place, at) for number, at in rows] for place, (name, rows) in
             enumerate(parts.items())}  # fmt: skip
    cursor = Cursor("at", order, window=timedelta(days=days))
    facts: dict[str, Any] = {"inclusive": inclusive, "concurrency": concurrency}
    failed = read(Calendar(parts, cursor, fails_after=fails_after, failure=failure, **facts), full_refresh=True)
    truth = {number for rows in parts.values() for number, _ in rows}
    for place, message in enumerate(failed.messages):
        if isinstance(message, State):
            again = read(Calendar(parts, cursor, **facts), state=[message], full_refresh=True, same_job=True).ok()
            assert truth <= {*ids(failed.messages[: place + 1]), *ids(again.messages)}
            assert states(again.messages)[-1].stream_state == COMPLETE


def test_windows_that_were_read_are_not_read_again() -> None:
    failed = read(Calendar(PARTS, CURSOR, fails_after=20), full_refresh=True)
    assert failed.error is not None
    source = Calendar(PARTS, CURSOR)
    again = read(source, state=failed, full_refresh=True, same_job=True).ok()
    assert source.asked[0][0] == "2024-07-14T00:00:00Z"
    assert set(ids(failed.messages)) | set(ids(again.messages)) == {number for number, _ in PARTS[""]}
    assert len(ids(failed.messages)) + len(ids(again.messages)) <= len(PARTS[""]) + 2


def test_a_job_that_is_complete_has_nothing_to_read_and_the_next_one_has_all() -> None:
    first = read(Calendar(PARTS, CURSOR), full_refresh=True).ok()
    assert first.states[-1].stream_state == COMPLETE
    assert not ids(read(Calendar(PARTS, CURSOR), state=first, full_refresh=True, same_job=True).ok().messages)
    catalog = Calendar(PARTS, CURSOR).discover().configured(full_refresh=True)
    unnumbered = result_of(Calendar(PARTS, CURSOR).read(catalog, first.states), catalog)
    assert len(ids(unnumbered.ok().messages)) == len(PARTS[""])


def test_an_incremental_read_does_not_go_on_from_it() -> None:
    failed = read(Calendar(PARTS, CURSOR, fails_after=20), full_refresh=True)
    assert states(failed.messages)[-1].stream_state == {"full_refresh": {"at": "2024-07-14T00:00:00Z"}}
    again = read(Calendar(PARTS, CURSOR), state=failed).ok()
    assert len(set(ids(again.messages))) == len(PARTS[""])


@pytest.mark.parametrize("blob", [NO_CURSOR, {"at": "2024-06-01"}, {}, {"next_page": {"url": "/"}}])
def test_what_another_read_has_left_is_no_place_to_go_on_from(blob: Any) -> None:
    given = [State.of_stream(StreamDescriptor("rows"), blob)]
    again = read(Calendar(PARTS, CURSOR), state=given, full_refresh=True, same_job=True).ok()
    assert len(set(ids(again.messages))) == len(PARTS[""])


def test_the_catalog_says_so() -> None:
    streams = [Calendar(PARTS, cursor).discover().to_json()["streams"][0] for cursor in (CURSOR, Cursor("at"))]
    assert [stream.get("is_resumable", False) for stream in streams] == [True, False]


def test_a_state_of_partitions_in_pieces_is_the_same() -> None:
    state = WindowsState(CURSOR, None, "rows")
    assert state.to_pieces() is None and state.to_json() == NO_CURSOR
    state.set(state.expect({"part": "a"})[0], "2024-02-01T00:00:00Z")
    written = b"".join(state.to_pieces() or ())
    assert written == b'{"full_refresh":{"states":[{"partition":{"part":"a"},"cursor":{"at":"2024-02-01T00:00:00Z"}}]}}'
    assert WindowsState(CURSOR, state.to_json(), "rows").expect({"part": "a"})[1] == "2024-02-01T00:00:00Z"
    state.finish()
    assert state.to_pieces() is None and state.to_json() == COMPLETE


def test_a_state_of_a_wrong_shape_is_refused_by_the_stream_s_name() -> None:
    with pytest.raises(ConfigError, match="state of stream 'rows': 'full_refresh' must be an object"):
        WindowsState(CURSOR, {"full_refresh": 5}, "rows")
