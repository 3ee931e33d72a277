"""Connectors that the tests point at a scripted upstream."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import pytest

from headwater import Config, HttpSource, HttpStream, Manners, Record, RetryPolicy, Slice, Stream
from headwater.protocol.messages import ErrorTrace
from headwater.testing import Upstream, read

QUICK = RetryPolicy(attempts=3, first_delay=0.001, longest_delay=0.002)


class Items(HttpStream):
    """A plain listing."""

    name = "items"
    path = "items"


class Api(HttpSource):
    """An API at this URL, with these streams."""

    name = "api"
    config: Config
    manners = Manners(retry=QUICK, timeout=60.0)
    kinds: tuple[Any, ...] = (Items,)

    def __init__(self, url: str, *kinds: Any, auth: Any = None, **constants: Any) -> None:
        super().__init__(Config())
        self.url = url
        self.kinds = kinds or self.kinds
        self.credentials = auth
        named = {name for name in constants if hasattr(self.manners, name)}
        self.manners = self.manners.but(**{name: constants.pop(name) for name in named})
        for name, value in constants.items():
            setattr(self, name, value)

    def base_url(self) -> str:
        return self.url

    def auth(self) -> Callable[..., Any] | None:
        credentials: Callable[..., Any] | None = self.credentials
        return credentials

    def streams(self) -> Iterable[Stream]:
        return [kind(self) for kind in self.kinds]


class Parsed(Items):
    """With a parser of its own."""

    def parse(self, response: Any, slice: Slice) -> Iterator[Record]:
        yield from ({**record, "more": 1} for record in super().parse(response, slice))


def failure(api: Upstream, *kinds: Any, **constants: Any) -> ErrorTrace:
    """Why the read of one stream failed."""
    result = read(Api(api.url, *kinds, **constants))
    (trace,) = result.traces
    return trace


def said(result: Any, caplog: pytest.LogCaptureFixture) -> str:
    """All that came out of a read but its records: logs at every level, messages, errors."""
    return f"{caplog.text} {result.messages} {result.error!r} {result.error}"


def left_of(seconds: float, began: float, left: float) -> bool:
    """Whether so much is left of a time that began then or since; told in whole seconds it is less by up to one."""
    return seconds - (time.time() - began) - 1 <= left <= seconds


def asked(api: Upstream, count: int) -> bool:
    """Whether there were so many requests; one that nobody waited for may still be on its way."""
    until = time.monotonic() + 120.0
    while len(api.requests) < count and time.monotonic() < until:
        time.sleep(0.01)
    return len(api.requests) == count
