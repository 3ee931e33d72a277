"""States never run ahead of the records, whatever order, failure or stop there is."""

from __future__ import annotations

import contextlib
import itertools
import logging
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Literal

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from headwater import Config, ConfigError, Cursor, Record, SkipSlice, Slice, Source, SourceError, Stream
from headwater.errors import IncompleteError, Stopped
from headwater.protocol.catalog import ConfiguredCatalog
from headwater.protocol.messages import Change, Message, Records, State, Status, StreamStatus
from headwater.state import NO_CURSOR
from headwater.stream import Page
from headwater.testing import ReadResult, read
from headwater.testing.reading import result_of

Order = Literal["ascending", "descending"] | None
Rows = Sequence[tuple[int, Any]]  # id and cursor value


class Listing(Stream):
    """Rows in pages, in the order that they have, from the slice's start on."""

    name = "rows"
    primary_key = ("id",)

    def __init__(self, source: Listings) -> None:
        super().__init__(source)
        self.listings = source
        self.cursor = Cursor("at", source.order)

    def partitions(self) -> Iterable[Mapping[str, Any]]:
        return [{"part": part} if part else {} for part in self.listings.parts]

    def read(self, slice: Slice) -> Iterator[Record]:
        raise NotImplementedError

    def pages(self, slice: Slice) -> Iterator[Page]:
        rows = self.listings.parts[slice.partition.get("part", "")]
        if self.listings.bounded and slice.start is not None:
            rows = [row for row in rows if row[1] is None or row[1] >= slice.start]
        for start in range(0, len(rows), self.listings.size):
            self.listings.pages_until_failure -= 1
            if self.listings.pages_until_failure < 0:
                raise self.listings.failure
            page = rows[start : start + self.listings.size]
            yield Page.of_rows([{"id": number, "at": at} for number, at in page], self.cursor)


class Listings(Source):
    """One stream, whose rows a test says."""

    name = "listings"
    config: Config

    def __init__(
        self,
        parts: Mapping[str, Rows],
        *,
        order: Order = None,
        size: int = 2,
        bounded: bool = True,
        fails_after: int = 10**9,
        failure: Exception | None = None,
    ) -> None:
        super().__init__(Config())
        self.parts, self.order, self.size, self.bounded = parts, order, size, bounded
        self.pages_until_failure = fails_after
        self.failure = failure or SourceError("broken")

    def streams(self) -> Iterable[Stream]:
        return [Listing(self)]


def ids(messages: Iterable[Message]) -> list[Any]:
    """The records given, in order."""
    return [row["id"] for message in messages if isinstance(message, Records) for row in message.rows()]


def states(messages: Iterable[Message]) -> list[State]:
    """The states given, in order."""
    return [message for message in messages if isinstance(message, State)]


def counts(messages: Iterable[Message]) -> float:
    """The sum of what the states say about the records before them."""
    return sum(state.raw["sourceStats"]["recordCount"] for state in states(messages))


# --- the property ----------------------------------------------------------------------------------------------

values = st.one_of(st.integers(0, 12), st.none())


@st.composite
def listings(draw: st.DrawFn, first: int = 0, least: int = 0) -> dict[str, list[tuple[int, Any]]]:
    """Rows of some partitions, in no order, with ties and missing values."""
    names = draw(st.sampled_from([("",), ("a",), ("a", "b"), ("a", "b", "c")]))
    numbers = itertools.count(first)
    some = st.lists(st.one_of(st.integers(least, least + 8), st.none()), max_size=9)
    return {name: [(next(numbers), at) for at in draw(some)] for name in names}


def arranged(parts: Mapping[str, Rows], order: Order) -> dict[str, list[tuple[int, Any]]]:
    """The rows as a source of this order gives them."""
    if order is None:
        return {name: list(rows) for name, rows in parts.items()}
    return {
        name: sorted(rows, key=lambda row: 99 if row[1] is None else row[1], reverse=order == "descending")
        for name, rows in parts.items()
    }


def truth(parts: Mapping[str, Rows]) -> set[int]:
    """All ids."""
    return {number for rows in parts.values() for number, _ in rows}


