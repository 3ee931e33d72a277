"""What a database is to the SQL destinations: the few things that differ between them.

:class:`~headwater.bridge.sinks.sql.SqlSink` has everything else: modes, states, evolution, misfits, refused
records. An engine is one connection, used by one thread.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from typing import Any, ClassVar

import msgspec

from headwater.bridge.sink import BatchSize
from headwater.bridge.sinks.columns import DECODED, Kind, fits, widened
from headwater.bridge.sinks.meanings import Meaning
from headwater.bridge.sinks.names import NameRules, TableName, quoted
from headwater.protocol.fields import FieldPath


@dataclass(slots=True)
class Column:
    """A column of a stream's table, and the top-level field that it is of.

    :ivar kind: as the table stores it; one of those that :meth:`Engine.stored` gives.
    :ivar loose: the column is text, though the schema says otherwise (it was widened, or the schema changed):
        its values come as any JSON, and what is no JSON string is stored as its JSON text.
    :ivar wanted: as the schema has it; None: it says nothing.
    """

    field: str
    name: str
    kind: Kind
    loose: bool = False
    wanted: Kind | None = None

    @property
    def sql(self) -> str:
        """The name in SQL."""
        return quoted(self.name)


@dataclass(frozen=True, slots=True)
class Part:
    """A part of a key, or the cursor: a column, and the path below it where the column is JSON."""

    column: Column
    rest: FieldPath = ()
    temporal: bool = False  # a date-time (to be compared as a point in time where the column is text or JSON)


@dataclass(frozen=True, slots=True)
class Key:
    """How rows are deduplicated.

    Of two rows with the same key the one with the greater cursor wins; without a cursor, or with equal ones,
    the later one. A row without a cursor is the oldest. A row with null in its key is appended.
    """

    parts: tuple[Part, ...]
    cursor: Part | None = None


@dataclass(slots=True)
class Load:
    """Records on their way into a table, in the caller's transaction.

    :ivar columns: of the table, besides the four of our own. A field that is in no column is not stored.
    :ivar data: each record one JSON object. Where :attr:`Engine.binds` is false, every value was checked
        against its column before (:data:`~headwater.bridge.sinks.columns.DECODED`), so the database's own JSON
        reader may take them as they are.
    :ivar extracted: how many records in a row were read when: ``(count, milliseconds since the epoch)``.
    :ivar metas: ``_airbyte_meta`` of the records whose it isn't :data:`NO_CHANGES`, by index.
    :ivar batch: 16 hex digits; the n-th record's ``_airbyte_raw_id`` is ``f"{batch}{n:08x}"``, n from 0.
    :ivar links: of a child table: each record's ``_airbyte_parent_id`` and ``_airbyte_index``.
    :ivar key: None: append.
    :ivar gate: decodes records to the values of ``columns``, for engines that bind.
    """

    table: TableName
    columns: Sequence[Column]
    data: Sequence[bytes | msgspec.Raw]
    extracted: Sequence[tuple[int, int]]
    metas: Mapping[int, str]
    batch: str
    generation: int
    links: Sequence[tuple[str, int]] | None = None
    key: Key | None = None
    gate: Any = field(default=None, repr=False)

    def __len__(self) -> int:
        return len(self.data)

    def own(self) -> Iterator[tuple[str, int, int, str]]:
        """Each record's values of the four columns of our own, in the order of ``names.OWN``."""
        batch, generation, metas = self.batch, self.generation, self.metas
        at = 0
        for count, extracted in self.extracted:
            for index in range(at, at + count):
                yield f"{batch}{index:08x}", extracted, generation, metas.get(index, NO_CHANGES)
            at += count


NO_CHANGES = '{"changes":[]}'


