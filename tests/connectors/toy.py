"""A connector whose streams behave well or badly, each in one way: ``python -m tests.connectors.toy read ...``."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from typing import Any

from headwater import ConfigError, Cursor, SkipSlice, Source, Stream, TransientError
from headwater.protocol.messages import Control, Records, Status, StreamStatus
from headwater.stream import Page, Slice
from tests.connectors import toy_noise  # noqa: F401 - its streams are found
from tests.connectors.toy_base import ToyConfig, ToyStream, log
from tests.connectors.toy_stops import Sleeping, Waiting


class Numbers(ToyStream):
    name = "numbers"
    cursor = Cursor("at", "ascending")

    def rows(self, slice: Slice) -> Iterator[list[dict[str, Any]]]:
        for number in range(self.source.config.pages):
            yield self.page(number)


class Full(Numbers):
    name = "full"
    cursor = None


class Parts(Numbers):
    name = "parts"

    def partitions(self) -> Iterator[dict[str, Any]]:
        yield from ({"part": "a"}, {"part": "b"})


class Empty(ToyStream):
    name = "empty"
    cursor = Cursor("at")

    def rows(self, slice: Slice) -> Iterator[list[dict[str, Any]]]:
        yield from ()


class EmptyFull(Empty):
    name = "empty_full"
    cursor = None


class Broken(ToyStream):
    name = "broken"
    cursor = Cursor("at", "ascending")

    def rows(self, slice: Slice) -> Iterator[list[dict[str, Any]]]:
        yield self.page(0)
        raise ValueError(f"no luck with {self.source.config.token.reveal()}")


class Denied(ToyStream):
    name = "denied"

    def rows(self, slice: Slice) -> Iterator[list[dict[str, Any]]]:
        raise ConfigError(f"The token {self.source.config.token.reveal()} may not read this.")


class Flaky(ToyStream):
    name = "flaky"

    def rows(self, slice: Slice) -> Iterator[list[dict[str, Any]]]:
        raise TransientError("The server is down.")


class Skipped(ToyStream):
    name = "skipped"

    def rows(self, slice: Slice) -> Iterator[list[dict[str, Any]]]:
        raise SkipSlice("There is nothing here.")


class Exits(ToyStream):
    name = "exits"

    def rows(self, slice: Slice) -> Iterator[list[dict[str, Any]]]:
        yield self.page(0)
        sys.exit(7)


class Rotating(ToyStream):
    """Gets a new token, and says so."""

    name = "rotating"

    def rows(self, slice: Slice) -> Iterator[list[dict[str, Any]]]:
        yield self.page(0)
        self.source.emit(Control({"token": "rotated-token-1"}))
        log.info("now %s", self.source.config.token.reveal())
        yield self.page(1)
        self.source.emit(Control({"login": {"kind": "login", "user": "me", "password": "rotated-pass-2"}}))
        log.info("and %s", self.source.config.login.password.reveal())


class Limited(ToyStream):
    name = "limited"

    def rows(self, slice: Slice) -> Iterator[list[dict[str, Any]]]:
        self.source.emit(StreamStatus(self.descriptor, Status.RUNNING, rate_limited=True, quota_reset=12345))
        self.note("told")
        yield self.page(0)


class Ready(ToyStream):
    """JSON as it comes from an API, secrets included: data."""

    name = "ready"

    def pages(self, slice: Slice) -> Iterator[Page]:
        secret = self.source.config.token.reveal()
        yield Page([b'{"id": 1,  "text": "' + secret.encode() + b'", "null": null, "big": 12345678901234567890123}'])
        yield Page([b"{}", b'{"id":2}'])


class Values(ToyStream):
    name = "values"
    schema = {"type": "object", "properties": {}}

    def rows(self, slice: Slice) -> Iterator[list[dict[str, Any]]]:
        from tests.connectors.values import TORTURE

        yield TORTURE


class Fat(ToyStream):
    name = "fat"

    def rows(self, slice: Slice) -> Iterator[list[dict[str, Any]]]:
        yield [{f"column {i}": i for i in range(5000)}]
        yield [{"id": 1, "text": "€" * 7_000_000}]


class ToySource(Source):
    name = "toy"
    documentation_url = "https://docs.test/toy"
    config: ToyConfig

    def streams(self) -> list[Stream]:
        kinds = [
            *ToyStream.__subclasses__(),
            *Numbers.__subclasses__(),
            EmptyFull,
            *Sleeping.__subclasses__(),
            *Waiting.__subclasses__(),
        ]
        return [kind(self) for kind in kinds]

    def check(self) -> None:
        how = self.config.check
        token = self.config.token.reveal()
        if how == "config":
            raise ConfigError(f"config: setting `token` ({token}) is refused.")
        if how == "transient":
            raise TransientError(f"The server is down for {token}.")
        if how == "bug":
            raise KeyError(token)
        if how == "exit":
            sys.exit(3)
        if how == "sleep":
            log.info("waiting now")
            time.sleep(300)
        if how == "noise":
            print("noise", token)
            self.emit(StreamStatus(Numbers(self).descriptor, Status.RUNNING, rate_limited=True))
            self.emit(Records(Numbers(self).descriptor, [b'{"id":1}']))
            self.emit(Control({"token": "new-token"}))


if __name__ == "__main__":
    ToySource.main()
