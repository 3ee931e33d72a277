"""How far a full refresh has come: the state that a read within the same job goes on from.

A platform that tries a failed job again gives a stream that is read whole its last state, if the catalog says that it
``is_resumable``; the next job begins without it (Airbyte protocol, "Refreshes").
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import chain
from typing import Any, NoReturn

from headwater.cursor import Cursor
from headwater.errors import ConfigError
from headwater.places import WHOLE, Partition, Places, pieces
from headwater.protocol.values import encode
from headwater.state import NO_CURSOR, StreamState, flat

COMPLETE: Mapping[str, Any] = {"__ab_full_refresh_sync_complete": True}
"""The state of a stream that was read whole, as the airbyte-cdk writes it; of a partition likewise."""
PAGE = "next_page"
_REFRESH = "full_refresh"
_DONE = ""
"""What is kept for COMPLETE: a short text."""


class PagesState:
    """The page that comes next, of one stream, by partition.

    It has what :class:`~headwater.state.StreamState` has. Written as ``{"next_page": ...}`` for a stream without
    partitions, as ``{"states": [{"partition": ..., "cursor": {"next_page": ...}}]}`` for one with them; a partition
    that was read whole has the sentinel as its cursor.

    :param blob: the state of an earlier try of the same job; None: there was none, or it is of something else.
    :param stream: the stream's name, for errors.
    :param in_job: whoever reads knows jobs: the catalog numbers them. Else a stream that was read whole is read again:
        PyAirbyte, for one, gives a new read the states of the one before.
    :raises ConfigError: for a state of a wrong shape.
    """

    def __init__(self, blob: Mapping[str, Any] | None, stream: str, *, in_job: bool = True) -> None:
        self._places = Places()
        self._whole: Any = None
        self._stream = stream
        was_complete = COMPLETE.items() <= (blob or {}).items()
        self._is_complete = was_complete and in_job
        self.version = 0
        if blob and not was_complete:
            self._whole = self._known(blob)
            states = blob.get("states") or []
            if not isinstance(states, list):
                self._wrong("`states` must be a list")
            for entry in states:
                partition = entry.get("partition") if isinstance(entry, Mapping) else None
                cursor = entry.get("cursor") if isinstance(entry, Mapping) else None
                if not isinstance(partition, Mapping) or not isinstance(cursor, Mapping):
                    self._wrong("an entry of `states` must be an object with `partition` and `cursor`")
                plain = dict(flat(partition))
                self.put_back(self._places.place(plain) if plain else WHOLE, self._known(cursor))

    def _wrong(self, what: str) -> NoReturn:
        raise ConfigError(
            f"state of stream {self._stream!r}: {what}. Correct it, or reset the stream.", stream=self._stream
        )

    def _known(self, cursor: Mapping[str, Any]) -> Any:
        if COMPLETE.items() <= cursor.items():
            return COMPLETE
        page = cursor.get(PAGE)
        if page is not None and not isinstance(page, Mapping):
            self._wrong(f"{PAGE!r} must be an object")
        return page

    @property
    def is_empty(self) -> bool:
        """Whether nothing is known."""
        return self._whole is None and not self._places and not self._is_complete

    def expect(self, partition: Partition) -> tuple[int, Any]:
        """A partition's place; and where it goes on: a page, COMPLETE, or None: at its beginning."""
        if not partition:
            return WHOLE, COMPLETE if self._is_complete else self._whole
        place, found = self._places.expect(partition)
        return place, COMPLETE if self._is_complete else _told(found)

    def set(self, place: int, value: Any) -> None:
        """What comes next in a partition."""
        if value is not None:
            self.put_back(place, value)

    def put_back(self, place: int, value: Any) -> None:
        """Likewise; None: its beginning."""
        if place != WHOLE:
            self.version += self._places.set(place, _DONE if value is COMPLETE else value)
        elif value != self._whole:
            self._whole = value
            self.version += 1

    def finish(self) -> None:
        """The stream was read whole."""
        self._is_complete = True
        self.version += 1

    def __len__(self) -> int:
        return len(self._places)

    def to_json(self) -> dict[str, Any]:
        """The state's content. It is complete only when the stream is, not when the last page is."""
        if self._is_complete:
            return dict(COMPLETE)
        found = ((partition, _cursor(_told(value))) for partition, value in self._places.items())
        states = [{"partition": partition, "cursor": cursor} for partition, cursor in found if cursor is not None]
        if states:
            return {"states": states}
        whole = None if self._whole is COMPLETE else _cursor(self._whole)
        return dict(NO_CURSOR) if whole is None else whole

    def to_pieces(self) -> Iterator[bytes] | None:
        """The same as JSON, in pieces, for a state of many partitions; None: it has none."""
        return None if self._is_complete else pieces({}, self._entries())

    def _entries(self) -> Iterator[bytes]:
        for partition, text, other in self._places.to_json():
            cursor = COMPLETE if text is not None else _cursor(other)
            if cursor is not None:
                yield b'{"partition":%b,"cursor":%b}' % (partition, encode(cursor))


class WindowsState(StreamState):
    """How far each partition's windows were read, of one stream that is read whole.

    It is written as ``{"full_refresh": ...}`` around what an incremental read would write, which so never takes it for
    its own.

    :param cursor: the stream's cursor.
    :param blob: as :class:`PagesState`, and ``in_job`` likewise.
    :ivar is_complete: the stream was read whole.
    """

    def __init__(self, cursor: Cursor, blob: Mapping[str, Any] | None, stream: str, *, in_job: bool = True) -> None:
        known = (blob or {}).get(_REFRESH)
        if known is not None and not isinstance(known, Mapping):
            raise ConfigError(
                f"state of stream {stream!r}: {_REFRESH!r} must be an object. Correct it, or reset the stream.",
                stream=stream,
            )
        super().__init__(cursor, known, stream)
        self.is_complete = in_job and COMPLETE.items() <= (blob or {}).items()

    def finish(self) -> None:
        """The stream was read whole."""
        self.is_complete = True
        self.version += 1

    def to_json(self, field: str | None = None) -> dict[str, Any]:
        """The state's content."""
        found = super().to_json(field)
        return dict(COMPLETE) if self.is_complete else found if found == NO_CURSOR else {_REFRESH: found}

    def to_pieces(self) -> Iterator[bytes] | None:
        """The same as JSON, in pieces, for a state of many partitions; None: it has none."""
        found = None if self.is_complete else super().to_pieces()
        return None if found is None else chain((b'{"%b":' % _REFRESH.encode(),), found, (b"}",))


def _told(kept: Any) -> Any:
    return COMPLETE if kept == _DONE else kept


def _cursor(value: Any) -> dict[str, Any] | None:
    """What a state says of a partition; None: nothing, so that it begins anew."""
    if value is COMPLETE:
        return dict(COMPLETE)
    page = value() if callable(value) else value
    return None if page is None else {PAGE: page}
