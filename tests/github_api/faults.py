"""Faults on demand: which request they hit and what they make of the answer."""

from __future__ import annotations

import fnmatch
import random
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal, get_args

from .messages import Answer, Request, error, secondary

Kind = Literal[
    "status", "reset", "reset_after_headers", "truncate", "slow", "hang", "bad_json", "html", "empty",
    "redirect", "same_page", "secondary", "unauthorized",
]  # fmt: skip
KINDS: tuple[str, ...] = get_args(Kind)
PAGE_502 = b"<html>\r\n<head><title>502 Bad Gateway</title></head>\r\n<body>nginx</body>\r\n</html>\r\n"
UNICORN = b"<!DOCTYPE html><html><body><h1>Whoa there!</h1><p>This page is taking too long.</p></body></html>"
# What needs the real answer first; the other kinds answer without asking the routes.
AFTER_ROUTE = ("reset_after_headers", "truncate", "slow", "bad_json", "same_page")


@dataclass
class Fault:
    """One way to misbehave.

    It hits requests whose path (or path?query) fits the glob `path`: from the `nth` fitting one on,
    `times` of them (None: every one); with `probability` it hits each fitting request by chance, decided by
    the seed, the request and how often it was made, so that the order of concurrent requests plays no role.
    """

    kind: Kind
    path: str = "*"
    nth: int = 1
    times: int | None = 1
    probability: float | None = None
    seed: int = 0
    status: int = 500
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes | str | None = None
    delay: float = 1.0
    retry_after: int | None = 1
    location: str = ""
    token: str | None = None
    fired: int = 0
    seen: int = 0
    _asked: dict[str, int] = field(default_factory=dict, repr=False)
    _lock: threading.Lock = field(default_factory=threading.Lock, repr=False, compare=False)

    def __post_init__(self) -> None:
        if self.kind not in KINDS:
            raise ValueError(f"there is no fault {self.kind!r}; these are: {', '.join(KINDS)}")

    def hits(self, request: Request) -> bool:
        """Whether this request is to go wrong; counts it when it fits."""
        asked = request.path + ("?" + "&".join(f"{k}={v}" for k, v in request.query.items()) if request.query else "")
        if not (fnmatch.fnmatchcase(request.path, self.path) or fnmatch.fnmatchcase(asked, self.path)):
            return False
        if self.token is not None and self.token != request.token:
            return False
        with self._lock:
            self.seen += 1
            if self.probability is not None:
                again = self._asked[asked] = self._asked.get(asked, 0) + 1
                hit = random.Random(f"{self.seed}/{asked}/{again}").random() < self.probability
                hit = hit and (self.times is None or self.fired < self.times)
            else:
                hit = self.seen >= self.nth and (self.times is None or self.fired < self.times)
            self.fired += hit
            return hit

    def answer(self, request: Request) -> Answer:
        """The answer in place of the real one."""
        made = self._plain(request)
        made.headers.update(self.headers)
        if self.body is not None:
            made.body = self.body.encode() if isinstance(self.body, str) else self.body
        return made

    def _plain(self, request: Request) -> Answer:
        if self.kind == "secondary":
            return secondary(self.status if self.status in (403, 429) else 403, self.retry_after)
        if self.kind == "unauthorized":
            return error(401, "Bad credentials")
        if self.kind == "redirect":
            query = "&".join(f"{key}={value}" for key, value in request.query.items())
            target = f"{self.location.rstrip('/')}{request.raw_path}" + (f"?{query}" if query else "")
            status = self.status if 300 <= self.status < 400 else 302
            return Answer(status, b"", {"Location": target})
        if self.kind == "html":
            return Answer(200, UNICORN, {"Content-Type": "text/html; charset=utf-8"})
        if self.kind == "empty":
            return Answer(200, b"")
        if self.status in (502, 504):
            return Answer(self.status, PAGE_502, {"Content-Type": "text/html"})
        if self.status == 503:
            text = "No server is currently available to service your request."
            made = error(503, text)
            if self.retry_after is not None:
                made.headers["Retry-After"] = str(self.retry_after)
            return made
        texts = {401: "Bad credentials", 404: "Not Found", 429: "Too many requests"}
        return error(self.status, texts.get(self.status, "Server Error"))
