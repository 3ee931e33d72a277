"""The benchmark's connector on Headwater."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from headwater import Config, Cursor, HttpSource, HttpStream, LinkHeader, Record, Request, SchemaFile, SinglePage, Slice

if TYPE_CHECKING:
    from requests import Response


class BenchConfig(Config):
    """Where the API is, and how large its pages are."""

    url: str
    per_page: int = 1000
    parts: int = 20
    delay: int = 0
    num_workers: int = 6


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


class Parts(Items):
    """Every record, in equal parts that are read each for itself."""

    name = "parts"
    path = "parts/{parts}/{part}"

    def partitions(self) -> Iterator[Mapping[str, Any]]:
        parts = self.source.config.parts
        return ({"parts": parts, "part": part} for part in range(parts))

    def request(self, slice: Slice) -> Request:
        return super().request(slice).with_params(delay=self.source.config.delay or None)


class PartChanges(Parts):
    """The records that changed, with a state for each part."""

    name = "part_changes"
    cursor = Cursor("updated_at", order="ascending")


class Groups(Items):
    """The parts' places."""

    name = "groups"
    path = "groups/{parts}"
    params = {"per_page": 1000}

    def request(self, slice: Slice) -> Request:
        return HttpStream.request(self, slice)


class Members(Items):
    """Every record, in as many parts as another stream has records; two records each."""

    name = "members"
    path = "parts/{parts}/{part}"
    paginator = SinglePage()

    def partitions(self) -> Iterator[Mapping[str, Any]]:
        parts = {"parts": self.source.config.parts}
        return ({**parts, "part": group["id"]} for group in Groups(self.source).read(Slice(parts)))


class MemberChanges(Members):
    """The records that changed, with a state for each part."""

    name = "member_changes"
    cursor = Cursor("updated_at", order="ascending")


class BenchSource(HttpSource):
    """Reads the benchmark's API."""

    name = "bench"
    config: BenchConfig
    paginator = LinkHeader()

    def base_url(self) -> str:
        return self.config.url

    def streams(self) -> list[HttpStream]:
        return [kind(self) for kind in _KINDS]


_KINDS: tuple[type[HttpStream], ...] = (
    Items, Changes, Tagged, Coerced, Quoted, Parts, PartChanges, Groups, Members, MemberChanges,
)  # fmt: skip

if __name__ == "__main__":
    BenchSource.main()
