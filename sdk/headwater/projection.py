"""Field selection on JSON that stays JSON: the values of the kept fields are copied as they are written."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import msgspec

from headwater.protocol.messages import Change

# What JSON escapes in a name, which msgspec takes for no field's name.
_ESCAPED = re.compile(r'["\\\x00-\x1f]')
_FIELDS = msgspec.json.Decoder(dict[str, msgspec.Raw])


class Projection:
    """Keeps some top-level fields of JSON objects.

    :param fields: their names.
    """

    def __init__(self, fields: Iterable[str]) -> None:
        self._names = list(fields)
        self._encoder = msgspec.json.Encoder()
        self._decoder: msgspec.json.Decoder[Any] | None = None
        if not any(map(_ESCAPED.search, self._names)):
            self._decoder = msgspec.json.Decoder(
                msgspec.defstruct(
                    "Projected",
                    [
                        (f"f{place}", msgspec.Raw | msgspec.UnsetType, msgspec.UNSET)
                        for place in range(len(self._names))
                    ],
                    rename={f"f{place}": name for place, name in enumerate(self._names)},
                    gc=False,
                )
            )

    def __call__(self, data: Sequence[bytes | msgspec.Raw]) -> list[bytes]:
        """Each object with only the chosen fields, in the order they were chosen."""
        if self._decoder is not None:
            return list(map(self._encoder.encode, map(self._decoder.decode, data)))
        found = map(_FIELDS.decode, data)
        return [self._encoder.encode({name: each[name] for name in self._names if name in each}) for each in found]

    def changes(self, changes: Mapping[int, Sequence[Change]]) -> dict[int, list[Change]]:
        """Of what was changed in each object, that which concerns the chosen fields."""
        kept = {
            place: [change for change in made if change.field.split(".", 1)[0] in self._names]
            for place, made in changes.items()
        }
        return {place: made for place, made in kept.items() if made}


def at_path(kind: Any, names: Sequence[str]) -> Any:
    """The type of JSON with a value of some type down a path of names; :func:`value_at` takes it out.

    msgspec passes over what a type does not name without building it, which is what makes reading one field
    of a record, or the list in an answer, cheap. What is missing or null on the way is None.
    """
    for name in reversed(names):
        # gc: there are as many as records, and what was read of JSON holds no cycles to look for
        kind = msgspec.defstruct("At", [("value", kind | None, None)], rename={"value": name}, gc=False)
    return kind


def value_at(node: Any, depth: int) -> Any:
    """The value in what was read as :func:`at_path` of so many names."""
    for _ in range(depth):
        if node is None:
            return None
        node = node.value
    return node
