"""Several tokens of one API, each with a quota of its own."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING

from headwater.http.auth import Auth, reveal
from headwater.http.limits import quota as quota_of
from headwater.secrets import Secret

if TYPE_CHECKING:
    from requests import PreparedRequest, Response


def told_quota(response: Response) -> tuple[int, float] | None:
    """What an answer's headers say (:func:`headwater.http.limits.quota`): requests left, and the reset."""
    told = quota_of(response)
    return None if told.left is None or told.resets is None else (told.left, told.resets)


class RotatingTokens(Auth):
    """Several tokens: the one with the most of its quota left is used; one whose quota is used up rests until its
    reset. Where nothing is known of quotas they take turns.

    :param tokens: at least one.
    :param quota: what an answer says of its token: how many requests are left, and the epoch second of the
        reset; None where it says nothing. By default the usual headers are read.
    """

    def __init__(
        self,
        tokens: Sequence[Secret | str],
        *,
        quota: Callable[[Response], tuple[int, float] | None] = told_quota,
        scheme: str = "Bearer",
    ) -> None:
        self._values = [f"{scheme} {reveal(token)}" for token in tokens]
        if not self._values:
            raise ValueError("RotatingTokens: at least one token is needed.")
        self._quota = quota
        self._left: dict[str, float] = {}  # requests; what is on its way is taken off
        self._resets: dict[str, float] = {}  # at which epoch second there are more
        self._turn = 0
        self._lock = threading.Lock()
        self._here = threading.local()  # the only one to use, while each is tried

    def __call__(self, request: PreparedRequest) -> PreparedRequest:
        """Set the header to the token that has the most left, or to the one that gets some first."""
        with self._lock:
            only = getattr(self._here, "only", None)
            if only is not None:
                request.headers["Authorization"] = only
                return request
            now, count = time.time(), len(self._values)
            turns = [self._values[(self._turn + place) % count] for place in range(count)]
            value = max(turns, key=lambda value: self._has(value, now))
            if self._has(value, now) <= 0:
                value = min(self._values, key=lambda value: self._resets[value])
            self._turn = self._values.index(value) + 1
            if value in self._left:
                self._left[value] -= 1
            request.headers["Authorization"] = value
        return request

    def recover(self, response: Response) -> bool:
        """After a used-up quota: whether another token has some left."""
        if getattr(self._here, "only", None) is not None:
            return False
        with self._lock:
            used = str(response.request.headers.get("Authorization"))
            now = time.time()
            return self._has(used, now) <= 0 and any(self._has(value, now) > 0 for value in self._values)

    def which(self, response: Response) -> str:
        """By its place in the list: ``token 2 of 3``."""
        used = str(response.request.headers.get("Authorization"))
        if len(self._values) < 2 or used not in self._values:
            return ""
        return f"token {self._values.index(used) + 1} of {len(self._values)}"

    def each(self) -> Iterator[None]:
        """Each token in turn."""
        try:
            for value in self._values:
                self._here.only = value
                yield
        finally:
            self._here.only = None

    def observe(self, response: Response) -> None:
        """Remember what a token's quota is."""
        told = self._quota(response)
        if told is not None:
            used = str(response.request.headers.get("Authorization"))
            with self._lock:
                self._left[used], self._resets[used] = told

    def wait(self) -> float:
        """Seconds until the first token has quota again; 0 if one has some now."""
        with self._lock:
            now = time.time()
            if any(self._has(value, now) > 0 for value in self._values):
                return 0.0
            return max(0.0, min(self._resets[value] for value in self._values) - now)

    def _has(self, value: str, now: float) -> float:
        """How many requests a token has left; as far as is known, no end of them."""
        return self._left.get(value, float("inf")) if self._resets.get(value, 0.0) > now else float("inf")
