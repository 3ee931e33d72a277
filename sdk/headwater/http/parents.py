"""Slices of a child: one for each of its parent's records."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from headwater.errors import SourceError
from headwater.http.decode import rows_of
from headwater.stream import Record, Slice

if TYPE_CHECKING:
    from headwater.http.stream import HttpStream


def slices_of(parent: HttpStream, child: str) -> Iterator[Slice]:
    """A slice for each record of a parent, read as they are asked for.

    A slice's partition is the parent's own, and the record's primary key: ``{"shops_id": 5}``.

    :param child: the child's name, for errors.
    :raises SourceError: when a record has no key.
    """
    names = [(f"{parent.name}_{'_'.join(path)}", path) for path in map(_path, parent.primary_key)]
    for above in parent.slices():
        for page in parent.pages(above):
            for record in rows_of(page.data):
                key = {name: _value(record, path, parent.name, child) for name, path in names}
                yield Slice({**above.partition, **key}, parent=record, grandparent=page.parent)


def _path(entry: str | tuple[str, ...]) -> tuple[str, ...]:
    return (entry,) if isinstance(entry, str) else tuple(entry)


def _value(record: Record, path: tuple[str, ...], parent: str, child: str) -> Any:
    value: Any = record
    for name in path:
        value = value.get(name) if isinstance(value, dict) else None
    if value is None or isinstance(value, (dict, list)):
        raise SourceError(
            f"Stream {child}: a record of its parent {parent} has no {'.'.join(path)!r}, which is its primary key.",
            stream=child,
        )
    return value
