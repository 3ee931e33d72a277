"""The Docker engine: how it is reached, its images, and containers that a process of ours left behind."""

from __future__ import annotations

import contextlib
import logging
import os
import platform
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from headwater.errors import ConfigError, ForeignError, HeadwaterError, TransientError

if TYPE_CHECKING:
    from docker import DockerClient
    from docker.errors import APIError

Pull = Literal["missing", "always", "never"]

OWNER = "io.headwater.owner"
"""The label that says whose a container is: the machine's boot, the process's namespace, number and start."""

_LOG = logging.getLogger("headwater")
_ANSWER = 300.0  # seconds that the engine may take for one answer
_UNREACHABLE = ("timeout", "dial tcp", "no such host", "connection refused", "toomanyrequests", "TLS handshake", "EOF")


def engine() -> DockerClient:
    """A connection to the engine that DOCKER_HOST names, or to this machine's.

    :raises ConfigError: when there is none, or the extra ``docker`` is not installed.
    """
    try:
        import docker
    except ImportError:
        raise ConfigError("Images need docker-py. Install the extra: pip install 'headwater[docker]'.") from None
    where = os.environ.get("DOCKER_HOST") or "/var/run/docker.sock"
    try:
        return docker.from_env(timeout=_ANSWER)  # type: ignore[arg-type]
    except docker.errors.DockerException as error:
        if "Permission denied" in str(error):
            raise ConfigError(
                f"This user may not use the Docker engine at {where}. Add the user to the group docker."
            ) from None
        raise ConfigError(
            f"No Docker engine answers at {where}. Start Docker, or set DOCKER_HOST to where it is."
        ) from None


@contextlib.contextmanager
def engine_errors(title: str) -> Iterator[None]:
    """What the engine refuses becomes a ConfigError with its own words; its death a ForeignError."""
    import docker
    import requests

    try:
        yield
    except HeadwaterError:
        raise
    except docker.errors.APIError as error:
        hint = " The engine must see this machine's folders." if "bind source path" in explained(error) else ""
        raise ConfigError(f"The Docker engine can't run {title}: {explained(error)}{hint}") from error
    except (requests.exceptions.RequestException, OSError) as error:
        raise ForeignError(f"The Docker engine stopped answering while {title} ran. Look at its log.") from error
    except docker.errors.DockerException as error:  # a limit that is no number, a wrong mount
        raise ConfigError(f"{title}: {error}") from None


def explained(error: APIError) -> str:
    """The engine's words, as one sentence."""
    text = str(error.explanation or error).strip().rstrip(".")
    return f"{text}."


def find_image(client: DockerClient, name: str, pull: Pull) -> Mapping[str, Any]:
    """The image's description, as ``docker image inspect`` gives it.

    :param pull: ``missing``: fetched when it is not there; ``always``: looked for anew each time; ``never``.
    :raises ConfigError: when there is no such image.
    :raises TransientError: when the registry can't be reached.
    """
    import docker

    if pull != "always":
        try:
            return client.images.get(name).attrs or {}
        except docker.errors.ImageNotFound:
            if pull == "never":
                raise ConfigError(
                    f"The image {name!r} is not on this machine, and is not to be pulled. Build it, or set "
                    "pull = 'missing'."
                ) from None
    _LOG.info("Pulling the image %s.", name)
    try:
        return client.images.pull(name).attrs or {}
    except docker.errors.APIError as error:
        said = explained(error)
        if any(word in said for word in _UNREACHABLE):
            raise TransientError(f"The image {name!r} can't be pulled now: {said}") from None
        raise ConfigError(
            f"The image {name!r} can't be pulled: {said} Check its name, and log in where it is private (docker login)."
        ) from None


def shares_pipes(client: DockerClient) -> bool:
    """Whether a named pipe of this machine works in a container: the engine's kernel is ours."""
    if not sys.platform.startswith("linux") or not str(client.api.base_url).startswith("http+docker://local"):
        return False
    return client.info().get("OperatingSystem") != "Docker Desktop"


def owner() -> str:
    """The label's value for this process."""
    return f"{_here()} {os.getpid()} {_started(os.getpid())}"


def sweep(client: DockerClient) -> list[str]:
    """Remove the containers of processes of this machine that are gone; the ids of those."""
    import docker

    swept = []
    for found in client.api.containers(all=True, filters={"label": OWNER}):
        if _is_abandoned(found["Labels"][OWNER]):
            with contextlib.suppress(docker.errors.APIError):  # somebody else sweeps as well
                client.api.remove_container(found["Id"], v=True, force=True)
                swept.append(found["Id"])
                _LOG.warning("The container %s was left behind by a run that was killed; removed.", found["Id"][:12])
    return swept


def _is_abandoned(label: str) -> bool:
    here, _, process = label.rpartition(" ")[0].rpartition(" ")
    started = label.rpartition(" ")[2]
    return here == _here() and process.isdigit() and _started(int(process)) != started


def _here() -> str:
    """This machine, since it started, and the namespace in which its processes have their numbers."""
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
        return f"{boot} {os.stat('/proc/self/ns/pid').st_ino}"
    except OSError:
        return f"{platform.node()} 0"


def _started(process: int) -> str:
    """When a process of this machine started, in its clock's ticks; empty for one that is gone."""
    try:
        fields = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
        return "" if fields[0] == "Z" else fields[19]
    except OSError:
        pass
    if Path("/proc/self/stat").exists():
        return ""
    try:  # without /proc: that it is there, not since when
        os.kill(process, 0)
    except ProcessLookupError:
        return ""
    except PermissionError:
        pass
    return "there"