@settings(max_examples=100, deadline=None)
@given(
    old=listings(),
    added=listings(first=1000, least=8),
    order=st.sampled_from(["ascending", "descending", None]),
    size=st.integers(1, 4),
    bounded=st.booleans(),
    fails_after=st.integers(0, 12),
    failure=st.sampled_from([SourceError("x"), ConfigError("x"), SkipSlice("x"), KeyError("x")]),
)
def test_going_on_from_any_state_loses_nothing(
    old: dict[str, list[tuple[int, Any]]],
    added: dict[str, list[tuple[int, Any]]],
    order: Order,
    size: int,
    bounded: bool,
    fails_after: int,
    failure: Exception,
) -> None:
    before = arranged(old, order)
    both = arranged({name: [*rows, *added.get(name, ())] for name, rows in old.items()}, order)
    first = read(Listings(before, order=order, size=size, bounded=bounded)).ok()
    assert set(ids(first.messages)) == truth(before)
    second = read(
        Listings(both, order=order, size=size, bounded=bounded, fails_after=fails_after, failure=failure),
        state=first,
    )
    skipped = isinstance(failure, SkipSlice)
    assert counts(first.messages) == len(first.records["rows"])
    # between two states a longer prefix only has more records
    lengths = [place + 1 for place, message in enumerate(second.messages) if isinstance(message, State)]
    for length in (0, *lengths):
        prefix = second.messages[:length]
        latest = states(prefix)[-1:] or first.states
        third = read(Listings(both, order=order, size=size, bounded=bounded), state=latest).ok()
        assert truth(both) <= {*ids(first.messages), *ids(prefix), *ids(third.messages)} or skipped


@settings(max_examples=60, deadline=None)
@given(
    parts=listings(),
    size=st.integers(1, 4),
    fails_after=st.integers(0, 8),
    known=st.none() | st.integers(0, 3),
)
def test_a_source_that_lies_about_its_order_loses_nothing_once_it_is_known(
    parts: dict[str, list[tuple[int, Any]]], size: int, fails_after: int, known: int | None
) -> None:
    parts = {"": next(iter(parts.values()))}
    state = [] if known is None else [State.of_stream(Listing(Listings({})).descriptor, {"at": known})]
    failed = read(Listings(parts, order="ascending", size=size, fails_after=fails_after), state=state)
    seen = set(ids(failed.messages))
    later = read(Listings(arranged(parts, None), size=size), state=failed.states or state).ok()
    wanted = {number for number, at in parts[""] if known is None or at is None or at >= known}
    given_in_order = [at for number, at in parts[""] if number in seen and at is not None]
    if given_in_order != sorted(given_in_order) or failed.error is None:
        assert wanted <= seen | set(ids(later.messages))


# --- order -----------------------------------------------------------------------------------------------------

ASCENDING = {"": [(n, n) for n in range(6)]}


def test_an_ascending_stream_has_a_state_after_each_page() -> None:
    result = read(Listings(ASCENDING, order="ascending")).ok()
    assert [state.stream_state for state in states(result.messages)] == [{"at": 1}, {"at": 3}, {"at": 5}]


def test_an_unordered_stream_has_one_state_at_the_end() -> None:
    result = read(Listings(ASCENDING)).ok()
    assert [state.stream_state for state in states(result.messages)] == [{"at": 5}]


def test_a_broken_order_takes_the_midway_states_back(caplog: pytest.LogCaptureFixture) -> None:
    rows = [(1, 1), (2, 5), (3, 6), (4, 7), (5, 2), (6, 3), (7, 8), (8, 9)]
    result = read(Listings({"": rows}, order="ascending")).ok()
    assert [state.stream_state for state in states(result.messages)] == [
        {"at": 5}, {"at": 7}, NO_CURSOR, {"at": 9},
    ]  # fmt: skip
    assert "not in ascending order of at" in caplog.text
    assert counts(result.messages) == 8
    state = states(result.messages)[:1]
    again = read(Listings({"": rows}, order="ascending", bounded=False), state=state).ok()
    assert states(again.messages)[0].stream_state == {"at": 5}  # of the sync before, not of this one


def test_a_broken_order_after_a_failure_goes_on_from_where_it_began() -> None:
    rows = [(1, 4), (2, 5), (3, 2), (4, 6), (5, 3), (6, 9)]
    failed = read(Listings({"": rows}, order="ascending", fails_after=2))
    assert failed.states[-1].stream_state == NO_CURSOR
    assert len(read(Listings({"": rows}), state=failed).ok().records["rows"]) == 6


def test_the_state_never_goes_back_behind_its_start() -> None:
    start = [State.of_stream(Listing(Listings({})).descriptor, {"at": 4})]
    result = read(Listings(ASCENDING, order="ascending", bounded=False), state=start).ok()
    assert {state.stream_state["at"] for state in states(result.messages) if state.stream_state} <= {4, 5}
    assert ids(result.messages) == [4, 5]


