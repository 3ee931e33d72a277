"""The budgets of one source's requests, kept by all of its threads. They answer how long to wait, and never sleep.

What the author knows of the API's limits (:class:`~headwater.http.ratelimit.RateLimit`) is kept before the server
complains. When it complains all the same, nothing is sent until the time that it names, and from then on half as
many requests at a time, half as fast; with every answer that is good it gets a little more again.
"""

from __future__ import annotations

import math
import re
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable
from urllib.parse import urlsplit

from headwater.http.ratelimit import RateLimit
from headwater.waiting import Bell

_RECENT = 16
"""The pace is that of the last so many requests."""
_SLOWEST = 10.0
"""Seconds between two requests: however often the server complains, no slower."""
_FASTER = 0.97
"""What a good answer makes of the time between two requests: half of it in 23."""
_NO_MATTER = 0.001


class Budgets:
    """One for each part of the API that has a quota of its own, and one for the rest of it.

    :param limits: what is known of all of them.
    """

    def __init__(self, limits: Iterable[RateLimit]) -> None:
        limits = list(limits)
        of_path = {limit.path: [one for one in limits if one.path == limit.path] for limit in limits if limit.path}
        self._parts = [(re.compile(path), Budget(of_it)) for path, of_it in of_path.items()]
        self._rest = Budget(limit for limit in limits if not limit.path)

    def of(self, url: str) -> Budget:
        """The budget that a request to this URL is of: the first whose path it has."""
        if not self._parts:
            return self._rest
        path = urlsplit(url).path
        return next((budget for pattern, budget in self._parts if pattern.search(path)), self._rest)


class Budget:
    """Whether the next request may go out now.

    :param limits: all of them are kept.
    """

    def __init__(self, limits: Iterable[RateLimit], clock: Callable[[], float] = time.monotonic) -> None:
        limits = list(limits)
        self._clock = clock
        self._lock = threading.Lock()
        self._windows = [(limit.seconds, deque[float](maxlen=limit.requests)) for limit in limits if limit.requests]
        self._most = min((limit.concurrent for limit in limits if limit.concurrent), default=math.inf)
        self._allowed: float = self._most  # at the same time, as far as the server seems to like it
        self._usual = self._most  # to which it grows again
        self._interval = 0.0  # seconds between two requests
        self._sent: deque[float] = deque(maxlen=_RECENT)
        self._under_way = 0
        self._held_until = self._slowed = -math.inf
        self._waiting: list[Bell] = []

    def enter(self, bell: Bell | None = None) -> float:
        """Take a place for a request; after it comes :meth:`leave`.

        :param bell: rung when there may be a place before the time is over.
        :returns: 0: it may go out; else the seconds after which to ask again. Nothing is taken then.
        """
        with self._lock:
            now = self._clock()
            if self._under_way + 1 > max(1.0, self._allowed):
                if bell is not None:
                    self._waiting.append(bell)
                return math.inf
            free = self._held_until
            for seconds, sent in self._windows:
                if len(sent) == sent.maxlen:
                    free = max(free, sent[0] + seconds)
            if self._interval and self._sent:
                free = max(free, self._sent[-1] + self._interval)
            if free > now:
                return free - now
            for _, sent in self._windows:
                sent.append(now)
            self._sent.append(now)
            self._under_way += 1
            return 0.0

    def leave(self) -> None:
        """A request has its answer, or failed."""
        with self._lock:
            self._under_way -= 1
            self._ring()

    def hold(self, seconds: float) -> None:
        """Let nothing go out for so long: the server has said when to come back."""
        with self._lock:
            self._held_until = max(self._held_until, self._clock() + seconds)

    def complained(self, sent: float) -> None:
        """The server complains of too many requests: slow down. What was sent before it was last slowed down for is
        no further reason.

        :param sent: when the request was, by the monotonic clock.
        """
        with self._lock:
            if sent <= self._slowed:
                return
            self._slowed = now = self._clock()
            self._allowed = max(1.0, min(self._allowed, self._under_way + 1) / 2)
            self._usual = min(self._most, max(2.0, 2.0 * self._allowed)) if self._most == math.inf else self._most
            if len(self._sent) > 1:
                gap = (now - self._sent[0]) / len(self._sent)
                self._interval = min(_SLOWEST, 2 * max(gap, self._interval))

    def pleased(self) -> None:
        """An answer was good: what was slowed down becomes a little faster."""
        if self._slowed == -math.inf:
            return
        with self._lock:
            self._interval = self._interval * _FASTER if self._interval > _NO_MATTER else 0.0
            if self._allowed < self._usual:
                self._allowed = min(self._usual, self._allowed + 1 / self._allowed)
                self._ring()
            if self._allowed >= self._usual:
                self._allowed = self._usual = self._most
            if not self._interval and self._allowed == self._most:
                self._slowed = -math.inf

    @property
    def is_slowed(self) -> bool:
        """Whether the server's last complaint still counts."""
        return self._slowed != -math.inf

    def _ring(self) -> None:
        """With the lock held: let those who wait ask again."""
        for bell in self._waiting:
            bell.ring()
        self._waiting.clear()
