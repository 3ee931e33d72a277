"""The proxy itself: plain requests with absolute URLs, and CONNECT, behind which it speaks TLS with its own
certificate."""

from __future__ import annotations

import contextlib
import socket
import ssl
import struct
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from headwater.acceptance.proxy.authority import Authority
from headwater.acceptance.proxy.faults import Rule, first_of
from headwater.acceptance.proxy.tape import Answer, Request, Tape

_DROPS = 12
"""Parts of a body that comes drop by drop."""
_HOP = {"connection", "proxy-connection", "keep-alive", "transfer-encoding", "te", "trailer", "upgrade",
        "proxy-authorization", "proxy-authenticate", "content-length"}  # fmt: skip


@dataclass
class Seen:
    """A request that went through.

    :ivar time: by ``time.monotonic``.
    :ivar fault: the name of what went wrong, if something did.
    """

    time: float
    request: Request
    status: int
    fault: str | None = None


@dataclass
class Session:
    """What happens to the requests of one run of the connector.

    :ivar rules: the faults.
    :ivar replay: answers come from the tape where it has them.
    :ivar told: called with each request that is done.
    """

    rules: Sequence[Rule] = ()
    replay: bool = True
    told: Callable[[Seen], None] | None = None
    seen: list[Seen] = field(default_factory=list)
    counts: dict[str, int] = field(default_factory=dict)
    lock: threading.Lock = field(default_factory=threading.Lock)


class Proxy:
    """A proxy for one run after the other; each has a port of its own, so that several may run at once.

    :param folder: for its certificates and its tape.
    :param trust: certificates of APIs that this machine does not know.
    """

    def __init__(self, folder: Path, trust: Path | None = None) -> None:
        import urllib3

        self.authority = Authority(folder)
        (folder / "stranger").mkdir(parents=True, exist_ok=True)
        self.stranger = Authority(folder / "stranger", "Somebody else")
        self.tape = Tape(folder / "tape")
        authorities = str(trust) if trust is not None else None
        self._pool: Any = _upstream(urllib3, authorities)

    @contextlib.contextmanager
    def session(self, session: Session) -> Iterator[Mapping[str, str]]:
        """Serves a session; gives the environment of a connector that is to go through it."""
        server = _Server(self, session)
        try:
            yield self.environment(server.server_address[1])
        finally:
            server.shutdown()
            server.server_close()

    def environment(self, port: int) -> Mapping[str, str]:
        """The variables by which programs find a proxy, and whom to trust."""
        url = f"http://127.0.0.1:{port}"
        bundle = str(self.authority.bundle)
        names = ("HTTP_PROXY", "HTTPS_PROXY", "http_proxy", "https_proxy")
        trust = ("SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "NODE_EXTRA_CA_CERTS", "AWS_CA_BUNDLE",
                 "GRPC_DEFAULT_SSL_ROOTS_FILE_PATH", "GIT_SSL_CAINFO")  # fmt: skip
        nowhere = {"NO_PROXY": "", "no_proxy": ""}
        return {**dict.fromkeys(names, url), **dict.fromkeys(trust, bundle), **nowhere}

    def answer(self, request: Request, session: Session) -> Answer:
        """From the tape, or from the API itself."""
        key = request.key
        with session.lock:
            nth = session.counts.get(key, 0)
            session.counts[key] = nth + 1
        found = self.tape.find(request, nth) if session.replay else None
        if found is None:
            found = self._asked(request)
            if found.status < 599:
                self.tape.add(request, found)
        return found

    def _asked(self, request: Request) -> Answer:
        import urllib3

        headers = urllib3.HTTPHeaderDict()
        for name, value in request.headers:
            if name.lower() not in _HOP:
                headers.add(name, value)
        try:
            answer = self._pool.request(
                request.method, request.url, body=request.body or None, headers=headers, redirect=False, retries=False,
                preload_content=False, decode_content=False,
            )  # fmt: skip
            body = answer.read(decode_content=False)
        except urllib3.exceptions.HTTPError as error:
            return Answer(599, [("Content-Type", "text/plain")], f"The API was not reached: {error}".encode())
        kept = [(name, value) for name, value in answer.headers.items() if name.lower() not in _HOP]
        return Answer(answer.status, kept, body)

    def close(self) -> None:
        """Nothing is kept any more."""
        self.tape.close()
        self._pool.clear()


