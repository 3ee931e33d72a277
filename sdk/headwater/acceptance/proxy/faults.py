"""What goes wrong between a connector and an API."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Literal

from headwater.acceptance.proxy.tape import Answer, Request

Kind = Literal["answer", "change", "reset", "cut", "delay", "drip", "tls"]


@dataclass(frozen=True)
class Fault:
    """One thing that goes wrong.

    :ivar kind: ``answer``: this one is given instead; ``change``: the real one is changed; ``reset``: the connection
        is reset; ``cut``: the body ends in the middle; ``delay``: the answer comes later; ``drip``: its body
        comes drop by drop; ``tls``: the certificate is
        of somebody else.
    """

    kind: Kind
    answer: Answer | None = None
    change: Callable[[Request, Answer], Answer] | None = None
    seconds: float = 0.0


def refusal(status: int, *headers: tuple[str, str]) -> Fault:
    """An answer with this status, and a body that says nothing more."""
    body = b'{"message":"said by the acceptance suite","error":"said by the acceptance suite"}'
    return Fault("answer", Answer(status, [("Content-Type", "application/json"), *headers], body))


@dataclass
class Rule:
    """When a fault happens.

    :ivar matches: to which requests.
    :ivar times: how often; None: always.
    :ivar after: how many of them are let through first.
    :ivar happened: to how many it did.
    """

    fault: Fault
    matches: Callable[[Request], bool] = lambda request: True
    times: int | None = 1
    after: int = 0
    name: str = ""
    happened: int = 0
    _seen: int = field(default=0, repr=False)
    _lock: threading.Lock = field(default_factory=threading.Lock, repr=False)

    def of(self, request: Request) -> Fault | None:
        """The fault for a request, if it is its turn."""
        if not self.matches(request):
            return None
        with self._lock:
            self._seen += 1
            if self._seen <= self.after or (self.times is not None and self.happened >= self.times):
                return None
            self.happened += 1
            return self.fault


def first_of(rules: Sequence[Rule], request: Request) -> Rule | None:
    """The first rule whose turn it is."""
    for rule in rules:
        if rule.of(request) is not None:
            return rule
    return None
