"""The API that the gallery's connectors read: pages of what the correct one would make up."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from tests.acceptance.suite import TOKEN, gallery


def correct() -> Any:
    """The correct connector, in this process."""
    found = gallery("correct").Correct()
    found.config = {}
    return found


class _Api(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    connector = correct()

    def do_GET(self) -> None:
        parts = urlsplit(self.path)
        query = dict(parse_qsl(parts.query))
        if self.headers.get("Authorization") != f"Bearer {TOKEN}":
            self.answer(401, {"message": "no"})
            return
        number = int(query["page"])
        pages = list(self.connector.pages(parts.path.strip("/"), query.get("since", "")))
        items = pages[number - 1] if number <= len(pages) else []
        self.answer(200, {"items": items, "next": number + 1 if number < len(pages) else None})

    def answer(self, status: int, value: Any) -> None:
        body = json.dumps(value).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        pass


@contextmanager
def api(tls: Any = None) -> Iterator[str]:
    """Serves it; gives its URL.

    :param tls: an SSLContext, for https.
    """
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Api)
    server.daemon_threads = True
    if tls is not None:
        server.socket = tls.wrap_socket(server.socket, server_side=True)
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    try:
        yield f"{'https' if tls else 'http'}://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
