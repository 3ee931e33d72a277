"""The runner of a Python distribution, in a virtual environment of its own."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from headwater.bridge.runners.base import SILENCE, Argument
from headwater.bridge.runners.command import CommandProcess, CommandRunner
from headwater.bridge.runners.environments import Environment, Prepared, without_credentials


class VenvRunner:
    """Installs a requirement once, and runs its command.

    :param requirement: for pip, such as ``airbyte-source-faker==6.2.1``, a path or a URL. One that is not pinned
        stays at the version that was the newest when it was installed.
    :param executable: the command; default: the distribution's only one, or the one with its name (without
        ``airbyte-``).
    :param python: a version such as ``3.10``, or the path of an interpreter.
    :param more: more requirements, such as ``setuptools<81``.
    :param constraints: versions of what is installed or built on the way.
    :param code: Python code to run in place of a command.
    :param environment, folder, silence, title: as for :class:`~headwater.bridge.runners.command.CommandRunner`.
    """

    def __init__(
        self,
        requirement: str,
        *,
        executable: str | None = None,
        python: str = "",
        more: Sequence[str] = (),
        constraints: Sequence[str] = (),
        code: str | None = None,
        environment: Mapping[str, str] | None = None,
        folder: str | os.PathLike[str] | None = None,
        silence: float = SILENCE,
        title: str | None = None,
    ) -> None:
        self.title = title or executable or without_credentials(requirement)
        self.environment = Environment((requirement, *more), python, tuple(constraints))
        self._executable = executable
        self._code = code
        self._variables = dict(environment or {})
        self._folder = folder
        self._silence = silence
        self._runner: CommandRunner | None = None

    def prepare(self) -> Prepared:
        """Install it, where that was not done before.

        :raises ConfigError: when it can't be installed, or has no such command.
        """
        return self.environment.prepare()

    def start(
        self,
        arguments: Sequence[Argument],
        files: Mapping[str, bytes] | None = None,
        *,
        network: bool = True,
        said: Callable[[str], None] | None = None,
    ) -> CommandProcess:
        """As :meth:`Runner.start <headwater.bridge.runners.base.Runner.start>`; installs first."""
        if self._runner is None:
            prepared = self.prepare()
            variables = {"PATH": f"{prepared.folder / 'bin'}{os.pathsep}{os.environ.get('PATH', os.defpath)}"}
            self._runner = CommandRunner(
                self.command(prepared),
                environment={**variables, **self._variables},
                folder=self._folder,
                silence=self._silence,
                title=self.title,
            )
        return self._runner.start(arguments, files, network=network, said=said)

    def command(self, prepared: Prepared) -> list[str]:
        """What is run, of an environment that is there.

        :raises ConfigError: when there is no such command.
        """
        if self._code is not None:
            return [str(prepared.python), "-c", self._code]
        return [str(prepared.script(self._executable or self._default(prepared)))]

    def kept(self, what: bytes) -> Path:
        """A file beside the environment's own, for what the connector says of itself: neither ever changes.

        :param what: what else it depends on, such as a manifest.
        """
        prepared = self.prepare()
        parts = [*self.command(prepared), repr(sorted(self._variables.items()))]
        digest = hashlib.sha256(b"\0".join([what, *(part.encode() for part in parts)])).hexdigest()[:16]
        return prepared.folder / f"spec-{digest}.json"

    def _default(self, prepared: Prepared) -> str:
        named = self.environment.distribution.removeprefix("airbyte-")
        if len(prepared.scripts) == 1:
            return prepared.scripts[0]
        for name in (named, named.replace("_", "-"), named.replace("-", "_"), named.partition("-")[2]):
            if name in prepared.scripts:
                return name
        return named
