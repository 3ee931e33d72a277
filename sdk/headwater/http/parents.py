"""Slices of a child: one for each of its parent's records; and which of a parent's records are wanted."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from headwater.cursor import Key, is_ascending, is_before, plain_key
from headwater.errors import SourceError
from headwater.http.decode import rows_of
from headwater.slices import at_end, without
from headwater.stream import Page, Record, Slice, is_past

if TYPE_CHECKING:
    from headwater.http.stream import HttpStream


def slices_of(parent: HttpStream, child: str, *, whole: bool) -> Iterator[Slice]:
    """A slice for each record of a parent, from where the config says to begin, read as they are asked for.

    A slice's partition is the parent's own, and the record's primary key: ``{"shops_id": 5}``.

    :param child: the child's name, for errors.
    :param whole: as of :meth:`~headwater.stream.Stream.slices`.
    :raises SourceError: when a record has no key.
    """
    names = [(f"{parent.name}_{'_'.join(path)}", path) for path in map(_path, parent.primary_key)]
    cursor = parent.cursor
    begin = None if cursor is None else cursor.begin(None, parent.start())
    order, by = (None, plain_key) if cursor is None else (cursor.order, cursor.key)
    for above in parent.slices(whole=whole):
        given: Mapping[bytes, Any] = {}  # the last page's last records, which a keyset page gives again
        for all_of_it in parent.pages(replace(above, start=begin)):
            page = without(all_of_it, given)
            given = at_end(all_of_it, given) if order == "ascending" else given
            for record in since(page, begin, by):
                key = {name: _value(record, path, parent.name, child) for name, path in names}
                yield Slice({**above.partition, **key}, parent=record, grandparent=page.parent)
            if order == "descending" and is_over(page.cursors, begin, by):
                break


def since(page: Page, start: Any, key: Key) -> Iterator[Record]:
    """A parent's records that are not before a start."""
    wanted = page.data
    if start is not None and len(page.cursors) == len(wanted):
        wanted = [
            record
            for record, value in zip(wanted, page.cursors, strict=True)
            if value is None or not is_before(value, start, key)
        ]
    return rows_of(wanted)


def is_over(cursors: Sequence[Any], start: Any, key: Key) -> bool:
    """Whether a descending parent's page goes back beyond the start."""
    return is_ascending(cursors[::-1], key) and is_past(cursors, start, key)


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
