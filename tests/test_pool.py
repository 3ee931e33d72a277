"""Slices read by several threads: the same records, legal order, isolated failures, and an end of all threads."""

from __future__ import annotations

import itertools
import random
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from headwater import Config, ConfigError, Cursor, Record, SkipSlice, Slice, Source, SourceError, Stream
from headwater.errors import Stopped
from headwater.protocol.messages import ErrorTrace, Message, Records, State, Status, StreamStatus
from headwater.stream import Page
from headwater.testing import read
from headwater.waiting import pause
from tests.listings import counts, ids, states


@pytest.fixture(autouse=True)
def _impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """All threads at once, however quick the source is."""
    monkeypatch.setattr("headwater.pool._LOOK", 0.0)
    monkeypatch.setattr("headwater.pool._BUSY", float("inf"))


@pytest.fixture(autouse=True)
def _no_thread_is_left() -> Iterator[None]:
    yield
    until = time.monotonic() + 1.0
    while reading() and time.monotonic() < until:
        time.sleep(0.005)
    assert not reading()


def reading() -> list[threading.Thread]:
    """The threads that read."""
    return [thread for thread in threading.enumerate() if thread.name.startswith("headwater-read")]


class Parts(Stream):
    """Rows of several parts, each in pages of three."""

    primary_key = ("id",)
    cursor: Cursor | None = Cursor("at", "ascending")

    def __init__(self, source: Many, name: str, parts: Mapping[str, Any]) -> None:
        super().__init__(source)
        self.name = name
        self.parts = parts

    def partitions(self) -> Iterator[Mapping[str, Any]]:
        for part in self.parts:
            yield {"part": part}

    def read(self, slice: Slice) -> Iterator[Record]:
        raise NotImplementedError

    def pages(self, slice: Slice) -> Iterator[Page]:
        rows = self.parts[slice.partition["part"]]
        if isinstance(rows, BaseException):
            raise rows
        if callable(rows):
            rows = rows()
        rows = [row for row in rows if slice.start is None or row[1] >= slice.start]
        for start in range(0, len(rows), 3):
            pause(random.random() / 2000)
            page = rows[start : start + 3]
            yield Page.of_rows([{"id": number, "at": at} for number, at in page], self.cursor)


class Many(Source):
    """Streams whose rows a test says: rows, a function that gives them, or an error."""

    name = "many"
    config: Config

    def __init__(self, concurrency: int, **streams: Mapping[str, Any]) -> None:
        super().__init__(Config())
        self.concurrency = concurrency
        self.made = streams

    def streams(self) -> Iterable[Stream]:
        return [Parts(self, name, parts) for name, parts in self.made.items()]


def rows(count: int, first: int = 0) -> list[tuple[int, int]]:
    """Rows in order."""
    return [(first + number, number) for number in range(count)]


def many(streams: int = 3, parts: int = 5, length: int = 7) -> dict[str, dict[str, list[tuple[int, int]]]]:
    """Streams of several parts, each row with an id of its own."""
    numbers = itertools.count(step=1000)
    return {f"s{s}": {f"p{p}": rows(length, next(numbers)) for p in range(parts)} for s in range(streams)}


def legal(messages: Iterable[Message], name: str) -> list[Status]:
    """A stream's statuses, after a look at their order and that of what is between."""
    mine = [m for m in messages if str(getattr(m, "stream", "")) == name]
    kinds = [m.status if isinstance(m, StreamStatus) else type(m) for m in mine]
    assert kinds[0] is Status.STARTED
    assert kinds[-1] in (Status.COMPLETE, Status.INCOMPLETE)
    assert len([kind for kind in kinds if kind in (Status.COMPLETE, Status.INCOMPLETE)]) == 1
    if Records in kinds:
        assert kinds.index(Status.RUNNING) < kinds.index(Records)
    if Records in kinds and kinds[-1] is Status.COMPLETE:
        assert max(i for i, kind in enumerate(kinds) if kind is State) > max(
            i for i, kind in enumerate(kinds) if kind is Records
        )
    return [m.status for m in mine if isinstance(m, StreamStatus)]


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


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
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
    together = threading.Barrier(4, timeout=5.0)

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
    together = threading.Barrier(3, timeout=5.0)

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


def test_three_in_a_row_end_the_stream() -> None:
    parts: dict[str, Any] = {f"p{number}": ConfigError("wrong token") for number in range(500)}
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
            assert said.wait(5.0)
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


# --- the end ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("concurrency", [2, 5])
def test_stopped_anywhere_all_that_was_begun_is_incomplete(concurrency: int) -> None:
    parts = many(3, 3, 4)
    length = len(list(Many(concurrency, **parts).read(Many(1, **parts).discover().configured())))
    truth = {number for each in parts.values() for rows in each.values() for number, _ in rows}
    for count in range(1, length, 2):
        source = Many(concurrency, **parts)
        messages = source.read(source.discover().configured())
        given = list(itertools.islice(messages, count))
        ended = {m.stream for m in given if isinstance(m, StreamStatus) and m.status is Status.COMPLETE}
        try:
            given.append(messages.throw(Stopped()))  # type: ignore[attr-defined]
            given.extend(messages)
        except (Stopped, StopIteration):
            pass
        for stream in {m.stream for m in given if isinstance(m, StreamStatus)}:
            assert legal(given, str(stream))[-1] is (Status.COMPLETE if stream in ended else Status.INCOMPLETE)
            mine = [m for m in given if getattr(m, "stream", None) == stream]
            until = max((place for place, m in enumerate(mine) if isinstance(m, State)), default=0)
            assert counts(mine) == len(ids(mine[:until]))
        last = {str(state.stream): state for state in states(given)}
        rest = read(Many(1, **parts), state=list(last.values())).ok()
        assert truth <= {*ids(given), *ids(rest.messages)}


@pytest.mark.parametrize("how", ["close", "drop"])
def test_closed_the_threads_end(how: str) -> None:
    """Those that wait for a quota, for room in the queue, and for each other."""

    def endless() -> Any:
        return itertools.chain(rows(3), (pause(3600.0) or (1, 1) for _ in range(1)))

    wide = [(number, number) for number in range(30_000)]
    parts: dict[str, Any] = {"quota": lambda: list(endless()), "wide": wide, "wide too": wide, "more": wide}
    source = Many(3, s=parts)
    messages = source.read(source.discover().configured())
    while len(reading()) < 3:
        next(messages)
    time.sleep(0.05)
    began = time.monotonic()
    if how == "close":
        messages.close()  # type: ignore[attr-defined]
    del messages
    assert time.monotonic() - began < 1.0
    assert not reading()


def test_what_waits_is_bounded_by_bytes() -> None:
    """However many pages there are, and however slowly they are taken."""
    made = [0, 0]
    lock = threading.Lock()

    class Wide(Parts):
        def pages(self, slice: Slice) -> Iterator[Page]:
            for _ in range(20):
                page = Page.of_rows([{"text": "x" * 1_000_000}], None)
                with lock:
                    made[0] += 1
                    made[1] = max(made[1], made[0])
                yield page

    source = Many(6, s={str(n): () for n in range(6)})
    source.streams = lambda: [Wide(source, "s", source.made["s"])]  # type: ignore[method-assign]
    count = 0
    for message in source.read(source.discover().configured(full_refresh=True)):
        if isinstance(message, Records):
            time.sleep(0.002)
            count += 1
            with lock:
                made[0] -= 1
    assert count == 120
    assert made[1] <= 8 + 6 + 2
