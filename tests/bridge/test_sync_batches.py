"""What a sync promises of its batches: their size, their age, and what memory they take."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from headwater.bridge import Batch, sync
from headwater.bridge.sink import BatchSize
from headwater.bridge.sinks.sqlite import SqliteSink
from headwater.bridge.states.memory import MemoryStates
from headwater.errors import SourceError
from headwater.protocol.messages import (
    StreamDescriptor,
)
from tests.bridge.fakes import Counting, Scripted, configured, records, state, status
from tests.bridge.landing import query

ISSUES = StreamDescriptor("issues")


def ids(sink: Counting, stream: str = "issues") -> list[int]:
    return [row["id"] for row in sink.rows.get(stream, [])]


def test_batches_by_bytes() -> None:
    pages = [records("issues", *range(i * 10, i * 10 + 10)) for i in range(20)]
    sink = Counting()
    sync(Scripted(*pages, status("issues")), configured("issues"), sink, MemoryStates(), batch_bytes=500)
    assert ids(sink) == list(range(200))
    assert all(size >= 500 for _, _, size in sink.batches[:-1])
    assert len(sink.batches) > 3


@pytest.mark.parametrize("states", [True, False])
def test_a_destination_gets_as_many_rows_at_once_as_it_likes(states: bool) -> None:
    sink = Counting()
    sink.batch_size = BatchSize(10_000, rows=7)  # type: ignore[attr-defined]
    store = MemoryStates()
    script: list[Any] = []
    for first in range(0, 30, 3):
        script += [records("issues", first, first + 1, first + 2), *([state("issues", first)] if states else [])]
        script.append(lambda: stored.append(len(store.load())))
    stored: list[int] = []
    sync(
        Scripted(*script, records("issues", 30), state("issues", 30), status("issues")),
        configured("issues"),
        sink,
        store,
    )
    assert ids(sink) == list(range(31))
    assert [count for _, count, _ in sink.batches] == [7, 7, 7, 7, 3]
    assert sum(stored) == 0  # a state waits for the last of the records before it
    assert len(store.load()) == 1


@pytest.mark.parametrize("covered", [True, False])
def test_a_state_is_never_stored_with_records_after_it(tmp_path: Path, covered: bool) -> None:
    def run(*script: Any) -> None:
        sink = SqliteSink(tmp_path / "out.db")
        sink.batch_size = BatchSize(rows=4)
        sync(Scripted(*script), configured("issues"), sink)

    before = [records("issues", 0, 1), state("issues", 1)] if covered else [records("issues", 0, 1)]
    with pytest.raises(SourceError):
        run(*before, records("issues", 2, 3), state("issues", 3), records("issues", 4, 5), SourceError("died"))
    run(records("issues", 4, 5, 6), state("issues", 6), status("issues"))
    assert [row[0] for row in query(tmp_path / "out.db", "SELECT id FROM issues ORDER BY id")] == list(range(7))


def test_a_large_batch_holds_no_more_than_it_may() -> None:
    assert BatchSize().together == 32 * 2**20
    assert BatchSize(64 * 2**20).together == 64 * 2**20
    assert BatchSize(100 * 2**20).together == 100 * 2**20


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
