"""How far each partition of a stream was read: the content of its state."""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Mapping, Sequence
from typing import Any

from headwater.errors import ConfigError
from headwater.protocol.messages import State, StreamDescriptor

Partition = Mapping[str, Any]

NO_CURSOR: Mapping[str, Any] = {"__ab_no_cursor_state_message": True}
"""The state of a stream that has nothing to go on from, as the airbyte-cdk writes it."""


class StreamState:
    """The cursor values of one stream, by partition.

    It reads what this SDK and what Airbyte's connectors wrote over time: ``{cursor: value}`` for the whole
    stream, ``{"states": [{"partition": ..., "cursor": {cursor: value}}]}``, and the older
    ``{partition value: {cursor: value}}``. It writes the first for a stream without partitions and the second
    for one with them. Partitions that are not read this time keep theirs.

    :param cursor: the cursor field's name.
    :param blob: the stored state; None for a first read.
    :raises ConfigError: for a cursor value that is none, here or when it is asked for.
    """

    def __init__(self, cursor: str, blob: Mapping[str, Any] | None) -> None:
        self._cursor = cursor
        self._by_partition: dict[Hashable, tuple[Partition, Any]] = {}
        self._everywhere: Any = None
        self._legacy: Mapping[str, Any] = {}
        if blob:
            self._read(blob)

    def _value(self, cursor: Mapping[str, Any]) -> Any:
        """The cursor value in an object of a stored state."""
        value = cursor.get(self._cursor)
        if isinstance(value, (Mapping, list)):
            raise ConfigError(f"state: the value of {self._cursor!r} must be a text or a number.")
        return value

    def _read(self, blob: Mapping[str, Any]) -> None:
        if self._cursor in blob and not isinstance(blob[self._cursor], Mapping):
            self._everywhere = self._value(blob)
            return
        states = blob.get("states")
        for entry in states if isinstance(states, list) else ():
            if isinstance(entry, Mapping) and isinstance(entry.get("cursor"), Mapping):
                partition = entry.get("partition") or {}
                if not isinstance(partition, Mapping):
                    raise ConfigError("state: a `partition` must be an object.")
                self.set(dict(_flat(partition)), self._value(entry["cursor"]))
        shared = blob.get("state")
        if isinstance(shared, Mapping) and (blob.get("use_global_cursor") or not states):
            self._everywhere = self._value(shared)
        self._legacy = {
            name: part for name, part in blob.items() if isinstance(part, Mapping) and name not in _NOT_LEGACY
        }

    def get(self, partition: Partition) -> Any:
        """From which cursor value (inclusive) a partition is to be read; None: from the beginning."""
        found = self._by_partition.get(_identity(partition))
        if found is not None and found[1] is not None:
            return found[1]
        node: Any = self._legacy
        for value in partition.values():
            node = node.get(str(value)) if isinstance(node, Mapping) else None
        if partition and isinstance(node, Mapping) and node.get(self._cursor) is not None:
            return self._value(node)
        return self._everywhere

    def expect(self, partition: Partition) -> Any:
        """As :meth:`get`, for a partition that will be read: it has its place in the state from now on, so that
        the state is the same in whatever order partitions are done with. May be called in another thread."""
        if partition:
            self._by_partition.setdefault(_identity(partition), (partition, None))
        return self.get(partition)

    def set(self, partition: Partition, value: Any) -> None:
        """The partition is read up to this cursor value; None: nothing is known of it yet."""
        if value is None:
            return
        if partition:
            self._by_partition[_identity(partition)] = (partition, value)
        else:
            self._everywhere = value

    def put_back(self, partition: Partition, value: Any) -> None:
        """Take back what was set for the partition: it is known only up to this value, or not at all (None)."""
        if partition:
            self._by_partition[_identity(partition)] = (partition, value)
        else:
            self._everywhere = value

    def __len__(self) -> int:
        return len(self._by_partition)

    def to_json(self) -> dict[str, Any]:
        """The state's content; never empty, as an empty one means a reset."""
        states = [
            {"partition": dict(partition), "cursor": {self._cursor: value}}
            for partition, value in list(self._by_partition.values())
            if value is not None
        ]
        if not states and not self._legacy:
            return dict(NO_CURSOR) if self._everywhere is None else {self._cursor: self._everywhere}
        blob: dict[str, Any] = dict(self._legacy)  # until each of its partitions was read and is in `states`
        blob["states"] = states
        if self._everywhere is not None:  # where the partitions not yet read start
            blob.update(use_global_cursor=True, state={self._cursor: self._everywhere})
        return blob


_NOT_LEGACY = frozenset({"state", "parent_state"})


def _identity(partition: Partition) -> Hashable:
    return tuple(sorted((name, str(value)) for name, value in partition.items()))


def _flat(partition: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    """A partition as Airbyte's connectors write it, without the nesting of its parents. Of two values with
    one name, the partition's own comes last."""
    for value in partition.values():
        if isinstance(value, Mapping):
            yield from _flat(value)
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
