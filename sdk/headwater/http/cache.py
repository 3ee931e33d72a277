"""Answers that are kept: for the run, where several streams need the same ones; on disk, while a connector is made.

What is kept of an answer is its status, its headers and its body, under a key that is made of the request as a stream
gives it, before any credentials are on it. Neither the request nor a cookie is kept, and only answers that were good.
"""

from __future__ import annotations

import hashlib
import threading
import zlib
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Protocol

import msgspec

from headwater.http.request import Request

if TYPE_CHECKING:
    from requests import Response

    from headwater.protocol.catalog import ConfiguredCatalog
    from headwater.protocol.messages import StreamDescriptor
    from headwater.stream import Stream

_GOOD = (200, 203, 204)
_KEY = msgspec.json.Encoder(enc_hook=str, order="deterministic")
# What a server gives for the connection, or to log in with, and not for the reader of the answer.
_WITHHELD = (
    "set-cookie", "set-cookie2", "cookie", "authorization", "proxy-authorization", "www-authenticate",
    "proxy-authenticate", "authentication-info", "proxy-authentication-info", "x-auth-token", "x-access-token",
    "x-refresh-token", "x-session-token", "x-csrf-token", "x-xsrf-token", "x-amz-security-token",
)  # fmt: skip


class Kept(msgspec.Struct, frozen=True, array_like=True):
    """What is kept of an answer."""

    status: int
    reason: str
    headers: list[tuple[str, str]]
    body: bytes

    @staticmethod
    def of(response: Response) -> Kept:
        """Of a whole answer."""
        headers = [(str(k), str(v)) for k, v in response.headers.items() if k.lower() not in _WITHHELD]
        return Kept(response.status_code, str(response.reason or ""), headers, response.content)

    def response(self, request: Request, base: str) -> Response:
        """The answer again."""
        import requests
        from requests.structures import CaseInsensitiveDict
        from requests.utils import get_encoding_from_headers

        response = requests.Response()
        response.status_code, response.reason = self.status, self.reason
        response.headers = CaseInsensitiveDict(self.headers)
        response.encoding = get_encoding_from_headers(response.headers)
        prepared = requests.PreparedRequest()
        prepared.prepare_method(request.method)
        prepared.prepare_headers({})
        prepared.prepare_url(request.url(base), request.query())
        response.request, response.url = prepared, str(prepared.url)
        vars(response).update(_content=self.body, _content_consumed=True)
        return response


class Shelf(Protocol):
    """Where answers are kept."""

    def get(self, key: str) -> Kept | None:
        """What is kept under a key."""

    def keep(self, key: str, response: Response, request: Request, name: str) -> None:
        """Keep a good answer.

        :param name: of the stream that it is for.
        """

    def turn(self, key: str) -> Any:
        """A context in which one thread at a time asks for what is not kept."""


def key_of(request: Request, url: str) -> str | None:
    """What tells requests apart, as text; None where that can't be said.

    :param url: the request's, without what credentials would put there.
    """
    try:
        return _KEY.encode((request.method, url, request.query(), request.headers, request.json, request.data)).decode()
    except (TypeError, ValueError, OverflowError, RecursionError):
        return None


def is_good(response: Response) -> bool:
    """Whether an answer may be kept: no error, no redirect, and not where one led to."""
    return response.status_code in _GOOD and not response.history


def hashed(text: str) -> str:
    """A key of a fixed length, which tells nothing of the text."""
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


class Turns:
    """One thread at a time for each key."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._turns: dict[str, tuple[Any, list[None]]] = {}

    @contextmanager
    def turn(self, key: str) -> Iterator[None]:
        """Wait for whoever asks for the same, and go on alone."""
        with self._lock:
            lock, waiting = self._turns.setdefault(key, (threading.RLock(), []))
            waiting.append(None)
        try:
            with lock:
                yield
        finally:
            with self._lock:
                waiting.pop()
                if not waiting:
                    self._turns.pop(key, None)


class InMemory(Turns):
    """Answers of streams that are read several times in one run, compressed, until each was taken as often as it
    will be.

    :param readers: by a stream's name, how often it is read.
    :param budget: bytes. A stream that does not fit is kept no more, and what there is of it is forgotten: half a
        listing would be continued by a page of later, between which a record may have gone.
    """

    def __init__(self, readers: Mapping[str, int], budget: int = 64 << 20) -> None:
        super().__init__()
        self._readers = dict(readers)
        self._budget = budget
        self._kept: dict[str, tuple[str, bytes, int]] = {}  # the stream, the answer, how often it is still due
        self._sizes: Counter[str] = Counter()
        self._state = threading.Lock()

    def serves(self, name: str) -> bool:
        """Whether a stream's answers are kept."""
        return self._readers.get(name, 0) > 1

    def get(self, key: str) -> Kept | None:
        """What is kept; forgotten with the last time that it is due."""
        with self._state:
            found = self._kept.get(key)
            if found is None:
                return None
            name, packed, due = found
            if due > 1:
                self._kept[key] = name, packed, due - 1
            else:
                self._forget(key)
        return msgspec.msgpack.decode(zlib.decompress(packed), type=Kept)

    def keep(self, key: str, response: Response, request: Request, name: str) -> None:
        """Keep an answer, if there is room."""
        packed = zlib.compress(msgspec.msgpack.encode(Kept.of(response)), 1)
        with self._state:
            if not self.serves(name) or key in self._kept:
                return
            self._kept[key] = name, packed, self._readers[name] - 1
            self._sizes[name] += len(packed)
            while sum(self._sizes.values()) > self._budget:
                largest = max(self._sizes, key=self._sizes.__getitem__)
                self._readers[largest] = 0
                for other in [other for other, (of, _, _) in self._kept.items() if of == largest]:
                    self._forget(other)

    @property
    def size(self) -> int:
        """The bytes that are kept."""
        return sum(self._sizes.values())

    def _forget(self, key: str) -> None:
        name, packed, _ = self._kept.pop(key)
        self._sizes[name] -= len(packed)


def readers(streams: Mapping[StreamDescriptor, Stream], catalog: ConfiguredCatalog) -> dict[str, int]:
    """How often each stream is read in a read of a catalog: for itself, and for every child and grandchild.

    Of those that are asked for, not of those with a cursor in an incremental read: how far such a stream was read is
    told by when it was read, and an answer that is kept is older than the reader who takes it.
    """
    found: Counter[str] = Counter()
    for configured in catalog.streams:
        stream = streams.get(configured.descriptor)
        for kind in _line(type(stream)) if stream is not None else ():
            if kind.cursor is None or configured.sync_mode != "incremental":
                found[kind.name] += 1
            else:
                found[kind.name] -= 1000  # by nobody, then
    return {name: times for name, times in found.items() if times > 1}


def _line(kind: Any) -> Iterable[Any]:
    """A stream's class, its parent, and so on."""
    while kind is not None:
        yield kind
        kind = getattr(kind, "parent", None)
