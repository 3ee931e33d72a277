"""An image registry on 127.0.0.1, which Docker engines trust without TLS: one tiny image, to be pulled."""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import tarfile
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

_TYPE = "application/vnd.docker.distribution.manifest.v2+json"


class Registry:
    """Serves ``name``:1 while the block is.

    :ivar pulled: how often its manifest was asked for.
    """

    def __init__(self, name: str) -> None:
        self.name = name
        self.pulled = 0
        self._content: dict[str, tuple[str, bytes]] = {}
        self.put("first")
        registry = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                registry.answer(self)

            do_HEAD = do_GET

            def log_message(self, format: str, *args: Any) -> None:
                """Say nothing."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.image = f"127.0.0.1:{self._server.server_address[1]}/{name}:1"

    def __enter__(self) -> Registry:
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def stop(self) -> None:
        self._server.shutdown()
        self._server.server_close()

    def put(self, word: str) -> None:
        """Make the image anew, with a file that says this."""
        raw = io.BytesIO()
        with tarfile.open(fileobj=raw, mode="w") as tar:
            info = tarfile.TarInfo("word")
            info.size = len(word)
            tar.addfile(info, io.BytesIO(word.encode()))
        layer = gzip.compress(raw.getvalue(), mtime=0)
        rootfs = {"type": "layers", "diff_ids": [_digest(raw.getvalue())]}
        config = json.dumps({"architecture": "amd64", "os": "linux", "config": {}, "rootfs": rootfs}).encode()
        parts = [
            ("config", "application/vnd.docker.container.image.v1+json", config),
            ("layer", "application/vnd.docker.image.rootfs.diff.tar.gzip", layer),
        ]
        described = {
            what: {"mediaType": kind, "size": len(blob), "digest": _digest(blob)} for what, kind, blob in parts
        }
        manifest = {"schemaVersion": 2, "mediaType": _TYPE, "config": described["config"]}
        text = json.dumps({**manifest, "layers": [described["layer"]]}).encode()
        for _, kind, blob in (*parts, ("manifest", _TYPE, text)):
            self._content[_digest(blob)] = (kind, blob)
        self._content["1"] = (_TYPE, text)

    def answer(self, request: BaseHTTPRequestHandler) -> None:
        key = request.path.rpartition("/")[2]
        known = request.path.startswith(f"/v2/{self.name}/") or request.path == "/v2/"
        kind, body = self._content.get(key, ("application/json", b"{}" if key == "" else b'{"errors": []}'))
        self.pulled += key == "1" and known
        request.send_response(200 if known and (key in self._content or not key) else 404)
        request.send_header("Content-Type", kind)
        request.send_header("Content-Length", str(len(body)))
        request.send_header("Docker-Content-Digest", _digest(body))
        request.end_headers()
        if request.command == "GET":
            request.wfile.write(body)


def _digest(blob: bytes) -> str:
    return f"sha256:{hashlib.sha256(blob).hexdigest()}"
