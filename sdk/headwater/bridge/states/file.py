"""States in a file: a JSON list of the protocol's AirbyteStateMessage, as ``--state`` takes it."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Any

import msgspec

from headwater.bridge.states.store import merged
from headwater.errors import StateError
from headwater.protocol.messages import State
from headwater.protocol.values import encode

try:
    import fcntl
except ImportError:  # Windows has no such lock: there, nothing keeps two syncs apart
    fcntl = None  # type: ignore[assignment]


class FileStates:
    """Keeps the states of one flow in one file, which only its owner may read.

    The file always holds the old states or the new ones, whole and on disk, also after a crash or a power
    failure: it is written aside, synced and renamed. From the first :meth:`load` or :meth:`store` until
    :meth:`close`, no other process can use the file (a lock on ``PATH.lock``, which a killed process leaves
    free).

    :raises StateError: at first use, when another sync holds the file.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path = Path(path)
        self._lock: int | None = None
        self._states: list[State] | None = None

    def __enter__(self) -> FileStates:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def __del__(self) -> None:
        self.close()

    def load(self) -> list[State]:
        """The states in the file; none where there is no file yet.

        :raises StateError: if it is not a list of states. It is never taken for a first run, which
            would read, and append, everything again.
        """
        self._acquire()
        if self._states is None:
            self._states = self._read()
        return list(self._states)

    def store(self, states: Sequence[State]) -> None:
        """Keep these, by :func:`~headwater.bridge.states.store.merged`; durable when it returns.

        :raises StateError: if the file could not be written; the old one is still there then.
        """
        self.replace(merged(self.load(), states))

    def replace(self, states: Sequence[State]) -> None:
        """Keep these and nothing else; as durable as :meth:`store`."""
        self._acquire()
        lines = b",\n".join(encode(state.raw) for state in states)
        try:
            write_durably(self.path, b"[\n" + lines + b"\n]\n" if states else b"[]\n")
        except OSError as error:
            raise StateError(
                f"The states could not be written to {self.path} ({error.strerror or error}). "
                "Make room or grant access; the next sync goes on from the states before."
            ) from error
        self._states = list(states)

    def close(self) -> None:
        """Let others use the file."""
        lock, self._lock = self._lock, None
        self._states = None
        if lock is not None:
            os.close(lock)

    def _read(self) -> list[State]:
        try:
            content = self.path.read_bytes()
        except FileNotFoundError:
            return []
        except OSError as error:
            raise StateError(f"The state file {self.path} can't be read ({error.strerror}).") from error
        try:
            return [_state(raw) for raw in _elements(msgspec.json.decode(content))]
        except (msgspec.MsgspecError, UnicodeDecodeError, ValueError, KeyError, TypeError) as error:
            raise StateError(
                f"The state file {self.path} is damaged: {error}. Restore it from a backup; or delete it, "
                "and everything is read again from the beginning."
            ) from None

    def _acquire(self) -> None:
        if self._lock is not None or fcntl is None:
            return
        path = self.path.with_name(self.path.name + ".lock")
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            lock = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise StateError(
                f"The folder of the state file {self.path} can't be written to ({error.strerror})."
            ) from error
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            os.close(lock)
            raise StateError(
                f"Another sync is using the state file {self.path}. Wait until it has ended, or give this "
                "flow a state file of its own."
            ) from None
        self._lock = lock


def _elements(value: Any) -> list[Any]:
    """The list of states; a bare object is a LEGACY state's data, as in the protocol."""
    if isinstance(value, list):
        return value
    if isinstance(value, dict):
        return [value if "type" in value else {"type": "LEGACY", "data": value}] if value else []
    raise ValueError("a list of states is needed")


def _state(raw: Any) -> State:
    if not isinstance(raw, dict):
        raise ValueError("each state must be an object")
    state = State(raw)
    if state.type == "STREAM" and not isinstance(raw["stream"]["stream_descriptor"]["name"], str):
        raise ValueError("a state has no stream name")
    return state


def write_durably(path: Path, content: bytes) -> None:
    """Write all of the file or nothing of it, on disk when it returns."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, aside = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)  # made with mode 0600
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        os.replace(aside, path)
    except BaseException:
        with suppress(OSError):
            os.unlink(aside)
        raise
    if os.name == "posix":  # the rename itself
        folder = os.open(path.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)
