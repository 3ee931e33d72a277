"""What a sync promises where sources, destinations and stores of states fail in every way."""

from __future__ import annotations

from typing import Any

import pytest

from headwater.bridge import sync
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
    ErrorTrace,
    Records,
    StreamDescriptor,
)
from tests.bridge.fakes import Counting, Scripted, configured, global_state, records, state, status

ISSUES = StreamDescriptor("issues")


def ids(sink: Counting, stream: str = "issues") -> list[int]:
    return [row["id"] for row in sink.rows.get(stream, [])]


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
