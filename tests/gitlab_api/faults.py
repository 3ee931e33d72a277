"""Faults on demand: which requests they hit and what they make of the answer."""

from __future__ import annotations

import fnmatch
import re
from dataclasses import dataclass, replace
from typing import Literal, get_args

from headwater.testing.upstream import Answer

Kind = Literal["status", "reset", "reset after headers", "cut", "hang", "bad json", "html", "empty", "same page"]
KINDS: tuple[str, ...] = get_args(Kind)
PAGE = b"<!DOCTYPE html>\n<html><head><title>GitLab is not responding (502)</title></head></html>"


@dataclass
class Fault:
    """One way to misbehave.

    :ivar path: a glob of the requests it hits, as the log has them (``/projects/acme/api/issues``).
    :ivar nth: the first fitting request that it hits.
    :ivar times: how many of them; None: all.
    :ivar status: of the kind ``status``; its body is JSON, or the page of a proxy for 502 and 504.
    """

    kind: Kind
    path: str = "*"
    nth: int = 1
    times: int | None = 1
    status: int = 500
    retry_after: int | None = None
    fired: int = 0
    seen: int = 0

    def __post_init__(self) -> None:
        if self.kind not in KINDS:
            raise ValueError(f"there is no fault {self.kind!r}; these are: {', '.join(KINDS)}")

    def hits(self, path: str) -> bool:
        """Whether this request is to go wrong; counts it when it fits."""
        if not fnmatch.fnmatchcase(path, self.path):
            return False
        self.seen += 1
        hit = self.seen >= self.nth and (self.times is None or self.fired < self.times)
        self.fired += hit
        return hit

    def spoil(self, answer: Answer) -> Answer:
        """What becomes of the right answer."""
        body = answer.body if isinstance(answer.body, bytes) else b""
        if self.kind in ("reset", "reset after headers", "cut", "hang"):
            return replace(answer, fault=self.kind)
        if self.kind == "bad json":
            return replace(answer, body=body[: max(1, len(body) // 2)])
        if self.kind == "html":
            return Answer(200, {"Content-Type": "text/html"}, PAGE)
        if self.kind == "empty":
            return Answer(200, {"Content-Type": "application/json"}, b"")
        if self.kind == "same page":
            first = re.search(r'<[^>]*>; rel="first"', answer.headers.get("Link", ""))
            link = first.group().replace('rel="first"', 'rel="next"') if first else ""
            return replace(answer, headers={**answer.headers, "Link": link})
        headers = {} if self.retry_after is None else {"Retry-After": str(self.retry_after)}
        if self.status in (502, 504):
            return Answer(self.status, {"Content-Type": "text/html", **headers}, PAGE)
        text = b'{"message":"%d Something"}' % self.status
        return Answer(self.status, {"Content-Type": "application/json", **headers}, text)
