"""What travels between the server, the faults and the routes, and GitHub's own error bodies."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from .clock import stamp_of
from .store import encoded

DOCS = "https://docs.github.com"
LIMITS = f"{DOCS}/rest/using-the-rest-api/rate-limits-for-the-rest-api"
ABUSE = f"{DOCS}/free-pro-team@latest/rest/overview/rate-limits-for-the-rest-api#about-secondary-rate-limits"


@dataclass(frozen=True)
class Request:
    """One request as the routes see it: `path` with the repository's name, `raw_path` as it was asked for."""

    method: str
    path: str
    raw_path: str
    query: Mapping[str, str]
    headers: Mapping[str, str]
    token: str | None = None
    authenticated: bool = False


@dataclass
class Answer:
    """A response before it is written."""

    status: int
    body: bytes = b""
    headers: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.headers.setdefault("Content-Type", "application/json; charset=utf-8")


@dataclass(frozen=True)
class LoggedRequest:
    """A line of the request log; headers are without the credentials, `token` is the token's place."""

    n: int
    method: str
    path: str
    raw_path: str
    query: Mapping[str, str]
    headers: Mapping[str, str]
    token: str
    status: int
    fault: str | None
    started: float
    seconds: float
    sent_bytes: int


def json_answer(value: object, status: int = 200, **headers: str) -> Answer:
    """An answer with a JSON body."""
    return Answer(status, encoded(value), {name.replace("_", "-"): text for name, text in headers.items()})


def error(status: int, message: str, docs: str = "/rest", **more: Any) -> Answer:
    """GitHub's error envelope."""
    url = docs if docs.startswith("http") else DOCS + docs
    return json_answer({"message": message, **more, "documentation_url": url, "status": str(status)}, status)


def request_id() -> str:
    """An id of the form that GitHub gives every response."""
    text = uuid.uuid4().hex.upper()
    return f"{text[:4]}:{text[4:10]}:{text[10:16]}:{text[16:22]}:{text[22:30]}"


def exhausted(status: int, who: str, now: float) -> Answer:
    """The answer to a token whose quota is spent."""
    support = (
        f" If you reach out to GitHub Support for help, please include the request ID {request_id()} "
        f"and timestamp {stamp_of(now).replace('T', ' ').replace('Z', '')} UTC."
    )
    return error(status, f"API rate limit exceeded for {who}.{support}", LIMITS)


def secondary(status: int, retry_after: int | None) -> Answer:
    """The answer of the secondary rate limit; GitHub leaves Retry-After out now and then."""
    text = (
        "You have exceeded a secondary rate limit. Please wait a few minutes before you try again. "
        f"If you reach out to GitHub Support for help, please include the request ID {request_id()}."
    )
    answer = error(status, text, ABUSE)
    if retry_after is not None:
        answer.headers["Retry-After"] = str(retry_after)
    return answer
