"""The tables that Headwater keeps in an SQL destination for itself.

``_headwater_tables``: which table is whose, and its generation. ``_headwater_state``: states, by flow.
``_headwater_runs``: the run that a flow's rows come from now. ``_headwater_unsettled``: batches that no state
covers yet. ``_headwater_refused``: records that the database refused, and why.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from headwater.bridge.sinks.columns import Kind
from headwater.bridge.sinks.engine import Engine
from headwater.bridge.sinks.names import TableName
from headwater.bridge.sinks.target import Target
from headwater.errors import DestinationError
from headwater.protocol.messages import StreamDescriptor, now_ms

STAGING = "_headwater_new_"
PART = "\x1f"
"""Between a stream's name and a field's, where a child table is registered."""

# Each one's columns and key.
_TABLES = {
    "_headwater_tables": (
        "table_name {text} NOT NULL, namespace {text} NOT NULL, stream {text} NOT NULL, "
        "generation {integer} NOT NULL, schema_name {text} DEFAULT ''",
        "namespace, stream",
    ),
    "_headwater_state": (
        "flow {text} NOT NULL, namespace {text} NOT NULL, stream {text} NOT NULL, type {text} NOT NULL, "
        "state {text} NOT NULL",
        "flow, type, namespace, stream",
    ),
    "_headwater_runs": ("flow {text} NOT NULL, run {text} NOT NULL", "flow"),
    "_headwater_unsettled": (
        "batch {text} NOT NULL, flow {text} NOT NULL, run {text} NOT NULL, namespace {text} NOT NULL, "
        "stream {text} NOT NULL",
        "batch",
    ),
    "_headwater_refused": (
        "flow {text} NOT NULL, namespace {text} NOT NULL, stream {text} NOT NULL, batch {text} NOT NULL, "
        "run {text} NOT NULL, refused_at {integer} NOT NULL, reason {text} NOT NULL, record {text} NOT NULL",
        "",
    ),
}
_OF_STREAM = "flow = ? AND namespace = ? AND stream = ?"


@dataclass(frozen=True)
class Registered:
    """A stream's table, and which generation its rows are of."""

    table: TableName
    generation: int


