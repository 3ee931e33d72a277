"""States in the job's properties.

They are kept where vdk-data-sources keeps them, in the property :data:`KEY`, and in its layout, so a job can
go from its classes to Headwater's and back::

    {".vdk.data_sources.state": {"<source id>": {
        "streams": {"<stream>": <state>}, "others": {"<key>": <state>}, "destination": "<destination id>"}}}

A state is stored only after the destination acknowledged the records before it. All properties of a job are
written as a whole, in a deployment by a remote call, so states are gathered and written every few seconds and
at the end: after a crash some records are read again, none is lost.
"""

from __future__ import annotations

import copy
import threading
import time
import weakref
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import msgspec

from headwater.bridge.vdk.errors import classified
from headwater.errors import StateError
from headwater.protocol.messages import State, StreamDescriptor
from headwater.protocol.values import encode

KEY = ".vdk.data_sources.state"
GLOBAL = "airbyte"
"""The key in ``others`` of a GLOBAL or LEGACY state, which is of all streams at once."""

_TYPES = ("STREAM", "GLOBAL", "LEGACY")

_STORES: weakref.WeakKeyDictionary[Any, JobStates] = weakref.WeakKeyDictionary()
_STORES_LOCK = threading.Lock()


class JobStates:
    """All states of one job, behind one lock.

    :param properties: the job's ``IProperties`` (its ``job_input``); None keeps states in memory.
    :param seconds: the least time between two writes of the properties.
    """

    def __init__(self, properties: Any, *, seconds: float = 5.0, clock: Callable[[], float] = time.monotonic) -> None:
        self._properties = properties if hasattr(properties, "get_all_properties") else None
        self._seconds = seconds
        self._clock = clock
        self._written = -seconds
        self._memory: dict[str, Any] = {}
        self._changed: dict[str, dict[str, Any]] = {}
        self._lock = threading.RLock()

    def entry(self, key: str) -> dict[str, Any]:
        """What is kept under a source id: a copy.

        :raises StateError: when the properties can't be read or hold something else.
        """
        with self._lock:
            if key not in self._changed:
                found = self._all().get(key, {})
                if not isinstance(found, Mapping):
                    raise StateError(f"The states of {key!r} in the job property {KEY!r} are not an object.")
                return copy.deepcopy(dict(found))
            return copy.deepcopy(self._changed[key])

    def update(self, key: str, change: Callable[[dict[str, Any]], None]) -> None:
        """Change what is kept under a source id, and write it unless the last write was just now."""
        with self._lock:
            entry = self.entry(key)
            change(entry)
            self._changed[key] = entry
            if self._clock() - self._written >= self._seconds:
                self.flush()

    def claim(self, source: str, destination: str) -> str:
        """The key for the states of one source as one destination has received it.

        The source id itself for the first destination that uses it (also where vdk-data-sources wrote the
        states, which knows one state a source), ``source -> destination`` for every other: a destination that
        comes later starts at the beginning and misses nothing.
        """
        with self._lock:
            owner = self.entry(source).get("destination")
            if owner == destination:
                return source
            own = f"{source} -> {destination}"
            if owner is not None:
                return own
            self._changed[source] = {**self.entry(source), "destination": destination}
            return source

    def flush(self) -> None:
        """Write what is not written yet.

        :raises StateError: when the properties can't be written; what was to be written is kept for the next
            try.
        """
        with self._lock:
            if not self._changed:
                return
            states = {**self._all(), **self._changed}
            if self._properties is None:
                self._memory = copy.deepcopy(states)
            else:
                try:
                    properties = {**self._properties.get_all_properties(), KEY: states}
                    self._properties.set_all_properties(copy.deepcopy(properties))
                except Exception as error:
                    raise _state_error("written", error) from error
            self._changed.clear()
            self._written = self._clock()

    def _all(self) -> dict[str, Any]:
        if self._properties is None:
            return self._memory
        try:
            found = self._properties.get_all_properties().get(KEY, {})
        except Exception as error:
            raise _state_error("read", error) from error
        if not isinstance(found, Mapping):
            raise StateError(f"The job property {KEY!r} is not an object; repair or remove it.")
        return dict(found)


def states_of(job_input: Any) -> JobStates:
    """The states of a job: the same object for the same ``job_input``, since flows may run side by side."""
    with _STORES_LOCK:
        try:
            return _STORES.setdefault(job_input, JobStates(job_input))
        except TypeError:  # a job_input that can't be referred to weakly
            return JobStates(job_input)


class PropertiesStates:
    """The states of one flow, in the job's properties (a ``StateStore``).

    :param key: what :meth:`JobStates.claim` gave.
    :param bare: of a VDK data source, which gets its states when it is connected: each is kept exactly as the
        source gave it, and :meth:`load` gives none.
    """

    def __init__(self, job: JobStates, key: str, *, bare: bool = False) -> None:
        self._job = job
        self._key = key
        self._bare = bare

    def load(self) -> list[State]:
        """The states to start from; see ``StateStore``."""
        if self._bare:
            return []
        entry = self._job.entry(self._key)
        whole = (entry.get("others") or {}).get(GLOBAL)
        if isinstance(whole, Mapping):
            return [State(whole)]
        return [stream_state(name, value) for name, value in (entry.get("streams") or {}).items()]

    def store(self, states: Sequence[State]) -> None:
        """Keep released states; see ``StateStore``. They are written soon, not at once."""
        if self._bare:
            new = {str(state.stream): plain_json(state.stream_state) for state in states}
            self._job.update(self._key, lambda entry: _put_streams(entry, new))
        elif states:
            self._job.update(self._key, lambda entry: _put(entry, states))


def stream_state(name: str, value: Any) -> State:
    """The state of a stream as it was kept: the whole ``state`` object, or only its blob, as VDK keeps it."""
    if isinstance(value, Mapping) and value.get("type") in _TYPES:
        return State(value)
    return State.of_stream(StreamDescriptor(name), value if isinstance(value, Mapping) else {})


def kept(state: State) -> Any:
    """What is kept of a STREAM state: its blob where that says everything, else the whole object.

    ``sourceStats`` counts records of a sync that is over; it alone is not worth the whole object.
    """
    raw = state.raw
    part = raw.get("stream") or {}
    blob = part.get("stream_state")
    plain = (
        state.type == "STREAM"
        and set(raw) <= {"type", "stream", "sourceStats"}
        and set(part) == {"stream_descriptor", "stream_state"}
        and set(part["stream_descriptor"]) == {"name"}
        and isinstance(blob, Mapping)
        and blob.get("type") not in _TYPES  # or it would be taken for a whole object
    )
    return plain_json(blob if plain else raw)


def plain_json(value: Any) -> Any:
    """A copy that JSON can hold: a datetime in a state becomes text."""
    return msgspec.json.decode(encode(value))


def _put(entry: dict[str, Any], states: Sequence[State]) -> None:
    for state in states:
        if state.stream is None:
            entry["streams"] = {}
            entry["others"] = {**(entry.get("others") or {}), GLOBAL: plain_json(state.raw)}
            continue
        (entry.get("others") or {}).pop(GLOBAL, None)
        _put_streams(entry, {str(state.stream): kept(state)})


def _put_streams(entry: dict[str, Any], states: Mapping[str, Any]) -> None:
    entry["streams"] = {**(entry.get("streams") or {}), **states}


def _state_error(what: str, error: Exception) -> BaseException:
    return classified(StateError(f"The job's properties can't be {what}: {error}"))
