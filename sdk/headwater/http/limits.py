"""What an answer says of limits: when to come back, and how many requests are left."""

from __future__ import annotations

import email.utils
import re
import time
from dataclasses import dataclass
from datetime import timezone
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from requests import Response

_SECONDS = re.compile(r"[0-9]{1,15}(\.[0-9]*)?", re.ASCII)
_ITEM = re.compile(r"""\b(r|remaining|t|reset)\s*=\s*([0-9]{1,15})(?![0-9.])""", re.ASCII)
# Which of RateLimit-Reset's meanings a number has is told by its size: no quota comes back in thirty years.
_EPOCH = 1e9
_EPOCH_IN_MILLISECONDS = 1e11


@dataclass(frozen=True)
class Quota:
    """A quota, as an answer tells it.

    :ivar left: requests that are left; None: not said.
    :ivar resets: the epoch second, by this machine's clock, at which it is whole again; None: not said.
    """

    left: int | None = None
    resets: float | None = None


def retry_after(response: Response) -> float | None:
    """Seconds of a ``Retry-After`` header, which holds seconds or a date (RFC 9110, 10.2.3); None without, and
    where it holds anything else. A date is compared with the server's own clock, where it tells it."""
    value = response.headers.get("Retry-After", "").strip()
    if _SECONDS.fullmatch(value):
        return float(value)
    then = _moment(value)
    return None if then is None else max(0.0, then - _now(response))


def quota(response: Response) -> Quota:
    """What the headers say of the quota: ``RateLimit`` (IETF's drafts, all of them), ``RateLimit-Remaining`` and
    ``-Reset``, or the same with ``X-RateLimit-`` or ``X-Rate-Limit-`` before it.

    A reset may be seconds from now (the drafts), an epoch second (GitHub, GitLab), the same in milliseconds, or
    a date. An epoch is compared with the server's own clock, where it tells it.
    """
    told = _of_one_header(response)
    if told is not None:
        return told
    for prefix in ("RateLimit-", "X-RateLimit-", "X-Rate-Limit-"):
        left = response.headers.get(f"{prefix}Remaining", "").strip()
        reset = response.headers.get(f"{prefix}Reset", "").strip()
        if left or reset:
            return Quota(int(float(left)) if _SECONDS.fullmatch(left) else None, _reset(reset, response))
    return Quota()


def wait_asked(response: Response) -> float | None:
    """Seconds after which the server wants to be asked again: its ``Retry-After``, or else the reset of a quota
    that it does not say to have something left; None where it names no time."""
    asked = retry_after(response)
    if asked is not None:
        return asked
    told = quota(response)
    if told.resets is None or told.left:
        return None
    return max(1.0, told.resets - time.time())  # resets are told in whole seconds


def is_limited(response: Response) -> bool:
    """Whether an answer that refuses says that it is for a limit: when to come back, or that nothing is left."""
    return retry_after(response) is not None or quota(response).left == 0


def _of_one_header(response: Response) -> Quota | None:
    """``RateLimit: "default";r=0;t=30`` of the newer drafts, ``limit=10, remaining=0, reset=30`` of an older one.
    Of several policies, the one that is left the least, and among those the one that lasts longest."""
    header = response.headers.get("RateLimit", "")
    policies = [header] if "remaining" in header else header.split(",")
    found = []
    for policy in policies:
        items = {name[0] if name != "reset" else "t": int(value) for name, value in _ITEM.findall(policy)}
        if items:
            resets = _reset(str(items["t"]), response) if "t" in items else None
            found.append(Quota(items.get("r"), resets))
    return min(found, key=lambda told: (told.left if told.left is not None else 1, -(told.resets or 0)), default=None)


def _reset(text: str, response: Response) -> float | None:
    if _SECONDS.fullmatch(text):
        number = float(text)
        if number < _EPOCH:
            return time.time() + number
        epoch = number / 1000 if number > _EPOCH_IN_MILLISECONDS else number
    else:
        moment = _moment(text)
        if moment is None:
            return None
        epoch = moment
    return time.time() + epoch - _now(response)


def _now(response: Response) -> float:
    """The epoch second by the server's clock; it is told in whole seconds, so ours counts where they agree."""
    ours = time.time()
    theirs = _moment(response.headers.get("Date", ""))
    return ours if theirs is None or abs(theirs - ours) < 2.0 else theirs


def _moment(text: str) -> float | None:
    """The epoch second of an HTTP date."""
    try:
        moment = email.utils.parsedate_to_datetime(text)
        return (moment if moment.tzinfo else moment.replace(tzinfo=timezone.utc)).timestamp()
    except (ValueError, TypeError, OverflowError, IndexError):
        return None
