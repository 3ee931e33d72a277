"""The HTTP side: writes answers, and carries out the faults that need a socket."""

from __future__ import annotations

import gzip
import socket
import struct
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any

from .faults import Fault
from .messages import Answer

if TYPE_CHECKING:
    from .api import GithubApi

LONGEST_HANG = 600.0


class Handler(BaseHTTPRequestHandler):
    """One connection, kept alive."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server: Server

    def do_GET(self) -> None:
        """Reads one request, of any method, and answers it."""
        api = self.server.api
        length = self.headers.get("Content-Length")
        body = self.rfile.read(int(length)) if length and length.isdigit() else b""
        headers = {name.lower(): value for name, value in self.headers.items()}
        answer, fault = api.handle(self.command, self.path, headers, body)
        if fault is not None and fault.kind in ("hang", "slow"):
            api.stopping.wait(LONGEST_HANG if fault.kind == "hang" else fault.delay)
        if fault is not None and fault.kind in ("hang", "reset"):
            self._reset()
            return
        self._write(answer, fault)

    do_POST = do_GET
    do_HEAD = do_GET
    do_PUT = do_GET
    do_PATCH = do_GET
    do_DELETE = do_GET

    def _write(self, answer: Answer, fault: Fault | None) -> None:
        body, kind = answer.body, fault.kind if fault is not None else None
        if kind == "bad_json":
            body = body[: max(1, len(body) // 2)]
        if self.server.api.gzip and "gzip" in self.headers.get("Accept-Encoding", "") and len(body) > 1000:
            body = gzip.compress(body, 1)
            answer.headers["Content-Encoding"] = "gzip"
        self.send_response(answer.status)
        for name, value in answer.headers.items():
            self.send_header(name, value)
        if answer.status != 304:
            self.send_header("Content-Length", str(len(body)))
        if kind == "truncate":
            self.send_header("Connection", "close")
        self.end_headers()
        if self.command == "HEAD" or answer.status == 304:
            return
        if kind == "reset_after_headers":
            # A reset throws away what the reader has not taken yet, so it is given time for the headers.
            self.server.api.stopping.wait(0.05)
            self._reset()
        elif kind == "truncate":
            self.wfile.write(body[: len(body) // 2])
            self.close_connection = True
        else:
            self.wfile.write(body)

    def _reset(self) -> None:
        """Ends the connection with a TCP reset."""
        self.wfile.flush()
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.close_connection = True
        self.server.drop(self.connection)

    def version_string(self) -> str:
        """What the Server header says."""
        return "github.com"

    def log_message(self, format: str, *args: Any) -> None:
        """Logs nothing: the request log is an attribute of the stand-in."""


class Server(ThreadingHTTPServer):
    """Serves one stand-in from a thread of its own."""

    daemon_threads = True
    block_on_close = False
    request_queue_size = 512
    allow_reuse_address = True

    def __init__(self, address: tuple[str, int], api: GithubApi) -> None:
        super().__init__(address, Handler)
        self.api = api
        self._open: set[socket.socket] = set()
        self._guard = threading.Lock()
        self._thread = threading.Thread(target=self.serve_forever, args=(0.02,), daemon=True)

    def start(self) -> None:
        """Begins to serve."""
        self._thread.start()

    def stop(self) -> None:
        """Ends serving and every open connection."""
        self.shutdown()
        self.server_close()
        self._thread.join()
        with self._guard:
            still_open = list(self._open)
        for connection in still_open:
            try:
                connection.shutdown(socket.SHUT_RDWR)
            except OSError:
                continue

    def get_request(self) -> tuple[socket.socket, Any]:
        """Accepts a connection and remembers it."""
        connection, address = super().get_request()
        with self._guard:
            self._open.add(connection)
        return connection, address

    def shutdown_request(self, request: Any) -> None:
        """Closes a connection that is done."""
        with self._guard:
            self._open.discard(request)
        super().shutdown_request(request)

    def drop(self, connection: socket.socket) -> None:
        """Closes a connection at once; with SO_LINGER at zero that is a reset."""
        with self._guard:
            self._open.discard(connection)
        connection.close()

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Stays silent about readers that hung up; a bug in a route shows as a dropped connection."""
