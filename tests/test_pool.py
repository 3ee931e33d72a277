"""Slices read by several threads: the same records, legal order, isolated failures, and an end of all threads."""

from __future__ import annotations

import itertools
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from headwater import Config, ConfigError, Record, SkipSlice, Slice, SourceError, Stream
from headwater.protocol.messages import ErrorTrace, State, Status, StreamStatus
from headwater.reader import StreamReader
from headwater.slices import Task
from headwater.stream import Page
from headwater.testing import read
from tests.listings import counts, ids, states
from tests.pools import Many, Parts, impatient, legal, many, no_thread_is_left, rows

__all__ = ["impatient", "no_thread_is_left"]

pytestmark = pytest.mark.usefixtures("impatient", "no_thread_is_left")


@pytest.mark.parametrize("concurrency", [1, 2, 3, 16])
def test_the_records_are_the_same_at_every_level(concurrency: int) -> None:
    parts = many()
    result = read(Many(concurrency, **parts)).ok()
    for name, each in parts.items():
        assert sorted(row["id"] for row in result.records[name]) == sorted(n for rows in each.values() for n, _ in rows)
        assert legal(result.messages, name) == [Status.STARTED, Status.RUNNING, Status.COMPLETE]
        mine = [m for m in result.messages if str(getattr(m, "stream", "")) == name]
        assert counts(mine) == len(ids(mine))
    once, again = (read(Many(level, **parts), state=result).ok() for level in (1, concurrency))
    assert sorted(map(repr, once.states)) == sorted(map(repr, again.states))


@settings(max_examples=40)
@given(
    lengths=st.lists(st.lists(st.integers(0, 7), min_size=1, max_size=5), min_size=1, max_size=3),
    concurrency=st.integers(2, 6),
    broken=st.tuples(st.integers(0, 2), st.integers(0, 4)),
    failure=st.sampled_from([SourceError("x"), ConfigError("x"), KeyError("x"), None]),
)
def test_any_prefix_can_be_gone_on_from(
    lengths: list[list[int]], concurrency: int, broken: tuple[int, int], failure: Exception | None
) -> None:
    numbers = itertools.count(step=100)
    whole = {f"s{s}": {f"p{p}": rows(n, next(numbers)) for p, n in enumerate(each)} for s, each in enumerate(lengths)}
    parts: dict[str, dict[str, Any]] = {name: dict(each) for name, each in whole.items()}
    stream, part = f"s{broken[0]}", f"p{broken[1]}"
    if failure is not None and part in parts.get(stream, {}):
        parts[stream][part] = failure
    first = read(Many(concurrency, **parts))
    truth = {number for each in whole.values() for rows in each.values() for number, _ in rows}
    places = [place + 1 for place, message in enumerate(first.messages) if isinstance(message, State)]
    for length in (0, *places):
        prefix = first.messages[:length]
        last = {str(state.stream): state for state in states(prefix)}
        rest = read(Many(concurrency, **whole), state=list(last.values())).ok()
        assert truth <= {*ids(prefix), *ids(rest.messages)}


def test_slices_are_read_at_the_same_time() -> None:
    together = threading.Barrier(4, timeout=60.0)

    def waiting() -> list[tuple[int, int]]:
        together.wait()
        return []

    parts = {"a": {"1": waiting, "2": waiting}, "b": {"1": waiting}, "c": {"1": waiting}}
    read(Many(4, **parts)).ok()


def test_the_config_says_how_many() -> None:
    class Setting(Config):
        num_workers: int = 3

    class Configured(Many):
        config: Setting

    source = Configured(1, **many(1, 12))
    source.config = Setting()
    together = threading.Barrier(3, timeout=60.0)

    def waiting() -> list[tuple[int, int]]:
        together.wait()
        return []

    source.made = {"a": dict.fromkeys("123", waiting)}
    read(source).ok()


def test_one_stream_without_partitions_needs_no_thread() -> None:
    seen = []

    class One(Stream):
        name = "one"

        def read(self, slice: Slice) -> Iterator[Record]:
            seen.append(threading.current_thread())
            yield {"id": 1}

    source = Many(8)
    source.streams = lambda: [One(source)]  # type: ignore[method-assign]
    read(source).ok()
    assert seen == [threading.current_thread()]


