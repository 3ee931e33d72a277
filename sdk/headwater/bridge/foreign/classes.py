"""Connectors as classes: a subclass names what runs, and may change what comes from it.

::

    class Shop(VenvSource):
        requirement = "airbyte-source-shopify==2.4.0"

        def transform(self, stream, record):
            record.pop("email", None)
            return record

A class of an image is :class:`headwater.bridge.foreign.docker.DockerSource`.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

from headwater.bridge.foreign.launch import cdk_code, manifest_code
from headwater.bridge.foreign.source import ForeignSource
from headwater.bridge.runners.base import SILENCE, FileArgument, Runner
from headwater.bridge.runners.command import CommandRunner
from headwater.bridge.runners.venv import VenvRunner
from headwater.errors import ConfigError

AIRBYTE_CDK = "airbyte-cdk>=7,<8"
"""What runs manifests, unless something else is said."""


class CommandSource(ForeignSource):
    """A connector that is a program of this machine.

    :cvar command: the program and its first arguments; a text is split as a shell would.
    :cvar environment: more variables for it.
    :cvar silence: seconds without output after which it counts as hanging.
    """

    command: ClassVar[str | Sequence[str]] = ""
    environment: ClassVar[Mapping[str, str]] = {}
    silence: ClassVar[float] = SILENCE

    def make_runner(self) -> Runner:
        """Of the command."""
        return CommandRunner(self.command, environment=self.environment, silence=self.silence)


class VenvSource(ForeignSource):
    """A connector that is a Python distribution, in an environment of its own.

    What each means: :class:`~headwater.bridge.runners.venv.VenvRunner`.
    """

    requirement: ClassVar[str] = ""
    executable: ClassVar[str | None] = None
    python: ClassVar[str] = ""
    requirements: ClassVar[Sequence[str]] = ()
    constraints: ClassVar[Sequence[str]] = ()
    environment: ClassVar[Mapping[str, str]] = {}
    silence: ClassVar[float] = SILENCE

    def make_runner(self) -> Runner:
        """Of the requirement."""
        if not self.requirement:
            raise ConfigError(f"{type(self).__name__} names no requirement, such as 'airbyte-source-faker==7.2.1'.")
        return self._venv(None)

    def _venv(self, code: str | None, **variables: str) -> VenvRunner:
        return VenvRunner(
            self.requirement,
            executable=self.executable,
            python=self.python,
            more=self.requirements,
            constraints=self.constraints,
            code=code,
            environment={**variables, **self.environment},
            silence=self.silence,
        )


class ManifestSource(VenvSource):
    """A declarative manifest of Airbyte's, run by airbyte-cdk in an environment of its own.

    :cvar manifest: the path of ``manifest.yaml``.
    :cvar components: the path of its ``components.py``, where it has one. It is run as it is.
    :cvar requirement: the airbyte-cdk.
    """

    manifest: ClassVar[str | os.PathLike[str]] = ""
    components: ClassVar[str | os.PathLike[str] | None] = None
    requirement: ClassVar[str] = AIRBYTE_CDK

    def __init__(self, config: Mapping[str, Any] | None = None, **options: Any) -> None:
        super().__init__(config, **options)
        self._options.update(manifest_options(self.manifest, self.components))

    def make_runner(self) -> Runner:
        """Of the airbyte-cdk."""
        return self._venv(manifest_code(), **manifest_variables(self.components))


class CdkSource(VenvSource):
    """A class of the airbyte-cdk, run in an environment that has it.

    :cvar source: the class, or its name: ``source_faker:SourceFaker``.
    :cvar requirement: what has it; an environment is made of that. Default: none, as ``python`` has it.
    :cvar python: without a requirement, the interpreter that has it; default: this one.
    :cvar folder: where its module is, where it is not installed.
    """

    source: ClassVar[str | type] = ""
    folder: ClassVar[str | os.PathLike[str] | None] = None

    def make_runner(self) -> Runner:
        """Of the class."""
        source = self.source
        name = source if isinstance(source, str) else f"{source.__module__}:{source.__qualname__}"
        if name.count(":") != 1:
            raise ConfigError(f"{type(self).__name__} names no class, such as 'source_faker:SourceFaker'.")
        code = cdk_code(name, None if self.folder is None else str(Path(self.folder).absolute()))
        if self.requirement:
            return self._venv(code)
        python = self.python or sys.executable
        return CommandRunner([python, "-c", code], environment=self.environment, silence=self.silence, title=name)


def manifest_options(manifest: str | os.PathLike[str], components: str | os.PathLike[str] | None) -> dict[str, Any]:
    """What of the Airbyte protocol's options makes it a manifest's.

    :raises ConfigError: when a file can't be read.
    """
    files = {"manifest.yaml": _content(manifest, "manifest")}
    arguments: list[str | FileArgument] = ["--manifest-path", FileArgument("manifest.yaml")]
    if components is not None:
        files["components.py"] = _content(components, "components")
        arguments += ["--components-path", FileArgument("components.py")]
    return {"arguments": arguments, "files": files}


def manifest_variables(components: str | os.PathLike[str] | None) -> dict[str, str]:
    """That the airbyte-cdk may run the components, which are the user's own."""
    return {} if components is None else {"AIRBYTE_ENABLE_UNSAFE_CODE": "true"}


def _content(path: str | os.PathLike[str], what: str) -> bytes:
    try:
        return Path(path).read_bytes()
    except OSError as error:
        raise ConfigError(f"The {what} {os.fspath(path)!r} can't be read ({error.strerror}).") from None