class Books:
    """What is kept of one flow's runs.

    :param run: this one.
    """

    def __init__(self, engine: Engine, flow: str, run: str) -> None:
        self._engine = engine
        self._rows = engine.rows
        self._flow = flow
        self._run = run

    def create(self) -> None:
        """Make the tables that are missing; those of earlier versions get what they lack."""
        text, integer = self._engine.declared(Kind.STRING), self._engine.declared(Kind.INTEGER)
        for name, (columns, key) in _TABLES.items():
            made = columns.format(text=text, integer=integer)
            if key and self._engine.keeps_keys:
                made += f", PRIMARY KEY ({key})"
            self._rows(f"CREATE TABLE IF NOT EXISTS {name} ({made})")
        tables = TableName("", "_headwater_tables")
        if "schema_name" not in self._engine.columns(tables):
            self._rows(f"ALTER TABLE _headwater_tables ADD COLUMN schema_name {text} DEFAULT ''")

    def begin(self) -> None:
        """This run is the flow's from now on."""
        self._rows("DELETE FROM _headwater_runs WHERE flow = ?", (self._flow,))
        self._rows("INSERT INTO _headwater_runs (flow, run) VALUES (?, ?)", (self._flow, self._run))

    def current(self) -> bool:
        """Whether no other run of the flow began since; none does while the transaction lasts."""
        found = self._engine.run_of(self._flow)
        return not found or found[0][0] == self._run

    def registered(self, stream: StreamDescriptor, field: str = "") -> Registered:
        """The stream's table, or that of one of its fields; a stream keeps the name it once got.

        :raises DestinationError: when a table of that name is there that was not made here.
        """
        key = (stream.namespace or "", stream.name + (PART + field if field else ""))
        found = self._rows(
            "SELECT schema_name, table_name, generation FROM _headwater_tables WHERE namespace = ? AND stream = ?",
            key,
        )
        if found:
            return Registered(TableName(str(found[0][0] or ""), str(found[0][1])), int(found[0][2]))
        schema, wished = self._engine.place(key[0], f"{stream.name}__{field}" if field else stream.name)
        rules = self._engine.names
        ours = {(rules.fold(row[0] or ""), rules.fold(row[1])) for row in self._rows(_OURS)}
        if schema:
            schema = rules.safe(schema, lambda _: False)
        name = rules.safe(wished, lambda folded: (rules.fold(schema), folded) in ours, "\0".join(key))
        table = TableName(schema, name)
        if self._engine.exists(table):
            raise DestinationError(
                f"Stream {str(stream)!r}: the database {self._engine.where} has a table {str(table)!r} that was not "
                "made here. Rename that table, or use another "
                f"{'schema or database' if schema else 'file' if self._engine.file else 'database'}.",
                stream=str(stream),
            )
        self._engine.make_schema(schema)
        self._rows(
            "INSERT INTO _headwater_tables (schema_name, table_name, namespace, stream, generation) "
            "VALUES (?, ?, ?, ?, 0)",
            (schema, name, *key),
        )
        return Registered(table, 0)

    def staging(self, table: TableName) -> TableName:
        """Where rows are written that take the place of a table's later."""
        return TableName(table.schema, self._engine.names.prefixed(STAGING, table.name))

    def generation(self, target: Target, generation: int) -> None:
        """The table's rows are of this generation now."""
        self._rows(
            "UPDATE _headwater_tables SET generation = ? WHERE table_name = ? AND COALESCE(schema_name, '') = ?",
            (generation, target.place.name, target.place.schema),
        )

    def note(self, stream: StreamDescriptor, batch: str) -> None:
        """A batch is written that no state covers yet."""
        self._rows(
            "INSERT INTO _headwater_unsettled (batch, flow, run, namespace, stream) VALUES (?, ?, ?, ?, ?)",
            (batch, self._flow, self._run, stream.namespace or "", stream.name),
        )

    def remove_unsettled(self, stream: StreamDescriptor, targets: Iterable[Target]) -> None:
        """Remove what earlier runs wrote and no state covers: it is being read again.

        :param targets: the stream's tables.
        """
        which = f"FROM _headwater_unsettled WHERE {_OF_STREAM} AND run <> ?"
        values = (self._flow, stream.namespace or "", stream.name, self._run)
        if not self._rows(f"SELECT 1 {which} LIMIT 1", values):
            return
        batches = f"IN (SELECT batch {which})"
        self._rows(f"DELETE FROM _headwater_refused WHERE batch {batches}", values)  # noqa: S608
        for target in targets:
            if target.child and target.dedup:
                continue  # they go with their rows
            # With a key, rows are replaced when they are read again; only those without one would be doubled.
            key = target.key
            missing = " OR ".join(f"{self._engine.at(part)} IS NULL" for part in key.parts) if key else ""
            keyless = f" AND ({missing})" if missing else ""
            for table in {target.table, target.place}:
                if table != target.table and (key or not self._engine.exists(table)):
                    continue  # it is replaced as a whole
                self._rows(
                    f"DELETE FROM {table.sql} WHERE substr(_airbyte_raw_id, 1, 16) {batches}{keyless}",  # noqa: S608
                    values,
                )
        self._rows(f"DELETE {which}", values)

    def refuse(self, stream: StreamDescriptor, batch: str, refused: Sequence[tuple[str, str]]) -> None:
        """Keep refused records: each one's reason, and its JSON."""
        for reason, record in refused:
            self._rows(
                "INSERT INTO _headwater_refused (flow, namespace, stream, batch, run, refused_at, reason, record) "
                "VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
                (self._flow, stream.namespace or "", stream.name, batch, self._run, now_ms(), reason, record),
            )

    def forget_refused(self, stream: StreamDescriptor) -> None:
        """What earlier runs refused is of rows that are gone now."""
        self._rows(
            f"DELETE FROM _headwater_refused WHERE {_OF_STREAM} AND run <> ?",  # noqa: S608
            (self._flow, stream.namespace or "", stream.name, self._run),
        )


_OURS = "SELECT schema_name, table_name FROM _headwater_tables"
