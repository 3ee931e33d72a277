"""One table that a stream is written to: which columns it has and is to have, and its key."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import groupby
from operator import attrgetter
from typing import Any

import msgspec

from headwater.bridge.sink import Batch
from headwater.bridge.sinks.columns import EXACT, Kind, kind_of_schema, may_be_null
from headwater.bridge.sinks.engine import Column, DuplicateKeys, Engine, Key, Load, Part
from headwater.bridge.sinks.fit import Fitted, Record, fitted, meta_of
from headwater.bridge.sinks.gate import Gate
from headwater.bridge.sinks.names import LINK, OWN, TableName
from headwater.bridge.sinks.options import Misfits
from headwater.errors import DestinationError
from headwater.protocol.catalog import ConfiguredStream
from headwater.protocol.fields import FieldPath


class Target:
    """A stream's table; created, and given new and wider columns, as its records need.

    All methods that change the table do so inside the caller's transaction. When that is rolled back,
    :meth:`look` makes the columns known what they are again.

    :param stream: as the table has it: its top-level fields, its keys.
    :param place: where the rows are in the end.
    :param table: where they are written: ``place``, or a staging table.
    :param child: it is a child table; it has no key, and the columns of :data:`~.names.LINK`.
    :ivar dedup: the stream is deduplicated.
    :ivar null_keys: how many rows of the last load had null in their key.
    """

    def __init__(
        self,
        engine: Engine,
        stream: ConfiguredStream,
        place: TableName,
        table: TableName,
        generation: int,
        *,
        child: bool = False,
    ) -> None:
        self.engine = engine
        self.stream = stream
        self.place = place
        self.table = table
        self.generation = generation
        self.child = child
        self.dedup = stream.destination_sync_mode.endswith("dedup")
        self._paths: tuple[FieldPath, ...] = stream.primary_key if self.dedup and not child else ()
        self._properties: Mapping[str, Any] = stream.stream.json_schema.get("properties") or {}
        self._wanted: dict[str, Kind] = {}
        self.look()

    @property
    def staged(self) -> bool:
        """Whether rows are written beside the table, and take its place later."""
        return self.table != self.place

    def look(self) -> None:
        """Read which columns the table has, and forget what was known of them."""
        self._existing = self.engine.columns(self.table)
        fold = self.engine.names.fold
        self._folded = {fold(name) for name in self._existing}
        self._columns: dict[str, Column] = {}
        self._ignored: set[str] = set()
        self._changed()
        for name, kind in self._wanted.items():
            self.known(name, kind)

    def create(self) -> None:
        """Create the table if it is missing, with every column of the schema, and its key."""
        engine = self.engine
        if not self._existing:
            own = {name: engine.declared_own(name, kind) for name, kind in OWN.items()}
            if self.child:
                own |= {name: engine.declared_own(name, kind) for name, kind in LINK.items()}
            engine.create(self.table, own)
            self.look()
        required = engine.required(self.table)
        for name, schema in self._properties.items():
            self._plan(name, engine.stored(kind_of_schema(schema)), name in required and may_be_null(schema))
        for path in self._paths:
            self._plan(path[0], self._key_kind(path))
        self._prepare_key()

    def _key_kind(self, path: FieldPath) -> Kind:
        if path[0] in self._wanted:
            return self._wanted[path[0]]
        if len(path) > 1:
            return self.engine.stored(Kind.JSON)
        return Kind.STRING if self._typed else Kind.ANY

    def _plan(self, field: str, wanted: Kind, relax: bool = False) -> None:
        """Make the field's column one that holds what the schema says.

        :param relax: it is declared NOT NULL, and the schema has nulls.
        """
        self._wanted[field] = wanted
        column = self.column(field, wanted)
        wider = self.engine.widened(column.kind, wanted)
        if wider is not column.kind:
            self.widen(column, wider)
        if relax:
            self.engine.relax(self.table, column.name)
            self._prepare_key()

    @property
    def _typed(self) -> bool:
        return self.engine.stored(Kind.ANY) is not Kind.ANY

    def known(self, field: str, wanted: Kind | None = None) -> Column | None:
        """The field's column, if it is known or the table has it."""
        column = self._columns.get(field)
        if column is None and (name := self._name(field)) in self._existing:
            kind = self._existing[name]
            wanted = wanted or self._wanted.get(field)
            loose = self._typed and kind is Kind.STRING and wanted is not Kind.STRING
            column = self._columns[field] = Column(field, name, kind, loose, wanted)
            self._changed()
        return column

    def _name(self, field: str) -> str:
        if field in self._existing and field not in OWN and not (self.child and field in LINK):
            return field
        return self.engine.names.safe(field, self._folded.__contains__, column=True)

    def column(self, field: str, kind: Kind) -> Column:
        """The field's column; it is added, of this kind, if the table has none."""
        column = self.known(field)
        if column is not None:
            return column
        name = self._name(field)
        self.engine.add(self.table, name, kind)
        self._existing[name] = kind
        self._folded.add(self.engine.names.fold(name))
        self._ignored.discard(field)
        column = self._columns[field] = Column(field, name, kind, wanted=self._wanted.get(field))
        self._changed()
        return column

    def ignore(self, field: str) -> None:
        """The field has no column, and only nulls."""
        if field not in self._ignored:
            self._ignored.add(field)
            self._changed()

    def widen(self, column: Column, kind: Kind) -> None:
        """Change a column to a wider kind; to text, where that would lose something."""
        present = column.kind
        if present is Kind.INTEGER and kind is Kind.NUMBER and self._beyond_a_float(column):
            kind = self.engine.widened(present, Kind.STRING)
        self.engine.widen(self.table, column.name, present, kind)
        column.kind = self._existing[column.name] = kind
        column.loose = self._typed and kind is Kind.STRING and self._wanted.get(column.field) is not Kind.STRING
        self._changed()
        self._prepare_key()

    def _beyond_a_float(self, column: Column) -> bool:
        outside = f"{column.sql} > {EXACT.stop - 1} OR {column.sql} < {EXACT.start}"
        return bool(self.engine.rows(f"SELECT 1 FROM {self.table.sql} WHERE {outside} LIMIT 1"))  # noqa: S608

    def _changed(self) -> None:
        self._gate: Gate | None = None

    @property
    def columns(self) -> list[Column]:
        """The known columns, besides those of our own."""
        return list(self._columns.values())

    @property
    def gate(self) -> Gate:
        """What tells whether records fit the columns."""
        if self._gate is None:
            self._gate = Gate(self.columns, self._decoded, self._ignored)
        return self._gate

    def _decoded(self, column: Column) -> Any:
        return self.engine.decoded(column)

    @property
    def key(self) -> Key | None:
        """How rows are deduplicated; None: not at all."""
        if not self._paths:
            return None
        parts = tuple(self._part(path) for path in self._paths)
        cursor = self.stream.cursor_field or self.stream.stream.default_cursor_field
        known = bool(cursor) and self.known(cursor[0]) is not None
        return Key(parts, self._part(cursor) if known else None)

    def _part(self, path: FieldPath) -> Part:
        schema: Any = self.stream.stream.json_schema
        for name in path:
            schema = (schema.get("properties") or {}).get(name) if isinstance(schema, Mapping) else None
        temporal = kind_of_schema(schema) in (Kind.TIMESTAMP, Kind.TIMESTAMP_TZ)
        column = self.known(path[0])
        assert column is not None
        return Part(column, path[1:], temporal)

    def _prepare_key(self) -> None:
        key = self.key if all(self.known(path[0]) for path in self._paths) else None
        try:
            self.engine.prepare_key(self.table, key)
        except DuplicateKeys:
            stream = str(self.stream.descriptor)
            names = ", ".join(".".join(path) for path in self._paths)
            raise DestinationError(
                f"Stream {stream!r}: the table {str(self.place)!r} has several rows with one primary key "
                f"({names}), so it can't be deduplicated. Delete those rows, or write the table anew "
                "with the mode 'overwrite'.",
                stream=stream,
            ) from None

    def fit(self, records: Sequence[Record], misfits: Misfits, *, thorough: bool = False) -> Fitted:
        """The records as the columns hold them; the columns are changed first where they must be.

        :param thorough: look at each; else those that fit stay the JSON they are.
        """
        if thorough:
            return fitted(records, self, misfits)
        gate, suspicious = self.gate, self.engine.suspicious
        odd = [record for record in records if not gate.fits(record.data) or suspicious([record.data])]
        made = fitted(odd, self, misfits)
        changed = (
            {id(before): after for before, after in zip(odd, made.records, strict=True)} if not made.refused else {}
        )
        return Fitted([changed.get(id(record), record) for record in records], made.refused)

    def check(self, data: Sequence[bytes | msgspec.Raw]) -> None:
        """Raise one of :data:`~headwater.bridge.sinks.gate.MISFITS` where records don't fit the columns, for an
        engine that would not notice."""
        self.gate.check(data)
        if self.engine.suspicious(data):
            raise msgspec.ValidationError("something the database can't hold")

    def load(self, records: Load) -> None:
        """Write records into the table."""
        self.null_keys = self.engine.load(records)

    def load_of(self, records: Sequence[Record], batch: str) -> Load:
        """Records as a load; they fit, or the gate and the engine tell."""
        links = [record.link for record in records if record.link is not None]
        extracted = [(len(list(same)), at) for at, same in groupby(records, key=attrgetter("extracted"))]
        return Load(
            self.table,
            self.columns,
            [record.data for record in records],
            extracted,
            {at: meta_of(record.changes) for at, record in enumerate(records) if record.changes},
            batch,
            self.generation,
            links or None,
            self.key,
            self.gate,
        )

    def load_whole(self, batch: Batch, number: str) -> Load:
        """A batch's records as they came, as a load."""
        data: list[Any] = []
        metas: dict[int, str] = {}
        for part in batch.parts:
            for index, changes in part.changes.items():
                metas[len(data) + index] = meta_of(changes)
            data.extend(part.data)
        parts = groupby(batch.parts, key=attrgetter("emitted_at"))
        extracted = [(sum(map(len, same)), at) for at, same in parts]
        return Load(
            self.table, self.columns, data, extracted, metas, number, self.generation, None, self.key, self.gate
        )
