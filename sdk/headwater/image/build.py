"""A connector's image, built by a Docker engine."""

from __future__ import annotations

import io
import json
import logging
import tarfile
import tempfile
from collections.abc import Iterable, Mapping
from contextlib import closing
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from headwater.bridge.runners.docker import DockerRunner
from headwater.bridge.runners.docker_engine import engine, engine_errors
from headwater.errors import ConfigError
from headwater.image.connector import Connector
from headwater.image.dockerfile import dockerfile
from headwater.image.wheels import Target, collect

if TYPE_CHECKING:
    from docker import DockerClient

BASE_IMAGE = "python:3.11-slim"

_LOG = logging.getLogger("headwater")
_ASK = """
import json, os, platform, sys
libc, version = platform.libc_ver()
if not libc:
    libc, version = "musl", "1.2"
print(json.dumps(["%d.%d" % sys.version_info[:2], platform.machine(), libc, version]))
"""


def build_image(
    what: Path | str,
    *,
    base_image: str = BASE_IMAGE,
    tag: str | None = None,
    constraint: Path | None = None,
    wheels: Path | None = None,
) -> str:
    """Build the image of a connector; gives its name.

    :param what: its folder, with its own Dockerfile where it has one; or a requirement, such as
        ``airbyte-source-faker==7.2.1``.
    :param base_image: an image with Python and pip.
    :param tag: the image's name; default: as metadata.yaml says, with the version.
    :param constraint: a file of versions, as pip takes it.
    :param wheels: where the wheels are kept; default: nowhere.
    :raises ConfigError: when something that it needs is missing, or the build fails, with its last words.
    """
    connector = Connector.of_folder(what) if isinstance(what, Path) else None
    client = engine()
    with tempfile.TemporaryDirectory(prefix="headwater-wheels-") as folder:
        into = wheels or Path(folder)
        own = collect(what, _target(base_image), into, constraint)
        connector = connector or Connector.of_wheel(own)
        text = dockerfile(connector)
        if isinstance(what, Path) and (what / "Dockerfile").exists():
            text = (what / "Dockerfile").read_text(encoding="utf-8")
        name = tag or connector.tag
        with tempfile.TemporaryFile() as context, engine_errors(f"the build of {name}"):
            _pack(context, text, into.glob("*.whl"))
            _build(client, context, name, base_image, connector.labels)
    return name


def _target(base_image: str) -> Target:
    """What the base image's Python says of itself."""
    runner = DockerRunner(base_image, entrypoint=["python3", "-c", _ASK])
    with closing(runner.start([], network=False)) as process:
        said = b"".join(iter(process.read, b""))
        end = process.wait()
    if end.code:
        raise ConfigError(f"The base image {base_image!r} has no Python ({end.reason}). Name another (--base-image).")
    return Target(*json.loads(said))


def _pack(context: IO[bytes], text: str, wheels: Iterable[Path]) -> None:
    """What the engine gets, with nothing in it that changes from one build to the next: it keeps what it has built."""
    with tarfile.open(fileobj=context, mode="w") as tar:
        content = text.encode()
        info = tarfile.TarInfo("Dockerfile")
        info.size = len(content)
        tar.addfile(info, io.BytesIO(content))
        for wheel in sorted(wheels):
            info = tarfile.TarInfo(f"wheels/{wheel.name}")
            info.size, info.mode = wheel.stat().st_size, 0o644
            with wheel.open("rb") as file:
                tar.addfile(info, file)
    context.seek(0)


def _build(client: DockerClient, context: IO[bytes], name: str, base_image: str, labels: Mapping[str, str]) -> None:
    said: list[str] = []
    steps: Iterable[Any] = client.api.build(
        fileobj=context,
        custom_context=True,
        tag=name,
        buildargs={"BASE_IMAGE": base_image},
        labels=dict(labels),
        network_mode="none",
        rm=True,
        forcerm=True,
        decode=True,
    )
    for step in steps:
        if "error" in step:
            last = " / ".join(line for line in said[-6:] if line)
            raise ConfigError(f"The image {name} can't be built: {step['error']} It said last: {last}")
        if line := str(step.get("stream", "")).strip():
            said.append(line)
            _LOG.debug("%s", line)