def _upstream(urllib3: Any, authorities: str | None) -> Any:
    """Through the proxy that this machine uses itself, if it does."""
    import urllib.request

    outer = urllib.request.getproxies().get("https") or urllib.request.getproxies().get("http")
    options = {"ca_certs": authorities, "maxsize": 8, "timeout": urllib3.Timeout(60.0)}
    return urllib3.ProxyManager(outer, **options) if outer else urllib3.PoolManager(**options)


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False
    request_queue_size = 128

    def __init__(self, proxy: Proxy, session: Session) -> None:
        self.proxy, self.session = proxy, session
        super().__init__(("127.0.0.1", 0), _Connection)
        threading.Thread(target=self.serve_forever, args=(0.02,), daemon=True).start()

    def server_bind(self) -> None:
        """Without looking up the host's name."""
        self.socket.bind(self.server_address)
        self.server_address = self.socket.getsockname()
        self.server_name, self.server_port = "127.0.0.1", self.server_address[1]

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A connector that hung up."""


class _Connection(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server: _Server
    base = ""

    def do_CONNECT(self) -> None:
        """From here on the connector speaks TLS, with whom it takes for the API."""
        host, _, port = self.path.rpartition(":")
        host = host.strip("[]")
        self.send_response_only(200, "Connection established")
        self.end_headers()
        whole = f"https://{host}" if port == "443" else f"https://{host}:{port}"
        strange = first_of([rule for rule in self.server.session.rules if rule.fault.kind == "tls"],
                           Request("CONNECT", whole))  # fmt: skip
        authority = self.server.proxy.stranger if strange else self.server.proxy.authority
        if strange:
            self._note(Request("CONNECT", whole), 0, strange.name)
        self.connection: Any = authority.context(host).wrap_socket(self.connection, server_side=True)
        self.rfile = self.connection.makefile("rb", -1)
        self.wfile = self.connection.makefile("wb", 0)  # type: ignore[assignment]
        self.base = whole
        self.close_connection = False

    def do_GET(self) -> None:
        """One request, of any method."""
        url = self.base + self.path if self.base else self.path
        request = Request(self.command, url, list(self.headers.items()), self._body())
        if not url.startswith(("http://", "https://")):
            self._write(Answer(400, (), b"This is a proxy."))
            return
        rules = [rule for rule in self.server.session.rules if rule.fault.kind != "tls"]
        rule = first_of(rules, request)
        fault = rule.fault if rule is not None else None
        if fault is not None and fault.kind == "answer" and fault.answer is not None:
            answer = fault.answer
        else:
            answer = self.server.proxy.answer(request, self.server.session)
        if fault is not None and fault.change is not None:
            answer = fault.change(request, answer)
        self._note(request, answer.status, rule.name if rule is not None else None)
        if fault is not None and fault.kind == "delay":
            time.sleep(fault.seconds)
        if fault is not None and fault.kind == "reset":
            self._reset()
        else:
            drip = fault.seconds if fault is not None and fault.kind == "drip" else 0.0
            self._write(answer, cut=fault is not None and fault.kind == "cut", drip=drip)

    do_POST = do_PUT = do_PATCH = do_DELETE = do_HEAD = do_OPTIONS = do_GET

    def _note(self, request: Request, status: int, fault: str | None) -> None:
        session = self.server.session
        seen = Seen(time.monotonic(), request, status, fault)
        with session.lock:
            session.seen.append(seen)
        if session.told is not None:
            session.told(seen)

    def _body(self) -> bytes:
        if "chunked" in (self.headers.get("Transfer-Encoding") or ""):
            parts = []
            while size := int(self.rfile.readline().split(b";")[0], 16):
                parts.append(self.rfile.read(size))
                self.rfile.readline()
            self.rfile.readline()
            return b"".join(parts)
        length = self.headers.get("Content-Length") or "0"
        return self.rfile.read(int(length)) if length.isdigit() else b""

    def _write(self, answer: Answer, cut: bool = False, drip: float = 0.0) -> None:
        self.send_response_only(answer.status)
        for name, value in answer.headers:
            self.send_header(name, value)
        bodiless = self.command == "HEAD" or answer.status in (204, 304)
        if not bodiless:
            self.send_header("Content-Length", str(len(answer.body)))
        self.end_headers()
        body = b"" if bodiless else answer.body
        drop = len(body) // _DROPS + 1 if drip else len(body) or 1
        for start in range(0, len(body) // 2 if cut else len(body), drop):
            self.wfile.write(body[start : (len(body) // 2 if cut else start + drop)])
            self.wfile.flush()
            time.sleep(drip / _DROPS)
        if cut:
            self.close_connection = True

    def _reset(self) -> None:
        raw = self.connection
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.close_connection = True
        with contextlib.suppress(OSError, ssl.SSLError):
            raw.shutdown(socket.SHUT_RD)
        raw.close()

    def finish(self) -> None:
        """Without complaint about a connection that is gone."""
        with contextlib.suppress(OSError, ValueError):
            super().finish()
        with contextlib.suppress(OSError, ValueError):
            self.connection.close()

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""
