"""How far each partition of a stream was read: the content of its state."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import timedelta
from typing import Any, NoReturn

from headwater.cursor import Cursor
from headwater.errors import ConfigError
from headwater.places import WHOLE, Partition, Places, pieces
from headwater.protocol.messages import State, StreamDescriptor
from headwater.protocol.values import encode

NO_CURSOR: Mapping[str, Any] = {"__ab_no_cursor_state_message": True}
"""The state of a stream that has nothing to go on from, as the airbyte-cdk writes it."""


class StreamState:
    """The cursor values of one stream, by partition.

    It reads what this SDK and what Airbyte's connectors wrote over time: ``{cursor: value}`` for the whole
    stream, ``{"states": [{"partition": ..., "cursor": {cursor: value}}]}``, the older
    ``{partition value: {cursor: value}}``, one cursor for all partitions (``use_global_cursor``) with its
    ``lookback_window``, and the intervals of the airbyte-cdk's concurrent streams (``slices``). It writes the first
    for a stream without partitions and the second for one with them. Partitions that are not read this time keep
    theirs.

    :param cursor: the stream's cursor, or its field's name.
    :param blob: the stored state; None for a first read.
    :param stream: the stream's name, for errors.
    :ivar version: a number that changes with the content.
    :raises ConfigError: for a state of a wrong shape, here or when it is asked for.
    """

    def __init__(self, cursor: Cursor | str, blob: Mapping[str, Any] | None, stream: str = "") -> None:
        self._of = Cursor(cursor) if isinstance(cursor, str) else cursor
        self._cursor = self._of.field
        self._stream = stream
        self._places = Places()
        self._everywhere: Any = None
        self._legacy: Mapping[str, Any] = {}
        self._odd: Mapping[str, Any] = {}
        self._is_one = False
        self.version = 0
        if blob:
            self._read(blob)

    @property
    def is_empty(self) -> bool:
        """Whether nothing is known."""
        return self._everywhere is None and not self._places and not self._legacy

    def _wrong(self, what: str) -> NoReturn:
        where = f"state of stream {self._stream!r}" if self._stream else "state"
        raise ConfigError(f"{where}: {what} Correct it, or reset the stream.", stream=self._stream or None)

    def _value(self, cursor: Mapping[str, Any]) -> Any:
        """The cursor value in an object of a stored state."""
        value = cursor.get(self._cursor)
        if isinstance(value, (Mapping, list)):
            self._wrong(f"the value of {self._cursor!r} must be a text or a number.")
        return value

    def _read(self, blob: Mapping[str, Any]) -> None:
        if self._cursor in blob and not isinstance(blob[self._cursor], Mapping):
            self._everywhere = self._value(blob)
            return
        states = blob.get("states")
        legacy = isinstance(states, Mapping) and self._cursor in states  # a partition with an odd name
        if states and not legacy:
            self._read_partitions(states)
        shared = blob.get("state")
        if shared is not None and not isinstance(shared, Mapping) and states:
            self._wrong("`state` must be an object.")
        if isinstance(shared, Mapping) and (blob.get("use_global_cursor") or not states):
            self._everywhere = self._less(self._value(shared), blob.get("lookback_window"))
        if "slices" in blob and "state_type" in blob:
            self._everywhere = self._first_interval(blob)
        self._legacy = {
            name: part for name, part in blob.items() if isinstance(part, Mapping) and name not in _NOT_LEGACY
        }
        self._odd = {name: part for name, part in blob.items() if isinstance(part, (str, list)) and name not in _KNOWN}

    def _read_partitions(self, states: Any) -> None:
        if not isinstance(states, list):
            self._wrong("`states` must be a list.")
        for entry in states:
            if not isinstance(entry, Mapping):
                self._wrong("an entry of `states` must be an object with `partition` and `cursor`.")
            cursor, partition = entry.get("cursor"), entry.get("partition")
            if cursor is not None and not isinstance(cursor, Mapping):
                self._wrong("a `cursor` must be an object.")
            if partition is not None and not isinstance(partition, Mapping):
                self._wrong("a `partition` must be an object.")
            plain = dict(flat(partition or {}))
            self.set(self._places.place(plain) if plain else WHOLE, self._value(cursor or {}))

    def _less(self, value: Any, seconds: Any) -> Any:
        """A global cursor, less the time in which partitions may have changed behind it."""
        if not seconds or value is None:
            return value
        if isinstance(seconds, bool) or not isinstance(seconds, (int, float)):
            self._wrong("`lookback_window` must be a number of seconds.")
        at = self._of.moment(value)
        if at is not None:
            return self._of.written(at - timedelta(seconds=seconds), value)
        return value - seconds if isinstance(value, (int, float)) else None

    def _first_interval(self, blob: Mapping[str, Any]) -> Any:
        """Up to where the airbyte-cdk's intervals have no gap."""
        slices = blob["slices"]
        if not isinstance(slices, list) or not all(isinstance(part, Mapping) for part in slices):
            self._wrong("`slices` must be a list of objects.")
        key = self._of.key
        if not slices or any(key(part.get(end)) is None for part in slices for end in ("start", "end")):
            return None
        first = min(slices, key=lambda part: key(part["start"]))
        value = first.get("most_recent_cursor_value", first["start"])
        if isinstance(value, (Mapping, list)):
            self._wrong("`most_recent_cursor_value` must be a text or a number.")
        return value

    def get(self, partition: Partition) -> Any:
        """From which cursor value (inclusive) a partition is to be read; None: from the beginning."""
        place = self._places.find(partition) if partition else None
        return self._get(partition, None if place is None else self._places.get(place))

    def _get(self, partition: Partition, found: Any) -> Any:
        if found is not None:
            return found
        node: Any = self._legacy
        for value in partition.values() if self._legacy or self._odd else ():
            if node is self._legacy and str(value) in self._odd:
                self._wrong(f"what it says of {str(value)!r} must be an object with {self._cursor!r}.")
            node = node.get(str(value)) if isinstance(node, Mapping) else None
        if partition and isinstance(node, Mapping) and node.get(self._cursor) is not None:
            return self._value(node)
        return self._everywhere

    def expect(self, partition: Partition) -> tuple[int, Any]:
        """A partition that will be read: its place in the state, which it has from now on, so that the state is the
        same in whatever order partitions are done with; and as :meth:`get`. May be called in another thread."""
        if not partition:
            self._is_one = True
            return WHOLE, self._everywhere
        place, found = self._places.expect(partition, alike=True)
        return place, self._get(partition, found)

    def finish(self) -> None:
        """The stream was read whole. So each partition has a value of its own, and one that is new next time has a
        history which a cursor for all of them would hide."""
        if len(self._places) and not self._is_one and self._everywhere is not None:
            self._everywhere = None
            self.version += 1

    def set(self, place: int, value: Any) -> None:
        """The partition with this place is read up to this cursor value; None: nothing is known of it yet."""
        if value is not None:
            self.put_back(place, value)

    def put_back(self, place: int, value: Any) -> None:
        """Take back what was set for a partition: it is known only up to this value, or not at all (None)."""
        if place != WHOLE:
            self.version += self._places.set(place, value)
        elif self._everywhere != value:
            self._everywhere = value
            self.version += 1

    def __len__(self) -> int:
        return len(self._places)

    def to_json(self, field: str | None = None) -> dict[str, Any]:
        """The state's content; never empty, as an empty one means a reset.

        :param field: what the cursor is called in it; None: what it is called.
        """
        field = field or self._cursor
        states = [{"partition": partition, "cursor": {field: value}} for partition, value in self._places.items()]
        if not states and not self._legacy:
            return dict(NO_CURSOR) if self._everywhere is None else {field: self._everywhere}
        return self._with(states, field)

    def _with(self, states: Any, field: str) -> dict[str, Any]:
        blob: dict[str, Any] = dict(self._legacy)  # until each of its partitions was read and is in `states`
        blob["states"] = states
        if self._everywhere is not None:  # where the partitions not yet read start
            blob.update(use_global_cursor=True, state={field: self._everywhere})
        return blob

    def to_pieces(self) -> Iterator[bytes] | None:
        """The same as JSON, in pieces, for a state of many partitions; None: it has none."""
        entry = b'{"partition":%%b,"cursor":{%b:%%b}}' % encode(self._cursor).replace(b"%", b"%%")
        known = self._places.to_json()
        states = (entry % (partition, encode(other) if text is None else text) for partition, text, other in known)
        return pieces(self._with(None, self._cursor), states)


