"""What a sync promises: rows land, states are safe, and what it is told goes where it belongs."""

from __future__ import annotations

import json
import logging
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from headwater.bridge import Batch, SyncResult, sync
from headwater.bridge.states.memory import MemoryStates
from headwater.errors import (
    DestinationError,
    FlowError,
    SourceError,
)
from headwater.protocol.messages import (
    Change,
    Control,
    Estimate,
    Level,
    Log,
    Records,
    State,
    StreamDescriptor,
)
from tests.bridge.fakes import Counting, Scripted, configured, global_state, records, state, status

ISSUES = StreamDescriptor("issues")


def ids(sink: Counting, stream: str = "issues") -> list[int]:
    return [row["id"] for row in sink.rows.get(stream, [])]


def test_records_land_and_the_last_state_is_stored() -> None:
    source = Scripted(
        records("issues", 1, 2),
        state("issues", 2),
        records("issues", 3),
        state("issues", 3),
        status("issues"),
    )
    sink, states = Counting(), MemoryStates()
    result = sync(source, configured("issues"), sink, states)
    assert ids(sink) == [1, 2, 3]
    assert states.load() == [state("issues", 3)]
    one = result.streams[ISSUES]
    assert (one.records, one.landed, one.states, one.complete) == (3, 3, 1, True)
    assert result.complete and result.duration is not None and result.bytes == one.bytes > 0
    assert (sink.opened, sink.closed, source.closed) == (1, 1, 1)
    assert sink.completed == ["issues"]


def test_the_next_sync_starts_from_there() -> None:
    source = Scripted(status("issues"))
    sync(source, configured("issues"), Counting(), MemoryStates([state("issues", 3), state("gone", 1)]))
    assert source.started_from == [[state("issues", 3)]]


@pytest.mark.parametrize(
    "kept", [[state("issues", 3), state("gone", 1)], [global_state(1, "GLOBAL", "issues", "gone")]]
)
def test_a_stream_that_the_source_does_not_offer_any_more_is_told(kept: list[State], caplog: Any) -> None:
    source = Scripted(status("issues"))
    sync(source, configured("issues"), Counting(), MemoryStates(kept))
    assert caplog.text == ""  # what is not asked for may be there all the same
    sync(source, configured("issues"), Counting(), MemoryStates(kept), everything=True)
    assert "The source does not offer 'gone' any more, which was read before." in caplog.text
    caplog.clear()
    sync(Scripted(status("issues"), status("gone")), configured("issues", "gone"), Counting(), MemoryStates(kept),
         everything=True)  # fmt: skip
    assert caplog.text == ""


def test_a_stream_read_whole_starts_without_a_state_and_stores_it_when_complete() -> None:
    script = [records("issues", 1), state("issues", 1)]
    states = MemoryStates([state("issues", 9)])
    source = Scripted(*script, SourceError("died"))
    with pytest.raises(SourceError, match="died"):
        sync(source, configured("issues", sync_mode="full_refresh"), Counting(), states)
    assert source.started_from == [[]]
    assert states.load() == [state("issues", 9)]
    sync(
        Scripted(*script, status("issues")),
        configured("issues", sync_mode="full_refresh"),
        Counting(),
        states,
    )
    assert states.load() == [state("issues", 1)]


def test_a_global_state_is_passed_without_the_streams_read_whole() -> None:
    source = Scripted(status("a"), status("b"))
    catalog = configured("a", "b")
    whole = configured("b", sync_mode="full_refresh").streams[0]
    catalog = type(catalog)((catalog.streams[0], whole))
    sync(source, catalog, Counting(), MemoryStates([global_state(1, "GLOBAL", "a", "b")]))
    assert source.started_from == [[global_state(1, "GLOBAL", "a")]]


def test_states_that_hold_nothing_to_go_on_from_are_not_passed() -> None:
    sentinel = State.of_stream(ISSUES, {"__ab_full_refresh_sync_complete": True})
    source = Scripted(status("issues"))
    sync(source, configured("issues"), Counting(), MemoryStates([sentinel]))
    assert source.started_from == [[]]


def test_a_limit_cuts_every_stream_and_stores_no_state_of_a_cut_one() -> None:
    sink, states = Counting(), MemoryStates()
    source = Scripted(
        records("issues", *range(5)),
        state("issues", 5),
        records("issues", *range(5, 10)),
        status("issues"),
        records("few", 1),
        state("few", 1),
        status("few"),
        global_state(1),
    )
    source.selective = True
    result = sync(source, configured("issues", "few"), sink, states, limit=7)
    assert ids(sink) == list(range(7)) and ids(sink, "few") == [1]
    assert result.complete and result.streams[ISSUES].cut
    assert states.load() == [state("few", 1)]
    assert sink.completed == ["few"]


