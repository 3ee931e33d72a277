"""The stand-in as an object: groups and projects, tokens, limits, faults, changes and the request log."""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from email.utils import formatdate
from typing import Any

from headwater.testing.server import Server
from headwater.testing.upstream import Answer, Received

from .faults import Fault, Kind
from .items import Json, group
from .paging import Pager, ok, refusal
from .project import Project
from .routes import Routes

TOKEN = "glpat-standin0000000000000"
PREFIX = "/api/v4"


@dataclass(frozen=True)
class LoggedRequest:
    """A line of the request log.

    :ivar path: below ``/api/v4``, by names.
    :ivar token: which credentials came, by their place among the accepted ones; None: none or wrong ones.
    """

    path: str
    query: Mapping[str, str]
    token: int | None
    status: int
    fault: str | None


@dataclass(frozen=True)
class Drift:
    """Changes under the reader: after every so many answers, items of a stream are touched and added."""

    every: int
    project: str
    stream: str = "issues"
    touch: int = 0
    grow: int = 0


class GitlabApi:
    """A local stand-in of GitLab's REST API; it serves from its making to its end as a context.

    :param projects: by full path; their groups, and the groups' parents, are made for them.
    :param groups: full paths of further groups.
    :param tokens: the accepted ones, with the scope of each.
    :param limit: requests a minute and token; None: no limit and no headers about it.
    :param anonymous: serve requests without a token too.
    """

    def __init__(
        self,
        projects: Mapping[str, Project] | None = None,
        *,
        groups: Sequence[str] = (),
        seed: object = 1,
        host: str = "127.0.0.1",
        tokens: Mapping[str, str] | None = None,
        limit: int | None = 2000,
        cap: int = 100,
        drift: Sequence[Drift] = (),
        anonymous: bool = False,
    ) -> None:
        self.projects = dict({"acme/api": Project(), "acme/web/site": Project(20)} if projects is None else projects)
        self.groups = _groups([*(path.rsplit("/", 1)[0] for path in self.projects), *groups])
        for number, (path, project) in enumerate(self.projects.items()):
            project.bind(501 + number, path, self.groups[path.rsplit("/", 1)[0]], seed)
        self.tokens = dict(tokens or {TOKEN: "read_api"})
        self.refresh_token = "refresh-0"
        self.drift, self.anonymous = tuple(drift), anonymous
        self._limit, self._left, self._reset_at = limit, limit or 0, time.time() + 60
        self._faults: list[Fault] = []
        self._log: list[LoggedRequest] = []
        self._served = 0
        self._lock = threading.RLock()
        self._stopping = threading.Event()
        self._server = Server(host, self._reply, self._stopping)
        self.url = f"http://{host}:{self._server.server_port}"
        self.routes = Routes(self.groups, self.projects, Pager(self.url + PREFIX, cap))

    def __enter__(self) -> GitlabApi:
        return self

    def __exit__(self, *_: object) -> None:
        self._stopping.set()
        self._server.stop()

    @property
    def requests(self) -> list[LoggedRequest]:
        """The requests served so far, in the order of their answers."""
        with self._lock:
            return list(self._log)

    def clear(self) -> None:
        """Empty the request log and forget the faults."""
        with self._lock:
            self._log.clear()
            self._faults.clear()

    def truth(self, stream: str, project: str = "") -> list[Json]:
        """What a stream of a project has now; of ``groups``, all there are."""
        if stream == "groups":
            return [dict(item) for item in self.groups.values()]
        return self.projects[project].truth(stream)

    def fault(self, kind: Kind, path: str = "*", **options: Any) -> Fault:
        """Add a fault and give it, to see how often it fired."""
        made = Fault(kind, path, **options)
        with self._lock:
            self._faults.append(made)
        return made

    def quota(self, left: int, reset_in: float) -> None:
        """Set how many requests are let through until the limit is full again."""
        with self._lock:
            self._limit, self._left, self._reset_at = self._limit or 2000, left, time.time() + reset_in

    # --- one request --------------------------------------------------------------------------------------

    def _reply(self, request: Received) -> Answer:
        if request.path == "/oauth/token":
            return self._grant(request)
        if not request.path.startswith(f"{PREFIX}/"):
            return Answer(404, {"Content-Type": "text/html"}, b"<html>The page could not be found</html>")
        raw, query = request.path[len(PREFIX) :], request.query
        with self._lock:
            path = self.routes.canonical(raw)
            fault = next((fault for fault in self._faults if fault.hits(path)), None)
            answer = self._admitted(request, raw, query)
            if fault is not None:
                answer = fault.spoil(answer)
            token = self._token(request)
            place = list(self.tokens).index(token) if token in self.tokens else None
            self._log.append(LoggedRequest(path, query, place, answer.status, fault.kind if fault else None))
            self._change()
        return answer

    @staticmethod
    def _token(request: Received) -> str | None:
        bearer = request.headers.get("Authorization", "")
        sent = request.headers.get("PRIVATE-TOKEN") or request.query.get("private_token")
        return sent or (bearer[7:] if bearer.startswith("Bearer ") else None)

    def _admitted(self, request: Received, raw: str, query: Mapping[str, str]) -> Answer:
        token = self._token(request)
        if token is None and not self.anonymous:
            return refusal(401, {"message": "401 Unauthorized"})
        if token is not None and token not in self.tokens:
            if request.headers.get("Authorization"):
                text = "Token was revoked. You have to re-authorize from the user."
                return refusal(401, {"error": "invalid_token", "error_description": text})
            return refusal(401, {"message": "401 Unauthorized"})
        if token is not None and self.tokens[token] not in ("api", "read_api"):
            text = "The request requires higher privileges than provided by the access token."
            return refusal(403, {"error": "insufficient_scope", "error_description": text, "scope": "api read_api"})
        if self._limit is None:
            return self.routes.answer(raw, query)
        headers = self._spend()
        if "Retry-After" in headers:
            return Answer(429, {"Content-Type": "text/plain", **headers}, b"Retry later\n")
        answer = self.routes.answer(raw, query)
        return replace(answer, headers={**answer.headers, **headers})

    def _spend(self) -> dict[str, str]:
        """Take a request out of the limit; the headers say what is left, and when to come again if nothing is."""
        now = time.time()
        if now >= self._reset_at:
            self._left, self._reset_at = self._limit or 0, now + 60
        throttled = self._left <= 0
        self._left = max(0, self._left - 1)
        headers = {
            "RateLimit-Limit": str(self._limit),
            "RateLimit-Name": "throttle_authenticated_api",
            "RateLimit-Observed": str((self._limit or 0) - self._left + throttled),
            "RateLimit-Remaining": str(self._left),
            "RateLimit-Reset": str(math.ceil(self._reset_at)),
        }
        if throttled:
            headers["RateLimit-ResetTime"] = formatdate(self._reset_at, usegmt=True)
            headers["Retry-After"] = str(max(1, math.ceil(self._reset_at - now)))
        return headers

    def _grant(self, request: Received) -> Answer:
        """A new access token for a refresh token, which is good for one use."""
        with self._lock:
            if request.form.get("refresh_token") != self.refresh_token:
                text = "The provided authorization grant is invalid, expired or revoked."
                return refusal(400, {"error": "invalid_grant", "error_description": text})
            number = int(self.refresh_token.rsplit("-", 1)[1]) + 1
            self.refresh_token, access = f"refresh-{number}", f"access-{number}"
            self.tokens = {token: scope for token, scope in self.tokens.items() if not token.startswith("access-")}
            self.tokens[access] = "read_api"
            grant = {"access_token": access, "refresh_token": self.refresh_token, "token_type": "Bearer"}
            return ok({**grant, "expires_in": 7200, "scope": "read_api", "created_at": int(time.time())})

    def _change(self) -> None:
        self._served += 1
        for drift in self.drift:
            if self._served % drift.every == 0:
                project = self.projects[drift.project]
                count = len(project.listed(drift.stream))
                for n in range(drift.touch):
                    project.touch(drift.stream, (self._served * 7 + n * 13) % count)
                for _ in range(drift.grow):
                    project.add(drift.stream)


def _groups(paths: Sequence[str]) -> dict[str, Json]:
    """The groups of these full paths and all above them."""
    names = sorted({"/".join(path.split("/")[: depth + 1]) for path in paths for depth in range(path.count("/") + 1)})
    made: dict[str, Json] = {}
    for number, name in enumerate(names):
        made[name] = group(11 + number, name, made.get(name.rpartition("/")[0]))
    return made
