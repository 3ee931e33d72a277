"""What is known of each of very many partitions."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from itertools import chain
from typing import Any

import msgspec

from headwater.protocol.values import encode

Partition = Mapping[str, Any]
"""A part of a stream, named by a few scalar values."""

_NUMBER = re.compile(r"0|-?[1-9][0-9]{0,16}")


class _Shape:
    """Partitions with the same names.

    :param partition: the first of them, after which the others are spelled.
    """

    def __init__(self, partition: Partition, mark: bytes) -> None:
        read = msgspec.json.decode(encode(partition))
        self.mark = mark
        self.names = sorted(partition)
        self.order = tuple(read) if read.keys() == partition.keys() else ()
        self._digits = [name for name, value in partition.items() if value.__class__ is str and _is_number(value)]

    def spells(self, partition: Partition) -> bool:
        """Whether a partition can be told from its values alone."""
        return tuple(partition) == self.order and all(
            value.__class__ is int and name not in self._digits
            if value.__class__ is not str
            else name in self._digits or not _is_number(value)
            for name, value in partition.items()
        )

    def partition(self, values: bytes) -> dict[str, Any]:
        """The partition with these values, which the mark is no more in front of."""
        found = dict(zip(self.names, msgspec.json.decode(b"[" + values + b"]"), strict=True))
        for name in self._digits:
            found[name] = str(found[name])
        return {name: found[name] for name in self.order}


class Places:
    """What is known of each partition, in as little memory as there may be: a hundred thousand of them take 20 MB.

    Each is known by the JSON of its values alone, their names kept once. Partitions that are equal but for a number
    that is written as text are the same.
    """

    def __init__(self) -> None:
        self._values: dict[bytes, Any] = {}
        self._shapes: dict[tuple[str, ...], _Shape] = {}
        self._marked: dict[bytes, _Shape] = {}
        self._spelled: dict[bytes, bytes] = {}  # those spelled otherwise than the first of their shape
        self._latest = b""
        self._alike: dict[tuple[str, ...], list[bytes]] | None = None  # those of the stored state, by their values

    def __len__(self) -> int:
        return len(self._values)

    def __contains__(self, partition: Partition) -> bool:
        return self._known_as(partition)[1] in self._values

    def get(self, partition: Partition) -> Any:
        """What is known of a partition; None: nothing."""
        return _given(self._values.get(self._known_as(partition)[1]))

    def set(self, partition: Partition, value: Any) -> bool:
        """Remember it; says whether it was news."""
        shape, identity = self._known_as(partition)
        kept = self._kept(value)
        if identity not in self._values:
            if not shape.spells(partition):
                self._spelled[identity] = encode(partition)
        elif self._values[identity] == kept:
            return False
        self._values[identity] = kept
        return True

    def _kept(self, value: Any) -> Any:
        """A text takes a fifth less as bytes, and nothing where it is the same as the one before, as days are."""
        if value.__class__ is not str:
            return value
        found = value.encode("utf-8", "surrogatepass")
        latest = self._latest  # of this moment: other threads come here, too
        if found == latest:
            return latest
        self._latest = found
        return found

    def pop_alike(self, partition: Partition) -> Any:
        """What was known of the only partition that has the same values under other names; it is forgotten there.
        Airbyte's connectors have names of their own for a parent's key. None: there is none."""
        if self._alike is None:
            self._alike = {}
            first = next(iter(self._values), None)
            if first is None or self._names(first) == sorted(partition):
                return None
            for identity in self._values:
                self._alike.setdefault(_values(self._partition(identity)), []).append(identity)
        if not self._alike:
            return None
        identities = self._alike.get(_values(partition), ())
        if len(identities) != 1 or self._names(identities[0]) == sorted(partition):
            return None
        self._spelled.pop(identities[0], None)
        return _given(self._values.pop(identities[0], None))

    def items(self) -> Iterator[tuple[dict[str, Any], Any]]:
        """All partitions of which something is known, in the order in which they came."""
        for identity, value in list(self._values.items()):
            if value is not None:
                yield self._partition(identity), _given(value)

    def to_json(self, cursor: Callable[[Any], Mapping[str, Any] | None]) -> Iterator[bytes]:
        """The JSON of a state's ``states``, a piece for each; nothing at all where it has none.

        :param cursor: what it says of a partition of which this is known; None: nothing.
        """
        before = b"["
        for identity in list(self._values):
            value = self._values.get(identity)
            said = None if value is None else cursor(_given(value))
            if said is not None:
                spelled = self._spelled.get(identity) or encode(self._partition(identity))
                yield b'%b{"partition":%b,"cursor":%b}' % (before, spelled, encode(said))
                before = b","
        if before == b",":
            yield b"]"

    def _known_as(self, partition: Partition) -> tuple[_Shape, bytes]:
        names = tuple(sorted(partition))
        shape = self._shapes.get(names)
        if shape is None:
            if not all(name.__class__ is str for name in names):
                return self._known_as(msgspec.json.decode(encode(partition)))
            mark = b"#%d " % len(self._shapes) if self._shapes else b""
            shape = self._shapes[names] = self._marked[mark] = _Shape(partition, mark)
        # a slice, as what the encoder made takes more memory than its bytes
        return shape, shape.mark + encode([_plain(partition[name]) for name in names])[1:-1]

    def _shape(self, identity: bytes) -> _Shape:
        return self._marked[identity[: identity.index(b" ") + 1] if identity[:1] == b"#" else b""]

    def _names(self, identity: bytes) -> list[str]:
        return self._shape(identity).names

    def _partition(self, identity: bytes) -> dict[str, Any]:
        """As it was spelled."""
        spelled = self._spelled.get(identity)
        if spelled is not None:
            return msgspec.json.decode(spelled)  # type: ignore[no-any-return]
        shape = self._shape(identity)
        return shape.partition(identity[len(shape.mark) :])


def pieces(blob: Mapping[str, Any], states: Iterator[bytes]) -> Iterator[bytes] | None:
    """The JSON of a state's content, in pieces, with these ``states``; None where there are none."""
    first = next(states, None)
    if first is None:
        return None
    others = (b",%b:%b" % (encode(name), encode(value)) for name, value in blob.items() if name != "states")
    return chain((b'{"states":', first), states, others, (b"}",))


def _given(kept: Any) -> Any:
    """A value as it was given."""
    return kept.decode("utf-8", "surrogatepass") if kept.__class__ is bytes else kept


def _values(partition: Partition) -> tuple[str, ...]:
    return tuple(sorted(map(str, partition.values())))


def _plain(value: Any) -> Any:
    """A partition's value, which may be a number in one state and its digits in another."""
    if value.__class__ is int:
        return value
    text = str(value)
    return int(text) if _is_number(text) else text


def _is_number(text: str) -> bool:
    return _NUMBER.fullmatch(text) is not None
