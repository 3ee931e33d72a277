"""A scripted HTTP API: a real server on the loopback interface that gives the answers it was told to give."""

from __future__ import annotations

import json as json_module
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal
from urllib.parse import parse_qsl, unquote, urlencode

if TYPE_CHECKING:
    from email.message import Message

    from typing_extensions import Self

Fault = Literal["reset", "reset after headers", "cut", "hang"]


@dataclass(frozen=True)
class Received:
    """A request as the server saw it.

    :ivar path: as it was sent, percent-encoded, without the query.
    :ivar query: decoded; of a name that is there several times, the last value. ``pairs`` has them all.
    :ivar headers: by name, in any case.
    """

    method: str
    path: str
    pairs: tuple[tuple[str, str], ...]
    headers: Message[str, str]
    body: bytes

    @property
    def query(self) -> dict[str, str]:
        """The query by name."""
        return dict(self.pairs)

    @property
    def form(self) -> dict[str, str]:
        """The body, decoded as a form."""
        return dict(parse_qsl(self.body.decode(), keep_blank_values=True))

    def json(self) -> Any:
        """The body, decoded as JSON."""
        return json_module.loads(self.body)

    def __str__(self) -> str:
        return f"{self.method} {self.path}{'?' if self.pairs else ''}{urlencode(self.pairs)}"


@dataclass(frozen=True)
class Answer:
    """What is sent back, or how sending it fails."""

    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes | Callable[[Received], Any] = b""
    fault: Fault | None = None
    delay: float = 0.0
    times: int | None = None


@dataclass
class _Route:
    """The answers to requests of one kind, in turn."""

    method: str
    path: str
    query: Mapping[str, str | None]
    answers: list[Answer] = field(default_factory=list)
    given: int = 0

    def matches(self, request: Received) -> bool:
        query = request.query
        return (
            request.method == self.method
            and self.path in (request.path, unquote(request.path))
            and all(query.get(name) == value for name, value in self.query.items())
        )

    def next(self) -> Answer | None:
        """The answer whose turn it is; the last one stays, unless it says how often it is given."""
        if not self.answers:
            return None
        answer, last = self.answers[0], len(self.answers) == 1
        self.given += 1
        if self.given >= (answer.times or 1) and not (last and answer.times is None):
            del self.answers[0]
            self.given = 0
        return answer

    def __str__(self) -> str:
        wanted = "&".join(f"{name}={'(none)' if value is None else value}" for name, value in self.query.items())
        spent = "" if self.answers else " (used up)"
        return f"{self.method} {self.path}{'?' if wanted else ''}{wanted}{spent}"


class Upstream:
    """An API that answers as :meth:`on` says.

    A request that nothing answers gets a 400 that names it, and leaving the ``with`` block raises an
    AssertionError about it, unless something else was raised there before.

    :param host: an address of this machine; two servers on 127.0.0.1 and 127.0.0.2 are two hosts.
    :ivar requests: what came, in order.
    """

    def __init__(self, host: str = "127.0.0.1") -> None:
        self.requests: list[Received] = []
        self.unanswered: list[str] = []
        self._host = host
        self._routes: list[_Route] = []
        self._lock = threading.Lock()
        self._stopping = threading.Event()

    def on(
        self,
        path: str,
        *,
        method: str = "GET",
        query: Mapping[str, Any] | None = None,
        json: Any = None,
        body: bytes | Callable[[Received], Any] | None = None,
        status: int = 200,
        headers: Mapping[str, str] | None = None,
        fault: Fault | None = None,
        delay: float = 0.0,
        times: int | None = None,
    ) -> Self:
        """Answer requests of a path. Several answers to the same requests are given in turn; the last one
        stays. Of several that fit a request, the one that asks for the most of its query answers.

        :param path: with its leading slash, percent-encoded or not.
        :param query: what the request's query must hold besides anything else; a None must not be there.
        :param json: the body, as JSON; or
        :param body: its bytes, or a function of the request that gives a value for JSON or an
            :class:`Answer`. It is called in the server's thread.
        :param fault: ``reset``: the connection is reset before a byte was sent; ``reset after headers``;
            ``cut``: it is closed in the middle of the body; ``hang``: nothing comes.
        :param delay: seconds before the answer.
        :param times: how often this answer is given; None: once, or for ever where it is the last.
        """
        wanted = {name: None if value is None else str(value) for name, value in (query or {}).items()}
        kind = {} if body is not None else {"Content-Type": "application/json"}
        content = body if body is not None else json_module.dumps(json).encode()
        answer = Answer(status, {**kind, **(headers or {})}, content, fault, delay, times)
        with self._lock:
            for route in self._routes:
                if (route.method, route.path, dict(route.query)) == (method, path, wanted):
                    route.answers.append(answer)
                    return self
            self._routes.append(_Route(method, path, wanted, [answer]))
            self._routes.sort(key=lambda route: -len(route.query))
        return self

    @property
    def url(self) -> str:
        """Its base URL, without a slash at the end."""
        return f"http://{self._host}:{self._server.server_port}"

    def asked(self, path: str) -> list[Received]:
        """The requests of one path, in order."""
        return [request for request in self.requests if path in (request.path, unquote(request.path))]

    def answer(self, request: Received) -> Answer:
        """For the server: what a request gets."""
        with self._lock:
            self.requests.append(request)
            for route in self._routes:
                if route.matches(request) and (found := route.next()) is not None:
                    break
            else:
                known = "; ".join(map(str, self._routes)) or "nothing"
                self.unanswered.append(f"Upstream: nothing answers {request}. It answers: {known}.")
                return Answer(400, {"Content-Type": "text/plain"}, self.unanswered[-1].encode())
        if not callable(found.body):
            return found
        made = found.body(request)
        if isinstance(made, Answer):
            return made
        kind = {"Content-Type": "application/json", **found.headers}
        return Answer(found.status, kind, json_module.dumps(made).encode(), found.fault, found.delay)

    def __enter__(self) -> Self:
        from headwater.testing.server import Server

        self._server = Server(self._host, self.answer, self._stopping)
        return self

    def __exit__(self, kind: object, error: object, trace: object) -> None:
        self._stopping.set()
        self._server.stop()
        if kind is None and self.unanswered:
            raise AssertionError("\n".join(dict.fromkeys(self.unanswered)))