def test_records_before_the_start_that_are_wanted_do_not_move_the_state_back() -> None:
    class Late(Listing):
        def __init__(self, source: Listings) -> None:
            super().__init__(source)
            self.cursor = Cursor("at", source.order, drops_earlier=False)

    class LateListings(Listings):
        def streams(self) -> Iterable[Stream]:
            return [Late(self)]

    start = [State.of_stream(Listing(Listings({})).descriptor, {"at": 4})]
    result = read(LateListings(ASCENDING, order="ascending", bounded=False), state=start).ok()
    assert ids(result.messages) == [0, 1, 2, 3, 4, 5]
    assert {state.stream_state["at"] for state in states(result.messages) if state.stream_state} == {4, 5}


def test_a_descending_stream_stops_at_its_start() -> None:
    rows = {"": [(n, n) for n in range(20, 0, -1)]}
    start = [State.of_stream(Listing(Listings({})).descriptor, {"at": 16})]
    source = Listings(rows, order="descending", bounded=False)
    assert ids(read(source, state=start).ok().messages) == [20, 19, 18, 17, 16]
    assert source.pages_until_failure == 10**9 - 3


def test_a_descending_stream_with_a_pinned_record_in_front_is_read_to_its_end() -> None:
    rows = {"": [(0, 1), *((n, n) for n in range(20, 0, -1))]}
    start = [State.of_stream(Listing(Listings({})).descriptor, {"at": 16})]
    result = read(Listings(rows, order="descending", bounded=False), state=start).ok()
    assert set(ids(result.messages)) == {20, 19, 18, 17, 16}


def test_records_that_look_alike_are_two_unless_a_key_says_otherwise() -> None:
    rows = {"": [(1, 1), (2, 2), (2, 2), (3, 3)]}
    assert ids(read(Listings(rows, order="ascending")).ok().messages) == [1, 2, 3]
    source = Listings(rows, order="ascending")
    keyless = Listing(source)
    keyless.primary_key = ()
    source.streams = lambda: [keyless]  # type: ignore[method-assign]
    assert ids(read(source).ok().messages) == [1, 2, 2, 3]


# --- values and records ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("order", ["ascending", "descending", None])
def test_missing_and_mixed_cursor_values(order: Order) -> None:
    odd: list[Any] = [None, 3, "2024-01-01T00:00:00Z", 2.5, "x", True, {"a": 1}, [1], float("nan"), None]
    source = Listings({"": list(enumerate(odd))}, order=order, size=3, bounded=False)
    first = read(source).ok()
    assert len(first.records["rows"]) == len(odd)
    assert first.states[-1].stream_state == {"at": "x"}
    again = ids(read(source, state=first).ok().messages)
    assert {0, 4, 6, 7, 8, 9} <= set(again)


class Given(Stream):
    """Pages as they are."""

    name = "given"
    schema: Any = {"properties": {"id": {}, "a": {}, "b": {"type": "object"}}}

    def __init__(self, source: Source, pages: Sequence[Page]) -> None:
        super().__init__(source)
        self._pages = pages

    def read(self, slice: Slice) -> Iterator[Record]:
        yield from ()

    def pages(self, slice: Slice) -> Iterator[Page]:
        yield from self._pages


class GivenSource(Source):
    name = "given"
    config: Config
    pages: Sequence[Page] = ()

    def streams(self) -> Iterable[Stream]:
        return [Given(self, self.pages)]


def given_records(pages: Sequence[Page], *columns: str) -> tuple[ReadResult, list[bytes]]:
    """What comes of pages, with some columns chosen; the result and the records' own bytes."""
    source = GivenSource(Config())
    source.pages = pages
    catalog = source.discover().configured()
    if columns:
        catalog = ConfiguredCatalog(tuple(stream.with_columns(columns) for stream in catalog.streams))
    result = result_of(source.read(catalog), catalog).ok()
    found = [bytes(r) for m in result.messages if isinstance(m, Records) for r in m.data]
    return result, found


@pytest.mark.parametrize("raw", [bytes, msgspec.Raw])
def test_empty_records_are_left_out_and_not_counted(raw: Any, caplog: pytest.LogCaptureFixture) -> None:
    change = {1: [Change("a", "NULLED", "x")], 3: [Change("id", "NULLED", "x")]}
    page = Page([raw(b"{}"), raw(b'{"id":1}'), raw(b"{}"), raw(b'{"id":2}')], changes=change)
    result, found = given_records([page, Page([raw(b"{}")])])
    assert found == [b'{"id":1}', b'{"id":2}']
    assert counts(result.messages) == 2
    (records,) = (message for message in result.messages if isinstance(message, Records))
    assert records.changes == {0: change[1], 1: change[3]}
    assert "3 empty records were left out" in caplog.text


