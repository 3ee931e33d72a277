"""A budget of requests, kept before the server complains. It answers how long to wait, and never sleeps."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field


@dataclass
class RateLimit:
    """At most so many requests in so many seconds, in any window of that length.

    :ivar requests: how many.
    :ivar seconds: in how long.
    """

    requests: int
    seconds: float = 1.0
    clock: Callable[[], float] = field(default=time.monotonic, repr=False, compare=False)

    def __post_init__(self) -> None:
        if self.requests < 1 or self.seconds <= 0:
            raise ValueError("RateLimit: at least one request in more than no time.")
        self._lock = threading.Lock()
        self._sent: deque[float] = deque()  # when the last `requests` ones go out, oldest first

    def reserve(self) -> float:
        """Take a place in the budget: the seconds to wait before the request may go out."""
        with self._lock:
            now = self.clock()
            at = now
            if len(self._sent) >= self.requests:
                at = max(now, self._sent.popleft() + self.seconds)
            self._sent.append(at)
            return at - now
