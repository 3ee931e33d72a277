"""The engine, its base image, and images made of it."""

from __future__ import annotations

import hashlib
import io
import tarfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from headwater.bridge.runners.docker_engine import OWNER, owner
from headwater.image import build_image
from tests.containers import OWN, base_image, one_at_a_time

if TYPE_CHECKING:
    from docker import DockerClient

CONNECTORS = Path(__file__).parents[2] / "connectors"
Build = Callable[[str, "dict[str, str]"], str]


@pytest.fixture(scope="session")
def base() -> str:
    """The base image's name."""
    return base_image()


@pytest.fixture(scope="session")
def client(base: str) -> Iterator[DockerClient]:
    """docker-py's client of the engine."""
    import docker

    client = docker.from_env(timeout=300)
    yield client
    client.close()


@pytest.fixture(scope="session")
def build(client: DockerClient, base: str) -> Build:
    """Makes an image from the lines of a Dockerfile after FROM and from files. It is kept for the next run."""

    def build(lines: str, files: dict[str, str]) -> str:
        content = {"Dockerfile": f"FROM {base}\n{lines}", **files}
        context = io.BytesIO()
        with tarfile.open(fileobj=context, mode="w") as tar:
            for name, text in content.items():
                info = tarfile.TarInfo(name)
                info.size, info.mode = len(text.encode()), 0o755
                tar.addfile(info, io.BytesIO(text.encode()))
        context.seek(0)
        tag = f"headwater-tests/built:{hashlib.sha256(repr(content).encode()).hexdigest()[:12]}"
        client.images.build(fileobj=context, custom_context=True, rm=True, network_mode="none", tag=tag)
        return tag

    return build


@pytest.fixture
def nothing_left(client: DockerClient) -> Iterator[None]:
    """Fails the test when a container of this process is left over."""
    yield
    left = client.api.containers(all=True, filters={"label": f"{OWNER}={owner()}"})
    for container in left:
        client.api.remove_container(container["Id"], force=True)
    assert left == [], "containers were left behind"


@pytest.fixture(scope="session")
def github(base: str) -> str:
    """The image of source-github, from its own Dockerfile."""
    with one_at_a_time("source-github"):
        return build_image(CONNECTORS / "source-github", base_image=base, tag=f"headwater-tests/source-github:{OWN}")


@pytest.fixture(scope="session")
def gitlab(base: str) -> str:
    with one_at_a_time("source-gitlab"):
        return build_image(CONNECTORS / "source-gitlab", base_image=base, tag=f"headwater-tests/source-gitlab:{OWN}")