def test_records_are_untouched_when_all_fields_are_wanted() -> None:
    body = b'{ "b" : {"z":1.0, "y":[]}, "new":1e2, "id":1 }'
    assert given_records([Page([msgspec.Raw(body)])])[1] == [body]


def test_field_selection() -> None:
    rows = [b'{"id":1,"new":1,"b":{"z": 1.0},"a":null}', b'{"a":2}', b'{"b":1e400}', b'{"id":3,"id":4}']
    assert given_records([Page(rows)], "b", "id")[1] == [
        b'{"id":1,"b":{"z": 1.0}}', b'{"b":1e400}', b'{"id":4}',
    ]  # fmt: skip


def test_field_selection_keeps_what_is_said_of_the_fields_that_stay() -> None:
    change = {0: [Change("a", "NULLED", "x"), Change("b.c", "NULLED", "x")], 1: [Change("a", "NULLED", "x")]}
    result, _ = given_records([Page([b'{"a":null,"b":{}}', b'{"a":null,"id":1}'], changes=change)], "b", "id")
    (records,) = (message for message in result.messages if isinstance(message, Records))
    assert records.changes == {0: [change[0][1]]}


def test_fields_that_the_stream_does_not_declare_can_be_chosen() -> None:
    source = GivenSource(Config())
    source.pages = [Page([b'{"id":1,"extra":2,"other":3}'])]
    catalog = source.discover().configured()
    raw = catalog.to_json()
    raw["streams"][0]["stream"]["json_schema"]["properties"] = {"id": {}, "extra": {}}
    result = result_of(source.read(ConfiguredCatalog.from_json(raw)), catalog).ok()
    assert result.records["given"] == [{"id": 1, "extra": 2}]


# --- slices ------------------------------------------------------------------------------------------------------


class Slices(Stream):
    """A slice for each letter; a letter's case says what becomes of it."""

    name = "slices"
    cursor = Cursor("at")
    letters = ""

    def partitions(self) -> Iterable[Mapping[str, Any]]:
        return [{"letter": letter} for letter in self.letters]

    def read(self, slice: Slice) -> Iterator[Record]:
        letter = slice.partition["letter"]
        yield {"id": letter, "at": 1}
        if letter == "S":
            raise SkipSlice("nothing more")
        if letter == "C":
            raise ConfigError("gone")


class SlicesSource(Source):
    name = "slices"
    config: Config
    letters = ""

    def streams(self) -> Iterable[Stream]:
        stream = Slices(self)
        stream.letters = self.letters
        return [stream]


def sliced(letters: str) -> ReadResult:
    """A read of these slices."""
    source = SlicesSource(Config())
    source.letters = letters
    return read(source)


def test_a_skipped_slice_keeps_its_records_and_is_no_failure() -> None:
    result = sliced("aSb").ok()
    assert ids(result.messages) == ["a", "S", "b"]
    assert [entry["partition"] for entry in result.states[-1].stream_state["states"]] == [  # type: ignore[index]
        {"letter": "a"}, {"letter": "b"},
    ]  # fmt: skip


def test_slices_that_fail_leave_the_others() -> None:
    result = sliced("aCbCc")
    assert ids(result.messages) == ["a", "C", "b", "C", "c"]
    assert [trace.message for trace in result.traces] == ["gone (and 1 more of its slices)"]
    assert result.traces[0].failure_type == "config_error"
    letters = [entry["partition"]["letter"] for entry in result.states[-1].stream_state["states"]]  # type: ignore[index]
    assert letters == ["a", "b", "c"]
    assert result.statuses["slices"][-1] is Status.INCOMPLETE


def test_three_failures_in_a_row_are_enough() -> None:
    assert ids(sliced("CCaCCCb").messages) == ["C", "C", "a", "C", "C", "C"]


