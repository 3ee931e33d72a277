"""The primary rate limit: one quota a token."""

from __future__ import annotations

import math
import time
from dataclasses import dataclass, field


@dataclass
class Quota:
    """A token's requests within a window; the window starts anew when it has passed."""

    limit: int = 5000
    window: float = 3600.0
    used: int = 0
    status: int = 403
    reset_at: float = field(default_factory=lambda: 0.0)

    def _roll(self, now: float) -> None:
        if now >= self.reset_at:
            self.used, self.reset_at = 0, now + self.window

    def spend(self, now: float | None = None) -> bool:
        """Takes one request out of the quota; False when there is none left."""
        self._roll(time.time() if now is None else now)
        if self.used >= self.limit:
            return False
        self.used += 1
        return True

    def give_back(self) -> None:
        """Returns the request that a 304 does not cost."""
        self.used = max(0, self.used - 1)

    @property
    def remaining(self) -> int:
        """How many requests are left in this window."""
        return max(0, self.limit - self.used)

    def headers(self, resource: str = "core") -> dict[str, str]:
        """The rate limit headers of a response."""
        self._roll(time.time())
        return {f"X-RateLimit-{name.title()}": str(value) for name, value in self.summary().items()} | {
            "X-RateLimit-Resource": resource
        }

    def summary(self) -> dict[str, int]:
        """The quota as `GET /rate_limit` gives it."""
        self._roll(time.time())
        return {
            "limit": self.limit,
            "used": self.used,
            "remaining": self.remaining,
            "reset": math.ceil(self.reset_at),
        }
