"""A source whose rows a test says."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Literal

from headwater import Config, Cursor, Record, Slice, Source, SourceError, Stream
from headwater.protocol.messages import Message, Records, State
from headwater.stream import Page

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
        concurrency: int = 1,
    ) -> None:
        super().__init__(Config())
        self.concurrency = concurrency
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
