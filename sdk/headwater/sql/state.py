"""How far a table was read: the content of its stream's state.

While it is read whole, by ranges of its primary key, each range says where it is::

    {"key": ["id"], "ranges": [{"to": 500, "after": [123]}, {"from": 500}], "cursor": {"updated_at": "2024-..."}}

``from`` and ``to`` bound a range by the first column of the key; ``after`` is the last row that was given. Ranges
that are done are gone. ``cursor`` is where the reading by cursor begins once all are: what the cursor was at most
when the first row was read. From then on the state is what it is for any stream of this SDK::

    {"updated_at": "2024-..."}

A full refresh ends with the mark of Airbyte's that there is nothing more to read.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from headwater.errors import ConfigError
from headwater.sql.tables import Key
from headwater.state import NO_CURSOR

DONE: Mapping[str, Any] = {"__ab_full_refresh_sync_complete": True}
"""The state of a full refresh that is complete, as the airbyte-cdk writes it."""


@dataclass
class Range:
    """A part of a table.

    :ivar low: the first column of its key lies after this; None: it begins where the table does.
    :ivar high: and not after this; None: it ends where the table does.
    :ivar after: the key of the last row that was given; None: none was.
    :ivar done: all rows were given.
    """

    low: Any = None
    high: Any = None
    after: Key | None = None
    done: bool = False

    def to_json(self) -> dict[str, Any]:
        """As the state has it."""
        found = {"from": self.low, "to": self.high, "after": list(self.after) if self.after is not None else None}
        return {name: value for name, value in found.items() if value is not None}


class TableState:
    """The state of one stream.

    :param cursor: the cursor's column; None for a full refresh.
    :param blob: what was stored; None: nothing.
    :raises ConfigError: when it is not a state of such a stream.
    """

    def __init__(self, cursor: str | None, blob: Mapping[str, Any] | None) -> None:
        self.cursor = cursor
        self.high: Any = None
        self.key: tuple[str, ...] = ()
        self.ranges: list[Range] = []
        self.is_done = False
        self.is_begun = False
        """Whether the table is being read whole, and its state says where."""
        if blob:
            self._read(blob)

    def _read(self, blob: Mapping[str, Any]) -> None:
        if isinstance(blob.get("ranges"), list) and isinstance(blob.get("key"), list):
            self.key = tuple(map(str, blob["key"]))
            self.ranges = [_range(each, len(self.key)) for each in blob["ranges"]]
            self.is_begun = True
            begun = blob.get("cursor")
            if self.cursor is None and begun:
                raise ConfigError("state: it is of an incremental read. Clear it, or read the stream so again.")
            if self.cursor is not None:
                self.high = _value(begun, self.cursor) if isinstance(begun, Mapping) else None
        elif self.cursor is None:
            self.is_done = bool(blob.get("__ab_full_refresh_sync_complete"))
        elif blob.get("cursor_field") == [self.cursor]:  # of Airbyte's connectors to databases
            self.high = _value(blob, "cursor")
        else:
            self.high = _value(blob, self.cursor)

    def begin(self, key: Iterable[str], ranges: Iterable[Range], high: Any) -> None:
        """The table is read whole from now on, by these ranges."""
        self.key, self.ranges, self.high, self.is_begun = tuple(key), list(ranges), high, True

    @property
    def is_whole(self) -> bool:
        """Whether all ranges are done."""
        return all(each.done for each in self.ranges)

    def __len__(self) -> int:
        return len(self.ranges)

    def to_json(self, *, final: bool) -> dict[str, Any]:
        """The state's content.

        :param final: the stream is complete.
        """
        if self.is_begun and not self.is_whole:
            left = [each.to_json() for each in self.ranges if not each.done]
            begun: dict[str, Any] = {"key": list(self.key), "ranges": left}
            return begun if self.high is None else {**begun, "cursor": {self.cursor: self.high}}
        if self.cursor is None:
            return dict(DONE) if self.is_done or (final and self.is_begun) else dict(NO_CURSOR)
        return dict(NO_CURSOR) if self.high is None else {self.cursor: self.high}


def _range(value: Any, width: int) -> Range:
    after = value.get("after") if isinstance(value, Mapping) else "none"
    if not isinstance(value, Mapping) or (after is not None and (not isinstance(after, list) or len(after) != width)):
        raise ConfigError("state: an entry of `ranges` is none. Clear the stream's state.")
    return Range(_value(value, "from"), _value(value, "to"), None if after is None else tuple(after))


def _value(value: Mapping[str, Any], name: str) -> Any:
    found = value.get(name)
    if isinstance(found, (Mapping, list)):
        raise ConfigError(f"state: the value of {name!r} must be a text or a number.")
    return found
