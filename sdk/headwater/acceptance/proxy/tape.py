"""Answers of APIs, kept in a file: the same request gets the same answer again."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

_WHO = ("authorization", "cookie", "x-api-key", "api-key", "private-token", "x-auth-token")
_ASKED = ("range", "if-none-match", "if-modified-since")
Headers = Sequence[tuple[str, str]]


@dataclass(frozen=True)
class Request:
    """A request that came to the proxy.

    :ivar url: absolute.
    """

    method: str
    url: str
    headers: Headers = ()
    body: bytes = b""

    def header(self, name: str) -> str:
        """A header's value; "" if it is not there."""
        return next((value for key, value in self.headers if key.lower() == name), "")

    @property
    def host(self) -> str:
        """The host that it is for."""
        return urlsplit(self.url).hostname or ""

    @property
    def path(self) -> str:
        """Without the query."""
        return urlsplit(self.url).path

    @property
    def key(self) -> str:
        """What it asks for, and who asks, as a fingerprint: credentials are not kept."""
        parts = [self.method, self.url, *(self.header(name) for name in (*_WHO, *_ASKED))]
        found = hashlib.sha256("\0".join(parts).encode("utf-8", "surrogateescape"))
        found.update(self.body)
        return found.hexdigest()


@dataclass(frozen=True)
class Answer:
    """What an API said. The body is as it was sent, compressed or not."""

    status: int
    headers: Headers = ()
    body: bytes = b""

    def header(self, name: str) -> str:
        """A header's value; "" if it is not there."""
        return next((value for key, value in self.headers if key.lower() == name), "")

    def content(self) -> bytes:
        """The body as it is meant."""
        kind = self.header("content-encoding").lower()
        if kind == "gzip":
            import gzip

            return gzip.decompress(self.body)
        if kind == "deflate":
            import zlib

            return zlib.decompress(self.body)
        return self.body

    def with_content(self, body: bytes) -> Answer:
        """The same answer with another body, not compressed."""
        headers = [
            pair for pair in self.headers if pair[0].lower() not in ("content-encoding", "content-length", "etag")
        ]
        return Answer(self.status, headers, body)


@dataclass(frozen=True)
class _Place:
    status: int
    headers: Headers
    start: int
    length: int


class Tape:
    """Records and gives again. Bodies are on disk.

    :param path: its file.
    """

    def __init__(self, path: Path) -> None:
        self._file = path.open("w+b")
        self._lock = threading.Lock()
        self._kept: dict[str, list[_Place]] = {}
        self._order: list[tuple[Request, _Place]] = []

    def add(self, request: Request, answer: Answer) -> None:
        """Keep an answer."""
        with self._lock:
            self._file.seek(0, 2)
            place = _Place(answer.status, answer.headers, self._file.tell(), len(answer.body))
            self._file.write(answer.body)
            self._kept.setdefault(request.key, []).append(place)
            self._order.append((Request(request.method, request.url), place))

    def find(self, request: Request, nth: int) -> Answer | None:
        """The nth answer to this request, counted from 0; of fewer the last; None if there is none."""
        with self._lock:
            places = self._kept.get(request.key)
            return self._read(places[min(nth, len(places) - 1)]) if places else None

    def all(self) -> Iterator[tuple[Request, Answer]]:
        """What was recorded, in order; the requests without headers."""
        with self._lock:
            order = list(self._order)
        for request, place in order:
            with self._lock:
                answer = self._read(place)
            yield request, answer

    def _read(self, place: _Place) -> Answer:
        self._file.seek(place.start)
        return Answer(place.status, place.headers, self._file.read(place.length))

    def close(self) -> None:
        """Nothing is kept any more."""
        self._file.close()