# The last two are of a full refresh that failed: kept as a partition's, the next one would begin where that one ended.
_NOT_LEGACY = frozenset({"state", "parent_state", "legacy", "full_refresh", "next_page"})
_KNOWN = frozenset({"state_type", "slices", "states"})


def flat(partition: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    """A partition as Airbyte's connectors write it, without the nesting of its parents. Of two values with
    one name, the partition's own comes last."""
    for value in partition.values():
        if isinstance(value, Mapping):
            yield from flat(value)
    for name, value in partition.items():
        if not isinstance(value, Mapping) and (name != "parent_slice" or value):
            yield name, value


def stream_states(states: Sequence[State]) -> dict[StreamDescriptor, Mapping[str, Any]]:
    """The state of each stream, from whatever form the states have."""
    blobs: dict[StreamDescriptor, Mapping[str, Any]] = {}
    for state in states:
        if state.type == "STREAM":
            entries = [state.raw.get("stream")]
        elif state.type == "GLOBAL":
            shared = state.raw.get("global")
            listed = shared.get("stream_states") if isinstance(shared, Mapping) else [None]
            entries = list(listed) if isinstance(listed, list) else [None] if listed else []
        else:  # the oldest form: {stream: state}
            data = state.raw.get("data") or {}
            if not isinstance(data, Mapping):
                raise ConfigError("state: `data` must be an object: a state for each stream.")
            entries = [{"stream_descriptor": {"name": k}, "stream_state": v} for k, v in data.items()]
        for entry in entries:
            descriptor = entry.get("stream_descriptor") if isinstance(entry, Mapping) else None
            if (
                not isinstance(entry, Mapping)
                or not isinstance(descriptor, Mapping)
                or not isinstance(descriptor.get("name"), str)
            ):
                raise ConfigError("state: an entry has no `stream_descriptor` with a `name`.")
            blob = entry.get("stream_state")
            if blob is not None and not isinstance(blob, Mapping):
                raise ConfigError(f"state: stream {descriptor['name']!r}: `stream_state` must be an object.")
            name = StreamDescriptor(descriptor["name"], descriptor.get("namespace") or None)
            blobs[name] = blob or {}
    return blobs
