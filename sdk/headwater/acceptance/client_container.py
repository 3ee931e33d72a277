"""``client_container_config`` of Airbyte's config file: commands that fill a source before it is read, change it
between two syncs, and empty it again.

They run in a container of the image that the connector's own Dockerfile makes.
"""

from __future__ import annotations

import shutil
import subprocess
import uuid
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, Protocol

When = Literal["setup", "between_syncs", "teardown", "final_teardown"]
WHENS: tuple[When, ...] = ("setup", "between_syncs", "teardown", "final_teardown")
KEYS = {"secrets_path", "client_container_dockerfile_path", *(f"{when}_command" for when in WHENS)}
_SECONDS = 900.0


class ClientFailed(Exception):
    """One of the commands failed, so that nothing is known of the connector."""


class ClientLate(ClientFailed):
    """One of the commands did not end in time."""


class Client(Protocol):
    """What fills a source and changes it."""

    def has(self, when: When) -> bool:
        """Whether there is a command for this moment."""
        ...

    def run(self, when: When) -> None:
        """Carry it out, if there is one.

        :raises ClientFailed: it failed.
        """
        ...

    def close(self) -> None:
        """Give back what the commands needed."""
        ...


@dataclass
class ClientContainer:
    """The commands, each in a new container: the connector's folder is ``/connector``, of which ``integration_tests``
    can be written to, and the secrets are ``/tmp/config.json``.

    :param secrets: a file; none: there is no ``/tmp/config.json``.
    """

    folder: Path
    dockerfile: Path
    secrets: Path | None
    commands: Mapping[When, list[str]]
    _image: str = field(default="", repr=False)

    def has(self, when: When) -> bool:
        """As :meth:`Client.has`."""
        return bool(self.commands.get(when))

    def run(self, when: When) -> None:
        """As :meth:`Client.run`."""
        if not self.has(when):
            return
        self._image = self._image or self._built()
        tests = self.folder / "integration_tests"
        volumes = [f"{self.folder}:/connector:ro"]
        volumes += [f"{tests}:/connector/integration_tests"] if tests.is_dir() else []
        volumes += [f"{self.secrets}:/tmp/config.json:ro"] if self.secrets is not None else []
        mounts = [word for volume in volumes for word in ("-v", volume)]
        name = _new_name()
        words = ["run", "--rm", "--name", name, "--network", "host", *mounts, self._image, *self.commands[when]]
        try:
            _docker(words, f"{when}_command")
        except ClientLate:  # it would go on changing the source
            with suppress(ClientFailed):
                _docker(["rm", "--force", name], f"to end {when}_command")
            raise

    def close(self) -> None:
        """As :meth:`Client.close`: the image goes, unless it has another name besides the one that it got here."""
        if self._image:
            _docker(["rmi", self._image], f"docker rmi {self._image}")
            self._image = ""

    def _built(self) -> str:
        name = _new_name()
        _docker(["build", "-t", name, "-f", str(self.dockerfile), str(self.dockerfile.parent)], self.dockerfile.name)
        return name


def _new_name() -> str:
    """Of an image or a container, which nobody else has."""
    return f"headwater-client-{uuid.uuid4().hex[:12]}"


def _docker(words: list[str], what: str) -> None:
    if shutil.which("docker") is None:
        raise ClientFailed(f"client_container_config: {what} needs the command `docker`.")
    try:
        done = subprocess.run(["docker", *words], capture_output=True, text=True, timeout=_SECONDS, check=False)  # noqa: S603, S607
    except subprocess.TimeoutExpired:
        raise ClientLate(f"client_container_config: {what} did not end in {_SECONDS:.0f} s.") from None
    if done.returncode:
        said = (done.stderr or done.stdout).strip()[-400:]
        raise ClientFailed(f"client_container_config: {what} exited with {done.returncode}: {said}")


def client_of(given: Mapping[str, Any], folder: Path) -> ClientContainer | str | None:
    """From the key's content; None if it has no command; as a text why the commands can't be carried out.

    :param folder: which its paths begin at.
    """
    commands = {when: [str(word) for word in given.get(f"{when}_command") or ()] for when in WHENS}
    if not any(commands.values()):
        return None
    name = given.get("client_container_dockerfile_path")
    if not name:
        return "has no `client_container_dockerfile_path`, so its commands are not carried out"
    dockerfile = folder / str(name)
    if not dockerfile.is_file():
        return f"names no file with `client_container_dockerfile_path` ({name}), so its commands are not carried out"
    secrets = folder / str(given["secrets_path"]) if given.get("secrets_path") else None
    if secrets is not None and not secrets.is_file():
        return f"names no file with `secrets_path` ({given['secrets_path']}), so its commands are not carried out"
    return ClientContainer(folder.resolve(), dockerfile.resolve(), secrets and secrets.resolve(), commands)
