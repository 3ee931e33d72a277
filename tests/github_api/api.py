"""The stand-in as an object: repositories, tokens, quotas, faults, drift and the request log."""

from __future__ import annotations

import base64
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

from .control import control
from .faults import AFTER_ROUTE, Fault, Kind
from .messages import Answer, LoggedRequest, Request, error, exhausted, json_answer, request_id, secondary
from .paging import Pager
from .payloads import Json
from .quota import Quota
from .repo import RECORDED_NAME, Repo
from .routes import Routes
from .server import Server

TOKEN = "ghp_standin0000000000000000000000000000"
ANONYMOUS_LIMIT = 60


@dataclass(frozen=True)
class Drift:
    """Changes under the reader: after every `every` data requests, touch and add items of a stream."""

    every: int
    touch: int = 0
    grow: int = 0
    stream: str = "issues"
    repo: str | None = None


class GithubApi:
    """A local stand-in of the GitHub REST API.

    It starts serving when made and stops at `close` or at the end of a `with` block. `tokens` are the
    accepted ones, each with its own quota; `real` is a folder of recorded payloads, served as
    PyGithub/PyGithub; `moved` maps old repository names to new ones (301).
    """

    def __init__(
        self,
        repos: Mapping[str, Repo] | None = None,
        *,
        seed: object = 1,
        host: str = "127.0.0.1",
        port: int = 0,
        tokens: Sequence[str] = (TOKEN,),
        anonymous: bool = False,
        quota_limit: int = 5000,
        quota_window: float = 3600.0,
        exhausted_status: int = 403,
        rate_limit_enabled: bool = True,
        page_size_cap: int = 100,
        cursor_after: int | None = None,
        gzip: bool = False,
        latency: float = 0.0,
        max_concurrency: int | None = None,
        real: str | None = None,
        moved: Mapping[str, str] | None = None,
        drift: Sequence[Drift] = (),
    ) -> None:
        self.repos = dict({"octo/alpha": Repo(), "octo/beta": Repo()} if repos is None else repos)
        if real is not None:
            self.repos.setdefault(RECORDED_NAME, Repo.recorded(real))
        for name, repo in self.repos.items():
            repo.bind(name, seed)
        self.anonymous, self.rate_limit_enabled = anonymous, rate_limit_enabled
        self.gzip, self.latency, self.max_concurrency = gzip, latency, max_concurrency
        self.drift, self.peak_concurrency = tuple(drift), 0
        self._quotas: dict[str | None, Quota] = {
            token: Quota(quota_limit, quota_window, status=exhausted_status) for token in tokens
        }
        self._quotas[None] = Quota(ANONYMOUS_LIMIT, quota_window, status=exhausted_status)
        self._tokens = list(tokens)
        self._faults: list[Fault] = []
        self._log: list[LoggedRequest] = []
        self._served = self._busy = 0
        self._lock = threading.RLock()
        self.stopping = threading.Event()
        self._server = Server((host, port), self)
        self.url = f"http://{host}:{self._server.server_address[1]}"
        self.routes = Routes(self.repos, Pager(self.url, page_size_cap, cursor_after), moved or {})
        self._server.start()

    def __enter__(self) -> GithubApi:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Stops serving and drops every connection."""
        self.stopping.set()
        self._server.stop()

    @property
    def requests(self) -> list[LoggedRequest]:
        """The requests served so far, in the order they were answered."""
        with self._lock:
            return list(self._log)

    def clear(self) -> None:
        """Empties the request log and forgets the faults."""
        with self._lock:
            self._log.clear()
            self._faults.clear()

    def truth(self, stream: str, repo: str, branch: str | None = None) -> list[Json]:
        """The items of a stream as the API would list them now; `repositories` takes an owner's name too."""
        if stream == "repositories" and "/" not in repo:
            owned = [r for name, r in self.repos.items() if name.split("/")[0].lower() == repo.lower()]
            return [item for r in owned for item in r.truth(stream)]
        return self.repos[repo].truth(stream, branch)

    def fault(self, kind: Kind, path: str = "*", **options: Any) -> Fault:
        """Adds a fault (see `Fault` for the options) and gives it, to see how often it fired."""
        made = Fault(kind, path, **options)
        with self._lock:
            self._faults.append(made)
        return made

    def quota(
        self,
        token: str | None = TOKEN,
        *,
        limit: int | None = None,
        remaining: int | None = None,
        reset_in: float | None = None,
        status: int | None = None,
    ) -> Quota:
        """A token's quota (None: the anonymous one), changed where something is given."""
        with self._lock:
            quota = self._quotas[token]
            quota.summary()
            quota.limit = quota.limit if limit is None else limit
            quota.used = quota.used if remaining is None else max(0, quota.limit - remaining)
            quota.status = quota.status if status is None else status
            if reset_in is not None:
                quota.window, quota.reset_at = reset_in, time.time() + reset_in
            return quota

    def handle(self, method: str, target: str, headers: Mapping[str, str], body: bytes) -> tuple[Answer, Fault | None]:
        """Answers one request; what is left of a fault (a reset, a short body) is for the server to do."""
        split = urlsplit(target)
        raw_path = unquote(split.path)
        if raw_path.startswith("/_control/"):
            return control(self, method, raw_path, body), None
        token = self._token(headers.get("authorization"))
        query = dict(parse_qsl(split.query, keep_blank_values=True))
        path = self.routes.canonical(raw_path)
        request = Request(method, path, raw_path, query, headers, token, token in self._tokens)
        started = time.monotonic()
        with self._lock:
            self._busy += 1
            self.peak_concurrency = max(self.peak_concurrency, self._busy)
            crowded = self.max_concurrency is not None and self._busy > self.max_concurrency
        try:
            self.stopping.wait(self.latency) if self.latency else None
            answer, fault = self._answer(request, crowded)
        finally:
            with self._lock:
                self._busy -= 1
        answer.headers["X-GitHub-Request-Id"] = request_id()
        answer.headers["X-GitHub-Media-Type"] = "github.v3; format=json"
        self._note(request, answer, fault, started)
        return answer, fault

    def _answer(self, request: Request, crowded: bool) -> tuple[Answer, Fault | None]:
        with self._lock:
            fault = next((fault for fault in self._faults if fault.hits(request)), None)
        if fault is not None and fault.kind not in AFTER_ROUTE:
            return fault.answer(request), fault
        if crowded:
            return secondary(403, 1), fault
        answer = self._admitted(request)
        if fault is not None and fault.kind == "same_page" and answer.status == 200:
            answer.headers["Link"] = self.routes.pager.same_page(request, request.raw_path)
        return answer, fault

    def _admitted(self, request: Request) -> Answer:
        """Checks the credentials and the quota, then asks the routes."""
        if "user-agent" not in request.headers:
            text = b"Request forbidden by administrative rules. Please make sure to send a User-Agent header"
            return Answer(403, text, {"Content-Type": "text/plain"})
        if request.token is not None and not request.authenticated:
            return error(401, "Bad credentials")
        if request.token is None and not self.anonymous:
            return error(401, "Requires authentication")
        quota = self._quotas[request.token]
        if request.path == "/rate_limit":
            return self._rate_limit(quota)
        with self._lock:
            left = not self.rate_limit_enabled or quota.spend()
        if not left:
            who = f"user ID {self._tokens.index(request.token) + 1}" if request.token else "127.0.0.1"
            answer = exhausted(quota.status, who, time.time())
        else:
            with self._lock:
                answer = self.routes.answer(request)
                if answer.status == 304:
                    quota.give_back()
        if self.rate_limit_enabled:
            answer.headers |= quota.headers()
        if request.authenticated:
            answer.headers |= {
                "X-OAuth-Scopes": "read:org, repo",
                "X-GitHub-Api-Version-Selected": "2022-11-28",
            }
        return answer

    def _rate_limit(self, quota: Quota) -> Answer:
        if not self.rate_limit_enabled:
            return error(404, "Rate limiting is not enabled.", "/rest/rate-limit/rate-limit")
        core = quota.summary()
        search, graphql = (
            {**core, "limit": 30, "used": 0, "remaining": 30},
            {**core, "used": 0, "remaining": core["limit"]},
        )
        body = {"resources": {"core": core, "search": search, "graphql": graphql}, "rate": core}
        answer = json_answer(body)
        answer.headers |= quota.headers()
        return answer

    @staticmethod
    def _token(header: str | None) -> str | None:
        if not header:
            return None
        scheme, _, value = header.strip().partition(" ")
        if scheme.lower() == "basic":
            try:
                return base64.b64decode(value).decode().partition(":")[2]
            except ValueError:
                return "malformed"
        return value.strip() if scheme.lower() in ("token", "bearer") else "malformed"

    def _note(self, request: Request, answer: Answer, fault: Fault | None, started: float) -> None:
        """Logs the request and lets the data drift."""
        shown = {name: value for name, value in request.headers.items() if name != "authorization"}
        known = request.authenticated and request.token is not None
        token = "anonymous" if request.token is None else "unknown"
        if known:
            token = f"token-{self._tokens.index(str(request.token))}"
        with self._lock:
            self._log.append(
                LoggedRequest(
                    len(self._log) + 1, request.method, request.path, request.raw_path, dict(request.query),
                    shown, token, answer.status, fault.kind if fault else None, started,
                    time.monotonic() - started, len(answer.body),
                )
            )  # fmt: skip
            if not request.path.startswith("/repos/") or answer.status != 200:
                return
            self._served += 1
            for drift in self.drift:
                if self._served % drift.every == 0:
                    repo = self.repos[drift.repo or "/".join(request.path.split("/")[2:4])]
                    repo.touch(drift.stream, drift.touch) if drift.touch else None
                    repo.grow(drift.stream, drift.grow) if drift.grow else None
