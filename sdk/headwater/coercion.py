"""Records brought to their stream's schema, on request: ``coerce = True``.

Records that fit pass as the JSON they are (:mod:`headwater.schemas.fitting`); only the others become Python
objects, value by value. A value that says the same in another form (``"5"`` and 5) is no change. What can't
be brought to its type becomes null, a fraction of an integer or a time of a date is cut off; both are told in
the record's ``meta.changes``. Undeclared fields stay. Where every record of a page has to be written anew, their
fields may come in the schema's order.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal
from typing import Any

import msgspec

from headwater.protocol.messages import Change
from headwater.protocol.values import NULLED, encode_rows
from headwater.schemas import temporal
from headwater.schemas.conversions import CONVERSIONS, decode_exactly
from headwater.schemas.fitting import Fitting, array_of
from headwater.schemas.lost import Lost, lost
from headwater.schemas.nodes import KINDS, Node, Text, node_of
from headwater.schemas.rewriting import Rewriting

log = logging.getLogger("headwater")

_Data = Sequence[bytes | msgspec.Raw]
_Coerce = Callable[[Any, list[Change]], Any]
"""Gives the very value where nothing is to be done, so that a record that need not be written anew is not."""

_CLASSES: dict[str, frozenset[type]] = {
    "boolean": frozenset((bool,)),
    "integer": frozenset((int,)),
    "number": frozenset((int, float, Decimal)),
    "string": frozenset((str,)),
    "object": frozenset((dict,)),
    "array": frozenset((list,)),
}
_NONE: frozenset[type] = frozenset()
# So few are Python objects at a time; more at once would be no quicker.
_AT_ONCE = 50
# After so many pages in a row that could not be rewritten, it is not tried again.
_IN_VAIN = 5


class Coercion:
    """A schema, compiled.

    :param schema: a stream's JSON Schema.
    :param stream: its name, for the log; empty: nothing is logged.
    """

    def __init__(self, schema: Mapping[str, Any], stream: str = "") -> None:
        node = node_of(schema)
        self._stream = stream
        self._told: set[Change] = set()
        self._coerce = _compiled(node, "")
        try:
            self._fitting: Fitting | None = Fitting(node)
        except TypeError:
            self._fitting = None
        try:
            self._rewriting: Rewriting | None = Rewriting(node)
        except TypeError:
            self._rewriting = None
        self._in_vain = 0

    def __call__(
        self, data: _Data, changes: Mapping[int, Sequence[Change]] | None = None
    ) -> tuple[_Data, Mapping[int, Sequence[Change]]]:
        """Each record as the schema wants it, and what was changed in which.

        :param changes: what was changed in them before.
        """
        before = changes or {}
        if self._coerce is None:
            return data, before
        page = array_of(data)
        misfits = self._fitting.misfits(data, page) if self._fitting is not None else range(len(data))
        if not misfits:
            return data, before
        if self._rewriting is not None and len(misfits) == len(data) and self._in_vain < _IN_VAIN:
            rewritten = self._rewriting(page)
            self._in_vain = self._in_vain + 1 if rewritten is None else 0
            if rewritten is not None:
                return rewritten, before
        return self._coerced(data, misfits, before)

    def _coerced(
        self, data: _Data, misfits: Sequence[int], before: Mapping[int, Sequence[Change]]
    ) -> tuple[_Data, Mapping[int, Sequence[Change]]]:
        result = list(data)
        found: dict[int, list[Change]] = {}
        for first in range(0, len(misfits), _AT_ONCE):
            self._rewrite(result, misfits[first : first + _AT_ONCE], found)
        if self._stream:
            self._tell(found)
        return result, {**before, **{place: [*before.get(place, ()), *made] for place, made in found.items()}}

    def _rewrite(self, data: list[bytes | msgspec.Raw], misfits: Sequence[int], found: dict[int, list[Change]]) -> None:
        """Bring some records to the schema, in their places.

        :param found: receives what was changed in which.
        """
        assert self._coerce is not None
        places: list[int] = []
        rows: list[Any] = []
        for place in misfits:
            made: list[Change] = []
            try:
                row = decode_exactly(data[place])
                coerced = self._coerce(row, made)
            except (ValueError, RecursionError):  # so deep that nobody could read it; a destination may
                continue
            if coerced is not row:
                places.append(place)
                rows.append(coerced)
                if made:
                    found[place] = made
        encoded, cleaned = encode_rows(rows)
        for index, place in enumerate(places):
            data[place] = encoded[index]
            if index in cleaned:
                found.setdefault(place, []).extend(cleaned[index])

    def _tell(self, changes: Mapping[int, Sequence[Change]]) -> None:
        """A field's first loss goes to the log; the records tell of each."""
        for change in (change for made in changes.values() for change in made):
            if change not in self._told:
                self._told.add(change)
                what = "became null" if change.change == NULLED else "lost a part"
                log.warning(
                    "Stream %s: a value of %s doesn't fit the schema and %s; each record's meta.changes tells.",
                    self._stream, change.field, what,
                )  # fmt: skip


