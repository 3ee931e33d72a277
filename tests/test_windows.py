"""Windows of a cursor: read in any order, with a state that has no gap behind it; lookback; formats."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Iterator
from datetime import datetime, timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from headwater import ConfigError, Cursor, SkipSlice, Slice, SourceError, Stream
from headwater.protocol.messages import State
from headwater.state import NO_CURSOR
from headwater.stream import Page
from headwater.testing import read
from tests.calendars import UTC, YEAR, Calendar, Events, day
from tests.listings import ids, states


@pytest.fixture(autouse=True)
def _impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """All threads at once, however quick the source is."""
    monkeypatch.setattr("headwater.pool._LOOK", 0.0)
    monkeypatch.setattr("headwater.pool._BUSY", float("inf"))


rows = st.lists(st.integers(0, 900), max_size=8).map(lambda days: [(n, day(at)) for n, at in enumerate(days)])


@settings(max_examples=60)
@given(
    parts=st.sampled_from([("",), ("a", "b")]).flatmap(lambda names: st.fixed_dictionaries(dict.fromkeys(names, rows))),
    added=rows,
    order=st.sampled_from(["ascending", "descending", None]),
    form=st.sampled_from([None, "epoch", "%d.%m.%Y"]),
    days=st.integers(40, 400),
    lookback=st.sampled_from([None, timedelta(days=30)]),
    inclusive=st.booleans(),
    fails_after=st.integers(0, 12),
    failure=st.sampled_from([SourceError("x"), ConfigError("x"), SkipSlice("x")]),
    concurrency=st.sampled_from([1, 3]),
)
def test_going_on_from_any_state_loses_nothing(
    parts: dict[str, list[tuple[int, datetime]]],
    added: list[tuple[int, datetime]],
    order: Any,
    form: str | None,
    days: int,
    lookback: Any,
    inclusive: bool,
    fails_after: int,
    failure: Exception,
    concurrency: int,
) -> None:
    cursor = Cursor("at", order, format=form, window=timedelta(days=days), lookback=lookback)
    parts = {name: [(number + 100 * place, at) for number, at in rows] for place, (name, rows) in
             enumerate(parts.items())}  # fmt: skip
    failed = read(
        Calendar(parts, cursor, inclusive=inclusive, fails_after=fails_after, failure=failure, concurrency=concurrency)
    )
    now = datetime.now(UTC).replace(microsecond=0)
    newer = {name: [*rows, *((n + 1000, now + (at - YEAR)) for n, at in added)] for name, rows in parts.items()}
    truth = {number for rows in newer.values() for number, _ in rows}
    for place, message in [(0, None), *enumerate(failed.messages)]:
        if message is not None and not isinstance(message, State):
            continue
        again = read(Calendar(newer, cursor, inclusive=inclusive), state=[message] if message else []).ok()
        before = ids(failed.messages[: place + 1]) if message is not None else []
        assert truth <= {*before, *ids(again.messages)}


def test_the_state_moves_with_windows_that_have_no_gap_before_them() -> None:
    parts = {"": [(n, day(n)) for n in range(0, 300, 10)]}
    cursor = Cursor("at", window=timedelta(days=100))
    source = Calendar(parts, cursor, fails_after=12)
    failed = read(source)
    assert source.asked[:2] == [("2024-01-01", "2024-04-10"), ("2024-04-10", "2024-07-19")]
    assert failed.states[-1].stream_state == {"at": "2024-07-19"}
    again = Calendar(parts, cursor)
    assert ids(read(again, state=failed).ok().messages) == list(range(200, 300, 10))
    assert again.asked[0][0] == "2024-07-19"


def test_ascending_windows_go_on_midway() -> None:
    parts = {"": [(n, day(n)) for n in range(0, 300, 10)]}
    failed = read(Calendar(parts, Cursor("at", "ascending", window=timedelta(days=100)), fails_after=7))
    assert failed.states[-1].stream_state == {"at": "2024-05-10T00:00:00Z"}


def test_a_window_that_fails_holds_the_state_and_not_the_others() -> None:
    class Broken(Events):
        def pages(self, slice: Slice) -> Iterator[Page]:
            if slice.start == "2024-04-10":
                raise SkipSlice("not now")
            return super().pages(slice)

    class Other(Calendar):
        def streams(self) -> Iterable[Stream]:
            return [Broken(self)]

    parts = {"": [(n, day(n)) for n in range(0, 300, 10)]}
    cursor = Cursor("at", window=timedelta(days=100))
    for concurrency in (1, 4):
        result = read(Other(parts, cursor, concurrency=concurrency)).ok()
        assert len(ids(result.messages)) == 20
        assert result.states[-1].stream_state == {"at": "2024-04-10"}


@pytest.mark.parametrize("order", ["ascending", None])
def test_later_windows_that_are_done_first_do_not_move_the_state(order: Any) -> None:
    read_whole = {"2024-01-01": threading.Event(), "2024-07-19": threading.Event()}

    class Slow(Events):
        def pages(self, slice: Slice) -> Iterator[Page]:
            if slice.start == "2024-04-10":
                assert all(other.wait(60) for other in read_whole.values())
                raise SourceError("broken")
            yield from super().pages(slice)
            if slice.start in read_whole:
                read_whole[slice.start].set()

    class Other(Calendar):
        def streams(self) -> Iterable[Stream]:
            return [Slow(self)]

    parts = {"": [(n, day(n)) for n in range(0, 300, 10)]}
    cursor = Cursor("at", order, window=timedelta(days=100))
    failed = read(Other(parts, cursor, concurrency=3))
    assert {20 * n for n in range(5)} <= set(ids(failed.messages))
    assert set(range(200, 300, 10)) <= set(ids(failed.messages))
    assert max(str((state.stream_state or {}).get("at", "")) for state in states(failed.messages)) <= "2024-04-10"
    again = read(Calendar(parts, cursor), state=failed).ok()
    assert set(ids(failed.messages)) | set(ids(again.messages)) == set(range(0, 300, 10))


def test_a_server_whose_clock_is_behind_ours_loses_nothing() -> None:
    """What it makes after the read is, by its clock, before the end of a window that was read."""
    now = datetime.now(UTC)
    cursor = Cursor("at", window=timedelta(minutes=10))
    start = cursor.written(now - timedelta(hours=3))
    first = read(Calendar({"": [(1, now - timedelta(hours=2))]}, cursor, start=start)).ok()
    assert ids(first.messages) == [1]
    late = Calendar({"": [(1, now - timedelta(hours=2)), (2, now - timedelta(minutes=45))]}, cursor, start=start)
    assert 2 in ids(read(late, state=first).ok().messages)


def test_a_lookback_reads_again_and_never_moves_the_state_back() -> None:
    parts = {"": [(n, day(n)) for n in range(10)]}
    cursor = Cursor("at", "ascending", lookback=timedelta(days=3))
    first = read(Calendar(parts, cursor)).ok()
    again = read(Calendar(parts, cursor), state=first).ok()
    assert ids(again.messages) == [6, 7, 8, 9]
    assert {state.stream_state["at"] for state in states(again.messages) if state.stream_state} == {
        "2024-01-10T00:00:00Z"
    }
    late = {"": [*parts[""], (99, day(7))]}
    assert 99 in ids(read(Calendar(late, cursor), state=again).ok().messages)
    assert not ids(read(Calendar({"": []}, cursor, start="2024-01-09"), state=again).ok().messages)
    assert read(Calendar({"": []}, cursor), state=again).ok().states[-1].stream_state == first.states[-1].stream_state


def test_a_state_in_another_form_and_one_that_is_none(caplog: pytest.LogCaptureFixture) -> None:
    cursor = Cursor("at", format="%d.%m.%Y")
    parts = {"": [(n, day(n)) for n in range(10)]}
    name = Events(Calendar({}, cursor)).descriptor
    airbytes = [State.of_stream(name, {"at": "2024-01-06T12:00:00+02:00"})]
    result = read(Calendar(parts, cursor), state=airbytes).ok()
    assert ids(result.messages) == [5, 6, 7, 8, 9]
    assert result.states[-1].stream_state == {"at": "10.01.2024"}
    wrong = read(Calendar(parts, cursor), state=[State.of_stream(name, {"at": "soon"})])
    (trace,) = wrong.traces
    assert (trace.failure_type, str(trace.stream)) == ("config_error", "rows")
    assert "Stream rows: the state's value of 'at', 'soon', is neither '%d.%m.%Y' nor ISO 8601" in trace.message
    assert not wrong.states
    read(Calendar(parts, cursor), state=[State.of_stream(name, {"other": "2024-01-06"})]).ok()
    assert "its state says nothing of 'at', so it is read from the beginning. It has: 'other'" in caplog.text
    caplog.clear()
    read(Calendar(parts, cursor), state=[State.of_stream(name, NO_CURSOR)]).ok()
    assert not caplog.text


def test_a_cursor_for_all_partitions_is_none_for_those_that_come_later() -> None:
    cursor = Cursor("at")
    parts = {"a": [(1, day(1)), (2, day(9))], "b": [(3, day(2))]}
    name = Events(Calendar({}, cursor)).descriptor
    blob = {"use_global_cursor": True, "state": {"at": "2024-01-06T00:00:00Z"}, "lookback_window": 86400}
    first = read(Calendar(parts, cursor), state=[State.of_stream(name, blob)]).ok()
    assert ids(first.messages) == [2]
    assert first.states[-1].stream_state == {
        "states": [
            {"partition": {"part": "a"}, "cursor": {"at": "2024-01-10T00:00:00Z"}},
            {"partition": {"part": "b"}, "cursor": {"at": "2024-01-05T00:00:00Z"}},
        ]
    }
    second = read(Calendar({**parts, "new": [(4, day(3))]}, cursor), state=first).ok()
    assert ids(second.messages) == [2, 4]
    failed = read(Calendar(parts, cursor, fails_after=1), state=[State.of_stream(name, blob)])
    assert (failed.states[-1].stream_state or {})["state"] == {"at": "2024-01-05T00:00:00Z"}


def test_a_check_asks_in_the_api_s_form() -> None:
    source = Calendar({"": []}, Cursor("at", format="%d.%m.%Y"))
    source.check()
    assert source.asked == [("01.01.2024", None)]


def test_a_state_of_a_wrong_shape_fails_its_stream_by_name() -> None:
    parts = {"a": [(1, day(1))]}
    name = Events(Calendar({}, Cursor("at"))).descriptor
    for blob in ({"states": ["a"]}, {"a": "2024"}, {"states": [{"partition": "a", "cursor": {"at": 1}}]}):
        for concurrency in (1, 2):
            result = read(Calendar(parts, Cursor("at"), concurrency=concurrency), state=[State.of_stream(name, blob)])
            (trace,) = result.traces
            assert (trace.failure_type, str(trace.stream)) == ("config_error", "rows")
            assert "state of stream 'rows': " in trace.message
            assert not ids(result.messages)
