"""Where the connector runs: as a command of this machine, or in an environment of its own; for containers see
:mod:`headwater.acceptance.image_room`."""

from __future__ import annotations

import shlex
import shutil
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Protocol

from headwater.errors import ConfigError

CDK = "airbyte-cdk>=7.39,<8"
"""What runs a manifest."""


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

        :param environment: variables for the connector; the command line's own process has them as well.
        :param folder: that of the files which the arguments name; at the same place inside a container.
        :param run: a name for this run alone.
        """
        ...

    def sender(self, run: str) -> Callable[[str], None] | None:
        """What sends this run a signal (KILL, TERM, INT) where that to its process would not do: it has been sent when
        that returns."""
        ...

    def pipes(self, folder: Path, run: str) -> Path | None:
        """The path of the named pipes that this run writes to, without their endings; None: to its own output."""
        ...

    def redirected(self, words: Sequence[str], pipes: Path) -> list[str]:
        """The same command line, that writes to named pipes."""
        ...


@dataclass(frozen=True)
class CommandRoom:
    """A command of this machine.

    :ivar command: the executable and its first arguments.
    :ivar appended: its last arguments, of every command.
    """

    command: tuple[str, ...]
    label: str = ""
    container: bool = False
    appended: tuple[str, ...] = ()

    @staticmethod
    def of(text: str, option: str = "--command") -> CommandRoom:
        """From the text of ``--command``, or of another option.

        :raises ConfigError: it is empty, or there is no such executable.
        """
        try:
            words = shlex.split(text)
        except ValueError as error:
            raise ConfigError(f"{option}: {error}.") from None
        if not words:
            raise ConfigError(f"{option} is empty: give an executable and its first arguments.")
        found = shutil.which(words[0])
        if found is None:
            raise ConfigError(f"{option}: there is no executable `{words[0]}` in this environment.")
        # it is started elsewhere, too: what names a file here is that file
        here = [str(Path(word).resolve()) if _is_file(word) else word for word in words[1:]]
        return CommandRoom((str(Path(found).absolute()), *here), f"{option} {shlex.quote(text)}")

    def words(
        self, arguments: Sequence[str], environment: Mapping[str, str | None], folder: Path, run: str
    ) -> list[str]:
        """As :meth:`Room.words`."""
        return [*self.command, *arguments, *(self.appended if arguments else ())]

    def sender(self, run: str) -> Callable[[str], None] | None:
        """Its process gets them."""
        return None

    def pipes(self, folder: Path, run: str) -> Path | None:
        """It has pipes of its own."""
        return None

    def redirected(self, words: Sequence[str], pipes: Path) -> list[str]:
        """As it is."""
        return list(words)


def _is_file(word: str) -> bool:
    return ("/" in word and Path(word).exists()) or ("." in word and Path(word).is_file())


def package_room(requirement: str, executable: str | None = None) -> CommandRoom:
    """A Python distribution, in an environment of its own, which is made where there is none.

    :raises ConfigError: it can't be installed, or has no such command.
    """
    from headwater.bridge.runners.venv import VenvRunner

    runner = VenvRunner(requirement, executable=executable)
    words = tuple(runner.command(runner.prepare()))
    label = f"--package {shlex.quote(requirement)}"
    return CommandRoom(words, f"{label} --executable {shlex.quote(executable)}" if executable else label)


def folder_room(folder: Path) -> CommandRoom:
    """A connector's folder: the command that its pyproject.toml declares, installed in this environment; main.py; or
    a manifest.yaml alone, which the CDK runs in an environment of its own.

    :raises ConfigError: it has neither, or a pyproject.toml that can't be read.
    """
    manifest = folder / "manifest.yaml"
    if manifest.is_file() and not (folder / "pyproject.toml").is_file():
        room = package_room(CDK, "source-declarative-manifest")
        return replace(room, label=shlex.quote(str(folder)), appended=("--manifest-path", str(manifest.resolve())))
    for name in _scripts(folder):
        found = shutil.which(name, path=str(Path(sys.executable).parent)) or shutil.which(name)
        if found:
            return CommandRoom((str(Path(found).absolute()),), shlex.quote(str(folder)))
    if (folder / "main.py").is_file():
        return CommandRoom((sys.executable, str((folder / "main.py").resolve())), shlex.quote(str(folder)))
    names = _scripts(folder)
    if names:
        raise ConfigError(f"{folder}: `{names[0]}` is not installed here: pip install {folder}, or say --command.")
    raise ConfigError(f"{folder} declares no script and has no main.py: say --command, --package or --image.")


def _scripts(folder: Path) -> list[str]:
    import importlib

    path = folder / "pyproject.toml"
    if not path.is_file():
        return []
    toml = importlib.import_module("tomllib" if sys.version_info >= (3, 11) else "tomli")
    try:
        found = toml.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:  # also what is no UTF-8
        raise ConfigError(f"{path} can't be read as TOML: {error}. Mend it, or say --command.") from None
    names: list[str] = []
    for table in ("project", "tool.poetry"):
        scripts: Any = found
        for part in (*table.split("."), "scripts"):
            scripts = scripts.get(part, {})
            if not isinstance(scripts, dict):
                raise ConfigError(f"{path}: `{part}` of `{table}.scripts` must be a table.")
        names += scripts
    return names