def test_a_transform_changes_and_drops() -> None:
    def transform(stream: StreamDescriptor, record: dict[str, Any]) -> dict[str, Any] | None:
        return None if record["id"] == 2 else {**record, "stream": stream.name, "bad": float("nan")}

    one = records("issues", 1, 2, 3)
    one.changes = {2: [Change("x", "NULLED", "SOURCE_FIELD_SIZE_LIMITATION")]}
    parts: list[Records] = []

    class Watching(Counting):
        def write(self, batch: Batch, covered: Any) -> None:
            parts.extend(batch.parts)
            super().write(batch, covered)

    sink = Watching()
    result = sync(Scripted(one, status("issues")), configured("issues"), sink, MemoryStates(), transform=transform)
    assert sink.rows["issues"] == [
        {"id": 1, "stream": "issues", "bad": None},
        {"id": 3, "stream": "issues", "bad": None},
    ]
    assert [change.field for change in parts[0].changes[1]] == ["x", "bad"]
    assert (result.streams[ISSUES].records, result.streams[ISSUES].landed) == (3, 2)


def test_a_failing_transform_names_the_stream() -> None:
    def transform(stream: StreamDescriptor, record: dict[str, Any]) -> None:
        raise KeyError("user")

    with pytest.raises(FlowError, match=r"'issues'.*KeyError.*'user'"):
        sync(
            Scripted(records("issues", 1)),
            configured("issues"),
            Counting(),
            MemoryStates(),
            transform=transform,
        )


def test_logs_estimates_and_controls(caplog: pytest.LogCaptureFixture) -> None:
    kept: list[Any] = []
    source = Scripted(
        Log(Level.WARN, "slow %s"),
        Estimate(ISSUES, 10, 20),
        Control({"token": "new"}),
        lambda: kept.append("read on"),
        status("issues"),
    )
    with caplog.at_level(logging.INFO):
        result = sync(
            source,
            configured("issues"),
            Counting(),
            MemoryStates(),
            control=kept.append,
        )
    assert ("headwater.source.scripted", logging.WARNING, "slow %s") in caplog.record_tuples
    assert result.streams[ISSUES].estimate == Estimate(ISSUES, 10, 20)
    assert kept == [{"token": "new"}, "read on"]
    assert result.config == {"token": "new"} and "new" not in repr(result)


def test_a_count_that_does_not_match_is_told(caplog: pytest.LogCaptureFixture) -> None:
    def counted(at: int, count: int) -> State:
        return State.of_stream(ISSUES, {"at": at}, count)

    source = Scripted(
        records("issues", 1, 2), counted(2, 2), records("issues", 3), counted(3, 2), counted(3, 0), status("issues")
    )
    sync(source, configured("issues"), Counting(), MemoryStates())
    assert caplog.text.count("'issues': the source says that it sent 2 records") == 1
    assert "but 1 arrived" in caplog.text


EVENT = st.one_of(
    st.tuples(st.just("records"), st.sampled_from("abc"), st.integers(1, 30)),
    st.tuples(st.just("state"), st.sampled_from("abc"), st.just(0)),
    st.tuples(st.just("global"), st.just("a"), st.just(0)),
)


@settings(max_examples=150, deadline=None)
@given(
    events=st.lists(EVENT, max_size=40),
    globals_only=st.booleans(),
    batch_bytes=st.integers(20, 600),
    fail_at=st.none() | st.integers(1, 8),
    end=st.sampled_from(["complete", "dies", "interrupt"]),
)
def test_a_stored_state_never_claims_more_than_landed(
    events: list[Any], globals_only: bool, batch_bytes: int, fail_at: int | None, end: str
) -> None:
    """Each state says how many records of each stream came before it; that many must have landed."""
    given_so_far = {"a": 0, "b": 0, "c": 0}
    script: list[Any] = []
    for kind, stream, count in events:
        if kind == "records":
            script.append(records(stream, *range(given_so_far[stream], given_so_far[stream] + count)))
            given_so_far[stream] += count
        elif globals_only or kind == "global":
            if globals_only:
                script.append(State({"type": "GLOBAL", "global": {"shared_state": dict(given_so_far)}}))
        else:
            script.append(state(stream, given_so_far[stream]))
    ends: dict[str, list[Any]] = {
        "complete": [status("a"), status("b"), status("c")],
        "dies": [SourceError("died")],
        "interrupt": [KeyboardInterrupt()],
    }
    sink = Counting(fail_at)
    landed_at_store: list[Any] = []

    class Checking(MemoryStates):
        def store(self, states: Any) -> None:
            super().store(states)
            check(self.load(), sink)
            landed_at_store.append(1)

    def check(stored: list[State], sink: Counting) -> None:
        for one in stored:
            claims = (
                {str(one.stream): one.raw["stream"]["stream_state"]["at"]}
                if one.stream
                else one.raw["global"]["shared_state"]
            )
            for name, count in claims.items():
                assert ids(sink, name)[:count] == list(range(count))

    states = Checking()
    result: SyncResult | None = None
    with suppress(SourceError, DestinationError, KeyboardInterrupt):
        result = sync(Scripted(*script, *ends[end]), configured("a", "b", "c"), sink, states, batch_bytes=batch_bytes)
    check(states.load(), sink)
    for name, count in given_so_far.items():
        assert ids(sink, name) == list(range(len(ids(sink, name))))  # in order, no gap, nothing twice
        if result is not None or (end == "dies" and len(sink.batches) < (fail_at or 10**9)):
            assert len(ids(sink, name)) == count
    if result is not None:
        newest = {str(s.stream): s for s in script if isinstance(s, State)}
        assert {json.dumps(s.raw) for s in states.load()} == {json.dumps(s.raw) for s in newest.values()}
