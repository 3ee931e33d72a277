"""Nested data as columns and child tables, where a flow wants that instead of JSON.

An object whose schema declares fields becomes columns named ``OBJECT__FIELD``. With child tables, an array that
the schema declares becomes rows of a table ``STREAM__ARRAY``, each linked to the row that it belongs to: an
object's fields are columns, any other item is in the column ``value``. What the schema declares neither as an
object with fields nor as an array stays JSON. A value that is not what its schema declares gets a column of
its field's own name.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from headwater.bridge.sinks.fit import NOT_AN_OBJECT, Record, load_record
from headwater.bridge.sinks.options import Nested
from headwater.protocol.catalog import ConfiguredStream
from headwater.protocol.fields import FieldPath
from headwater.protocol.messages import Change
from headwater.protocol.values import encode_rows
from headwater.schemas.nodes import node_of

JOINT = "__"
VALUE = "value"


@dataclass
class Fields:
    """What becomes of an object's fields.

    :ivar names: the column's field for each; for the table's own fields they are the same.
    :ivar objects: how objects are taken apart.
    :ivar arrays: the number of each array's table.
    """

    names: dict[str, str] = field(default_factory=dict)
    objects: dict[str, Fields] = field(default_factory=dict)
    arrays: dict[str, int] = field(default_factory=dict)


@dataclass
class Branch:
    """A table of the stream: its own, or a child.

    :ivar name: of a child: its fields from the stream on, joined; empty for the stream's own.
    :ivar properties: the table's fields.
    :ivar parent: of a child: the number of the table that its rows belong to.
    :ivar fields: how a record, or an array's item, is taken apart.
    :ivar scalar: the items are no objects.
    """

    name: str = ""
    parent: int = -1
    properties: dict[str, Any] = field(default_factory=dict)
    fields: Fields = field(default_factory=Fields)
    scalar: bool = False


class Splitter:
    """Takes a stream's records apart.

    :param stream: as the source knows it.
    :param nested: ``flat`` or ``tables``.
    :ivar branches: the tables; the first is the stream's own, and each comes after the one that it belongs to.
    """

    def __init__(self, stream: ConfiguredStream, nested: Nested) -> None:
        self._tables = nested == "tables"
        self._stream = stream
        self.branches: list[Branch] = []
        self._branch("", -1, stream.stream.json_schema)

    def streams(self) -> list[ConfiguredStream]:
        """For each branch, the stream as its table has it."""
        own = replace(
            self._with(self.branches[0]),
            primary_key=tuple(map(self._path, self._stream.primary_key)),
            cursor_field=self._path(self._stream.cursor_field or self._stream.stream.default_cursor_field),
        )
        return [own, *map(self._with, self.branches[1:])]

    def _with(self, branch: Branch) -> ConfiguredStream:
        schema = {**self._stream.stream.json_schema, "properties": branch.properties}
        return replace(self._stream, stream=replace(self._stream.stream, json_schema=schema))

    def _path(self, path: FieldPath) -> FieldPath:
        """A path as the stream's own table has it."""
        fields = self.branches[0].fields
        for depth, name in enumerate(path):
            if name not in fields.objects:
                return (fields.names.get(name, name), *path[depth + 1 :])
            fields = fields.objects[name]
        return path

    def _branch(self, name: str, parent: int, schema: Mapping[str, Any]) -> int:
        branch = Branch(name, parent)
        self.branches.append(branch)
        number = len(self.branches) - 1
        if parent >= 0 and not _declared(schema):
            branch.scalar = True
            branch.properties[VALUE] = schema
            return number
        self._object(branch, number, branch.fields, schema, "", set(_declared(schema)))
        return number

    def _object(
        self, branch: Branch, number: int, fields: Fields, schema: Mapping[str, Any], above: str, taken: set[str]
    ) -> None:
        for name, part in _declared(schema).items():
            column = fields.names[name] = _free(above + name, taken) if above else name
            taken.add(column)
            if isinstance(part, Mapping) and _is_object(part):
                inner = fields.objects[name] = Fields()
                self._object(branch, number, inner, part, column + JOINT, taken)
            elif self._tables and isinstance(part, Mapping) and _is_array(part):
                child = f"{branch.name}{JOINT}{column}" if branch.name else column
                fields.arrays[name] = self._branch(child, number, _items(part))
            else:
                branch.properties[column] = part

    def split(self, records: Iterable[Record], batch: str, refused: dict[int, str]) -> list[list[Record]]:
        """For each branch, its records.

        :param batch: what the raw ids of these records' rows begin with.
        :param refused: receives why records can't be read.
        """
        rows: list[list[dict[str, Any]]] = [[] for _ in self.branches]
        made: list[list[Record]] = [[] for _ in self.branches]
        for record in records:
            changes = list(record.changes)
            try:
                row = load_record(record.data, changes)
            except (ValueError, RecursionError) as error:
                refused[record.number] = f"{NOT_AN_OBJECT}: {error}"
                continue
            self._take(0, row, _Into(rows, made, batch, record, changes), None)
        for branch, of_branch in zip(made, rows, strict=True):
            data, changes_of = encode_rows(of_branch)
            for at, record in enumerate(branch):
                record.data = data[at]
                if at in changes_of:
                    record.changes = [*record.changes, *changes_of[at]]
        return made

    def _take(self, number: int, item: Any, into: _Into, link: tuple[str, int] | None) -> None:
        branch = self.branches[number]
        raw_id = f"{into.batch}{len(into.rows[number]):08x}"
        row: dict[str, Any] = {}
        record = into.record
        into.rows[number].append(row)
        changes = into.changes if link is None else ()
        into.made[number].append(Record(b"", record.extracted, record.number, changes, link))
        if branch.scalar or not isinstance(item, dict):
            row[VALUE] = item
        else:
            above, into.whole = into.whole, item
            self._flatten(branch.fields, item, row, "", into, raw_id)
            into.whole = above

    def _flatten(
        self, fields: Fields, item: Mapping[str, Any], row: dict[str, Any], above: str, into: _Into, raw_id: str
    ) -> None:
        whole = into.whole
        for name, value in item.items():
            column = fields.names.get(name)
            if column is None:
                column = _free(above + name, {**row, **whole}) if above else name
            if isinstance(value, dict) and name in fields.objects:
                self._flatten(fields.objects[name], value, row, column + JOINT, into, raw_id)
            elif isinstance(value, list) and name in fields.arrays:
                for index, one in enumerate(value):
                    self._take(fields.arrays[name], one, into, (raw_id, index))
            elif value is not None or (name not in fields.objects and name not in fields.arrays):
                row[column] = value


