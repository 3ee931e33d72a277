"""A connector's container, and the folder that it sees."""

from __future__ import annotations

import logging
import math
import os
import threading
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from headwater.bridge.runners.base import GRACE, Exit
from headwater.bridge.runners.docker_engine import engine_errors
from headwater.bridge.runners.docker_output import Output
from headwater.bridge.runners.pipes import PipeReader, Tail
from headwater.bridge.runners.private import PrivateFolder
from headwater.errors import ConfigError, ForeignError

if TYPE_CHECKING:
    from docker.models.containers import Container
    from docker.types import Mount

TARGET = "/headwater"
"""Where the container sees its files and its output's pipes."""

_ANSWER = 60.0  # seconds until the engine has told that a container which it stopped has ended

_LOG = logging.getLogger("headwater")


class DockerProcess:
    """A container; :class:`~headwater.bridge.runners.base.Process`."""

    def __init__(
        self,
        container: Container,
        output: Output,
        room: Room,
        title: str,
        silence: float,
        memory: object,
        said: Callable[[str], None] | None,
    ) -> None:
        self.container = container
        self._output = output
        self._room = room
        self._title = title
        self._silence = silence
        self._memory = memory
        self._ended = threading.Event()
        self._lost: Exception | None = None
        self._closed = False
        self._tail = Tail(output.stderr, said)
        self._stdout = PipeReader(output.stdout, title, lambda: self._alive() or output.flows(), silence)
        self._waiter = threading.Thread(target=self._watch, name="headwater-container", daemon=True)
        self._waiter.start()

    def read(self) -> bytes:
        """The next bytes of standard output."""
        return self._stdout.read()

    def stop(self, grace: float = GRACE) -> None:
        """``docker stop``."""
        self._stdout.close()  # or it would wait for us to read what it still writes
        if self._alive():
            with engine_errors(self._title):
                self.container.stop(timeout=math.ceil(grace))
            self._ended.wait(_ANSWER)

    def wait(self) -> Exit:
        """How it ended. That its output ended proves nothing: it also does when the engine dies."""
        if not self._ended.wait(self._silence):
            self.stop()
            raise ForeignError(
                f"{self._title} closed its output but did not end for {self._silence:g} seconds, so it was ended. "
                "Its author must look."
            )
        if self._lost is not None:
            raise ForeignError(
                f"The Docker engine stopped answering while {self._title} ran, so nobody knows how that ended. Look at "
                "the engine's log, then run again."
            ) from self._lost
        with engine_errors(self._title):
            self.container.reload()
        state = (self.container.attrs or {})["State"]
        end = Exit.of(state["ExitCode"], self._tail.text(), hint=self._hint(state))
        if state.get("OOMKilled") and end.code == 0:
            _LOG.warning("%s %s.", self._title, end.reason)
        return end

    def file(self, name: str) -> bytes:
        """The present content of one of its files."""
        return self._room.read(name)

    def close(self) -> None:
        """End it, remove it and its files."""
        if self._closed:
            return
        self._closed = True
        try:
            self._stdout.close()
            with engine_errors(self._title):
                if self._alive():
                    self.stop()
                self._output.close()
                self.container.remove(v=True, force=True)
        except (ConfigError, ForeignError) as error:  # the next start sweeps it
            _LOG.warning("The container %s could not be removed: %s", self.container.short_id, error)
        finally:
            self._room.close()

    def _alive(self) -> bool:
        return not self._ended.is_set()

    def _watch(self) -> None:
        try:
            self.container.wait(timeout=None)
        except Exception as error:  # noqa: BLE001 - told by wait()
            self._lost = error
        finally:
            self._output.ended()
            self._ended.set()

    def _hint(self, state: Mapping[str, Any]) -> str:
        """What the engine knows of why it ended."""
        code = state["ExitCode"]
        if state.get("OOMKilled"):  # also when only a child was, and the connector went on
            return f"out of memory: its limit is {self._memory}; give it more (memory)"
        if code == 137:
            return "somebody's docker kill, docker stop after its grace, or the machine is out of memory"
        if code == 143:
            return "somebody's docker stop, or a signal from inside"
        if code in (126, 127):
            return "the image's program can't be run"
        return str(state.get("Error") or "")


class Room:
    """The folder that a container sees: open to every user of the container, within one that only we can enter."""

    def __init__(self, files: Mapping[str, bytes], writable: bool) -> None:
        self._writable = writable
        self._private = PrivateFolder({})
        try:
            self.inner = self._private.path / "room"
            self.inner.mkdir()
            for name, content in files.items():
                (self.inner / name).write_bytes(content)
                os.chmod(self.inner / name, 0o666 if writable else 0o444)
            os.chmod(self.inner, 0o755)  # noqa: S103 - see above
        except BaseException:
            self.close()
            raise

    def mount(self) -> Mount:
        import docker

        return docker.types.Mount(TARGET, str(self.inner), type="bind", read_only=not self._writable)

    def read(self, name: str) -> bytes:
        """The present content of a file; of a link or a pipe, which a container may have put in its place, an error."""
        try:
            found = os.open(self.inner / name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
            with open(found, "rb") as file:
                return file.read()
        except OSError as error:
            raise ForeignError(f"The connector's file {name!r} can't be read any more ({error.strerror}).") from None

    def close(self) -> None:
        self._private.close()
