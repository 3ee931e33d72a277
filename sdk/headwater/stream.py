"""A stream: one readable thing. A slice: one independently readable part of it."""

from __future__ import annotations

import math
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from types import NoneType
from typing import TYPE_CHECKING, Any

import msgspec

from headwater.cursor import Cursor, Key, earliest, is_before, plain_key
from headwater.places import Partition
from headwater.protocol.catalog import CatalogStream
from headwater.protocol.fields import FieldPath
from headwater.protocol.messages import Change, StreamDescriptor
from headwater.protocol.values import encode_rows
from headwater.schema import ANY, Schema, json_schema
from headwater.schemas.asked import schema_of

if TYPE_CHECKING:
    from headwater.source import Source

Record = Mapping[str, Any]
"""One record, by field name."""

Next = Callable[[], Mapping[str, Any] | None]
"""Gives the page that comes next. Asked only when a state goes out, which is not behind every page."""


@dataclass(frozen=True)
class Slice:
    """What one call of ``read`` is to read.

    :ivar partition: which part of the stream; empty for a stream without partitions.
    :ivar start: the cursor value to read from, inclusive; None: from the beginning. Records before it are
        dropped for you; asking the API for less is what makes it fast.
    :ivar parent: the parent stream's record, where this stream has a parent.
    :ivar grandparent: the record that the parent's is of, where the parent has a parent.
    :ivar end: where the next slice begins, for a cursor with windows; None: read to the end. What lies there may be
        given by both.
    :ivar resume: in a full refresh of a stream that :attr:`~Stream.is_resumable`, where it goes on: what a page's
        ``next`` was, or empty: at the beginning. Else None.
    """

    partition: Partition = field(default_factory=dict)
    start: Any = None
    parent: Record | None = None
    end: Any = None
    resume: Mapping[str, Any] | None = None
    grandparent: Record | None = None
    above: Slice | None = field(default=None, repr=False, compare=False)  # the parent's, where it drives this one


@dataclass(slots=True)
class Page:
    """Records as they travel: the JSON of many at once.

    A page without records, but with cursor values, says how far the slice was read by something else than its
    records: those of a parent stream.

    :ivar data: one JSON object each.
    :ivar cursors: the cursor value of each record (None where it has none); empty for a stream without cursor.
    :ivar changes: what had to be changed in which record.
    :ivar next: where a full refresh would go on behind it, as a state has it: an object, or what gives one when it is
        asked; None, itself or of its giving: it can't, or it is the last.
    :ivar parent: the parent's record that its records are of.
    """

    data: Sequence[bytes | msgspec.Raw]
    cursors: Sequence[Any] = ()
    changes: Mapping[int, Sequence[Change]] = field(default_factory=dict)
    next: Next | Mapping[str, Any] | None = None
    parent: Record | None = None

    def only(self, keep: Sequence[int]) -> Page:
        """The page with the records at these places alone."""
        changes = {place: self.changes[old] for place, old in enumerate(keep) if old in self.changes}
        cursors = [self.cursors[i] for i in keep] if self.cursors else ()
        return Page([self.data[i] for i in keep], cursors, changes, self.next, self.parent)

    @staticmethod
    def of_rows(rows: Sequence[Record], cursor: Cursor | None) -> Page:
        """A page of Python dictionaries."""
        data, changes = encode_rows(rows)
        if cursor is None:
            return Page(data, (), changes)
        if len(cursor.path) > 1:
            return Page(data, [_scalar(cursor.value_in(row)) for row in rows], changes)
        return Page(data, [_scalar(row.get(cursor.field)) for row in rows], changes)  # a third of the time


def _scalar(value: Any) -> Any:
    """A cursor value as JSON has it, so that it can be compared with what a state says; None if it can't."""
    if value.__class__ in (str, int, NoneType):
        return value
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    try:
        plain = msgspec.to_builtins(value)
    except (TypeError, ValueError, OverflowError, RecursionError):
        return None
    return plain if isinstance(plain, (str, int)) else None


def is_past(cursors: Sequence[Any], start: Any, key: Key = plain_key) -> bool:
    """Whether a page of a descending slice, with these cursor values, goes back beyond the slice's start."""
    oldest = earliest(cursors, key) if start is not None else None
    return oldest is not None and is_before(oldest, start, key)


