"""The last accepted specification and catalog, kept as files: no earlier version is needed to compare with."""

from __future__ import annotations

import json
from typing import Any

from headwater.acceptance.results import Skipped
from headwater.acceptance.settings import Settings


def version(settings: Settings) -> str:
    """The connector's version, as its metadata say."""
    return str(settings.told(object, "dockerImageTag") or "unknown")


def baseline(settings: Settings, name: str, now: dict[str, Any]) -> dict[str, Any]:
    """The kept one; with ``--update`` it is written first, from what is.

    :raises Skipped: there is none.
    """
    if settings.baseline is None:
        raise Skipped("no baseline: --baseline FOLDER says where it is kept, --update writes it.")
    path = settings.baseline / name
    if settings.update:
        settings.baseline.mkdir(parents=True, exist_ok=True)
        (settings.baseline / "version").write_text(f"{version(settings)}\n", encoding="utf-8")
        path.write_text(json.dumps(now, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    if not path.exists():
        raise Skipped(f"there is no {path} yet: --update writes it.")
    accepted = settings.baseline / "version"
    if settings.disabled_for and accepted.exists() and accepted.read_text().strip() == settings.disabled_for:
        raise Skipped(f"`disable_for_version` turns it off: {settings.disabled_for} is the accepted version.")
    found = json.loads(path.read_text(encoding="utf-8"))
    if not isinstance(found, dict):
        raise Skipped(f"{path} is not a JSON object.")
    return found
