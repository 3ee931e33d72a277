"""A connector of numbers, for data jobs in tests: small, deterministic, and able to fail."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator
from typing import Annotated, Any

import msgspec

from headwater.config import Config, Setting
from headwater.cursor import Cursor
from headwater.errors import ConfigError, TransientError
from headwater.secrets import Secret
from headwater.source import Source
from headwater.stream import Page, Slice, Stream


class BasicLogin(Config, tag_field="kind", tag="basic"):
    user: str
    password: Secret


class TokenLogin(Config, tag_field="kind", tag="token"):
    token: Secret


class NumbersConfig(Config):
    count: Annotated[int, Setting("Count", "How many numbers each stream has.")] = 5
    login: Annotated[BasicLogin | TokenLogin | None, Setting("Login", "How to log in.")] = None
    api_key: Annotated[Secret | None, Setting("API key")] = None
    fail: Annotated[dict[str, str] | None, Setting("Failures", "From a stream to a kind.")] = None
    pause: Annotated[float, Setting("Pause", "Seconds between two pages.")] = 0.0
    page: Annotated[int, Setting("Page", "Numbers of one page.")] = 2
    names: Annotated[list[str], Setting("Streams")] = msgspec.field(default_factory=lambda: ["ones", "twos"])


class Numbers(Stream):
    cursor = Cursor("id", "ascending")
    primary_key = ("id",)
    schema = {
        "type": "object",
        "properties": {
            "id": {"type": "integer"},
            "name": {"type": ["null", "string"]},
            "half": {"type": ["null", "number"]},
            "even": {"type": "boolean"},
            "tags": {"type": "array", "items": {"type": "string"}},
            "inner": {"type": ["null", "object"]},
            "order": {"type": "integer"},
        },
    }

    def __init__(self, source: NumbersSource, name: str) -> None:
        super().__init__(source)
        self.name = name
        self.config = source.config

    def read(self, slice: Slice) -> Iterator[dict[str, Any]]:
        for number in range((slice.start or 0) + 1, self.config.count + 1):
            yield row(number)

    def pages(self, slice: Slice) -> Iterator[Page]:
        rows: list[dict[str, Any]] = []
        for number, record in enumerate(self.read(slice), start=1):
            rows.append(record)
            if len(rows) >= self.config.page:
                yield Page.of_rows(rows, self.cursor)
                rows = []
                time.sleep(self.config.pause)
            kind = (self.config.fail or {}).get(self.name)
            if kind and number >= 2:
                secret = self.config.api_key.reveal() if self.config.api_key else ""
                if kind == "config":
                    raise ConfigError(f"Stream {self.name!r}: no permission.")
                if kind == "transient":
                    raise TransientError(f"Stream {self.name!r}: the server is busy.")
                raise RuntimeError(f"GET https://numbers.test?key={secret} broke")
        if rows:
            yield Page.of_rows(rows, self.cursor)


class NumbersSource(Source):
    """Numbers, one after another.

    Not all of them.
    """

    name = "numbers"
    config: NumbersConfig

    def streams(self) -> Iterable[Stream]:
        return [Numbers(self, name) for name in self.config.names]


def row(number: int) -> dict[str, Any]:
    """The record of a number. Some have no ``name``, none has a ``name`` in the first record."""
    made: dict[str, Any] = {
        "id": number,
        "half": number / 2,
        "even": number % 2 == 0,
        "tags": [f"t{number}", "Ω"],
        "inner": {"big": number * 10**12},
        "order": number * 10**10,
    }
    if number % 3 == 0:
        made["name"] = f"number {number}"
    return made
