"""What becomes of records and slices: odd values, empty ones, chosen fields, failures."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import msgspec
import pytest

from headwater import Config, ConfigError, Cursor, Record, SkipSlice, Slice, Source, Stream
from headwater.protocol.catalog import ConfiguredCatalog
from headwater.protocol.messages import Change, Records, State, Status
from headwater.stream import Page
from headwater.testing import ReadResult, read
from headwater.testing.reading import result_of
from tests.listings import Listings, Order, counts, ids

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
