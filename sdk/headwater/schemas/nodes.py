"""What a JSON Schema says of a value, in Airbyte's types: which kinds it may be, and what is in it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from decimal import Decimal
from typing import Any, Literal

from headwater.schemas.references import resolved

Text = Literal["", "date", "date-time", "local date-time", "time", "local time"]
"""What a string holds. ``local`` is without a time zone."""

KINDS = ("boolean", "integer", "number", "object", "array", "string")
"""JSON Schema's types of a value that is not null."""

_KIND_OF: dict[type, str] = {
    bool: "boolean", int: "integer", float: "number", Decimal: "number", str: "string", list: "array", dict: "object"
}  # fmt: skip
_ZONED: dict[str, Text] = {"date-time": "date-time", "time": "time", "date": "date"}
_LOCAL = {"timestamp_without_timezone": "date-time", "time_without_timezone": "time"}


def kind_of(value: Any) -> str:
    """The kind of a value that was read of JSON and is not null."""
    return _KIND_OF[value.__class__]


@dataclass(frozen=True)
class Node:
    """One value's part of a schema.

    :ivar kinds: which of :data:`KINDS` it may be; empty: anything.
    :ivar nullable: whether it may be null.
    :ivar text: what a string holds, where ``string`` is the only kind.
    :ivar properties: an object's fields, where they are declared.
    :ivar values: of an object with any names, the schema of their values.
    :ivar items: an array's.
    """

    kinds: frozenset[str] = frozenset()
    nullable: bool = True
    text: Text = ""
    properties: Mapping[str, Node] = field(default_factory=dict)
    values: Node | None = None
    items: Node | None = None

    @property
    def kind(self) -> str:
        """The only kind; empty where there are several, or any."""
        return next(iter(self.kinds)) if len(self.kinds) == 1 else ""


ANYTHING = Node()


def node_of(schema: Mapping[str, Any]) -> Node:
    """A whole schema, its references resolved."""
    return _node(resolved(schema))


def _node(schema: Any) -> Node:
    if not isinstance(schema, Mapping):  # true, false
        return ANYTHING
    schema = _merged(schema)
    types = _types(schema)
    if not types - {"null"}:
        branches = schema.get("anyOf") or schema.get("oneOf")
        return _either(schema, branches) if isinstance(branches, list) and branches else ANYTHING
    nullable = "null" in types
    kinds = frozenset(types - {"null"})
    if "number" in kinds:
        kinds -= {"integer"}
        if schema.get("airbyte_type") == "integer":
            kinds = kinds - {"number"} | {"integer"}
    node = Node(kinds, nullable)
    if node.kind == "string":
        return replace(node, text=_text(schema))
    if "object" in kinds:
        properties, values = schema.get("properties"), schema.get("additionalProperties")
        if isinstance(properties, Mapping) and properties:
            node = replace(node, properties={str(name): _node(part) for name, part in properties.items()})
        elif isinstance(values, Mapping) and values:
            node = replace(node, values=_node(values))
    return replace(node, items=_items(schema)) if "array" in kinds else node


def _types(schema: Mapping[str, Any]) -> set[str]:
    """The declared types, or those that other words give away; empty: any."""
    kind = schema.get("type")
    if isinstance(kind, str):
        kind = [kind]
    if isinstance(kind, Sequence) and kind:
        return {str(one) for one in kind} & {*KINDS, "null"}
    if isinstance(schema.get("properties"), Mapping):
        return {"object"}
    if "items" in schema:
        return {"array"}
    if schema.get("format") in _ZONED:
        return {"string"}
    return set()


def _merged(schema: Mapping[str, Any]) -> Mapping[str, Any]:
    """With the parts of ``allOf`` in it; properties of all of them, otherwise the last one counts."""
    parts = schema.get("allOf")
    if not isinstance(parts, list):
        return schema
    found: dict[str, Any] = {key: value for key, value in schema.items() if key != "allOf"}
    for whole in parts:
        if isinstance(whole, Mapping):
            part = _merged(whole)
            both = {**(found.get("properties") or {}), **(part.get("properties") or {})}
            found.update(part)
            if both:
                found["properties"] = both
    return found


def _either(schema: Mapping[str, Any], branches: Sequence[Any]) -> Node:
    """Of several schemas: the one that isn't null, or else their kinds alone."""
    around = {key: value for key, value in schema.items() if key not in ("anyOf", "oneOf")}
    nodes: list[Node] = []
    nullable = False
    for branch in branches:
        if isinstance(branch, Mapping) and (_types(branch) == {"null"} or branch.get("const", 0) is None):
            nullable = True
        else:
            nodes.append(_node({**around, **branch} if isinstance(branch, Mapping) else branch))
    nullable = nullable or any(node.nullable for node in nodes)
    if not nodes or any(not node.kinds for node in nodes):
        return ANYTHING
    if all(replace(node, nullable=True) == replace(nodes[0], nullable=True) for node in nodes):
        return replace(nodes[0], nullable=nullable)
    kinds = frozenset[str]().union(*(node.kinds for node in nodes))
    return Node(kinds - {"integer"} if "number" in kinds else kinds, nullable)


def _text(schema: Mapping[str, Any]) -> Text:
    text = _ZONED.get(str(schema.get("format")), "")
    if text and _LOCAL.get(str(schema.get("airbyte_type"))) == text:
        return "local date-time" if text == "date-time" else "local time"
    return text


def _items(schema: Mapping[str, Any]) -> Node:
    """The schema of each item. A list of schemas means any of them (the protocol knows no tuples)."""
    items = schema.get("items")
    listed = items if isinstance(items, list) else schema.get("prefixItems")
    if isinstance(listed, list) and listed:
        return _either({}, listed)
    return _node(items) if isinstance(items, Mapping) else ANYTHING
