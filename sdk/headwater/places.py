"""What is known of each of very many partitions."""

from __future__ import annotations

import re
import threading
from collections.abc import Iterator, Mapping
from itertools import chain
from typing import Any

import msgspec

from headwater.packed import Cells, Keys
from headwater.protocol.values import encode

Partition = Mapping[str, Any]
"""A part of a stream, named by a few scalar values."""

WHOLE = -1
"""The place of a stream without partitions."""

_NUMBER = re.compile(r"0|-?[1-9][0-9]{0,16}")
_SEVERAL = 200
_ELSEWHERE = b"?"
_ENCODER = msgspec.json.Encoder()
_LISTS = msgspec.json.Decoder(list[list[Any]])


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

    def partition(self, values: list[Any]) -> dict[str, Any]:
        """The partition with these values."""
        found = dict(zip(self.names, values, strict=True))
        for name in self._digits:
            found[name] = str(found[name])
        return {name: found[name] for name in self.order}


class Places:
    """What is known of each partition, in as little memory as there may be: of fifty thousand it takes 2.7 MB.

    Each has a number, its place. It is known by the JSON of its values alone, the names are kept once; what is known
    of it, a short text or a number, is kept as JSON, too. Partitions that are equal but for a number that is written
    as text are the same. May be used by several threads.
    """

    def __init__(self) -> None:
        self._keys = Keys()
        self._known = Cells()
        self._others: dict[int, Any] = {}  # what is known, where it is no short text and no number
        self._forgotten: set[int] = set()
        self._shapes: dict[tuple[str, ...], _Shape] = {}
        self._marked: dict[bytes, _Shape] = {}
        self._spelled: dict[int, bytes] = {}  # those spelled otherwise than the first of their shape
        self._alike: dict[tuple[str, ...], list[int]] | None = None  # those of the stored state, by their values
        self._lock = threading.Lock()

    def __len__(self) -> int:
        return len(self._keys) - len(self._forgotten)

    def find(self, partition: Partition) -> int | None:
        """A partition's place; None: it has none."""
        with self._lock:
            place = self._keys.find(self._key(partition)[1])
            return None if place < 0 or place in self._forgotten else place

    def place(self, partition: Partition) -> int:
        """A partition's place, from now on."""
        with self._lock:
            shape, key = self._key(partition)
            new = len(self._keys)
            place = self._keys.add(key)
            if place == new and not shape.spells(partition):
                self._spelled[place] = encode(partition)
            self._forgotten.discard(place)
            return place

    def expect(self, partition: Partition, *, alike: bool = False) -> tuple[int, Any]:
        """A partition's place, from now on, and what is known there.

        :param alike: of one that is new, what was known of the only one that has the same values under other names;
            it is forgotten there. Airbyte's connectors have names of their own for a parent's key.
        """
        count = len(self._keys)
        place = self.place(partition)
        if place == count and alike:
            self.set(place, self._pop_alike(partition))
        return place, self.get(place)

    def get(self, place: int) -> Any:
        """What is known there; None: nothing."""
        with self._lock:
            known = self._known[place]
            if known == _ELSEWHERE:
                return self._others.get(place)
        return msgspec.json.decode(known) if known else None

    def set(self, place: int, value: Any) -> bool:
        """Remember it; says whether it was news."""
        text = _text(value)
        with self._lock:
            before = self._known[place]
            if text != before:
                self._known.put(place, text)
                self._others.pop(place, None)
            elif text != _ELSEWHERE or self._others.get(place) == value:
                return False
            if text == _ELSEWHERE:
                self._others[place] = value
            return True

    def _pop_alike(self, partition: Partition) -> Any:
        """What was known of the one that is alike, which is forgotten; None: there is none."""
        if self._alike is None:
            self._alike = {}
            stored = len(self._keys) - 1  # the partition itself has a place by now
            if not stored or self._names(0) == sorted(partition):
                return None
            for place in range(stored):
                self._alike.setdefault(_values(self._partition(place)), []).append(place)
        if not self._alike:
            return None
        places = self._alike.get(_values(partition), ())
        if len(places) != 1 or places[0] in self._forgotten or self._names(places[0]) == sorted(partition):
            return None
        found = self.get(places[0])
        self.set(places[0], None)
        self._forgotten.add(places[0])
        return found

    def items(self) -> Iterator[tuple[dict[str, Any], Any]]:
        """All partitions of which something is known, in the order in which they came."""
        for place in range(len(self._keys)):
            value = self.get(place)
            if value is not None:
                yield self._partition(place), value

    def to_json(self) -> Iterator[tuple[bytes, bytes | None, Any]]:
        """The JSON of each partition of which something is known, and that as JSON, or (None) as what it is."""
        count = len(self._keys)
        for first in range(0, count, _SEVERAL):
            with self._lock:
                known = [(place, self._known[place]) for place in range(first, min(first + _SEVERAL, count))]
                told = [(place, text) for place, text in known if text]
                spelled = self._spellings([place for place, _ in told])
                others = [self._others.get(place) if text == _ELSEWHERE else None for place, text in told]
            for partition, (_, text), other in zip(spelled, told, others, strict=True):
                yield partition, None if text == _ELSEWHERE else text, other

    def _spellings(self, places: list[int]) -> list[bytes]:
        keys = [self._keys[place] for place in places]
        shapes = list(map(self._shape, keys))
        values = [key[len(shape.mark) :] for key, shape in zip(keys, shapes, strict=True)]
        read = _LISTS.decode(b"[[%b]]" % b"],[".join(values)) if values else []
        return [
            self._spelled.get(place) or _ENCODER.encode(shape.partition(of_it))
            for place, shape, of_it in zip(places, shapes, read, strict=True)
        ]

    def _key(self, partition: Partition) -> tuple[_Shape, bytes]:
        names = tuple(sorted(partition))
        shape = self._shapes.get(names)
        if shape is None:
            if not all(name.__class__ is str for name in names):
                return self._key(msgspec.json.decode(encode(partition)))
            mark = b"#%d " % len(self._shapes) if self._shapes else b""
            shape = self._shapes[names] = self._marked[mark] = _Shape(partition, mark)
        return shape, shape.mark + encode([_plain(partition[name]) for name in names])[1:-1]

    def _shape(self, key: bytes) -> _Shape:
        return self._marked[key[: key.index(b" ") + 1] if key[:1] == b"#" else b""]

    def _names(self, place: int) -> list[str]:
        return self._shape(self._keys[place]).names

    def _partition(self, place: int) -> dict[str, Any]:
        """As it was spelled."""
        return msgspec.json.decode(self._spellings([place])[0])  # type: ignore[no-any-return]


def pieces(blob: Mapping[str, Any], states: Iterator[bytes]) -> Iterator[bytes] | None:
    """The JSON of a state's content, in pieces, with these entries of ``states``; None where there are none."""
    first = next(states, None)
    if first is None:
        return None
    others = (b",%b:%b" % (encode(name), encode(value)) for name, value in blob.items() if name != "states")
    return chain((b'{"states":[', first), (b"," + each for each in states), (b"]",), others, (b"}",))


def _text(value: Any) -> bytes:
    """A short text or a number as JSON; nothing for None; what says that it is elsewhere for all else."""
    if value is None:
        return b""
    if value.__class__ is str or value.__class__ is int:
        try:
            text = _ENCODER.encode(value)
        except (ValueError, OverflowError):  # lone surrogates
            return _ELSEWHERE
        if Cells.takes(text):
            return text
    return _ELSEWHERE


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
