"""The API that the benchmark reads: a process of its own, that costs as little as may be.

``GET /TOTAL/items?page=1&per_page=1000&since=...`` gives a page of TOTAL records by ascending ``updated_at``,
and ``Link: <...>; rel="next"`` while there are more;
``/TOTAL/quoted`` gives the same with some numbers as texts; ``/TOTAL/parts/NUMBER/PLACE`` those of one of NUMBER
equal parts, and ``/TOTAL/groups/NUMBER`` the places.
``delay=100`` in a query answers after so many milliseconds. ``python -m tests.benchmarks.server``
prints its URL and serves until its standard input ends.
"""

from __future__ import annotations

import asyncio
import sys
from urllib.parse import parse_qs, urlsplit

from .records import A_MINUTE, first_since, page


class Api(asyncio.Protocol):
    """One connection, kept alive."""

    transport: asyncio.Transport

    def __init__(self) -> None:
        self._unread = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep where to write."""
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport

    def data_received(self, data: bytes) -> None:
        """Answer each request that is complete."""
        self._unread += data
        while (end := self._unread.find(b"\r\n\r\n")) >= 0:
            head, self._unread = self._unread[:end].decode("latin-1"), self._unread[end + 4 :]
            lines = head.split("\r\n")
            host = next((line[5:].strip() for line in lines if line[:5].lower() == "host:"), "localhost")
            target = lines[0].split(" ")[1]
            if "delay=" in target:
                delay = int(target.split("delay=", 1)[1].split("&")[0]) / 1000
                asyncio.get_running_loop().call_later(delay, self.transport.write, answer(target, host))
            else:
                self.transport.write(answer(target, host))


def answer(target: str, host: str) -> bytes:
    """The whole answer, head and body."""
    parts = urlsplit(target)
    query = {name: values[-1] for name, values in parse_qs(parts.query).items()}
    total, _, what = parts.path.strip("/").partition("/")
    what, _, part = what.partition("/")
    if what not in ("items", "quoted", "parts", "groups") or not total.isdigit():
        return _head("404 Not Found", 2) + b"{}"
    first, end = 0, int(total)
    if what == "parts":
        count, place = map(int, part.split("/"))
        first, end = end // count * place, end // count * (place + 1)
    elif what == "groups":
        end = int(part)
    number = max(1, int(query.get("page", "1")))
    size = min(A_MINUTE, max(1, int(query.get("per_page", "100"))))
    since = query.get("since", "")
    first = max(first, first_since(since) if since else 0) + (number - 1) * size
    count = max(0, min(size, end - first))
    if what == "groups":
        body = b"[%s]" % b",".join(b'{"id":%d}' % place for place in range(first, first + count))
    else:
        body = page(first, count, quoted=what == "quoted")
    link = ""
    if first + count < end:
        kept = "".join(f"&{name}={query[name]}" for name in ("since", "delay") if name in query)
        link = f'Link: <http://{host}{parts.path}?page={number + 1}&per_page={size}{kept}>; rel="next"\r\n'
    return _head("200 OK", len(body), link) + body


def _head(status: str, length: int, link: str = "") -> bytes:
    return (
        f"HTTP/1.1 {status}\r\nServer: benchmark\r\nContent-Type: application/json; charset=utf-8\r\n"
        f"Content-Length: {length}\r\nCache-Control: private, max-age=60\r\nX-Request-Id: 7f3c\r\n{link}\r\n"
    ).encode()


async def serve() -> None:
    """Serve until the standard input ends."""
    loop = asyncio.get_running_loop()
    server = await loop.create_server(Api, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    print(f"http://127.0.0.1:{port}", flush=True)
    async with server:
        await loop.run_in_executor(None, sys.stdin.read)


if __name__ == "__main__":
    asyncio.run(serve())
