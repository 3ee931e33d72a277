"""The benchmark's connector on Headwater."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from headwater import Config, Cursor, HttpSource, HttpStream, LinkHeader, Record, Request, SchemaFile, Slice

if TYPE_CHECKING:
    from requests import Response


class BenchConfig(Config):
    """Where the API is, and how large its pages are."""

    url: str
    per_page: int = 1000


class Items(HttpStream):
    """Every record, each time."""

    name = "items"
    path = "items"
    primary_key = ("id",)
    schema = SchemaFile("items.json")
    source: BenchSource

    def request(self, slice: Slice) -> Request:
        return super().request(slice).with_params(per_page=self.source.config.per_page, since=slice.start)


class Changes(Items):
    """The records that changed, with a state after every page."""

    name = "changes"
    cursor = Cursor("updated_at", order="ascending")


class Tagged(Items):
    """Every record, with a field more: each one passes through the author's Python."""

    name = "tagged"

    def parse(self, response: Response, slice: Slice) -> Iterator[Record]:
        for record in super().parse(response, slice):
            yield {**record, "tag": "bench"}


class Coerced(Items):
    """Every record, brought to the schema; all fit."""

    name = "coerced"
    coerce = True


class Quoted(Coerced):
    """Every record, brought to the schema; in each, three numbers are texts."""

    name = "quoted"
    path = "quoted"


class BenchSource(HttpSource):
    """Reads the benchmark's API."""

    name = "bench"
    config: BenchConfig
    paginator = LinkHeader()

    def base_url(self) -> str:
        return self.config.url

    def streams(self) -> list[HttpStream]:
        return [Items(self), Changes(self), Tagged(self), Coerced(self), Quoted(self)]


if __name__ == "__main__":
    BenchSource.main()