def test_states_of_slices_that_are_not_read_are_kept() -> None:
    blob = {
        "states": [
            {"partition": {"letter": "z"}, "cursor": {"at": 7}, "more": 1},
            {"partition": {"letter": "a"}, "cursor": {"at": 1}},
        ],
        "lookback_window": 3,
        "parent_state": {},
    }
    source = SlicesSource(Config())
    source.letters = "ab"
    descriptor = Slices(source).descriptor
    result = read(source, state=[State.of_stream(descriptor, blob)]).ok()
    entries = result.states[-1].stream_state["states"]  # type: ignore[index]
    assert {(entry["partition"]["letter"], entry["cursor"]["at"]) for entry in entries} == {
        ("z", 7), ("a", 1), ("b", 1),
    }  # fmt: skip


# --- being stopped -----------------------------------------------------------------------------------------------


def stopped_after(source: Source, count: int) -> tuple[list[Message], list[Message]]:
    """The first messages of a read, and what it says when it is then stopped."""
    messages = source.read(source.discover().configured())
    before = list(itertools.islice(messages, count))
    after: list[Message] = []
    with pytest.raises((Stopped, StopIteration)):
        after.append(messages.throw(Stopped()))  # type: ignore[attr-defined]
        while True:
            after.append(next(messages))
    return before, after


@pytest.mark.parametrize("order", ["ascending", None])
def test_stopped_anywhere_it_gives_its_last_safe_state(order: Order) -> None:
    parts = {"a": [(n, n) for n in range(5)], "b": [(n, n) for n in range(5, 9)]}

    class Talking(Listings):
        def streams(self) -> Iterable[Stream]:
            self.emit(StreamStatus(Listing(self).descriptor, Status.RUNNING, rate_limited=True))
            return super().streams()

    whole = list(Talking(parts, order=order).read(Talking(parts).discover().configured()))
    for count in range(1, len(whole)):
        before, after = stopped_after(Talking(parts, order=order), count)
        given = [*before, *after]
        statuses = [m.status for m in given if isinstance(m, StreamStatus) and not m.rate_limited]
        assert statuses[0] is Status.STARTED
        assert statuses[-1] is Status.INCOMPLETE and Status.COMPLETE not in statuses
        assert given[-1] == StreamStatus(Listing(Talking({})).descriptor, Status.INCOMPLETE)
        assert not any(isinstance(message, Records) for message in after)
        until = max((place for place, m in enumerate(given) if isinstance(m, State)), default=0)
        assert counts(given) == len(ids(given[:until]))
        rest = read(Listings(parts, order=order), state=states(given)[-1:]).ok()
        assert {*ids(given), *ids(rest.messages)} == set(range(9))


def test_stopped_between_two_states_it_gives_the_one_that_was_not_due() -> None:
    """With many partitions a state is not given after each, as it would cost more than the records."""
    parts = {f"p{number:02}": [(number, number)] for number in range(60)}
    whole = list(Listings(parts).read(Listings(parts).discover().configured()))
    count = next(place for place, m in enumerate(whole) if isinstance(m, Records) and ids([m]) == [40]) + 1
    before, after = stopped_after(Listings(parts), count)
    assert not states(before)
    assert len(states(after)[-1].stream_state["states"]) == 40  # type: ignore[index]
    assert counts([*before, *after]) == 41


def test_stopped_after_its_last_message_there_is_nothing_to_add() -> None:
    source = Listings(ASCENDING)
    length = len(list(source.read(source.discover().configured())))
    before, after = stopped_after(source, length)
    assert isinstance(before[-1], StreamStatus) and before[-1].status is Status.COMPLETE
    assert after == []


def test_stopped_while_a_failure_is_told_it_is_incomplete() -> None:
    source = Listings(ASCENDING, fails_after=1)
    messages = source.read(source.discover().configured())
    given: list[Message] = []
    for message in messages:
        given.append(message)
        if type(message).__name__ == "ErrorTrace":
            break
    assert messages.throw(Stopped()) == StreamStatus(Listing(source).descriptor, Status.INCOMPLETE)  # type: ignore[attr-defined]
    with pytest.raises(Stopped):
        next(messages)


def test_closed_anywhere_nothing_odd_is_raised(caplog: pytest.LogCaptureFixture) -> None:
    parts = {"a": [(n, n) for n in range(5)], "b": [(n, n) for n in range(5)]}
    length = len(list(Listings(parts, order="ascending").read(Listings(parts).discover().configured())))
    with caplog.at_level(logging.DEBUG):
        for count in range(length + 1):
            for fails_after in (1, 10**9):
                source = Listings(parts, order="ascending", fails_after=fails_after)
                messages = source.read(source.discover().configured())
                with contextlib.suppress(IncompleteError):
                    list(itertools.islice(messages, count))
                messages.close()  # type: ignore[attr-defined]
    assert not caplog.records