class Stream(ABC):
    """One readable thing: a table, an API resource.

    A constant is a class attribute; what depends on the config is a method. A stream keeps no state on
    ``self``: its slices may be read at the same time.

    :cvar name: the stream's name in the catalog.
    :cvar namespace: a database schema or the like, where names are unique only within one.
    :cvar primary_key: the fields that identify a record; an entry is a name, or a tuple of names that leads
        into objects.
    :cvar primary_key_scope: fields within which the primary key is unique, where it is not by itself.
    :cvar cursor: which field says how far the stream was read; None: it is always read whole.
    :cvar schema: its records' JSON Schema: a dictionary, a :class:`~headwater.schema.SchemaFile` or a type.
    :cvar coerce: bring the records to the schema: ``"5"`` to 5, dates to RFC 3339, and so on. What can't be
        brought becomes null, which the record's ``meta.changes`` tells.
    """

    name: str
    namespace: str | None = None
    primary_key: tuple[str | tuple[str, ...], ...] = ()
    primary_key_scope: tuple[str, ...] = ()
    cursor: Cursor | None = None
    schema: Schema = ANY
    coerce: bool = False

    def __init__(self, source: Source) -> None:
        self.source = source

    @abstractmethod
    def read(self, slice: Slice) -> Iterator[Record]:
        """The records of one slice.

        Called once a slice. May raise SkipSlice (nothing to read here), ConfigError, TransientError or
        SourceError; any other exception is taken for a bug of the connector. The records that came before an
        error are kept; one must not be changed after it was given.
        """

    def partitions(self) -> Iterable[Partition]:
        """The parts that can be read independently, each named by a few scalar values; their state is kept
        for each. Called once a read. Default: one, the whole stream."""
        return ({},)

    def start(self) -> Any:
        """The cursor value that the config says to begin from; None: from the beginning. Called once a read."""
        return None

    def json_schema(self) -> Mapping[str, Any]:
        """The records' JSON Schema, where it takes more than :attr:`schema`: a question to the API, a look at
        the config. Called once for a discover, once for a read of this stream, never for ``spec``.

        May raise ConfigError, TransientError or SourceError; a discover then fails or, where it can, leaves
        the stream out (:mod:`headwater.discovery`). SkipSlice leaves it out always: it isn't there.
        """
        return json_schema(self.schema, self.name)

    # --- for the SDK; rarely overridden -----------------------------------------------------------------

    @property
    def is_whole(self) -> bool:
        """Whether it has one slice, whatever the config says."""
        return type(self).partitions is Stream.partitions and (self.cursor is None or self.cursor.window is None)

    @property
    def is_resumable(self) -> bool:
        """Whether a full refresh goes on where an earlier try of the same job failed: it is read in windows; or its
        pages say what comes ``next``, and it heeds ``slice.resume``. The catalog says so to the platform, which else
        begins anew."""
        return self.cursor is not None and self.cursor.window is not None

    def slices(self, *, whole: bool = False) -> Iterable[Slice]:
        """What is read independently, before it is known from where on: one for each of :meth:`partitions`.

        :param whole: in a full refresh of a stream that :attr:`is_resumable`.
        """
        return map(Slice, self.partitions())

    def from_start(self) -> Iterator[Slice]:
        """All partitions from where the config says to begin, whatever a state says: for a look at the records."""
        start = self.start()
        start = start if self.cursor is None else self.cursor.begin(None, start)
        return (Slice(partition, start=start) for partition in self.partitions())

    def known(self, blob: Mapping[str, Any]) -> Mapping[str, Any]:
        """What a stored state means for this stream, in a form that :class:`~headwater.state.StreamState` reads."""
        return blob

    def pages(self, slice: Slice) -> Iterator[Page]:
        """The records of one slice in batches: of :meth:`read`, here, up to 500 records or half a second."""
        rows: list[Record] = []
        began = time.monotonic()
        try:
            for record in self.read(slice):
                rows.append(record)
                if len(rows) >= 500 or time.monotonic() - began > 0.5:
                    full, rows = rows, []
                    yield Page.of_rows(full, self.cursor)
                    began = time.monotonic()
        except Exception:  # what was read before it is good, and where the slice is skipped it is all there is
            if rows:
                yield Page.of_rows(rows, self.cursor)
            raise
        if rows:
            yield Page.of_rows(rows, self.cursor)

    @property
    def descriptor(self) -> StreamDescriptor:
        """Name and namespace."""
        return StreamDescriptor(self.name, self.namespace)

    def to_catalog(self) -> CatalogStream:
        """What the catalog says of this stream."""
        keys: tuple[FieldPath, ...] = tuple(
            (entry,) if isinstance(entry, str) else tuple(entry) for entry in self.primary_key
        )
        return CatalogStream(
            name=self.name,
            namespace=self.namespace,
            json_schema=schema_of(self),
            supported_sync_modes=("full_refresh", "incremental") if self.cursor else ("full_refresh",),
            source_defined_cursor=self.cursor is not None or self.is_resumable,
            default_cursor_field=self.cursor.path if self.cursor else (),
            primary_key=keys,
            primary_key_scope=tuple((name,) for name in self.primary_key_scope),
            # of others the platform must know that they begin anew, or the rows of the first try stay beside those of
            # the second (Airbyte protocol, "Refreshes")
            is_resumable=self.is_resumable,
        )
