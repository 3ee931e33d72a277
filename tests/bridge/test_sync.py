"""What a sync promises, with sources and destinations that fail in every way."""

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
    ConfigError,
    DestinationError,
    FlowError,
    ForeignError,
    IncompleteError,
    SourceError,
    StateError,
)
from headwater.protocol.messages import (
    Change,
    Control,
    ErrorTrace,
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


def test_batches_by_bytes() -> None:
    pages = [records("issues", *range(i * 10, i * 10 + 10)) for i in range(20)]
    sink = Counting()
    sync(Scripted(*pages, status("issues")), configured("issues"), sink, MemoryStates(), batch_bytes=500)
    assert ids(sink) == list(range(200))
    assert all(size >= 500 for _, _, size in sink.batches[:-1])
    assert len(sink.batches) > 3


def test_single_records_of_a_process_become_few_parts() -> None:
    seen: list[Batch] = []

    class Watching(Counting):
        def write(self, batch: Batch, covered: Any) -> None:
            seen.append(batch)
            super().write(batch, covered)

    sink = Watching()
    messages = [records("issues", i, at=1 + i // 50) for i in range(100)]
    sync(Scripted(*messages, status("issues")), configured("issues"), sink, MemoryStates())
    assert [(len(part), part.emitted_at) for part in seen[0].parts] == [(50, 1), (50, 2)]
    assert all(len(message) == 1 for message in messages)


def test_memory_is_bounded_over_very_many_streams_the_largest_goes_first() -> None:
    names = [f"s{i}" for i in range(200)]
    sink = Counting()
    held: list[int] = []
    written = 0

    class Watching(Counting):
        def write(self, batch: Batch, covered: Any) -> None:
            nonlocal written
            super().write(batch, covered)
            written += batch.size

    sink = Watching()
    given = 0
    script: list[Any] = []
    for i in range(20):
        for name in names:
            one = records(name, i)
            given += one.size
            script += [one, lambda total=given: held.append(total - written)]
    sync(Scripted(*script, *map(status, names)), configured(*names), sink, MemoryStates(), batch_bytes=1000)
    assert sum(len(rows) for rows in sink.rows.values()) == 20 * 200
    assert max(held) <= 4 * 1000 + 100


def test_records_are_written_when_they_are_old() -> None:
    sink = Counting()
    source = Scripted(
        records("issues", 1),
        records("other", 1),
        lambda: None,
        records("issues", 2),
        status("issues"),
        status("other"),
    )
    sync(source, configured("issues", "other"), sink, MemoryStates(), flush_seconds=0.0)
    assert len(sink.batches) == 3


def test_a_wait_for_quota_has_everything_written_first() -> None:
    sink, states = Counting(), MemoryStates()
    seen: list[Any] = []
    source = Scripted(
        records("issues", 1),
        state("issues", 1),
        status("issues", "RUNNING", rate_limited=True, quota_reset=5),
        lambda: seen.append((ids(sink), states.load())),
        status("issues"),
    )
    results: list[tuple[bool, int | None]] = []
    sync(
        source,
        configured("issues"),
        sink,
        states,
        progress=lambda r: results.append((r.streams[ISSUES].rate_limited, r.streams[ISSUES].quota_reset)),
    )
    assert seen == [([1], [state("issues", 1)])]
    assert (True, 5) in results and results[-1] == (False, None)


def test_a_source_that_dies_leaves_its_rows_and_the_safe_state() -> None:
    sink, states = Counting(), MemoryStates()
    source = Scripted(records("issues", 1), state("issues", 1), records("issues", 2), ConfigError("token revoked"))
    with pytest.raises(ConfigError, match="token revoked"):
        sync(source, configured("issues"), sink, states)
    assert ids(sink) == [1, 2]
    assert states.load() == [state("issues", 1)]
    assert sink.closed == source.closed == 1


@pytest.mark.parametrize("interrupt", [KeyboardInterrupt(), SystemExit(143)])
def test_an_interrupt_writes_what_a_state_covers(interrupt: BaseException) -> None:
    sink, states = Counting(), MemoryStates()
    source = Scripted(records("issues", 1), state("issues", 1), records("issues", 2), records("other", 3), interrupt)
    with pytest.raises(type(interrupt)):
        sync(source, configured("issues", "other"), sink, states)
    assert (ids(sink), ids(sink, "other")) == ([1], [])
    assert states.load() == [state("issues", 1)]


def test_an_interrupt_while_writing_stores_no_state_of_that_batch() -> None:
    sink, states = Counting(fail_at=1, error=KeyboardInterrupt()), MemoryStates()
    with pytest.raises(KeyboardInterrupt):
        sync(
            Scripted(records("issues", 1), state("issues", 1), status("issues")),
            configured("issues"),
            sink,
            states,
        )
    assert states.load() == []


@pytest.mark.parametrize("error", [DestinationError("the disk is full"), OSError("the disk is full")])
def test_a_refused_batch_names_its_stream_and_the_state_stays(error: Exception) -> None:
    sink, states = Counting(fail_at=2, error=error), MemoryStates()
    big = 100
    source = Scripted(
        records("issues", *range(big)),
        state("issues", 1),
        records("issues", *range(big, 2 * big)),
        state("issues", 2),
        records("issues", *range(big)),
        status("issues"),
    )
    with pytest.raises(DestinationError, match="the disk is full") as caught:
        sync(source, configured("issues"), sink, states, batch_bytes=500)
    assert caught.value.stream == "issues"
    assert states.load() == [state("issues", 1)]
    assert len(sink.batches) == 2 and source.closed == sink.closed == 1 and source.given < 6


@pytest.mark.parametrize("last", ["INCOMPLETE", "RUNNING", None])
def test_a_normal_end_without_complete_is_a_failure(last: str | None) -> None:
    sink, states = Counting(), MemoryStates()
    statuses = [status("issues", last)] if last else []
    source = Scripted(records("issues", 1), state("issues", 1), *statuses, status("other"))
    with pytest.raises(IncompleteError, match="'issues' is incomplete") as caught:
        sync(source, configured("issues", "other"), sink, states)
    assert list(caught.value.errors) == ["issues"]
    assert isinstance(caught.value.errors["issues"], ForeignError)
    assert ids(sink) == [1] and states.load() == [state("issues", 1)]
    assert sink.completed == ["other"]


def test_an_error_trace_is_never_green_and_tells_whose_turn_it_is() -> None:
    trace = ErrorTrace("no permission", "config_error", ISSUES)
    with pytest.raises(IncompleteError, match="no permission") as caught:
        sync(Scripted(trace, status("issues")), configured("issues"), Counting(), MemoryStates())
    assert caught.value.failure_type == "config_error"


@pytest.mark.parametrize("kind", ["GLOBAL", "LEGACY"])
def test_a_global_state_waits_for_every_stream(kind: str) -> None:
    sink, states = Counting(fail_at=2), MemoryStates()
    source = Scripted(records("a", 1), records("b", 1), global_state(1, kind), status("a"), status("b"))
    with pytest.raises(DestinationError):
        sync(source, configured("a", "b"), sink, states)
    assert states.load() == []
    sync(source, configured("a", "b"), Counting(), states)
    assert states.load() == [global_state(1, kind)]


def test_no_states_at_all() -> None:
    sink, states = Counting(), MemoryStates()
    result = sync(Scripted(records("issues", 1), status("issues")), configured("issues"), sink, states)
    assert result.complete and states.calls == []


def test_records_of_a_stream_not_asked_for_are_not_dropped_in_silence() -> None:
    source = Scripted(Records(StreamDescriptor("issues", "other"), [b"{}"]), status("issues"))
    with pytest.raises(ForeignError, match=r"'other.issues'.*not asked for \(issues\)"):
        sync(source, configured("issues"), Counting(), MemoryStates())


def test_records_after_complete_are_a_fault() -> None:
    with pytest.raises(ForeignError, match="after it had said"):
        sync(Scripted(status("issues"), records("issues", 1)), configured("issues"), Counting(), MemoryStates())


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


def test_a_record_that_a_transform_cannot_be_given() -> None:
    broken = Records(ISSUES, [b'{"a":'])
    with pytest.raises(ForeignError, match="'issues'"):
        sync(Scripted(broken), configured("issues"), Counting(), MemoryStates(), transform=lambda s, r: r)
    with pytest.raises(DestinationError, match="'issues'"):
        sync(Scripted(broken, status("issues")), configured("issues"), Counting(), MemoryStates())


def test_a_state_store_that_fails_fails_the_sync() -> None:
    class Broken(MemoryStates):
        def store(self, states: Any) -> None:
            raise OSError("gone")

    source = Scripted(records("issues", 1), state("issues", 1), status("issues"))
    with pytest.raises(StateError, match="gone"):
        sync(source, configured("issues"), Counting(), Broken())


@pytest.mark.parametrize(
    ("catalog", "match"),
    [
        (configured("issues", mode="update"), "'update'.*can do: append, overwrite"),
        (configured("issues", mode="overwrite"), "full_refresh"),
    ],
)
def test_a_mode_that_cannot_be_done_is_refused_before_anything_is_read(catalog: Any, match: str) -> None:
    source, sink = Scripted(), Counting()
    with pytest.raises(FlowError, match=match):
        sync(source, catalog, sink, MemoryStates())
    assert source.started_from == [] and sink.opened == 0


def test_a_sink_that_does_not_open_or_close() -> None:
    class Shut(Counting):
        def open(self, catalog: Any) -> None:
            raise ConnectionError("refused")

    class Stuck(Counting):
        def close(self) -> None:
            raise OSError("stuck")

    with pytest.raises(DestinationError, match="refused"):
        sync(Scripted(), configured("issues"), Shut(), MemoryStates())
    with pytest.raises(DestinationError, match="stuck"):
        sync(Scripted(status("issues")), configured("issues"), Stuck(), MemoryStates())
    with pytest.raises(SourceError, match="died"):
        sync(Scripted(SourceError("died")), configured("issues"), Stuck(), MemoryStates())


def test_without_any_store_of_states() -> None:
    with pytest.raises(FlowError, match="state store"):
        sync(Scripted(status("issues")), configured("issues"), Counting())


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
