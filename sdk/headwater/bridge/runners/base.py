"""What a runner is: it starts a connector's process somewhere, whatever protocol the connector speaks."""

from __future__ import annotations

import shlex
import signal
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol, Union

from headwater.errors import ConfigError

SILENCE = 10_800.0
"""Seconds without output after which a connector counts as hanging: the Airbyte platform's own heartbeat."""

GRACE = 10.0
"""Seconds that a process has after SIGTERM, before SIGKILL."""


@dataclass(frozen=True, slots=True)
class FileArgument:
    """An argument that stands for one of the files: it becomes its path as the connector sees it."""

    name: str


Argument = Union[str, FileArgument]  # noqa: UP007 - also evaluated at run time on Python 3.10


@dataclass(frozen=True, slots=True)
class Exit:
    """How a process ended.

    :ivar code: its exit code; 128 and the signal's number where a signal ended it.
    :ivar reason: for people, a part of a sentence after "the connector": "ended with exit code 3", "was killed
        by SIGKILL (out of memory?)".
    :ivar stderr: the last of what it wrote to standard error, as it came: it may hold secrets.
    """

    code: int
    reason: str
    stderr: str = ""

    @property
    def was_ended(self) -> bool:
        """Whether somebody, or the machine, ended it by a signal: it is no fault of its own."""
        return self.code - 128 in (signal.SIGHUP, signal.SIGINT, signal.SIGKILL, signal.SIGTERM)

    @staticmethod
    def of(code: int, stderr: str = "", *, hint: str = "") -> Exit:
        """Of a code as the operating system gives it; negative for a signal.

        :param hint: what else is known of why, such as "out of memory".
        """
        if code >= 0:
            named = code - 128 if code > 128 else 0
        else:
            named, code = -code, 128 - code
        try:
            killer = signal.Signals(named).name if named else ""
        except ValueError:
            killer = f"signal {named}" if code - 128 == named and named < 65 else ""
        if killer == "SIGKILL" and not hint:
            hint = "out of memory, or somebody ended it"
        reason = f"was ended by {killer}" if killer else f"ended with exit code {code}"
        return Exit(code, f"{reason} ({hint})" if hint else reason, stderr)


class Process(Protocol):
    """A connector's process that was started. One thread uses it; whoever started it calls :meth:`close`."""

    def read(self) -> bytes:
        """The next bytes of standard output, as many as are there, up to 1 MiB; ``b""`` at their end.

        Not reading holds the process up: that is the back-pressure.

        :raises ForeignError: when nothing came for the runner's set time.
        """

    def stop(self, grace: float = GRACE) -> None:
        """End it and all that it started: SIGTERM, and after so many seconds SIGKILL.

        What it writes meanwhile is thrown away. Nothing happens when it has ended already.
        """

    def wait(self) -> Exit:
        """How it ended; waits for that, for the runner's set time at most, then ends it."""

    def file(self, name: str) -> bytes:
        """The present content of one of its files: taps rewrite their config.

        :raises ForeignError: when it is not there any more.
        """

    def close(self) -> None:
        """Always called, once or more: ends everything that still runs and removes what was made for it."""


def words(program: str | Sequence[str]) -> list[str]:
    """A program and its first arguments; a text is split as a shell would.

    :raises ConfigError: for a quotation mark without its other one.
    """
    try:
        return shlex.split(program) if isinstance(program, str) else list(program)
    except ValueError as error:
        raise ConfigError(f"The command {program!r} can't be split into words: {error}.") from None


class Runner(Protocol):
    """Where and how a connector runs.

    :ivar title: what runs, for errors and logs: a command, a requirement, an image.
    """

    title: str

    def start(
        self,
        arguments: Sequence[Argument],
        files: Mapping[str, bytes] | None = None,
        *,
        network: bool = True,
        said: Callable[[str], None] | None = None,
    ) -> Process:
        """Start the connector.

        :param arguments: of the command line, after the program itself.
        :param files: by name, each put where only the connector can read, and write, it.
        :param network: False: it needs no network. A runner that can keeps it from having one.
        :param said: called, in another thread, with lines of standard error; of a flood only some.
        :raises ConfigError: when it can't be started, naming what to do.
        """
