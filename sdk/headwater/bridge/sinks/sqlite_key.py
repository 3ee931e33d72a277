"""A table's primary key in SQLite: the unique index that an upsert needs, and which row wins."""

from __future__ import annotations

import secrets
import sqlite3
from collections.abc import Mapping
from typing import Any

import msgspec

from headwater.bridge.sinks.sqlite_names import quoted
from headwater.errors import DestinationError
from headwater.protocol.catalog import ConfiguredStream
from headwater.protocol.fields import FieldPath


class Key:
    """The key of a stream that is deduplicated; of any other stream it has no paths, and does nothing.

    A path into an object is an expression on the JSON text of its column.

    :param columns: the column of each top-level field, as it is now.
    """

    def __init__(self, sql: Any, table: str, stream: ConfiguredStream, columns: Mapping[str, str]) -> None:
        self._sql = sql
        self._table = table
        self._stream = stream
        self._columns = columns
        dedup = stream.destination_sync_mode.endswith("dedup")
        self.paths: tuple[FieldPath, ...] = stream.primary_key if dedup else ()

    @property
    def conflict(self) -> str:
        """The key as ``ON CONFLICT`` names it."""
        return ", ".join(self._path(path) for path in self.paths)

    @property
    def newer(self) -> str:
        """The condition for replacing a row: it is not older, where the cursor is known.

        A row without a cursor is the oldest. Of two that are equal, the one read last wins.
        """
        path = self._stream.cursor_field or self._stream.stream.default_cursor_field
        if not path or path[0] not in self._columns:
            return ""
        new, old = self._path(path, "excluded."), self._path(path, quoted(self._table) + ".")
        compared = f"{new} >= {old}"
        if self._format(path) == "date-time":  # as text, "01.5Z" would come before "01Z"
            compared = f"COALESCE(julianday({new}) >= julianday({old}), {compared})"
        return f" WHERE COALESCE({compared}, {old} IS NULL)"

    @property
    def missing(self) -> str:
        """The condition for a row of which a part of the key is null."""
        return " OR ".join(f"{self._path(path)} IS NULL" for path in self.paths)

    def ensure(self) -> None:
        """Make the table have the key's unique index and no other of ours.

        :raises DestinationError: when rows in the table already share a key.
        """
        if not self.paths:
            self.drop()
            return
        if any(sql.endswith(f"({self.conflict})") for _, sql in self._indexes()):
            return
        self.drop()
        # By chance: an overwrite's table keeps its index, under its name, when it takes the old one's place.
        name = quoted(f"_headwater_key_{secrets.token_hex(8)}")
        try:
            self._sql(f"CREATE UNIQUE INDEX {name} ON {quoted(self._table)} ({self.conflict})")
        except sqlite3.IntegrityError:
            stream = str(self._stream.descriptor)
            raise DestinationError(
                f"Stream {stream!r}: the table {self._table!r} has several rows with one primary key "
                f"({self.conflict}), so it can't be deduplicated. Delete those rows, or write the table anew "
                "with the mode 'overwrite'.",
                stream=stream,
            ) from None

    def drop(self) -> None:
        """Remove the index."""
        for name, _ in self._indexes():
            self._sql(f"DROP INDEX {quoted(name)}")

    def _indexes(self) -> list[tuple[str, str]]:
        return list(
            self._sql(
                "SELECT name, sql FROM sqlite_master WHERE type = 'index' AND tbl_name = ? COLLATE NOCASE "
                r"AND name LIKE '\_headwater\_key\_%' ESCAPE '\'",
                (self._table,),
            )
        )

    def _path(self, path: FieldPath, row: str = "") -> str:
        name = row + quoted(self._columns[path[0]])
        if len(path) == 1:
            return name
        inner = "$" + "".join('."' + part.replace("'", "''") + '"' for part in path[1:])
        return f"json_extract({name}, '{inner}')"

    def _format(self, path: FieldPath) -> Any:
        schema: Any = self._stream.stream.json_schema
        for part in path:
            schema = (schema.get("properties") or {}).get(part) if isinstance(schema, Mapping) else None
        return schema.get("format") if isinstance(schema, Mapping) else None


def is_missing(value: Any, rest: FieldPath) -> bool:
    """Whether there is nothing at this path below a column's value (JSON text, where there is a path)."""
    if value is None or not (rest or isinstance(value, msgspec.Raw)):
        return value is None
    try:
        found = msgspec.json.decode(value)
    except (msgspec.MsgspecError, UnicodeError):
        return bool(rest)
    for part in rest:
        found = found.get(part) if isinstance(found, dict) else None
    return found is None
