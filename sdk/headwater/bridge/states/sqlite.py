"""States inside a SQLite destination, committed together with the rows they cover."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Collection, Sequence
from contextlib import AbstractContextManager
from typing import Any

import msgspec

from headwater.errors import StateError
from headwater.protocol.messages import State, StreamDescriptor
from headwater.protocol.values import encode


class SqliteStates:
    """The states of one flow, in the table ``_headwater_state``.

    :param sql: executes a statement in the destination's connection.
    :param transaction: a transaction of the sink.
    :param run: this sync: what it stores says nothing of the rows that an earlier one wrote.
    :ivar whole: streams that are read whole: only their completion settles what was written of them.
    """

    def __init__(
        self,
        sql: Callable[..., sqlite3.Cursor],
        flow: str,
        transaction: Callable[[], AbstractContextManager[None]],
        run: str,
    ) -> None:
        self._sql = sql
        self._flow = flow
        self._transaction = transaction
        self._run = run
        self.whole: Collection[StreamDescriptor] = ()

    def load(self) -> list[State]:
        """The states stored; see :class:`~headwater.bridge.states.store.StateStore`."""
        try:
            rows = self._sql(
                "SELECT state FROM _headwater_state WHERE flow = ? ORDER BY rowid", (self._flow,)
            ).fetchall()
            return [State(msgspec.json.decode(row[0], type=dict[str, Any])) for row in rows]
        except (sqlite3.Error, msgspec.MsgspecError) as error:
            raise StateError(
                f"The states of the flow {self._flow!r} in table _headwater_state can't be read: {error}."
            ) from error

    def store(self, states: Sequence[State]) -> None:
        """Store them in a transaction of their own."""
        try:
            with self._transaction():
                self.put(states)
        except sqlite3.Error as error:
            raise StateError(f"The states of the flow {self._flow!r} were not stored: {error}.") from error

    def replace(self, states: Sequence[State]) -> None:
        """Keep these and nothing else."""
        try:
            with self._transaction():
                self._sql("DELETE FROM _headwater_state WHERE flow = ?", (self._flow,))
                self.put(states)
        except sqlite3.Error as error:
            raise StateError(f"The states of the flow {self._flow!r} were not changed: {error}.") from error

    def put(self, states: Sequence[State]) -> None:
        """Store them inside the caller's transaction; that settles what this run wrote of their streams."""
        for state in states:
            stream = state.stream
            where = "flow = ?" if stream is None else "flow = ? AND type <> 'STREAM'"
            self._sql(f"DELETE FROM _headwater_state WHERE {where}", (self._flow,))  # noqa: S608
            key = ("", "") if stream is None else (stream.namespace or "", stream.name)
            self._sql(
                "INSERT OR REPLACE INTO _headwater_state VALUES (?, ?, ?, ?, ?)",
                (self._flow, *key, state.type, encode(state.raw).decode()),
            )
            if stream is None:
                unsettled = "SELECT DISTINCT namespace, stream FROM _headwater_unsettled WHERE run = ?"
                found = self._sql(unsettled, (self._run,)).fetchall()
                streams = [StreamDescriptor(name, namespace or None) for namespace, name in found]
            else:
                streams = [stream]
            for one in streams:
                if one not in self.whole:
                    self._settle("run = ?", self._run, one)

    def settle(self, stream: StreamDescriptor) -> None:
        """Note that what was ever written of the stream stays: it is not read again."""
        self._settle("flow = ?", self._flow, stream)

    def _settle(self, where: str, value: str, stream: StreamDescriptor) -> None:
        self._sql(
            f"DELETE FROM _headwater_unsettled WHERE {where} AND namespace = ? AND stream = ?",  # noqa: S608
            (value, stream.namespace or "", stream.name),
        )
