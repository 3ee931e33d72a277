"""Sources whose slices are read by several threads, and fixtures for their tests."""

from __future__ import annotations

import itertools
import random
import threading
import time
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import pytest

from headwater import Config, Cursor, Record, Slice, Source, Stream
from headwater.protocol.messages import Message, Records, State, Status, StreamStatus
from headwater.stream import Page
from headwater.waiting import pause


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """All threads at once, however quick the source is."""
    monkeypatch.setattr("headwater.pool._LOOK", 0.0)
    monkeypatch.setattr("headwater.pool._BUSY", float("inf"))


@pytest.fixture
def no_thread_is_left() -> Iterator[None]:
    yield
    until = time.monotonic() + 120.0
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
