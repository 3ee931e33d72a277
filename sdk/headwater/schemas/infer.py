"""A JSON Schema of real records, or an existing one made as wide as they are.

What is wider, in Airbyte's types: ``integer``, then ``number``; a string with the format ``date`` or
``date-time``, then one without; and of kinds that have nothing else in common, ``string``, to which coercion
brings anything without loss. A field that is null, or missing in some record, is nullable. Numbers with more digits
than 64 bits hold are ``big_integer`` and ``big_number``, as destinations would round them else.

An existing schema is only ever widened. Words that hold stay, in their order; so does a part that says more
than a type can (``anyOf`` and the like), or nothing, which is anything. An object or an array that also comes
as something else keeps its fields beside the other type.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from headwater.schemas.nodes import Text, kind_of, node_of
from headwater.schemas.references import resolved
from headwater.schemas.temporal import FITS

_DRAFT = "http://json-schema.org/draft-07/schema#"
_WORDS: dict[Text, dict[str, str]] = {
    "date": {"format": "date"},
    "date-time": {"format": "date-time", "airbyte_type": "timestamp_with_timezone"},
    "local date-time": {"format": "date-time", "airbyte_type": "timestamp_without_timezone"},
}
_BIG = {"integer": "big_integer", "number": "big_number"}
_BRANCHES = ("anyOf", "oneOf", "allOf", "not", "if")


class Inferred:
    """One value's schema in the making.

    :param declared: what an existing schema says of it; None: nothing.
    :ivar nullable: whether it may be null.
    """

    def __init__(self, declared: Mapping[str, Any] | None = None) -> None:
        self._declared = declared
        kinds = _declared_kinds(declared or {})
        self.nullable = "null" in kinds
        self._before = [kind for kind in kinds if kind != "null"]
        self._fixed = declared is not None and (not kinds or any(word in declared for word in _BRANCHES))
        self._kinds = list(self._before)
        self._text = node_of(declared).text if declared is not None else ""
        self._texts: set[Text] | None = None
        self._listed = _listed(declared or {})
        said = (declared or {}).get("airbyte_type")
        self._is_special = said is not None and said not in _BIG.values()
        # whether there are more digits than 64 bits hold
        self._big = {"integer": said == _BIG["integer"], "number": said in _BIG.values()}
        self._objects = 0
        self._times: dict[str, int] = {}
        properties = (declared or {}).get("properties")
        parts = properties if isinstance(properties, Mapping) else {}
        self._fields = {str(name): Inferred(part if isinstance(part, Mapping) else {}) for name, part in parts.items()}
        items = (declared or {}).get("items")
        self._items = Inferred(items) if isinstance(items, Mapping) else None

    def observe(self, value: Any) -> None:
        """Take in one value."""
        if self._fixed:
            return
        if value is None:
            self.nullable = True
            return
        kind = kind_of(value)
        if kind not in self._kinds and not (kind == "integer" and "number" in self._kinds):
            self._kinds.append(kind)
        if self._listed is not None and value not in self._listed:
            self._listed = None
        if kind in self._big:
            self._big["integer"] |= kind == "integer" and not -(2**63) <= value < 2**63
            self._big["number"] |= value.__class__ is not float and _is_rounded(value)
        elif kind == "string":
            self._observe_text(value)
        elif kind == "object":
            self._observe_fields(value)
        elif kind == "array":
            if self._items is None and "array" not in self._before:  # which says nothing of its items
                self._items = Inferred()
            if self._items is not None:
                for item in value:
                    self._items.observe(item)

    def _observe_text(self, value: str) -> None:
        if self._texts is None:
            self._texts = {self._text} if self._declared is not None else set(_WORDS)
        if self._texts:
            self._texts = {text for text in self._texts if text and FITS[text](value)}

    def _observe_fields(self, value: Mapping[str, Any]) -> None:
        for name, item in value.items():
            field = self._fields.get(name)
            if field is None:
                field = self._fields[name] = Inferred()
                field.nullable = "object" in self._before or self._objects > 0  # those before it had none
            self._times[name] = self._times.get(name, 0) + 1
            field.observe(item)
        self._objects += 1

    def to_json(self) -> dict[str, Any]:
        """The schema; of an existing one, each word in its place."""
        before = dict(self._declared or {})
        if self._fixed:
            return before
        found = self._found()
        gone = {"type", "properties", "items"}
        if self._listed is None:
            gone |= {"enum", "const"}
        if self._text and not self._is_text(self._text):
            gone |= {"format", "airbyte_type"}
        if self._text == "" and found.get("type") != before.get("type"):
            gone |= {"airbyte_type"} if self._kinds != self._before else set()
        kept = {word: found.get(word, value) for word, value in before.items() if word not in gone or word in found}
        return {**kept, **found}

    def mixed(self, path: str) -> Iterator[tuple[str, list[str]]]:
        """The fields that came as several kinds and became a string, and those kinds."""
        if len(self._kinds) > 1 and self._widest() == ["string"]:
            yield path, self._kinds
            return
        for name, field in self._fields.items():
            yield from field.mixed(f"{path}.{name}" if path else name)
        if self._items is not None:
            yield from self._items.mixed(f"{path}[]")

    def _found(self) -> dict[str, Any]:
        kinds = self._widest()
        if not kinds:  # nothing but null, or nothing at all
            return {"type": ["null", "string"]} if self.nullable else {}
        types = [*(["null"] if self.nullable else []), *kinds]
        found: dict[str, Any] = {"type": types if len(types) > 1 else types[0]}
        if sorted(types) == sorted(_declared_kinds(self._declared or {})):
            found["type"] = (self._declared or {}).get("type", found["type"])
        if kinds == ["string"] and self._declared is None:
            found.update(next((words for text, words in _WORDS.items() if self._is_text(text)), {}))
        if len(kinds) == 1 and self._big.get(kinds[0]) and not (self._is_special and kinds == self._before):
            found["airbyte_type"] = _BIG[kinds[0]]
        if "object" in kinds:
            found["properties"] = {name: self._field(name) for name in self._fields}
        if "array" in kinds and (self._items is not None or not self._before):
            found["items"] = self._items.to_json() if self._items is not None else {}
        if self.nullable and self._listed and None not in self._listed and "enum" in (self._declared or {}):
            found["enum"] = [*self._listed, None]
        return found

    def _field(self, name: str) -> dict[str, Any]:
        field = self._fields[name]
        if self._times.get(name, 0) < self._objects:
            field.nullable = True
        return field.to_json()

    def _widest(self) -> list[str]:
        kinds = [kind for kind in self._kinds if kind != "integer" or "number" not in self._kinds]
        several = len(self._before) > 1 or not {"object", "array"}.isdisjoint(self._before)
        return kinds if len(kinds) < 2 or several else ["string"]

    def _is_text(self, text: Text) -> bool:
        """Whether all values were strings of this form."""
        if self._kinds != ["string"]:
            return False
        return text in self._texts if self._texts is not None else text == self._text


def _is_rounded(number: int | Decimal) -> bool:
    """Whether a float is another number."""
    try:
        found = float(number)
        return found != number and Decimal(repr(found)) != number
    except OverflowError:
        return True


@dataclass(frozen=True)
class Inference:
    """What was found.

    :ivar schema: the JSON Schema.
    :ivar records: how many records it is of.
    :ivar mixed: the kinds of each field that became a string because it comes as several.
    """

    schema: dict[str, Any]
    records: int
    mixed: Mapping[str, Sequence[str]]


def inferred(records: Iterable[Any], existing: Mapping[str, Any] | None = None) -> Inference:
    """The schema of records; with an existing one, that one made wide enough for them."""
    declared = None if existing is None else resolved(existing)
    if declared is not None:
        declared.setdefault("type", "object")
    node = Inferred(declared)
    number = 0
    for number, record in enumerate(records, 1):  # noqa: B007 - it is counted
        node.observe(record)
    found = node.to_json()
    if existing is None:
        properties = found.get("properties", {})
        found = {"$schema": _DRAFT, "type": "object", "additionalProperties": True, "properties": properties}
    return Inference(found, number, dict(node.mixed("")))


def _declared_kinds(schema: Mapping[str, Any]) -> list[str]:
    kind = schema.get("type")
    if isinstance(kind, str):
        return [kind]
    if isinstance(kind, list) and kind:
        return [str(one) for one in kind]
    return ["object"] if isinstance(schema.get("properties"), Mapping) else []


def _listed(schema: Mapping[str, Any]) -> list[Any] | None:
    """The values that are allowed; None where that is any."""
    if isinstance(schema.get("enum"), list):
        return list(schema["enum"])
    return [schema["const"]] if "const" in schema else None
