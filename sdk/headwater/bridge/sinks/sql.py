"""SQL databases as destinations, with the states in them: rows and states commit in one transaction.

What is common to all of them; see :mod:`headwater.bridge.sinks.engine` for what differs.
"""

from __future__ import annotations

import logging
import secrets
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from headwater.bridge.sink import Batch, BatchSize
from headwater.bridge.sinks.attempts import Attempt, Refusal, Undone, culprit, halves
from headwater.bridge.sinks.books import Books
from headwater.bridge.sinks.engine import Engine
from headwater.bridge.sinks.gate import MISFITS
from headwater.bridge.sinks.options import SqlOptions
from headwater.bridge.sinks.tables import StreamTables, open_tables
from headwater.bridge.states.sql import SqlStates
from headwater.errors import BridgeError, DestinationError
from headwater.protocol.catalog import ConfiguredCatalog, ConfiguredStream, DestinationSyncMode
from headwater.protocol.messages import State, StreamDescriptor

_LOG = logging.getLogger(__name__)
_CAREFUL = BatchSize().bytes  # so much is looked at record by record at a time


class SqlSink:
    """Writes each stream into a table of a database, typed after its JSON Schema.

    Exactly once, in the mode append too: rows that were written after the last stored state are noted, and
    removed in the transaction that writes the first of those that are read again in their place.

    :param engine: the database, not connected yet.
    :param flow: under which name states are kept, so that several flows can share a database. Of two syncs of
        one flow at the same time, the earlier fails at its next batch.
    """

    modes: frozenset[DestinationSyncMode] = frozenset({"append", "append_dedup", "overwrite", "overwrite_dedup"})

    def __init__(self, engine: Engine, flow: str = "default", options: SqlOptions | None = None) -> None:
        self.engine = engine
        self.flow = flow
        self.options = options or SqlOptions()
        self._run = secrets.token_hex(8)
        self._connected = False
        self._streams: dict[StreamDescriptor, StreamTables] = {}
        # Records that become Python objects on their way are held a few at a time.
        self.batch_size = engine.batch_size if self.options.nested == "json" else BatchSize()
        self._books = Books(engine, flow, self._run)
        self.states = SqlStates(engine.rows, flow, self.transaction, self._run)

    def connect(self) -> None:
        """Connect, to look at the states; :meth:`open` does it too.

        :raises DestinationError: when that is impossible.
        """
        if self._connected:
            return
        with self._explained():
            try:
                self.engine.connect()
                with self.engine.transaction():
                    self._books.create()
            except BaseException:
                self.engine.close()
                raise
        self._connected = True

    def open(self, catalog: ConfiguredCatalog) -> None:
        """Connect; create tables and columns that are missing."""
        self.connect()
        self._streams = {}
        self.states.whole = {s.descriptor for s in catalog.streams if s.sync_mode == "full_refresh"}
        staged: dict[StreamDescriptor, int] = {}
        with self._explained(), self.engine.transaction():
            self._books.begin()
            for stream in catalog.streams:
                made = open_tables(stream, self.engine, self._books, self.states, self.options)
                self._streams[stream.descriptor] = made
                if made.staged and not made.whole:
                    staged[stream.descriptor] = made.targets[0].generation
        self.states.staged = staged

    def write(self, batch: Batch, covered: Sequence[State]) -> None:
        """Insert or upsert the batch, and store the states, in one transaction.

        Of a larger batch than suits the database only the last transaction has the states: until then what is
        written counts as written after them.
        """
        if not len(batch):
            self.states.store(covered)
            return
        stream = self._streams[batch.stream.descriptor]
        size = self.engine.batch_size
        wide = size.columns is not None and len(stream.targets[0].columns) > size.columns
        with self._explained():
            batch.refused = self._write(stream, batch, covered, batch.rows_in(_CAREFUL) if wide else size.rows)

    def _write(self, stream: StreamTables, batch: Batch, covered: Sequence[State], rows: int | None) -> int:
        """Write a batch, so many rows in one transaction; how many were refused."""
        refused = 0
        while rows is not None and len(batch) > rows:
            part, batch = batch.cut(rows)
            refused += self._write_at_once(stream, part, ())
        return refused + self._write_at_once(stream, batch, covered)

    def _write_at_once(self, stream: StreamTables, batch: Batch, covered: Sequence[State]) -> int:
        attempt = Attempt(batch, stream.targets, secrets.token_hex(8), self.options, stream.splitter)
        if not self._quickly(stream, attempt, covered):
            if len(batch) > 1 and batch.size > 2 * _CAREFUL:
                return self._write(stream, batch, covered, batch.rows_in(_CAREFUL))
            self._carefully(stream, attempt, covered)
        stream.written = True
        self._tell(stream, attempt)
        return len(attempt.refused)

    def _quickly(self, stream: StreamTables, attempt: Attempt, covered: Sequence[State]) -> bool:
        """Write the records as they came; False where they don't fit, and nothing was written."""
        try:
            attempt.check()
            with self._writing(stream, attempt, covered):
                self._remove_unsettled(stream)
                attempt.load()
        except MISFITS:
            return False
        except Exception as error:
            if self.engine.refusal(error) is None:
                raise
            attempt.thorough = True
            return False
        return True

    def _carefully(self, stream: StreamTables, attempt: Attempt, covered: Sequence[State]) -> None:
        """Make the records fit, and leave out those that can't be written."""
        while True:
            self._look(stream)
            try:
                with self._writing(stream, attempt, covered):
                    attempt.load_fitted(before=lambda: self._remove_unsettled(stream))
                    self._books.refuse(stream.stream.descriptor, attempt.number, attempt.told())
                return
            except Refusal:
                pass
            except Exception as error:
                if self.engine.refusal(error) is None:
                    raise
                if not attempt.thorough:
                    attempt.thorough = True
                    continue
                if self.options.refused == "table":
                    self._in_parts(stream, attempt, covered)
                    return
                found = culprit(attempt.left(), lambda only: self._trial(stream, attempt, only))
                if not found:
                    raise
                attempt.refused.update(found)
            if self.options.refused == "fail":
                raise attempt.failure()

    def _in_parts(self, stream: StreamTables, attempt: Attempt, covered: Sequence[State]) -> None:
        """Write the records in parts, ever smaller ones where the database refuses something: each record is written
        as often as the batch can be halved, whatever is refused beside it."""
        self._look(stream)
        parts: list[Sequence[int]] = [attempt.left()]
        with self._writing(stream, attempt, covered):
            self._remove_unsettled(stream)
            while parts:
                part = [place for place in parts.pop() if place not in attempt.refused]
                try:
                    with self.engine.savepoint():
                        self._write_part(stream, attempt, part)
                except Refusal:
                    parts.append(part)
                except Exception as error:
                    if (reason := self.engine.refusal(error)) is None:
                        raise
                    if len(part) == 1:
                        attempt.refused[part[0]] = reason
                    else:
                        parts += reversed(halves(part))
                else:
                    continue
                self._look(stream)
            self._books.refuse(stream.stream.descriptor, attempt.number, attempt.told())

    def _write_part(self, stream: StreamTables, attempt: Attempt, part: Sequence[int]) -> None:
        number = secrets.token_hex(8)
        self._still_ours()  # a part may be a transaction of its own
        self._books.note(stream.stream.descriptor, number)
        attempt.load_fitted(part, number)

    def _trial(self, stream: StreamTables, attempt: Attempt, only: Sequence[int]) -> str | None:
        """Why the database refuses some of the records; None: it takes them. Nothing is written."""
        self._look(stream)
        try:
            with self.transaction():
                attempt.load_fitted(only)
                raise Undone
        except (Undone, Refusal):
            return None
        except Exception as error:
            if (reason := self.engine.refusal(error)) is None:
                raise
            return reason

    @contextmanager
    def _writing(self, stream: StreamTables, attempt: Attempt, covered: Sequence[State]) -> Iterator[None]:
        with self.transaction():
            yield
            self._books.note(stream.stream.descriptor, attempt.number)
            self.states.put(covered)

    def _remove_unsettled(self, stream: StreamTables) -> None:
        if not stream.written and not stream.whole:
            self._books.remove_unsettled(stream.stream.descriptor, stream.targets)

    def _look(self, stream: StreamTables) -> None:
        for target in stream.targets:
            target.look()

    def _tell(self, stream: StreamTables, attempt: Attempt) -> None:
        name = str(stream.stream.descriptor)
        if nulls := stream.targets[0].null_keys:
            _LOG.warning("Stream %r: %d rows have null in their primary key; they were appended.", name, nulls)
        for reason, _ in attempt.told():
            if reason not in stream.told:
                stream.told.add(reason)
                _LOG.warning("Stream %r: records are refused, and kept in _headwater_refused: %s", name, reason)

    def complete(self, stream: ConfiguredStream, covered: Sequence[State]) -> None:
        """Keep the stream's rows for good; let an overwrite take the place of the old rows."""
        mine = self._streams[stream.descriptor]
        with self._explained(), self.transaction():
            if mine.staged:
                for target in mine.targets:
                    self.engine.swap(target.place, target.table)
                    self._books.generation(target, target.generation)
                    target.table = target.place
                self._books.forget_refused(stream.descriptor)
                self.states.promote(stream.descriptor)
            self._remove_orphans(mine)
            self.states.settle(stream.descriptor)
            self.states.put(covered)

    def _remove_orphans(self, stream: StreamTables) -> None:
        """Rows of child tables whose rows were replaced. Until now nothing was joined with them."""
        if stream.splitter is None or not stream.targets[0].dedup:
            return
        for child, branch in zip(stream.targets[1:], stream.splitter.branches[1:], strict=True):
            self.engine.remove_orphans(child.table, stream.targets[branch.parent].table)

    def close(self) -> None:
        """Drop what an unfinished overwrite left, and disconnect."""
        if not self._connected:
            return
        self._connected = False
        try:
            for stream in self._streams.values():
                for target in stream.targets:
                    if stream.whole and target.staged:
                        with self.engine.transaction():
                            self.engine.drop(target.table)
        except Exception as error:  # noqa: BLE001 - dropped at the next start
            _LOG.warning("%s: a table of an unfinished overwrite could not be dropped: %s", self.engine.title, error)
        finally:
            self.engine.close()

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """One transaction of this run.

        :raises DestinationError: when another sync of this flow began meanwhile.
        """
        with self.engine.transaction():
            self._still_ours()
            yield

    def _still_ours(self) -> None:
        if self._streams and not self._books.current():
            raise DestinationError(
                f"Another sync of the flow {self.flow!r} into {self.engine.where} began while this one ran. "
                "This one stops; nothing is lost."
            )

    @contextmanager
    def _explained(self) -> Iterator[None]:
        """The database's errors as DestinationErrors that say what to do."""
        try:
            yield
        except BridgeError:
            raise
        except Exception as error:
            meaning = self.engine.meaning(error)
            if meaning is None:
                raise
            raise meaning.turn(f"{self.engine.title}, {self.engine.where}: {meaning.todo}") from error
