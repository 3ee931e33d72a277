"""SQLite as a destination, with the states in it: rows and state commit in one transaction.

Durable when a batch is acknowledged, also against power failure: the write-ahead log is synced at every
commit (``journal_mode=WAL``, ``synchronous=FULL``). Readers are not blocked meanwhile. What the tables look
like is in docs/operate.md.
"""

from __future__ import annotations

import logging
import os
import secrets
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from headwater.bridge.sink import Batch
from headwater.bridge.sinks.sqlite_names import quoted, safe_name
from headwater.bridge.sinks.sqlite_table import Table
from headwater.bridge.states.sqlite import SqliteStates
from headwater.errors import BridgeError, DestinationError
from headwater.protocol.catalog import ConfiguredCatalog, ConfiguredStream, DestinationSyncMode
from headwater.protocol.messages import State, StreamDescriptor

_LOG = logging.getLogger(__name__)

BUSY_SECONDS = 30.0
_STAGING = "_headwater_new_"
_SCHEMA = """
CREATE TABLE IF NOT EXISTS _headwater_tables (
    table_name TEXT PRIMARY KEY COLLATE NOCASE, namespace TEXT NOT NULL, stream TEXT NOT NULL,
    generation INTEGER NOT NULL, UNIQUE (namespace, stream));
CREATE TABLE IF NOT EXISTS _headwater_state (
    flow TEXT NOT NULL, namespace TEXT NOT NULL, stream TEXT NOT NULL, type TEXT NOT NULL,
    state TEXT NOT NULL, PRIMARY KEY (flow, type, namespace, stream));
CREATE TABLE IF NOT EXISTS _headwater_runs (flow TEXT PRIMARY KEY, run TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS _headwater_unsettled (
    batch TEXT PRIMARY KEY, flow TEXT NOT NULL, run TEXT NOT NULL, namespace TEXT NOT NULL,
    stream TEXT NOT NULL);
"""


