"""Where the connector runs: as a command of this machine, in a container, in an environment of its own."""

from __future__ import annotations

import shlex
import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from headwater.errors import ConfigError


class Room(Protocol):
    """How a connector is started.

    :ivar label: the words of the suite's command line that name it, for reports.
    :ivar container: it runs apart: its memory and its processes are not this machine's to look at.
    """

    @property
    def label(self) -> str:
        """See above."""
        ...

    @property
    def container(self) -> bool:
        """See above."""
        ...

    def words(
        self, arguments: Sequence[str], environment: Mapping[str, str | None], folder: Path, run: str
    ) -> list[str]:
        """The whole command line.

        :param environment: variables for the connector.
        :param folder: that of the files which the arguments name; at the same place inside a container.
        :param run: a name for this run alone.
        """
        ...

    def killer(self, run: str) -> Callable[[], None] | None:
        """What kills this run where a signal to its process does not."""
        ...


@dataclass(frozen=True)
class CommandRoom:
    """A command of this machine.

    :ivar command: the executable and its first arguments.
    """

    command: tuple[str, ...]
    label: str = ""
    container: bool = False

    @staticmethod
    def of(text: str) -> CommandRoom:
        """From the text of ``--command``.

        :raises ConfigError: it is empty, or there is no such executable.
        """
        try:
            words = shlex.split(text)
        except ValueError as error:
            raise ConfigError(f"--command: {error}.") from None
        if not words:
            raise ConfigError("--command is empty: give the connector's executable and its first arguments.")
        found = shutil.which(words[0])
        if found is None:
            raise ConfigError(f"--command: there is no executable `{words[0]}` in this environment.")
        here = [str(Path(word).resolve()) if "/" in word and Path(word).exists() else word for word in words[1:]]
        return CommandRoom((str(Path(found).absolute()), *here), f"--command {shlex.quote(text)}")

    def words(
        self, arguments: Sequence[str], environment: Mapping[str, str | None], folder: Path, run: str
    ) -> list[str]:
        """As :meth:`Room.words`."""
        return [*self.command, *arguments]

    def killer(self, run: str) -> Callable[[], None] | None:
        """A signal kills it."""
        return None