# --- failures ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("failure", [SourceError("x"), KeyError("x"), SystemExit(3)])
def test_a_stream_that_fails_leaves_the_others(failure: BaseException) -> None:
    parts: dict[str, dict[str, Any]] = {**many()}
    parts["s1"]["p2"] = failure
    result = read(Many(4, **parts))
    assert result.error is not None and "s1" in str(result.error)
    assert [str(trace.stream) for trace in result.traces] == ["s1"]
    for name in parts:
        assert legal(result.messages, name)[-1] is (Status.INCOMPLETE if name == "s1" else Status.COMPLETE)
    assert len(result.records["s0"]) == len(result.records["s2"]) == 35


def test_slices_with_a_wrong_setting_leave_the_others() -> None:
    parts: dict[str, dict[str, Any]] = many(1, 12)
    for part in ("p1", "p2", "p7"):
        parts["s0"][part] = ConfigError(f"gone: {part}")
    result = read(Many(4, **parts))
    assert len(result.records["s0"]) == 9 * 7
    assert result.traces[0].message == "gone: p1 (and 2 more of its slices)"


def test_slices_that_take_their_time_do_not_make_failures_a_row() -> None:
    """Three in a row end a stream: in the order of the slices, not in that of their ends."""

    def slowly(first: int) -> Callable[[], list[tuple[int, int]]]:
        return lambda: (time.sleep(0.05), rows(2, first))[1]

    parts: dict[str, Any] = {}
    for number in range(8):
        parts[f"bad{number}"] = ConfigError("gone")
        parts[f"good{number}"] = slowly(10 * number)
    assert len(read(Many(4, s=parts)).records["s"]) == 16


def test_three_in_a_row_end_the_stream(monkeypatch: pytest.MonkeyPatch) -> None:
    known: set[int] = set()
    three = threading.Event()
    ended = StreamReader.ended

    def noted(self: StreamReader, task: Task, error: ConfigError | None) -> None:
        ended(self, task, error)
        known.add(task.index)
        if known >= {0, 1, 2}:
            three.set()

    def later() -> None:  # else there is no knowing how many others fail before one of the three
        assert three.wait(60.0)
        raise ConfigError("wrong token")

    monkeypatch.setattr(StreamReader, "ended", noted)
    parts: dict[str, Any] = {f"p{number}": ConfigError("wrong token") if number < 3 else later for number in range(500)}
    result = read(Many(4, s=parts))
    count = int(result.traces[0].message.split("(and ")[1].split()[0])
    assert 2 <= count < 20


def test_slices_that_can_be_skipped() -> None:
    parts: dict[str, dict[str, Any]] = many(1, 4)
    parts["s0"]["p0"] = SkipSlice("empty")
    assert len(read(Many(4, **parts)).ok().records["s0"]) == 21


def test_a_stream_whose_slices_can_not_be_listed() -> None:
    class Unlisted(Parts):
        def partitions(self) -> Iterator[Mapping[str, Any]]:
            yield {"part": "p0"}
            raise SourceError("no list")

    source = Many(4, **many())
    source.streams = lambda: [Unlisted(source, "u", source.made["s0"]), Parts(source, "s1", source.made["s1"])]  # type: ignore[method-assign]
    result = read(source)
    assert legal(result.messages, "u")[-1] is Status.INCOMPLETE
    assert result.traces[0].message == "no list"
    assert len(result.records["s1"]) == 35


def test_a_stream_that_there_is_not() -> None:
    source = Many(4, **many())
    catalog = source.discover().configured()
    del source.made["s1"]
    messages = []
    with pytest.raises(SourceError, match="s1"):
        for message in source.read(catalog):
            messages.append(message)
    assert legal(messages, "s1") == [Status.STARTED, Status.INCOMPLETE]
    assert len(ids(messages)) == 70
    assert [str(m.stream) for m in messages if isinstance(m, ErrorTrace)] == ["s1"]


# --- what is said meanwhile ------------------------------------------------------------------------------------------


def test_what_is_said_meanwhile_comes_at_once_and_after_started() -> None:
    said = threading.Event()

    class Limited(Parts):
        def pages(self, slice: Slice) -> Iterator[Page]:
            self.source.emit(StreamStatus(self.descriptor, Status.RUNNING, rate_limited=True))
            assert said.wait(60.0)
            yield from super().pages(slice)

    source = Many(2, **many(2, 1))
    source.streams = lambda: [Limited(source, name, parts) for name, parts in source.made.items()]  # type: ignore[method-assign]
    started = set()
    limited = set()
    for message in source.read(source.discover().configured()):
        if isinstance(message, StreamStatus):
            if message.status is Status.STARTED:
                started.add(message.stream)
            if message.rate_limited:
                limited.add(message.stream)
                assert message.stream in started
                if len(limited) == 2:
                    said.set()
    assert len(limited) == 2
