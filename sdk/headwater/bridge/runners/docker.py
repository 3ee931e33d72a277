"""The runner of images: a connector in a container that can do little, of a Docker engine."""

from __future__ import annotations

import contextlib
import logging
import os
import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from headwater.bridge.runners.base import SILENCE, Argument, FileArgument, words
from headwater.bridge.runners.docker_engine import (
    OWNER,
    Pull,
    engine,
    engine_errors,
    find_image,
    owner,
    shares_pipes,
    sweep,
)
from headwater.bridge.runners.docker_output import Attached, NamedPipes, Output
from headwater.bridge.runners.docker_process import TARGET, DockerProcess, Room
from headwater.errors import ConfigError

if TYPE_CHECKING:
    from docker import DockerClient
    from docker.models.containers import Container
    from docker.types import Mount

MEMORY = "2g"
"""What a container may use of memory, where nothing else is said."""

_LOG = logging.getLogger("headwater")
_PIDS = 1024
_USER = "1000:1000"  # as which the Airbyte platform runs every connector
_ROOT = re.compile(r"(0|root)?(:.*)?")


class DockerRunner:
    """Runs an image.

    The container has no capabilities and can get none, is bound in memory, processors and number of processes, is
    not root unless it is told to be, and is removed at the end. Its files are mounted read-only, from a folder that
    only this user can look into. Its output comes through named pipes, not through the engine, where the image has a
    shell; nothing of it is logged by the engine.

    :param image: its name, with a tag or a digest.
    :param pull: when it is fetched: ``missing``, ``always`` or ``never``.
    :param network: a network's name, ``host``, or ``none``; default: the engine's own.
    :param memory: bytes, or a text such as ``512m``; swap is not added to it. None: no limit.
    :param cpus: how many processors it may use at most; may be a fraction.
    :param mounts: ``HOST:CONTAINER`` or ``HOST:CONTAINER:ro``, as ``docker run -v`` takes them. A host's folder must
        be there.
    :param environment: more variables; whoever may use the engine can see them.
    :param user: as whom it runs; default: as the image says, or 1000:1000 where that is root.
    :param entrypoint: the program in the image, and its first arguments; a text is split as a shell would; default:
        the image's own.
    :param read_only: the image's files can't be changed by the container, except in a ``/tmp`` in memory.
    :param writable_files: it may rewrite its own files, and add none, as Singer taps do with their config.
    :param attach: take the output through the engine in any case.
    :param silence: seconds without output after which it counts as hanging.
    """

    def __init__(
        self,
        image: str,
        *,
        pull: Pull = "missing",
        network: str | None = None,
        memory: str | int | None = MEMORY,
        cpus: float | None = None,
        mounts: Sequence[str] = (),
        environment: Mapping[str, str] | None = None,
        user: str | None = None,
        entrypoint: str | Sequence[str] | None = None,
        read_only: bool = False,
        writable_files: bool = False,
        attach: bool = False,
        silence: float = SILENCE,
    ) -> None:
        if not image:
            raise ConfigError("No image is named. Give its name, such as airbyte/source-faker:6.2.31.")
        if pull not in ("missing", "always", "never"):
            raise ConfigError(f"`pull` is {pull!r}; it must be 'missing', 'always' or 'never'.")
        self.title = self.image = image
        self._pull = pull
        self._network = network
        self._limits = {"memory": memory, "cpus": cpus}
        self._mounts = tuple(mounts)
        self._environment = dict(environment or {})
        self._user = user
        self._entrypoint = words(entrypoint or ())
        self._read_only = read_only
        self._writable_files = writable_files
        self._attach = attach
        self._silence = silence
        self._shell = False  # whether it is known to have one
        self._client: DockerClient | None = None

    def start(
        self,
        arguments: Sequence[Argument],
        files: Mapping[str, bytes] | None = None,
        *,
        network: bool = True,
        said: Callable[[str], None] | None = None,
    ) -> DockerProcess:
        """As :meth:`Runner.start <headwater.bridge.runners.base.Runner.start>`."""
        if self._client is None:
            self._client = engine()
            with engine_errors(self.title):
                sweep(self._client)
                self._attach = self._attach or not shares_pipes(self._client)
        given = [f"{TARGET}/{a.name}" if isinstance(a, FileArgument) else a for a in arguments]
        with engine_errors(self.title):
            found = find_image(self._client, self.image, self._pull)
            options = self._options(found, network)
            program = [*self._program(found), *given]
            if not self._attach:
                try:
                    return self._launch(self._client, options, program, files or {}, said)
                except _NoShell:
                    _LOG.info("%s has no shell, so its output comes through the engine.", self.title)
                    self._attach = True
            return self._launch(self._client, options, program, files or {}, said)

    def _launch(
        self,
        client: DockerClient,
        options: dict[str, Any],
        program: Sequence[str],
        files: Mapping[str, bytes],
        said: Callable[[str], None] | None,
    ) -> DockerProcess:
        room = Room(files, self._writable_files)
        output: Output | None = None
        container: Container | None = None
        try:
            output = Attached() if self._attach else NamedPipes(room.inner, TARGET)
            first, *rest = output.command(program)
            mounts = [room.mount(), *options["mounts"]]
            container = client.containers.create(**{**options, "mounts": mounts}, entrypoint=[first], command=rest)
            if not self._attach and not self._shell:
                self._shell = _has_shell(container)
                if not self._shell:
                    raise _NoShell
            output.attach(container)
            container.start()
            return DockerProcess(container, output, room, self.title, self._silence, self._limits["memory"], said)
        except BaseException:
            if output is not None:
                output.close()
                os.close(output.stdout)
                os.close(output.stderr)
            if container is not None:
                with contextlib.suppress(Exception):  # the first error is told; the next start sweeps
                    container.remove(v=True, force=True)
            room.close()
            raise

    def _program(self, image: Mapping[str, Any]) -> list[str]:
        config = image.get("Config") or {}
        if self._entrypoint or config.get("Entrypoint"):
            return [*(self._entrypoint or config["Entrypoint"])]
        for variable in config.get("Env") or ():
            name, _, value = variable.partition("=")
            if name == "AIRBYTE_ENTRYPOINT" and value:
                return ["/bin/sh", "-c", f'exec {value} "$@"', "sh"]
        raise ConfigError(f"The image {self.title!r} has no entrypoint. Name the connector's program (entrypoint).")

    def _options(self, image: Mapping[str, Any], network: bool) -> dict[str, Any]:
        """The container's, as docker-py calls them."""
        import docker

        config = image.get("Config") or {}
        user, environment = self._user, dict(self._environment)
        if user is None and _ROOT.fullmatch(config.get("User") or ""):
            user = _USER
            environment.setdefault("HOME", "/tmp")  # noqa: S108 - of the container; root's is closed to it
        memory, cpus = self._limits["memory"], self._limits["cpus"]
        options: dict[str, Any] = {
            "image": image["Id"],
            "user": user,
            "environment": environment,
            "labels": {OWNER: owner(), "io.headwater.image": self.image},
            "network_mode": self._network if network else "none",
            "mounts": [_mount(text) for text in self._mounts],
            "init": True,  # the first process would ignore SIGTERM otherwise
            "cap_drop": ["ALL"],
            "security_opt": ["no-new-privileges"],
            "pids_limit": _PIDS,
            "mem_limit": memory,
            "memswap_limit": memory,
            "nano_cpus": None if cpus is None else int(float(cpus) * 1e9),
            "read_only": self._read_only,
            "tmpfs": {"/tmp": "mode=1777"} if self._read_only else None,  # noqa: S108
            "log_config": docker.types.LogConfig(type="none"),
        }
        return {name: value for name, value in options.items() if value is not None}


class _NoShell(Exception):
    """The image has no /bin/sh."""


def _has_shell(container: Container) -> bool:
    """Whether a container that was made has one. Asked before it starts: the init process makes of a program that is
    not there an ordinary exit code."""
    import docker

    try:
        content, _ = container.get_archive("/bin/sh")
        for _ in content:
            pass
    except docker.errors.NotFound:
        return False
    return True


def _mount(text: str) -> Mount:
    """One of ``docker run -v``."""
    import docker

    source, _, target = text.partition(":")
    target, _, mode = target.partition(":")
    if not source or not target.startswith("/") or mode not in ("", "ro", "rw"):
        raise ConfigError(f"The mount {text!r} is not HOST:CONTAINER or HOST:CONTAINER:ro, with whole paths.")
    if source.startswith(("/", ".", "~")):
        folder = Path(source).expanduser().absolute()
        if not folder.exists():
            raise ConfigError(f"The mount {text!r}: {folder} is not there.")
        return docker.types.Mount(target, str(folder), type="bind", read_only=mode == "ro")
    return docker.types.Mount(target, source, type="volume", read_only=mode == "ro")