class SqliteSink:
    """Writes each stream into a table of one database file, typed after its JSON Schema.

    Exactly once, in the mode append too: rows that were written after the last stored state are noted, and
    removed in the transaction that writes the first of those that are read again in their place.

    :param path: the file; it is created if missing.
    :param flow: under which name states are kept, so that several flows can share a file. Of two syncs of one
        flow at the same time, the earlier fails at its next batch.
    """

    modes: frozenset[DestinationSyncMode] = frozenset({"append", "append_dedup", "overwrite", "overwrite_dedup"})

    def __init__(self, path: str | os.PathLike[str], flow: str = "default") -> None:
        self.path = os.fspath(path)
        self.flow = flow
        self._run = secrets.token_hex(8)
        self._connection: sqlite3.Connection | None = None
        self._tables: dict[StreamDescriptor, Table] = {}
        self._written: set[StreamDescriptor] = set()
        self.states = SqliteStates(self._sql, self.flow, self.transaction, self._run)

    def connect(self) -> None:
        """Open the file, to look at the states; :meth:`open` does it too.

        :raises DestinationError: when that is impossible.
        """
        if self._connection is not None:
            return
        with self._explained():
            self._connection = sqlite3.connect(self.path, timeout=BUSY_SECONDS, isolation_level=None)
            self._sql("PRAGMA journal_mode = WAL")
            self._sql("PRAGMA synchronous = FULL")
            self._sql("PRAGMA cache_size = -32768")
            self._connection.executescript(_SCHEMA)

    def open(self, catalog: ConfiguredCatalog) -> None:
        """Connect; create tables and columns that are missing."""
        self.connect()
        self._tables, self._written = {}, set()
        self.states.whole = {s.descriptor for s in catalog.streams if s.sync_mode == "full_refresh"}
        with self._explained(), self.transaction(first=True):
            self._sql("INSERT OR REPLACE INTO _headwater_runs VALUES (?, ?)", (self.flow, self._run))
            for stream in catalog.streams:
                self._tables[stream.descriptor] = self._table(stream)

    def write(self, batch: Batch, covered: Sequence[State]) -> None:
        """Insert or upsert the batch, and store the states, in one transaction."""
        stream = batch.stream.descriptor
        table = self._tables[stream]
        batch_id = secrets.token_hex(8)
        with self._explained(), self.transaction():
            if stream not in self._written:
                self._remove_unsettled(table)
            table.insert(batch, batch_id)
            if not batch.stream.destination_sync_mode.startswith("overwrite"):
                self._sql(
                    "INSERT INTO _headwater_unsettled VALUES (?, ?, ?, ?, ?)",
                    (batch_id, self.flow, self._run, stream.namespace or "", stream.name),
                )
            self.states.put(covered)
        self._written.add(stream)
        if table.null_keys:
            _LOG.warning(
                "Stream %r: %d rows have null in their primary key; they were appended.",
                str(stream),
                table.null_keys,
            )

    def complete(self, stream: ConfiguredStream, covered: Sequence[State]) -> None:
        """Keep the stream's rows for good; let an overwrite take the place of the old rows."""
        with self._explained(), self._old_renames(), self.transaction():
            if stream.destination_sync_mode.startswith("overwrite"):
                self._swap(self._tables[stream.descriptor])
            self.states.settle(stream.descriptor)
            self.states.put(covered)

    def close(self) -> None:
        """Drop what an unfinished overwrite left, and close the file."""
        connection, self._connection = self._connection, None
        if connection is None:
            return
        try:
            for table in self._tables.values():
                if table.name.startswith(_STAGING):
                    connection.execute(f"DROP TABLE IF EXISTS {quoted(table.name)}")
        except sqlite3.Error as error:
            _LOG.warning("The table %r could not be dropped: %s", table.name, error)
        finally:
            connection.close()

    @contextmanager
    def transaction(self, first: bool = False) -> Iterator[None]:
        """One transaction of this run.

        :raises DestinationError: when another sync of this flow began meanwhile.
        """
        self._sql("BEGIN IMMEDIATE")
        try:
            if not first and self._written_by_another():
                raise DestinationError(
                    f"Another sync of the flow {self.flow!r} into {self.path} began while this one ran. "
                    "This one stops; nothing is lost."
                )
            yield
            self._sql("COMMIT")
        except BaseException:
            if self._connection is not None and self._connection.in_transaction:
                self._sql("ROLLBACK")
            raise

    def _written_by_another(self) -> bool:
        row = self._sql("SELECT run FROM _headwater_runs WHERE flow = ?", (self.flow,)).fetchone()
        return bool(self._tables) and row is not None and row[0] != self._run

    def _sql(self, statement: str, parameters: Sequence[object] = ()) -> sqlite3.Cursor:
        assert self._connection is not None, "the sink is not open"
        return self._connection.execute(statement, parameters)

    def _table(self, stream: ConfiguredStream) -> Table:
        assert self._connection is not None
        descriptor = stream.descriptor
        name, generation = self._registered(descriptor)
        self._sql(f"DROP TABLE IF EXISTS {quoted(_STAGING + name)}")
        overwrite = stream.destination_sync_mode.startswith("overwrite")
        if stream.generation_id is not None:
            generation = stream.generation_id
        elif overwrite:
            generation += 1
        if overwrite:
            name = _STAGING + name
        table = Table(self._connection, name, stream, generation)
        table.create()
        return table

    def _registered(self, stream: StreamDescriptor) -> tuple[str, int]:
        """The stream's table and generation; a stream keeps the name it once got."""
        key = (stream.namespace or "", stream.name)
        row = self._sql(
            "SELECT table_name, generation FROM _headwater_tables WHERE namespace = ? AND stream = ?", key
        ).fetchone()
        if row is not None:
            return str(row[0]), int(row[1])
        wished = f"{stream.namespace}__{stream.name}" if stream.namespace else stream.name
        name = safe_name(wished, self._is_ours, "\0".join(key))
        if self._exists(name):
            raise DestinationError(
                f"Stream {str(stream)!r}: the database {self.path} has a table {name!r} that was not made "
                "here. Rename that table, or use another file.",
                stream=str(stream),
            )
        self._sql("INSERT INTO _headwater_tables VALUES (?, ?, ?, 0)", (name, *key))
        return name, 0

    def _is_ours(self, name: str) -> bool:
        found = self._sql("SELECT 1 FROM _headwater_tables WHERE table_name = ?", (name,)).fetchone()
        return found is not None

    def _exists(self, name: str) -> bool:
        found = self._sql(
            "SELECT 1 FROM sqlite_master WHERE name = ? COLLATE NOCASE AND type IN ('table', 'view')", (name,)
        ).fetchone()
        return found is not None

    def _remove_unsettled(self, table: Table) -> None:
        """Remove what earlier runs wrote and no state covers: it is being read again."""
        stream = table.stream.descriptor
        which = "FROM _headwater_unsettled WHERE flow = ? AND namespace = ? AND stream = ? AND run <> ?"
        values = (self.flow, stream.namespace or "", stream.name, self._run)
        if self._sql(f"SELECT 1 {which} LIMIT 1", values).fetchone() is None:
            return
        if not table.name.startswith(_STAGING):
            # With a key, rows are replaced when they are read again; only those without one would be doubled.
            keyless = f" AND ({table.key.missing})" if table.key.paths else ""
            self._sql(
                f"DELETE FROM {quoted(table.name)} WHERE substr(_airbyte_raw_id, 1, 16) "  # noqa: S608
                f"IN (SELECT batch {which}){keyless}",
                values,
            )
        self._sql(f"DELETE {which}", values)

    def _swap(self, staging: Table) -> None:
        name = staging.name.removeprefix(_STAGING)
        indexes = self._sql(
            "SELECT sql FROM sqlite_master WHERE type IN ('index', 'trigger') AND tbl_name = ? "
            r"COLLATE NOCASE AND sql IS NOT NULL AND name NOT LIKE '\_headwater\_%' ESCAPE '\'",
            (name,),
        ).fetchall()
        self._sql(f"DROP TABLE IF EXISTS {quoted(name)}")
        self._sql(f"ALTER TABLE {quoted(staging.name)} RENAME TO {quoted(name)}")
        for (statement,) in indexes:
            try:
                self._sql(statement)
            except sqlite3.OperationalError as error:
                _LOG.warning("After %r was written anew, this does not fit: %s (%s)", name, statement, error)
        self._sql("UPDATE _headwater_tables SET generation = ? WHERE table_name = ?", (staging.generation, name))
        staging.name = name

    @contextmanager
    def _old_renames(self) -> Iterator[None]:
        """Views on a table do not keep another from taking its name."""
        self._sql("PRAGMA legacy_alter_table = ON")
        try:
            yield
        finally:
            self._sql("PRAGMA legacy_alter_table = OFF")

    @contextmanager
    def _explained(self) -> Iterator[None]:
        """SQLite's errors as DestinationErrors that say what to do."""
        try:
            yield
        except BridgeError:
            raise
        except sqlite3.Error as error:
            raise DestinationError(f"SQLite, {self.path}: {_advice(str(error))}") from error


def _advice(error: str) -> str:
    for part, advice in _ADVICE:
        if part in error:
            return f"{error}. {advice}"
    return f"{error}."


_ADVICE = (
    (
        "locked",
        f"Another program has held the database for {BUSY_SECONDS:.0f} s: end it, then run again.",
    ),
    ("disk is full", "Make room, then run again; nothing was lost."),
    ("readonly", "Grant write access to the file and its folder."),
    ("unable to open", "Is there such a folder, and may it be written to?"),
    ("not a database", "Name another file; this one is something else, or damaged."),
    ("malformed", "The file is damaged: restore a backup, or name another file."),
    (
        "too many columns",
        "The records have more keys than a table may have columns: select columns.",
    ),
    ("disk I/O", "The disk or its file system fails; look at the system's log."),
)
