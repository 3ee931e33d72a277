"""HTTP/1.1 as bytes, for what most messages are: a request whose head is plain, an answer whose body has a length.

``http.client`` takes 50 microseconds for a small exchange, most of them for the headers, which it reads as those of a
mail; this takes a quarter. What is otherwise (chunks, no length, HTTP/1.0, folded lines, a head in several pieces) is
left to it: it goes on with what was read.
"""

from __future__ import annotations

import io
import re
import time
from dataclasses import dataclass
from functools import lru_cache
from http.client import HTTPResponse, IncompleteRead
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

_PIECE = 1 << 17
_LONGEST = 1800.0
"""Seconds for one body: whoever sends for longer never ends."""
_FIRST = 1 << 16
"""Bytes that are asked for at first: a head and a small body."""

_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")  # RFC 9110, 5.6.2
_CONTROL = re.compile(r"[\r\n\0]")
_FIRST_LINE = re.compile(r"[A-Z]+ [!-~]+")
_ANSWER = re.compile(rb"HTTP/1\.1 ([2-5][0-9]{2})(?: ([^\r\n]*))?\r\n((?:[!-9;-~]+:[^\r\n]*\r\n)*)\r\n")
_FIELD = re.compile(r"([!-9;-~]+):[ \t]*([^\r\n]*)\r\n")
_LENGTH = re.compile(r"[0-9]{1,18}")
_WITHOUT_BODY = (204, 304)


@dataclass(slots=True)
class Received:
    """A whole answer.

    :ivar fields: its headers as they came.
    :ivar body: as it came: compressed, perhaps.
    :ivar closes: no other answer will come over its connection.
    """

    status: int
    reason: str
    fields: Sequence[tuple[str, str]]
    body: bytes
    closes: bool


def head_of(method: str, target: str, host: str, fields: Iterable[tuple[str, str]]) -> bytes | None:
    """The head of a request, to the letter as ``http.client`` writes it; None where that must look at it."""
    first = f"{method} {target}"
    lines = [f"{first} HTTP/1.1\r\nHost: {host}"]
    try:
        for field in fields:
            if not _is_name(field[0]) or _CONTROL.search(field[1]):
                return None
            lines.append(": ".join(field))
        lines.append("\r\n")
        return "\r\n".join(lines).encode("latin-1") if _FIRST_LINE.fullmatch(first) else None
    except (TypeError, UnicodeError):  # bytes, letters beyond Latin-1
        return None


@lru_cache(maxsize=1024)
def _is_name(name: str) -> bool:
    return _NAME.fullmatch(name) is not None


def receive(sock: Any, method: str) -> Received:
    """The answer to a request of this method.

    :raises OSError: http.client.HTTPException: when it does not come, or not whole; TimeoutError when it takes
        longer than half an hour.
    """
    begun = sock.recv(_FIRST)
    found = _ANSWER.match(begun)
    if found is not None and method != "HEAD":
        status, reason, block = found.groups()
        fields = _FIELD.findall(block.decode("latin-1"))
        told = {name.lower(): value for name, value in fields}
        length = told.get("content-length", "0" if int(status) in _WITHOUT_BODY else "")
        if len(told) == len(fields) and "transfer-encoding" not in told and _LENGTH.fullmatch(length):
            body, more = _rest(sock, begun[found.end() :], 0 if int(status) in _WITHOUT_BODY else int(length))
            closes = more or "close" in told.get("connection", "").lower()
            return Received(int(status), (reason or b"").decode("latin-1").strip(), fields, body, closes)
    received = HTTPResponse(_Begun(begun, sock), method=method)  # type: ignore[arg-type]
    try:
        received.begin()
        body = _body(received)
        return Received(received.status, received.reason, received.headers.items(), body, received.will_close)
    finally:
        received.close()


def _rest(sock: Any, begun: bytes, length: int) -> tuple[bytes, bool]:
    """A body of which something is there; and whether more came than belongs to it."""
    left = length - len(begun)
    if left <= 0:
        return begun if not left else begun[:length], left < 0
    began, parts = time.monotonic(), [begun]
    while left:
        part = sock.recv(min(left, _PIECE))
        if not part:
            raise IncompleteRead(b"", left)
        parts.append(part)
        left -= len(part)
        _check_time(began)
    return b"".join(parts), False


def _body(received: HTTPResponse) -> bytes:
    """The body as it came. Read as it arrives: a server that sends a byte now and then must not hold a thread for
    ever."""
    began, parts = time.monotonic(), []
    while received.length != 0 and (part := received.read1(_PIECE)):
        parts.append(part)
        _check_time(began)
    if received.length:
        raise IncompleteRead(b"", received.length)
    return parts[0] if len(parts) == 1 else b"".join(parts)


def _check_time(began: float) -> None:
    if time.monotonic() - began > _LONGEST:
        raise TimeoutError


class _Begun(io.RawIOBase):
    """A socket, of which something was read before."""

    def __init__(self, begun: bytes, sock: Any) -> None:
        self._begun = memoryview(begun)
        self._sock = sock

    def readable(self) -> bool:
        """It is."""
        return True

    def readinto(self, buffer: Any) -> int:
        """What was read before, then what comes."""
        if not self._begun:
            return int(self._sock.recv_into(buffer))
        count = min(len(buffer), len(self._begun))
        buffer[:count] = self._begun[:count]
        self._begun = self._begun[count:]
        return count

    def makefile(self, _: str) -> io.BufferedReader:
        """As of a socket."""
        return io.BufferedReader(self)
