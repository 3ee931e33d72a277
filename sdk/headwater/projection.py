"""Field selection on JSON that stays JSON: the values of the kept fields are copied as they are written."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import msgspec


class Projection:
    """Keeps some top-level fields of JSON objects.

    :param fields: their names.
    """

    def __init__(self, fields: Iterable[str]) -> None:
        names = list(fields)
        kind = msgspec.defstruct(
            "Projected",
            [(f"f{place}", msgspec.Raw | msgspec.UnsetType, msgspec.UNSET) for place in range(len(names))],
            rename={f"f{place}": name for place, name in enumerate(names)},
        )
        self._decoder: msgspec.json.Decoder[Any] = msgspec.json.Decoder(kind)
        self._encoder = msgspec.json.Encoder()

    def __call__(self, data: Sequence[bytes | msgspec.Raw]) -> list[bytes]:
        """Each object with only the chosen fields, in the order they were chosen."""
        decode, encode = self._decoder.decode, self._encoder.encode
        return [encode(decode(record)) for record in data]


def field_reader(path: Sequence[str]) -> msgspec.json.Decoder[list[Any]]:
    """A decoder of a JSON list of objects that reads one field of each: what it gives has ``value_at``.

    Everything else in the objects is passed over without being built, which is what makes a cursor cheap.
    """
    kind: Any = Any
    for name in reversed(path):
        kind = msgspec.defstruct("Field", [("value", kind | None, None)], rename={"value": name})
    return msgspec.json.Decoder(list[kind])


def value_at(node: Any, depth: int) -> Any:
    """The field's value in an object that :func:`field_reader` read."""
    for _ in range(depth):
        if node is None:
            return None
        node = node.value
    return node