def _compiled(node: Node, path: str) -> _Coerce | None:
    """What brings a value to a node; None: nothing is ever to be done.

    :param path: of the value in its record. An array's items are told of by the array's, as in
        :func:`headwater.protocol.values.clean`.
    """
    if not node.kinds:
        return None
    if not node.kind:
        return _any_of(node, path)
    if node.kind == "object":
        return _object(node, path)
    if node.kind == "array":
        return _array(node, path)
    if node.text:
        return _date_or_time(node.text, path)
    return _leaf(CONVERSIONS[node.kind], path)


def _ready(node: Node) -> frozenset[type]:
    """The classes whose values are as a node wants them, without looking into them."""
    if node.text or node.properties or node.values is not None or node.items is not None:
        return _NONE
    return frozenset[type]().union(*(_CLASSES[kind] for kind in node.kinds))


def _leaf(convert: Callable[[Any], Any], path: str) -> _Coerce:
    def coerce(value: Any, made: list[Change]) -> Any:
        found = convert(value)
        return _tell_of(found, path, made) if found.__class__ is Lost else found

    return coerce


def _date_or_time(text: Text, path: str) -> _Coerce:
    slowly = _leaf(temporal.CONVERSIONS[text], path)
    fits = temporal.OBVIOUS[text].fullmatch

    def coerce(value: Any, made: list[Change]) -> Any:
        if value.__class__ is str and fits(value):
            return value
        return slowly(value, made)

    return coerce


def _tell_of(found: Lost, path: str, made: list[Change]) -> Any:
    change = Change(path, found.change, found.reason)
    if change not in made:  # once for all of an array's items
        made.append(change)
    return found.value


def _any_of(node: Node, path: str) -> _Coerce:
    """Of several kinds: the first one that loses nothing; a text, which anything has, comes last."""
    ready = frozenset[type]().union(*(_CLASSES[kind] for kind in node.kinds))
    conversions = [CONVERSIONS[kind] for kind in KINDS if kind in node.kinds]
    inside: dict[type, _Coerce] = {}
    if node.properties or node.values is not None:
        inside[dict] = _object(node, path)
    if node.items is not None:
        inside[list] = _array(node, path)

    def coerce(value: Any, made: list[Change]) -> Any:
        found = value
        if value.__class__ not in ready:
            each = (conversion(value) for conversion in conversions)
            found = next((one for one in each if one.__class__ is not Lost), None)
            if found is None:
                return _tell_of(lost(), path, made)
        look_into = inside.get(found.__class__)
        return found if look_into is None else look_into(found, made)

    return coerce


def _object(node: Node, path: str) -> _Coerce:
    below = f"{path}." if path else ""
    fields = []
    for name, part in node.properties.items():
        coerce = _compiled(part, below + name)
        if coerce is not None:
            fields.append((name, _ready(part), coerce))
    values = _compiled(node.values, path) if node.values is not None else None
    to_object = CONVERSIONS["object"]

    def coerce_object(value: Any, made: list[Change]) -> Any:
        found = value if value.__class__ is dict else to_object(value)
        if found.__class__ is Lost:
            return _tell_of(found, path, made)
        result = found
        for name, ready, coerce in fields:
            item = found.get(name)
            if item is None or item.__class__ in ready:
                continue
            new = coerce(item, made)
            if new is not item:
                if result is found:
                    result = dict(found)
                result[name] = new
        return result if values is None else _each_value(result, values, made)

    return coerce_object


def _each_value(found: dict[str, Any], coerce: _Coerce, made: list[Change]) -> dict[str, Any]:
    result = {name: item if item is None else coerce(item, made) for name, item in found.items()}
    return result if any(result[name] is not item for name, item in found.items()) else found


def _array(node: Node, path: str) -> _Coerce:
    items = _compiled(node.items, path) if node.items is not None else None
    ready = (_ready(node.items) if node.items is not None else _NONE) | {type(None)}
    to_array = CONVERSIONS["array"]

    def coerce_array(value: Any, made: list[Change]) -> Any:
        found = value if value.__class__ is list else to_array(value)
        if items is None or ready.issuperset(map(type, found)):
            return found
        result = [item if item is None else items(item, made) for item in found]
        return result if any(map(_differ, result, found)) else found

    return coerce_array


def _differ(one: Any, other: Any) -> bool:
    return one is not other
