"""A source whose answers a function gives, without a socket: for thousands of reads."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterable
from typing import Any

import requests

from headwater import Config, HttpSource, Request, SourceError, Stream


class Stub(HttpSource):
    """An API that is a function of the request.

    :param answer: gives the body of a request, as Python values.
    :param fails_after: so many requests are answered, and no more.
    """

    name = "stub"
    config: Config

    def __init__(
        self,
        answer: Callable[[Request], Any],
        *kinds: Any,
        fails_after: int = 10**9,
        failure: Exception | None = None,
        concurrency: int = 1,
    ) -> None:
        super().__init__(Config())
        self.answer, self.kinds, self.left = answer, kinds, fails_after
        self.failure = failure or SourceError("broken")
        self.concurrency = concurrency
        self.asked: list[Request] = []
        self.one = threading.Lock()

    def base_url(self) -> str:
        return "http://stub.test"

    def streams(self) -> Iterable[Stream]:
        return [kind(self) for kind in self.kinds]

    def send(self, request: Request, read: Callable[[Any], Any], stream: Any = None) -> Any:
        with self.one:
            self.asked.append(request)
            self.left -= 1
            if self.left < 0:
                raise self.failure
            body = json.dumps(self.answer(request)).encode()
        response = requests.Response()
        response.status_code, response.url = 200, request.url("http://stub.test")
        vars(response).update(_content=body, _content_consumed=True)
        response.request = requests.Request("GET", response.url).prepare()
        return read(response)