@dataclass
class _Into:
    rows: list[list[dict[str, Any]]]
    made: list[list[Record]]
    batch: str
    record: Record
    changes: list[Change]
    whole: Mapping[str, Any] = field(default_factory=dict)  # the item that is taken apart


def _free(name: str, taken: Any) -> str:
    """The name of a field that was inside another, or another one where a field has that already."""
    if name not in taken:
        return name
    # not the checksum that the name itself would get where a database can't tell it from another
    return f"{name}_{zlib.crc32(f'inner {name}'.encode('utf-8', 'surrogatepass')):08x}"


def _declared(schema: Any) -> Mapping[str, Any]:
    """The fields of an object; of what is nullable, too."""
    if not isinstance(schema, Mapping):
        return {}
    properties = schema.get("properties")
    if isinstance(properties, Mapping):
        return properties
    return next(filter(None, map(_declared, _branches(schema))), {})


def _branches(schema: Mapping[str, Any]) -> list[Any]:
    return [one for word in ("oneOf", "anyOf") for one in schema.get(word) or () if isinstance(one, Mapping)]


def _is_object(schema: Mapping[str, Any]) -> bool:
    return node_of(schema).kind == "object" and bool(_declared(schema))


def _is_array(schema: Mapping[str, Any]) -> bool:
    return node_of(schema).kind == "array"


def _items(schema: Mapping[str, Any]) -> Mapping[str, Any]:
    """The schema of an array's items; of what is nullable, too."""
    for one in (schema, *_branches(schema)):
        items = one.get("items")
        if isinstance(items, Mapping):
            return items
    return {}
