"""States inside an SQL destination, committed together with the rows they cover."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import AbstractContextManager
from typing import Any

import msgspec

from headwater.bridge.states.store import without
from headwater.errors import BridgeError, StateError
from headwater.protocol.messages import State, StreamDescriptor
from headwater.protocol.values import encode

_KEY = "flow = ? AND type = ? AND namespace = ? AND stream = ?"
_INSERT = "INSERT INTO _headwater_state (flow, namespace, stream, type, state) VALUES (?, ?, ?, ?, ?)"


class SqlStates:
    """The states of one flow, in the table ``_headwater_state``.

    :param rows: executes a statement in the destination's connection, and gives the rows.
    :param transaction: a transaction of the sink.
    :param flow: the flow's name.
    :param run: this sync: what it stores says nothing of the rows that an earlier one wrote.
    :ivar whole: streams that are read whole: only their completion settles what was written of them.
    :ivar staged: streams that are written beside their tables, and the generation that is written. Their states
        are kept apart until they are complete: the old rows keep the old state.
    """

    def __init__(
        self,
        rows: Callable[..., list[tuple[Any, ...]]],
        flow: str,
        transaction: Callable[[], AbstractContextManager[None]],
        run: str,
    ) -> None:
        self._rows = rows
        self._flow = flow
        self._transaction = transaction
        self._run = run
        self.whole: Collection[StreamDescriptor] = ()
        self.staged: Mapping[StreamDescriptor, int] = {}

    def load(self) -> list[State]:
        """The states stored; see :class:`~headwater.bridge.states.store.StateStore`."""
        try:
            states = without(self._load(self._flow), self.staged)
            for stream in self.staged:
                states += self.load_staged(stream)
            return states
        except BridgeError:
            raise
        except Exception as error:
            raise StateError(
                f"The states of the flow {self._flow!r} in table _headwater_state can't be read: {error}."
            ) from error

    def load_staged(self, stream: StreamDescriptor) -> list[State]:
        """The state of a stream that is written beside its table."""
        return [state for state in self._load(self._of(stream)) if state.stream == stream]

    def _load(self, flow: str) -> list[State]:
        found = self._rows("SELECT state FROM _headwater_state WHERE flow = ? ORDER BY namespace, stream", (flow,))
        return [State(msgspec.json.decode(row[0], type=dict[str, Any])) for row in found]

    def store(self, states: Sequence[State]) -> None:
        """Store them in a transaction of their own."""
        with self._told("stored"), self._transaction():
            self.put(states)

    def replace(self, states: Sequence[State]) -> None:
        """Keep these and nothing else."""
        with self._told("changed"), self._transaction():
            start = f"{self._flow}\x1f"  # the states of streams that are written beside their tables
            whose = "flow = ? OR substr(flow, 1, ?) = ?"
            self._rows(f"DELETE FROM _headwater_state WHERE {whose}", (self._flow, len(start), start))  # noqa: S608
            self.put(states)

    def put(self, states: Sequence[State]) -> None:
        """Store them inside the caller's transaction; that settles what this run wrote of their streams."""
        for state in states:
            self._put(state)
            for one in self._covered(state):
                if one not in self.whole:
                    self._settle("run = ?", self._run, one)

    def _put(self, state: State) -> None:
        stream = state.stream
        flow = self._flow if stream is None else self._of(stream)
        where = "flow = ?" if stream is None else "flow = ? AND type <> 'STREAM'"
        self._rows(f"DELETE FROM _headwater_state WHERE {where}", (flow,))  # noqa: S608
        key = ("", "") if stream is None else (stream.namespace or "", stream.name)
        self._rows(f"DELETE FROM _headwater_state WHERE {_KEY}", (flow, state.type, *key))  # noqa: S608
        self._rows(_INSERT, (flow, *key, state.type, encode(state.raw).decode()))

    def _covered(self, state: State) -> list[StreamDescriptor]:
        if state.stream is not None:
            return [state.stream]
        unsettled = "SELECT DISTINCT namespace, stream FROM _headwater_unsettled WHERE run = ?"
        return [StreamDescriptor(name, namespace or None) for namespace, name in self._rows(unsettled, (self._run,))]

    def settle(self, stream: StreamDescriptor) -> None:
        """Note that what was ever written of the stream stays: it is not read again."""
        self._settle("flow = ?", self._flow, stream)

    def promote(self, stream: StreamDescriptor) -> None:
        """The staged rows took their place: their state is the stream's now."""
        if stream not in self.staged:
            return
        key = (stream.namespace or "", stream.name)
        staged = self._of(stream)
        self.staged = {one: generation for one, generation in self.staged.items() if one != stream}
        self._rows(f"DELETE FROM _headwater_state WHERE {_KEY}", (self._flow, "STREAM", *key))  # noqa: S608
        self._rows("UPDATE _headwater_state SET flow = ? WHERE flow = ?", (self._flow, staged))

    def forget(self, stream: StreamDescriptor, generation: int | None) -> None:
        """Drop the staged states of the stream, but for those of this generation; None: all."""
        start = self._staged(stream)
        kept = f"{start}{'' if generation is None else generation}"
        self._rows("DELETE FROM _headwater_state WHERE substr(flow, 1, ?) = ? AND flow <> ?", (len(start), start, kept))

    def _staged(self, stream: StreamDescriptor) -> str:
        return f"{self._flow}\x1f{stream.namespace or ''}\x1f{stream.name}\x1f"

    def _of(self, stream: StreamDescriptor) -> str:
        """Under which flow a stream's state is kept."""
        if stream not in self.staged:
            return self._flow
        return f"{self._staged(stream)}{self.staged[stream]}"

    def _settle(self, where: str, value: str, stream: StreamDescriptor) -> None:
        self._rows(
            f"DELETE FROM _headwater_unsettled WHERE {where} AND namespace = ? AND stream = ?",  # noqa: S608
            (value, stream.namespace or "", stream.name),
        )

    def _told(self, what: str) -> AbstractContextManager[None]:
        return _Told(f"The states of the flow {self._flow!r} were not {what}")


class _Told(AbstractContextManager[None]):
    def __init__(self, what: str) -> None:
        self._what = what

    def __exit__(self, kind: Any, error: BaseException | None, trace: Any) -> None:
        if isinstance(error, Exception) and not isinstance(error, BridgeError):
            raise StateError(f"{self._what}: {error}.") from error
