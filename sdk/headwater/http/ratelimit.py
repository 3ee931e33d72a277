"""What an API lets a client do, as facts: a source's budget. Who keeps it: :mod:`headwater.http.budget`."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class RateLimit:
    """At most so many requests in so many seconds, in any window of that length; and so many at the same time.

    ::

        RateLimit(90, seconds=60)
        RateLimit(concurrent=4)
        RateLimit(10, concurrent=4)
        RateLimit(30, seconds=60, path="^/search/")

    :ivar requests: how many in the time; None: no matter.
    :ivar seconds: in how long.
    :ivar concurrent: how many may be under way at the same time, whatever the number of threads; None: no matter.
    :ivar path: a regular expression that is found in the URL's path: a part of the API with a quota of its own. Its
        requests count here alone, and where the server has them wait, the others go on. Empty: all other requests.
    """

    requests: int | None = None
    seconds: float = 1.0
    concurrent: int | None = None
    path: str = ""

    def __post_init__(self) -> None:
        if (self.requests is not None and self.requests < 1) or not self.seconds > 0:
            raise ValueError("RateLimit: at least one request in more than no time.")
        if self.concurrent is not None and self.concurrent < 1:
            raise ValueError("RateLimit: at least one request at a time.")
