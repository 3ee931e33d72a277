"""The engine, its base image, and images made of it for one run of the tests."""

from __future__ import annotations

import io
import tarfile
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

import pytest

from headwater.bridge.runners.docker_engine import OWNER, owner
from tests.containers import base_image

if TYPE_CHECKING:
    from docker import DockerClient

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
def build(client: DockerClient, base: str) -> Iterator[Build]:
    """Makes an image from the lines of a Dockerfile after FROM and from files; removed at the end."""
    made: list[str] = []

    def build(lines: str, files: dict[str, str]) -> str:
        context = io.BytesIO()
        with tarfile.open(fileobj=context, mode="w") as tar:
            for name, content in {"Dockerfile": f"FROM {base}\n{lines}", **files}.items():
                info = tarfile.TarInfo(name)
                info.size, info.mode = len(content.encode()), 0o755
                tar.addfile(info, io.BytesIO(content.encode()))
        context.seek(0)
        image, _ = client.images.build(fileobj=context, custom_context=True, rm=True, network_mode="none")
        assert image.id is not None
        made.append(image.id)
        return image.id

    yield build
    for image in made:
        client.images.remove(image, force=True)


@pytest.fixture
def nothing_left(client: DockerClient) -> Iterator[None]:
    """Fails the test when a container of this process is left over."""
    yield
    left = client.api.containers(all=True, filters={"label": f"{OWNER}={owner()}"})
    for container in left:
        client.api.remove_container(container["Id"], force=True)
    assert left == [], "containers were left behind"
