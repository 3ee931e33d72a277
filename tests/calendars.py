"""A source whose rows lie between dates, read in windows."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime, timedelta, timezone
from typing import Any

from headwater import Config, Cursor, Record, Slice, Source, SourceError, Stream
from headwater.stream import Page

UTC = timezone.utc
YEAR = datetime(2024, 1, 1, tzinfo=UTC)


class Events(Stream):
    """Rows between a slice's start and its end, in pages of two."""

    name = "rows"
    primary_key = ("id",)

    def __init__(self, source: Calendar) -> None:
        super().__init__(source)
        self.calendar = source
        self.cursor = source.cursor

    def partitions(self) -> Iterable[Mapping[str, Any]]:
        return [{"part": part} if part else {} for part in self.calendar.parts]

    def start(self) -> Any:
        return self.calendar.start

    def read(self, slice: Slice) -> Iterator[Record]:
        raise NotImplementedError

    def pages(self, slice: Slice) -> Iterator[Page]:
        assert self.cursor is not None
        self.calendar.asked.append((slice.start, slice.end))
        first, last = self.cursor.moment(slice.start), self.cursor.moment(slice.end)
        rows = [
            (number, at)
            for number, at in self.calendar.parts[slice.partition.get("part", "")]
            if (first is None or at >= first)
            and (last is None or at < last or (self.calendar.inclusive and at == last))
        ]
        if self.cursor.order is not None:
            rows.sort(key=lambda row: row[1], reverse=self.cursor.order == "descending")
        for place in range(0, len(rows) or 1, 2):
            self.calendar.pages_until_failure -= 1
            if self.calendar.pages_until_failure < 0:
                raise self.calendar.failure
            page = [{"id": number, "at": self.cursor.written(at)} for number, at in rows[place : place + 2]]
            yield Page.of_rows(page, self.cursor)


class Calendar(Source):
    """One stream, whose rows a test says."""

    name = "calendar"
    config: Config

    def __init__(
        self,
        parts: Mapping[str, list[tuple[int, datetime]]],
        cursor: Cursor,
        *,
        start: Any = "2024-01-01",
        inclusive: bool = False,
        fails_after: int = 10**9,
        failure: Exception | None = None,
        concurrency: int = 1,
    ) -> None:
        super().__init__(Config())
        self.parts, self.cursor, self.start, self.inclusive = parts, cursor, start, inclusive
        self.pages_until_failure, self.concurrency = fails_after, concurrency
        self.failure = failure or SourceError("broken")
        self.asked: list[tuple[Any, Any]] = []

    def streams(self) -> Iterable[Stream]:
        return [Events(self)]


def day(number: int) -> datetime:
    """So many days after the beginning of 2024."""
    return YEAR + timedelta(days=number)
