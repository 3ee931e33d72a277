"""Rows that were changed, as the log has them, waiting to become records."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, NamedTuple

from headwater.protocol.catalog import CatalogStream
from headwater.sql.pgoutput import UNCHANGED, Change, Relation, Row
from headwater.sql.tables import Column, Kind

META = LSN, UPDATED, DELETED = "_ab_cdc_lsn", "_ab_cdc_updated_at", "_ab_cdc_deleted_at"
_MOMENT = {"type": "string", "format": "date-time", "airbyte_type": "timestamp_with_timezone"}


def columns_of(lsn: int = 0) -> tuple[Column, ...]:
    """The columns that a stream of changes has besides, with Airbyte's names; as the first read gives them.

    :param lsn: the place in the log that it belongs to.
    """
    return (
        Column(LSN, "bigint", Kind({"type": "integer"}, f"{lsn}::bigint")),
        Column(UPDATED, "timestamptz", Kind(_MOMENT, "to_json(now())")),
        Column(DELETED, "timestamptz", Kind(_MOMENT, "NULL::text")),
    )


class Changed(NamedTuple):
    """A row that was changed.

    :ivar lsn: the place of its transaction in the log.
    :ivar at: when that was committed.
    """

    row: Row
    lsn: int
    at: datetime
    is_deleted: bool


@dataclass
class Pending:
    """Rows of one table that are not records yet.

    :ivar wanted: the fields of the records, whether the table has them now or not; and whether each may be a text.
    :ivar key: the columns of the primary key: with REPLICA IDENTITY FULL the log calls all columns some of the key.
    """

    relation: Relation
    wanted: tuple[tuple[str, bool], ...]
    key: frozenset[str]
    rows: list[Changed] = field(default_factory=list)
    size: int = 0

    @staticmethod
    def of(relation: Relation, stream: CatalogStream) -> Pending:
        """None yet, of what the catalog wants of a table; where its schema declares nothing, that is all."""
        declared: Mapping[str, Any] = stream.json_schema.get("properties") or {}
        wanted = tuple((name, _may_be_text(schema)) for name, schema in declared.items())
        if not declared:
            wanted = tuple((name, True) for name in (*(each.name for each in relation.fields), *META))
        return Pending(relation, wanted, frozenset(path[0] for path in stream.primary_key if path))

    def add(self, change: Change, lsn: int, at: datetime) -> None:
        """A change as rows: an update of the key is a row that is gone and another one."""
        self.size += change.size
        new, old = change.new, change.old
        if change.is_whole and old is not None and new is not None:
            new = tuple(before if value is UNCHANGED else value for value, before in zip(new, old, strict=True))
        if old is not None and (new is None or self._key(old, change) != self._key(new, change)):
            self.rows.append(Changed(old, lsn, at, True))
        if new is not None:
            self.rows.append(Changed(new, lsn, at, False))

    def _key(self, row: Row, change: Change) -> list[Any]:
        by_name = change.is_whole and self.key
        return [
            value
            for value, each in zip(row, self.relation.fields, strict=True)
            if (each.name in self.key if by_name else each.is_key)
        ]


def _may_be_text(schema: Any) -> bool:
    kinds = schema.get("type") if isinstance(schema, Mapping) else None
    return kinds is None or kinds == "string" or (isinstance(kinds, list) and "string" in kinds)
