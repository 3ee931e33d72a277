"""A source's own changes to its settings (a renewed token), kept in the job's properties for its next run."""

from __future__ import annotations

import hashlib
import logging
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import msgspec

from headwater.bridge.vdk.states import JobStates, plain_json

log = logging.getLogger(__name__)

_CONFIG = "config"
_RENEWABLE = "refresh_token"
"""OAuth 2's name (RFC 6749, 1.5) for what may be good for one use."""


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
    def renewable(self) -> bool:
        """Whether the source changes its settings, or may: it did before, or they hold a refresh token."""
        return self.config is not self._given or _holds(self._given, _RENEWABLE)

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


class Turns:
    """Of flows that read one source, those whose source renews its settings run one after the other.

    Side by side each would renew the same token, and of a token that is good for one use only the first is.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._locks: dict[str, threading.Lock] = {}

    @contextmanager
    def of(self, id_: str, settings: KeptConfig) -> Iterator[None]:
        """Wait for the turn of one flow.

        :param id_: the source's id.
        """
        if not settings.renewable:
            yield
            return
        with self._lock:
            lock = self._locks.setdefault(id_, threading.Lock())
        with lock:
            yield


def _holds(value: Any, name: str) -> bool:
    """Whether a setting of that name is somewhere in it."""
    if isinstance(value, Mapping):
        return name in value or any(_holds(one, name) for one in value.values())
    return isinstance(value, (list, tuple)) and any(_holds(one, name) for one in value)


def _digest(config: Mapping[str, Any]) -> str:
    return hashlib.sha256(msgspec.json.encode(plain_json(config), order="deterministic")).hexdigest()
