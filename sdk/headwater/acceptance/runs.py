"""Runs of the connector, each recorded."""

from __future__ import annotations

import json
import threading
import uuid
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack, closing, nullcontext
from pathlib import Path
from random import Random
from typing import Any

from headwater.acceptance.engine import Act, How, execute, hear_signals
from headwater.acceptance.large import Large
from headwater.acceptance.named_pipes import NamedPipes
from headwater.acceptance.recording import Recording
from headwater.acceptance.rooms import Room
from headwater.acceptance.settings import Settings
from headwater.acceptance.shared import once, shared

_SUITE = {"spec": "spec", "check": "connection", "discover": "discovery", "read": "basic_read"}


class Runs:
    """Runs the connector, and keeps what came of it.

    :param room: where it runs.
    :param folder: for the recordings and the files that it is given.
    :ivar closing: what is called by :meth:`close`.
    :ivar large: lets go of what large runs wrote; None: everything stays.
    """

    def __init__(self, room: Room, settings: Settings, folder: Path) -> None:
        hear_signals()
        self.room, self.settings, self.folder = room, settings, folder
        self.recordings: list[Recording] = []
        self._lock = threading.Lock()
        self._files = 0
        self._name = uuid.uuid4().hex[:12]
        self._stopped = threading.Event()
        self.closing = ExitStack()
        self.large: Large | None = None

    def close(self) -> None:
        """Give back what its runs needed, such as the proxy; nothing can be run any more.

        :raises ClientFailed: the source could not be emptied.
        """
        self.closing.close()

    @once
    def filled(self) -> bool:
        """The source has what is to be read, and is emptied when this is closed.

        :raises ClientFailed: it could not be filled.
        """
        client = self.settings.client
        if client is not None:
            self.closing.callback(client.close)
            self.closing.callback(client.run, "final_teardown")
            self.closing.callback(client.run, "teardown")
            client.run("setup")
        return True

    def stop(self) -> None:
        """Kill what runs, and start nothing more."""
        self._stopped.set()

    def run(
        self,
        *arguments: str,
        what: str = "",
        timeout: float | None = None,
        environment: Mapping[str, str | None] | None = None,
        prefix: Sequence[str] = (),
        room: Room | None = None,
        cwd: Path | None = None,
        act: Act | None = None,
        tight: bool = False,
        trigger: Callable[[], bool] | None = None,
    ) -> Recording:
        """Run it with these arguments and record it.

        :param what: for reports: what this run is for.
        :param room: where, if not in its own.
        :param prefix: words before its command, such as ``unshare --net``.
        """
        changes = {**self.settings.environment, **(environment or {})}
        if arguments[:1] != ("spec",):
            assert self.filled
        if self.large is not None:
            self.large.next()
        suite = _SUITE.get(arguments[0] if arguments else "", "spec")
        with self._lock:
            number = len(self.recordings) + 1
            recording = Recording(number, list(arguments), [], self.folder, what=what)
            self.recordings.append(recording)
        name = self.name_of(recording)
        room = room or self.room
        recording.command = [*prefix, *room.words(arguments, changes, self.folder, name)]
        how = How(timeout or self.settings.timeout_of(suite), changes, cwd, act, tight, trigger, self._stopped.is_set)
        words = recording.command
        pipes = room.pipes(self.folder, name)
        if pipes is not None:
            words = room.redirected(words, pipes)
        with closing(NamedPipes(pipes)) if pipes is not None else nullcontext() as named:
            execute(words, recording, how, room.sender(name), named)
        if not shared():
            self.owned(recording)
        return recording

    def owned(self, recording: Recording) -> None:
        """A run is of the check that runs in this thread, and of no other."""
        if self.large is not None:
            self.large.made(recording)

    def name_of(self, recording: Recording) -> str:
        """What a run's container is called."""
        return f"headwater-acceptance-{self._name}-{recording.number}"

    def file(self, name: str, content: Any) -> Path:
        """A file for the connector, with JSON or, from a string, with exactly this text."""
        with self._lock:
            self._files += 1
            path = self.folder / f"{self._files:04}-{name}"
        path.write_text(content if isinstance(content, str) else json.dumps(content), encoding="utf-8")
        path.chmod(0o644 if self.room.container else 0o600)
        return path

    def chance(self, salt: int = 0) -> Random:
        """Chance, the same for the same seed."""
        return Random(self.settings.seed * 1000 + salt)  # noqa: S311 - it decides where a process is killed
