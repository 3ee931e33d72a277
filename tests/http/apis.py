"""Connectors that the tests point at a scripted upstream."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from headwater import Config, HttpSource, HttpStream, RetryPolicy, Stream

QUICK = RetryPolicy(attempts=3, first_delay=0.001, longest_delay=0.002)


class Items(HttpStream):
    """A plain listing."""

    name = "items"
    path = "items"


class Api(HttpSource):
    """An API at this URL, with these streams."""

    name = "api"
    config: Config
    retry = QUICK
    timeout = 5.0
    kinds: tuple[Any, ...] = (Items,)

    def __init__(self, url: str, *kinds: Any, auth: Any = None, **constants: Any) -> None:
        super().__init__(Config())
        self.url = url
        self.kinds = kinds or self.kinds
        self.credentials = auth
        for name, value in constants.items():
            setattr(self, name, value)

    def base_url(self) -> str:
        return self.url

    def auth(self) -> Callable[..., Any] | None:
        credentials: Callable[..., Any] | None = self.credentials
        return credentials

    def streams(self) -> Iterable[Stream]:
        return [kind(self) for kind in self.kinds]
