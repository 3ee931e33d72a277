"""The last accepted specification and catalog, kept as files: no earlier version is needed to compare with."""

from __future__ import annotations

import json
from typing import Any

from headwater.acceptance.results import Skipped
from headwater.acceptance.settings import Settings


def baseline(settings: Settings, name: str, now: dict[str, Any]) -> dict[str, Any]:
    """The kept one; with ``--update`` it is written first, from what is.

    :raises Skipped: there is none.
    """
    if settings.compatibility_off:
        raise Skipped("`disable_for_version` in acceptance-test-config.yml turns it off for this version.")
    if settings.baseline is None:
        raise Skipped("no baseline: --baseline FOLDER says where it is kept, --update writes it.")
    path = settings.baseline / name
    if settings.update:
        settings.baseline.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(now, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    if not path.exists():
        raise Skipped(f"there is no {path} yet: --update writes it.")
    found = json.loads(path.read_text(encoding="utf-8"))
    if not isinstance(found, dict):
        raise Skipped(f"{path} is not a JSON object.")
    return found
