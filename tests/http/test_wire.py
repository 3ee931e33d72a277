"""The short way of writing and reading HTTP gives what the standard library's gives, whatever comes in which pieces."""

from __future__ import annotations

import io
from http.client import HTTPConnection, HTTPException, HTTPResponse
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from headwater.http.wire import Received, head_of, receive


class Pieces(io.RawIOBase):
    """A socket that gives what it is asked for piece by piece."""

    def __init__(self, pieces: list[bytes]) -> None:
        self.pieces = [piece for piece in pieces if piece]
        self.written = b""

    def recv(self, size: int) -> bytes:
        if not self.pieces:
            return b""
        piece = self.pieces.pop(0)
        if piece[size:]:
            self.pieces.insert(0, piece[size:])
        return piece[:size]

    def readable(self) -> bool:
        return True

    def recv_into(self, buffer: Any) -> int:
        found = self.recv(len(buffer))
        buffer[: len(found)] = found
        return len(found)

    readinto = recv_into

    def makefile(self, *_: Any) -> io.BufferedReader:
        return io.BufferedReader(self)

    def sendall(self, data: bytes) -> None:
        self.written += data

    def close(self) -> None:
        """Nothing to do."""


def by_the_library(pieces: list[bytes], method: str) -> Any:
    received = HTTPResponse(Pieces(pieces), method=method)  # type: ignore[arg-type]
    try:
        received.begin()
        body = received.read() if received.length != 0 else b""
    except (HTTPException, OSError, ValueError) as error:
        return type(error)
    return received.status, received.reason, [*received.headers.items()], body, received.will_close


def by_us(pieces: list[bytes], method: str) -> Any:
    try:
        found = receive(Pieces(pieces), method)
    except (HTTPException, OSError, ValueError) as error:
        return type(error)
    return found.status, found.reason, [*found.fields], found.body, found.closes


STATUS = st.sampled_from(
    ["HTTP/1.1 200 OK", "HTTP/1.1 200", "HTTP/1.1 404 Not  Found ", "HTTP/1.1 204 No Content", "HTTP/1.1 304 Same",
     "HTTP/1.0 200 OK", "HTTP/1.1 20x", "HTTP/2 200 OK", "HTTP/1.1  200 OK", "nonsense", "HTTP/1.1 999 ?",
     "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 201 Created", "HTTP/1.1 103 Hints\r\nLink: </a>\r\n\r\nHTTP/1.1 200 OK"]
)  # fmt: skip
FIELD = st.sampled_from(
    ["Content-Type: application/json", "content-length: 4", "Content-Length: 0", "Content-Length: 9",
     "Content-Length: +4", "Content-Length: -1", "Content-Length: 4, 4", "Connection: close", "connection: Keep-Alive",
     "Transfer-Encoding: chunked", "Transfer-Encoding: identity", "Set-Cookie: a=1", "Set-Cookie: b=2", "X-Empty:",
     "X-Spaced: \t a b \t", "X-Folded: a\r\n b", " began with a blank", "no colon", "X-Letter: \xe9", "X-Colons: a:b",
     "Blank : 1", "X-Bare: a\nb", "X-Return: a\rb", ": nameless", "X-Control: a\x0bb", "Content-Length: x"]
)  # fmt: skip
BODY = st.sampled_from([b"", b"[{}]", b"[{},{}]", b"4\r\n[{}]\r\n0\r\n\r\n", b"4\r\n[{", b"HTTP/1.1 500 No\r\n\r\n"])


def cut(data: bytes, places: list[int]) -> list[bytes]:
    ends = [*sorted({place % (len(data) + 1) for place in places}), len(data)]
    return [data[first:end] for first, end in zip([0, *ends], ends, strict=False)]


@settings(max_examples=1500, deadline=None)
@given(
    status=STATUS,
    fields=st.lists(FIELD, max_size=5),
    body=BODY,
    places=st.lists(st.integers(0, 400), max_size=4),
    method=st.sampled_from(["GET", "GET", "POST", "HEAD"]),
)
@example(status="HTTP/1.1 200 OK", fields=["content-length: 4"], body=b"[{}]", places=[], method="GET")
@example(status="HTTP/1.1 200 OK", fields=["content-length: 4"], body=b"[{}]", places=[39], method="GET")
@example(status="HTTP/1.1 204 No Content", fields=["Content-Length: 4"], body=b"", places=[], method="GET")
def test_answers(status: str, fields: list[str], body: bytes, places: list[int], method: str) -> None:
    data = "\r\n".join([status, *fields, "", ""]).encode("latin-1") + body
    theirs, ours = by_the_library(cut(data, places), method), by_us(cut(data, places), method)
    if isinstance(ours, tuple) and isinstance(theirs, tuple) and ours[-1] and not theirs[-1]:
        # more came than belongs to it, or a body that should not be: what comes next can't be trusted
        ours = (*ours[:-1], False)
    assert ours == theirs


def test_a_connection_with_more_in_it_than_the_answer_is_not_used_again() -> None:
    answer = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n[]"
    assert not receive(Pieces([answer]), "GET").closes
    assert receive(Pieces([answer + b"HTTP/1.1 200 OK\r\n"]), "GET") == Received(
        200, "OK", [("Content-Length", "2")], b"[]", closes=True
    )


TEXT = st.text(st.sampled_from("aZ09-_.~!/?:=&% \t\r\n\0\x7fé€"), max_size=8)


@settings(max_examples=800, deadline=None)
@given(
    method=st.sampled_from(["GET", "POST", "get", "G T"]),
    target=st.one_of(st.just("/a?b=1"), TEXT.map("/{}".format)),
    fields=st.dictionaries(
        st.one_of(st.sampled_from(["Accept", "A: b"]), TEXT), st.one_of(TEXT, st.just(b"a")), max_size=3
    ),
)
@example(method="GET", target="/", fields={"X-A": "sesame\r\nX-Other: 1"})
@example(method="GET", target="/ HTTP/1.1\r\nX-Other:1", fields={})
def test_heads_are_those_of_the_library(method: str, target: str, fields: dict[str, Any]) -> None:
    ours = head_of(method, target, "api.test:8080", fields.items())
    if ours is None:  # the library writes it, or says what is wrong with it
        return
    library, sock = HTTPConnection("api.test", 8080), Pieces([])
    library.sock = sock  # type: ignore[assignment]
    library.putrequest(method, target, skip_accept_encoding=True)
    for name, value in fields.items():
        library.putheader(name, value)
    library.endheaders()
    assert ours == sock.written


@pytest.mark.parametrize("fields", [{}, {"Accept": "*/*", "Authorization": "Bearer s:e=s ame", "X-Letter": "é"}])
def test_plain_heads_need_no_library(fields: dict[str, str]) -> None:
    assert head_of("GET", "/items?page=2&since=2024-01-01T00%3A00%3A00Z", "api.test", fields.items()) is not None
