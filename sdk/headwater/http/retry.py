"""How long to wait before a request is tried again: it answers, and never sleeps."""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace

from headwater.errors import TransientError


@dataclass(frozen=True)
class RetryPolicy:
    """How often and how long a failing request is tried again.

    :ivar attempts: tries of one request in all, waits for a rate limit not counted.
    :ivar first_delay: seconds before the second try; doubled with each further one.
    :ivar longest_delay: no wait between two tries is longer, unless the server asked for it.
    :ivar longest_total: seconds; a request that has failed for so long is not tried again, waits for rate
        limits not counted.
    :ivar jitter: the share of a delay that is left to chance, so that many clients don't come back at once.
    :ivar longest_wait: seconds; a server that asks for a longer wait makes the request fail. GitHub's
        quotas come back within the hour.
    :ivar rate_limit_waits: how often one request waits for a rate limit.
    """

    attempts: int = 6
    first_delay: float = 1.0
    longest_delay: float = 60.0
    jitter: float = 0.5
    longest_wait: float = 3700.0
    rate_limit_waits: int = 10
    longest_total: float = 7200.0

    def delay(
        self,
        error: TransientError,
        failures: int,
        waits: int = 0,
        chance: Callable[[], float] = random.random,
        spent: float = 0.0,
    ) -> float | None:
        """Seconds to wait before the next try; None: give up.

        :param failures: how often the request has failed, this time included, rate limits apart.
        :param waits: how often it was rate limited, this time included.
        :param spent: seconds since the first try, waits for rate limits not counted.
        """
        if error.retry_after is not None and not error.retry_after <= self.longest_wait:  # nor for a NaN
            return None
        if error.rate_limited:
            if waits > self.rate_limit_waits:
                return None
            tries = waits
        else:
            if failures >= self.attempts:
                return None
            tries = failures
        longest = min(self.longest_delay, self.first_delay * 2.0 ** min(tries - 1, 30))
        own = longest * (1 - self.jitter * chance())
        # never before the server's time, and later each time where that turns out to be too early
        asked = error.retry_after
        delay = own if asked is None else max(asked + chance() * min(1.0, self.first_delay), own)
        return None if not error.rate_limited and spent + delay > self.longest_total else delay

    def impatient(self) -> RetryPolicy:
        """The same for ``check``, where somebody is waiting: few tries, and no wait for a quota."""
        return replace(self, attempts=min(2, self.attempts), longest_wait=5.0, rate_limit_waits=1)


@dataclass
class Tries:
    """How often a request was tried, and how long.

    :ivar waited: seconds that went by in waits for rate limits, which don't count.
    :ivar recoveries: how often the credentials were renewed.
    """

    policy: RetryPolicy
    failures: int = 0
    waits: int = 0
    recoveries: int = 0
    waited: float = 0.0
    began: float = field(default_factory=time.monotonic)

    def delay(self, error: TransientError) -> float:
        """Seconds until the next try.

        :raises TransientError: the error, where there is none any more.
        """
        if error.rate_limited:
            self.waits += 1
        else:
            self.failures += 1
        spent = time.monotonic() - self.began - self.waited
        delay = self.policy.delay(error, self.failures, self.waits, spent=spent)
        if delay is not None:
            self.waited += delay if error.rate_limited else 0.0
            return delay
        count = self.failures + self.waits
        tried = f" Given up after {count} tries." if count > 1 else ""
        raise TransientError(
            error.message + tried,
            retry_after=error.retry_after,
            rate_limited=error.rate_limited,
            internal=error.internal,
        ) from error