class Engine(ABC):
    """A database, for :class:`~headwater.bridge.sinks.sql.SqlSink`.

    Statements mark parameters with ``?``; an engine whose driver wants other marks translates them.

    :cvar title: the database's name in messages.
    :cvar binds: it binds decoded values (``load.gate.rows``), so that records need not be checked before.
    """

    title: ClassVar[str]
    binds: ClassVar[bool] = False
    names: NameRules = NameRules()
    file: bool = False
    """It is one file; for messages."""
    batch_size: ClassVar[BatchSize] = BatchSize()
    """How much it writes at the least cost; no transaction has more rows than that."""
    keeps_keys: ClassVar[bool] = True
    """Our own small tables get primary keys."""
    where: str = ""
    """The database in messages: a path, or a URL without its password."""

    # The connection

    @abstractmethod
    def connect(self) -> None:
        """Connect; does nothing when connected."""

    @abstractmethod
    def close(self) -> None:
        """Disconnect; never raises for a connection that is broken."""

    @abstractmethod
    def transaction(self) -> AbstractContextManager[None]:
        """One transaction: committed durably at the end, rolled back when something is raised (then that is
        raised, also when the rollback fails). At most one is open. DDL is part of it."""

    @contextmanager
    def savepoint(self) -> Iterator[None]:
        """A part of the open transaction that fails alone: when something is raised, only this part is undone.

        Where a database has no savepoints, what was done before is committed, and so is this part.
        """
        self.rows("SAVEPOINT _headwater_part")
        try:
            yield
        except Exception:
            self.rows("ROLLBACK TO SAVEPOINT _headwater_part")
            self.rows("RELEASE SAVEPOINT _headwater_part")  # else the next one lies in it, and so on, ever deeper
            raise
        self.rows("RELEASE SAVEPOINT _headwater_part")

    @abstractmethod
    def rows(self, sql: str, parameters: Sequence[object] = ()) -> list[tuple[Any, ...]]:
        """Execute one statement; what it returns, all of it (empty where it returns nothing)."""

    def run_of(self, flow: str) -> list[tuple[Any, ...]]:
        """Which run the flow's rows come from, one column; that stays so until this transaction ends.

        Where a transaction alone does not keep others out, this must.
        """
        return self.rows("SELECT run FROM _headwater_runs WHERE flow = ?", (flow,))

    @abstractmethod
    def meaning(self, error: Exception) -> Meaning | None:
        """What an error of the database means, without secrets; None: it isn't the database's."""

    @abstractmethod
    def refusal(self, error: Exception) -> str | None:
        """Why the database refuses a record, where the error is about the data (a constraint, a value too
        large, a text that it can't hold); None: it is about anything else."""

    # Types

    def stored(self, kind: Kind) -> Kind:
        """The kind as which the database stores a kind: itself, where it has a type for it.

        At least ANY, which few databases have, is mapped (to JSON).
        """
        return Kind.JSON if kind is Kind.ANY else kind

    @abstractmethod
    def declared(self, kind: Kind) -> str:
        """The type of a column in ``CREATE TABLE``."""

    def declared_own(self, name: str, kind: Kind) -> str:
        """The declaration of a column of our own (:data:`~headwater.bridge.sinks.names.OWN`)."""
        return f"{self.declared(kind)} NOT NULL"

    def widened(self, present: Kind, wanted: Kind) -> Kind:
        """As :func:`~headwater.bridge.sinks.columns.widened`, of kinds that are stored."""
        return self.stored(widened(present, wanted))

    def fits(self, kind: Kind, value: Any) -> bool:
        """As :func:`~headwater.bridge.sinks.columns.fits`: where a database takes less or more, say so here."""
        return fits(kind, value)

    def cleaned(self, text: str) -> str:
        """A text as the database can hold it (PostgreSQL: without NUL); told as TRUNCATED where it differs."""
        return text

    def suspicious(self, data: Sequence[bytes | msgspec.Raw]) -> bool:
        """Whether records may hold what the database's JSON reader can't take though their kinds fit; they are
        then looked at one by one (:meth:`cleaned`). Must be cheap."""
        return False

    def decoded(self, column: Column) -> Any:
        """What msgspec decodes a column's values to; it refuses what the column can't hold."""
        return msgspec.Raw if column.loose else DECODED[column.kind]

    @abstractmethod
    def at(self, part: Part, row: str = "") -> str:
        """A part of a key, or the cursor, as an SQL expression that is NULL where there is nothing.

        :param row: what goes before the column's name, such as ``excluded.``.
        """

    # Tables

    @abstractmethod
    def columns(self, table: TableName) -> dict[str, Kind]:
        """The table's columns in order (our own, too), each with the kind that its type is; one that somebody
        else declared gets the kind that comes nearest. Empty: there is no such table."""

    @abstractmethod
    def exists(self, table: TableName) -> bool:
        """Whether there is a table or a view of that name, told as the database tells names apart."""

    def required(self, table: TableName) -> set[str]:
        """The columns declared NOT NULL, by somebody else (ours never are), that :meth:`relax` can change."""
        return set()

    def place(self, namespace: str, name: str) -> tuple[str, str]:
        """The schema (empty: the default) and the wished table name for a stream."""
        return namespace, name

    def make_schema(self, schema: str) -> None:
        """Create the schema if it is missing."""
        if schema:
            self.rows(f"CREATE SCHEMA IF NOT EXISTS {quoted(schema)}")

    def create(self, table: TableName, columns: Mapping[str, str]) -> None:
        """Create a table of these columns, with their declarations."""
        made = ", ".join(f"{quoted(name)} {declared}" for name, declared in columns.items())
        self.rows(f"CREATE TABLE {table.sql} ({made})")

    def add(self, table: TableName, name: str, kind: Kind) -> None:
        """Add a nullable column."""
        self.rows(f"ALTER TABLE {table.sql} ADD COLUMN {quoted(name)} {self.declared(kind)}".rstrip())

    @abstractmethod
    def widen(self, table: TableName, name: str, present: Kind, kind: Kind) -> None:
        """Change a column's type and keep its values: text as JSON had it, for STRING."""

    def relax(self, table: TableName, name: str) -> None:
        """Let a column be null."""
        self.rows(f"ALTER TABLE {table.sql} ALTER COLUMN {quoted(name)} DROP NOT NULL")

    def drop(self, table: TableName) -> None:
        """Drop a table if it is there."""
        self.rows(f"DROP TABLE IF EXISTS {table.sql}")

    @abstractmethod
    def swap(self, table: TableName, staging: TableName) -> None:
        """Let ``staging`` take the place of ``table`` (which may be missing), and keep what users hung on it
        (indexes, views, grants) as far as the database can."""

    @abstractmethod
    def prepare_key(self, table: TableName, key: Key | None) -> None:
        """Make the table have the index that :meth:`load` needs for the key, and no other of ours. Called after
        every change of the table's columns.

        :raises DuplicateKeys: when rows in the table already share a key.
        """

    # Rows

    @abstractmethod
    def load(self, load: Load) -> int:
        """Insert the records, or upsert them by ``load.key``; in the caller's transaction, in bulk. How many
        rows have null in their key (and were appended)."""

    def remove_orphans(self, child: TableName, parent: TableName) -> None:
        """Delete a child table's rows whose row in the parent table is gone."""
        self.rows(
            f"DELETE FROM {child.sql} WHERE NOT EXISTS (SELECT 1 FROM {parent.sql} AS p "  # noqa: S608
            f"WHERE p._airbyte_raw_id = {child.sql}._airbyte_parent_id)"
        )


class DuplicateKeys(Exception):
    """Rows in a table share a key, so it can't be deduplicated."""
