"""How a source behaves towards its API: what it takes an answer for, how patient it is, and how modest."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from headwater.http.faults import Fault
from headwater.http.ratelimit import RateLimit
from headwater.http.retry import RetryPolicy


@dataclass(frozen=True)
class Manners:
    """Facts of an API. A child changes its parent's::

        manners = Parent.manners.but(faults=(Fault("skip", status=410), *Parent.manners.faults))

    :ivar faults: what an answer that is no good means in this API: rules, of which the first that fits counts.
    :ivar retry: how often and how long a failing request is tried again.
    :ivar rate_limit: a budget of requests for all streams and threads together, or several, which are all kept;
        None: none, until the server complains.
    :ivar timeout: seconds without a byte after which a request has failed.
    """

    faults: tuple[Fault, ...] = ()
    retry: RetryPolicy = field(default_factory=RetryPolicy)
    rate_limit: RateLimit | tuple[RateLimit, ...] | None = None
    timeout: float = 60.0

    def but(self, **changes: Any) -> Manners:
        """The same with other facts."""
        from dataclasses import replace

        return replace(self, **changes)

    @property
    def limits(self) -> tuple[RateLimit, ...]:
        """The budgets."""
        if self.rate_limit is None:
            return ()
        return (self.rate_limit,) if isinstance(self.rate_limit, RateLimit) else self.rate_limit
