"""How a broken connector is registered: with its defect in words and the check that must catch it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Defect:
    """A broken connector.

    :ivar check: the id of the check that must catch it.
    :ivar what: its one defect.
    :ivar web: it reads over HTTP.
    :ivar settings: further settings of its config.
    """

    name: str
    check: str
    what: str
    kind: type[Any]
    web: bool = False
    settings: Any = None


DEFECTS: dict[str, Defect] = {}
GOOD: dict[str, type[Any]] = {}
"""Connectors without a defect, by their class's name."""


def defect(check: str, what: str, web: bool = False, **settings: Any) -> Callable[[type[Any]], type[Any]]:
    """Register a broken connector, by its class's name."""

    def register(kind: type[Any]) -> type[Any]:
        DEFECTS[kind.__name__] = Defect(kind.__name__, check, what, kind, web, settings)
        return kind

    return register


def good(kind: type[Any]) -> type[Any]:
    """Register one without a defect."""
    GOOD[kind.__name__] = kind
    return kind
