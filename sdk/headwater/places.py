"""What is known of each of very many partitions."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import msgspec

from headwater.protocol.values import encode

Partition = Mapping[str, Any]
"""A part of a stream, named by a few scalar values."""

_NUMBER = re.compile(r"0|-?[1-9][0-9]{0,16}")


class Places:
    """What is known of each partition, in as little memory as there may be: a hundred thousand of them take 25 MB.

    Partitions that are equal but for a number that is written as text are the same.
    """

    def __init__(self) -> None:
        self._values: dict[bytes, Any] = {}
        self._order: tuple[str, ...] | None = None  # of the names in the first partition
        self._spelled: dict[bytes, bytes] = {}  # those spelled otherwise than that
        self._alike: dict[tuple[str, ...], list[bytes]] | None = None  # those of the stored state, by their values

    def __len__(self) -> int:
        return len(self._values)

    def __contains__(self, partition: Partition) -> bool:
        return _identity(partition) in self._values

    def get(self, partition: Partition) -> Any:
        """What is known of a partition; None: nothing."""
        return self._values.get(_identity(partition))

    def set(self, partition: Partition, value: Any) -> bool:
        """Remember it; says whether it was news."""
        identity = _identity(partition)
        if identity not in self._values:
            if self._order is None:
                found = msgspec.json.decode(encode(partition))
                self._order = tuple(found) if found.keys() == partition.keys() else ()
            if tuple(partition) != self._order or any(_plain(each) is not each for each in partition.values()):
                self._spelled[identity] = encode(partition)
        elif self._values[identity] == value:
            return False
        self._values[identity] = value
        return True

    def pop_alike(self, partition: Partition) -> Any:
        """What was known of the only partition that has the same values under other names; it is forgotten there.
        Airbyte's connectors have names of their own for a parent's key. None: there is none."""
        if self._alike is None:
            self._alike = {}
            first = next(iter(self._values), None)
            if first is None or msgspec.json.decode(first).keys() == partition.keys():
                return None
            for identity in self._values:
                found = msgspec.json.decode(identity)
                self._alike.setdefault(_values(found), []).append(identity)
        if not self._alike:
            return None
        identities = self._alike.get(_values(partition), ())
        if len(identities) != 1 or msgspec.json.decode(identities[0]).keys() == partition.keys():
            return None
        self._spelled.pop(identities[0], None)
        return self._values.pop(identities[0], None)

    def items(self) -> Iterator[tuple[dict[str, Any], Any]]:
        """All partitions of which something is known, in the order in which they came."""
        for identity, value in list(self._values.items()):
            if value is not None:
                yield self._partition(identity), value

    def to_bytes(self, cursor: Callable[[Any], Mapping[str, Any] | None]) -> bytearray:
        """The JSON of a state's ``states``: of a hundred thousand partitions a sixth of what their dictionaries take.

        :param cursor: what it says of a partition of which this is known; None: nothing.
        """
        sorted_too = self._order is not None and list(self._order) == sorted(self._order)
        found = bytearray(b"[")
        for identity, value in list(self._values.items()):
            said = None if value is None else cursor(value)
            if said is None:
                continue
            spelled = self._spelled.get(identity)
            if spelled is None:
                spelled = identity if sorted_too else encode(self._partition(identity))
            found += b'{"partition":%b,"cursor":%b},' % (spelled, encode(said))
        if len(found) > 1:
            found.pop()
        found += b"]"
        return found

    def _partition(self, identity: bytes) -> dict[str, Any]:
        """As it was spelled."""
        spelled = self._spelled.get(identity)
        if spelled is not None:
            return msgspec.json.decode(spelled)  # type: ignore[no-any-return]
        found = msgspec.json.decode(identity)
        return {name: found[name] for name in self._order or ()}


def chunks(blob: Mapping[str, Any], states: bytes | bytearray) -> list[bytes | bytearray]:
    """The JSON of a state's content, in pieces, with these ``states``."""
    found: list[bytes | bytearray] = []
    for name, value in blob.items():
        found += (b"," if found else b"{", encode(name), b":", states if name == "states" else encode(value))
    return [*found, b"}"]


def _identity(partition: Partition) -> bytes:
    return encode({name: _plain(value) for name, value in sorted(partition.items())})


def _values(partition: Partition) -> tuple[str, ...]:
    return tuple(sorted(map(str, partition.values())))


def _plain(value: Any) -> Any:
    """A partition's value, which may be a number in one state and its digits in another."""
    if value.__class__ is int:
        return value
    text = str(value)
    return int(text) if _NUMBER.fullmatch(text) else text
