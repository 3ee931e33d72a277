"""What an answer that is no good means, as facts: rules that a source lists."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal
from urllib.parse import urlsplit

from headwater.errors import ConfigError, HeadwaterError, SkipSlice, SourceError, TransientError
from headwater.http.decode import place
from headwater.http.limits import is_limited, wait_asked
from headwater.http.session import Kind, Trouble

if TYPE_CHECKING:
    from requests import Response

Then = Literal["retry", "wait", "skip", "config_error", "transient_error", "system_error"]

_WORDS: Mapping[str, str] = {
    "retry": "the server failed",
    "wait": "the limit of requests is used up",
    "skip": "there is nothing to read here",
    "config_error": "the request was refused. Check the config",
    "transient_error": "the server can't answer now",
    "system_error": "the request was refused",
}


@dataclass(frozen=True)
class Fault:
    """A rule: which answers it is about, and what becomes of the request.

    ::

        faults = (
            Fault("wait", status=403, text="rate limit", seconds=60),
            Fault("skip", "the repository is empty", status=409, text="empty"),
            Fault("config_error", "the token needs the scope read_api", status=(401, 403), text="insufficient_scope"),
            Fault("wait", status=200, fields={"error": "ratelimited"}),
            Fault("config_error", "nobody is there; check `api_url`", error="no connection"),
        )

    All that a rule says must be true of an answer; the first rule that fits counts. A rule without ``status`` is
    about answers of 400 and more, one with ``error`` about requests without a whole answer.

    :ivar then: ``retry`` (after a while, as the policy has it), ``wait`` (for a limit; told to the platform),
        ``skip`` (the slice), or fail: ``config_error`` (the user's turn), ``transient_error`` (nobody's: a later
        run may do better), ``system_error`` (the connector's).
    :ivar message: what is wrong, for the person whose turn it is; the place and the status are added.
    :ivar status: one or several.
    :ivar text: a regular expression that is found in the body, in small letters or capitals.
    :ivar fields: values in the body's JSON, by names joined by dots.
    :ivar headers: for each name a regular expression that is found in its value; ``""``: the header is there.
    :ivar path: a regular expression that is found in the URL's path.
    :ivar limited: the answer says that it is for a limit: when to come back, or that nothing of a quota is left.
    :ivar error: what went wrong on the way: ``time-out``, ``no connection``, ``closed``, ``cut``, ``tls``,
        ``not json``.
    :ivar seconds: to wait, where the server names no time.
    """

    then: Then
    message: str = ""
    status: int | Collection[int] = ()
    text: str = ""
    fields: Mapping[str, Any] = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict)
    path: str = ""
    limited: bool = False
    error: Kind | None = None
    seconds: float | None = None

    def __post_init__(self) -> None:
        if self.then not in _WORDS:
            raise ValueError(f"Fault: {self.then!r} is none of {', '.join(_WORDS)}.")
        if self.error is not None and (self.status or self.text or self.fields or self.headers or self.limited):
            raise ValueError("Fault: a rule with error= is about requests without an answer to look at.")

    def fits(self, response: Response) -> bool:
        """Whether the rule is about an answer."""
        status = response.status_code
        wanted = (self.status,) if isinstance(self.status, int) else self.status
        return (
            self.error is None
            and (status in wanted if wanted else status >= 400)
            and (not self.path or re.search(self.path, urlsplit(str(response.url)).path) is not None)
            and all(_found(wish, response.headers.get(name)) for name, wish in self.headers.items())
            and (not self.limited or is_limited(response))
            and (not self.text or re.search(self.text.encode(), response.content, re.IGNORECASE) is not None)
            and (not self.fields or _has(response, self.fields))
        )

    def failure(self, response: Response) -> HeadwaterError:
        """What an answer that the rule is about is."""
        said = f"{place(response)}: {self._said} ({response.status_code})."
        asked = wait_asked(response) if self.then in ("retry", "wait") else None
        internal = f"The answer begins: {response.content[:300]!r}" if self.then.endswith("error") else None
        return self._failure(said, asked, internal)

    def trouble(self, error: Trouble) -> HeadwaterError:
        """What a request is that failed on the way."""
        return self._failure(f"{error.message.rstrip('.')}: {self.message.rstrip('.')}." if self.message else
                             error.message, None, error.internal)  # fmt: skip

    @property
    def _said(self) -> str:
        return self.message.rstrip(".") or _WORDS[self.then]

    def _failure(self, said: str, asked: float | None, internal: str | None) -> HeadwaterError:
        if self.then == "skip":
            return SkipSlice(said)
        if self.then == "config_error":
            return ConfigError(said, internal=internal)
        if self.then == "system_error":
            return SourceError(said, internal=internal)
        if self.then == "transient_error":
            return TransientError(said, retry_after=float("inf"), internal=internal)  # not in this run
        wait = asked if asked is not None else self.seconds
        return TransientError(said, retry_after=wait, rate_limited=self.then == "wait", internal=internal)


def fault_of(faults: Iterable[Fault], response: Response) -> HeadwaterError | None:
    """What the first rule that fits makes of an answer; None where none does."""
    return next((fault.failure(response) for fault in faults if fault.fits(response)), None)


def trouble_of(faults: Iterable[Fault], error: TransientError) -> HeadwaterError:
    """What the rules make of a request that failed on the way; without one it is tried again."""
    kind = error.kind if isinstance(error, Trouble) else None
    if kind is None or not isinstance(error, Trouble):
        return error
    return next((fault.trouble(error) for fault in faults if fault.error == kind), error)


def _found(wish: str, value: str | None) -> bool:
    return value is not None and re.search(wish, value, re.IGNORECASE) is not None


def _has(response: Response, fields: Mapping[str, Any]) -> bool:
    try:
        body = response.json()
    except ValueError:
        return False
    return all(_at(body, path) == wish for path, wish in fields.items())


def _at(body: Any, path: str) -> Any:
    for name in path.split("."):
        body = body.get(name) if isinstance(body, Mapping) else None
    return body
