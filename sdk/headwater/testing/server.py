"""The socket side of :class:`~headwater.testing.upstream.Upstream`: writes answers and carries out faults."""

from __future__ import annotations

import contextlib
import socket
import struct
import threading
import time
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qsl, urlsplit

from headwater.testing.upstream import Answer, Received


class Server(ThreadingHTTPServer):
    """A running server, on a port of its own.

    :param reply: what a request gets.
    :param stopping: ends hanging answers.
    """

    request_queue_size = 128  # connections that come at once; one that finds no room tries again after a second
    daemon_threads = True
    block_on_close = False

    def __init__(self, host: str, reply: Callable[[Received], Answer], stopping: threading.Event) -> None:
        self.reply = reply
        self.stopping = stopping
        super().__init__((host, 0), _Connection)
        self._thread = threading.Thread(target=self.serve_forever, args=(0.01,), daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Answer nothing any more."""
        self.shutdown()
        self.server_close()
        self._thread.join()

    def server_bind(self) -> None:
        """Without looking up the host's name, which can take seconds."""
        self.socket.bind(self.server_address)
        self.server_address = self.socket.getsockname()
        self.server_name, self.server_port = self.server_address[:2]  # type: ignore[assignment]

    def handle_error(self, request: object, client_address: object) -> None:
        """A client that is gone is none of the test's business; anything else is."""
        import sys

        if not isinstance(sys.exc_info()[1], OSError):
            super().handle_error(request, client_address)  # type: ignore[arg-type]


class _Connection(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    wbufsize = -1
    server: Server

    def do_GET(self) -> None:
        """Read one request, of any method, and answer it."""
        length = self.headers.get("Content-Length") or "0"
        parts = urlsplit(self.path if self.path.startswith("/") else f"/{self.path}")
        pairs = tuple(parse_qsl(parts.query, keep_blank_values=True))
        body = self.rfile.read(int(length)) if length.isdigit() else b""
        answer = self.server.reply(Received(self.command, parts.path, pairs, self.headers, body))
        if answer.delay:
            time.sleep(answer.delay)
        if answer.fault == "hang":
            self.server.stopping.wait()
        if answer.fault in ("hang", "reset"):
            self._reset()
        else:
            self._write(answer)

    do_POST = do_PUT = do_PATCH = do_DELETE = do_HEAD = do_GET

    def _write(self, answer: Answer) -> None:
        body = answer.body if isinstance(answer.body, bytes) else b""
        self.send_response(answer.status)
        for name, value in answer.headers.items():
            self.send_header(name, value)
        framed = {"content-length", "transfer-encoding"} & {name.lower() for name in answer.headers}
        if not framed and answer.status not in (204, 304):
            self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if answer.fault is None:
            if self.command != "HEAD" and answer.status not in (204, 304):
                self.wfile.write(body)
            return
        if answer.fault == "cut":
            self.wfile.write(body[: len(body) // 2])
            self.wfile.flush()
            self.close_connection = True
        else:
            self.wfile.flush()
            self._reset()

    def _reset(self) -> None:
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.connection.shutdown(socket.SHUT_RD)
        self.connection.close()
        self.close_connection = True

    def finish(self) -> None:
        """Without complaint about a connection that a fault has closed."""
        with contextlib.suppress(OSError, ValueError):
            super().finish()

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""
