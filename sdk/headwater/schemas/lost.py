"""What a conversion gives where it had to lose something."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from headwater.protocol.values import NULLED, SERIALIZATION_ERROR, TRUNCATED


@dataclass(frozen=True, slots=True)
class Lost:
    """A value that isn't all that it was.

    :ivar value: what is left: None, or the part that could be kept.
    :ivar change: the protocol's word: NULLED or TRUNCATED.
    :ivar reason: the protocol's reason.
    """

    value: Any
    change: str
    reason: str = SERIALIZATION_ERROR


_NOTHING = Lost(None, NULLED)


def lost() -> Lost:
    """Nothing is left."""
    return _NOTHING


def truncated(value: Any) -> Lost:
    """A part is left."""
    return Lost(value, TRUNCATED)
