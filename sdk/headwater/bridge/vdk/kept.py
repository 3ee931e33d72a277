"""A source's own changes to its settings (a renewed token), kept in the job's properties for its next run."""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Mapping
from typing import Any

import msgspec

from headwater.bridge.vdk.states import JobStates, plain_json

log = logging.getLogger(__name__)

_CONFIG = "config"


class KeptConfig:
    """The settings of one source, as the job gives them or as the source has changed them since.

    What was kept is used until the job gives others.

    :param id_: the source's id; they are kept beside its states.
    :param given: what the job gives.
    """

    def __init__(self, job: JobStates, id_: str, given: Mapping[str, Any]) -> None:
        self._job = job
        self._id = id_
        self._given = given

    @property
    def config(self) -> Mapping[str, Any]:
        """What the source is to be made with."""
        kept = self._job.entry(self._id).get(_CONFIG)
        if isinstance(kept, Mapping) and kept.get("for") == _digest(self._given) and "config" in kept:
            found: Mapping[str, Any] = kept["config"]
            return found
        return self._given

    def keep(self, changed: Mapping[str, Any]) -> None:
        """Write it at once: a token that was renewed may be good for one use.

        :raises StateError: when it can't be written.
        """
        kept = {"for": _digest(self._given), "config": plain_json(changed)}
        self._job.update(self._id, lambda entry: entry.update({_CONFIG: kept}))
        self._job.flush()
        log.info("Source %r changed its own settings; they are kept in the job's properties.", self._id)


def _digest(config: Mapping[str, Any]) -> str:
    return hashlib.sha256(msgspec.json.encode(plain_json(config), order="deterministic")).hexdigest()
