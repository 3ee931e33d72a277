"""The image of airbyte-source-faker, a connector of Airbyte's that needs no network, built from its PyPI package."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

from headwater.errors import ConfigError
from headwater.image import build_image
from headwater.image.dockerfile import _TEMPLATE
from tests.containers import CACHE, one_at_a_time
from tests.needs import missing

if TYPE_CHECKING:
    from docker import DockerClient

REQUIREMENT = "airbyte-source-faker>=7,<8"


def faker_image(client: DockerClient, base: str) -> str:
    """Its name. It is built once, which takes a minute or two, and kept; so are its wheels.

    Skips the test where its packages can't be had; fails it in CI.
    """
    import docker

    key = hashlib.sha256(f"{REQUIREMENT}{base}{_TEMPLATE}".encode()).hexdigest()[:12]
    name = f"headwater-tests/source-faker:{key}"
    with one_at_a_time("faker"):
        try:
            client.images.get(name)
        except docker.errors.ImageNotFound:
            try:
                build_image(REQUIREMENT, base_image=base, tag=name, wheels=CACHE / "faker-wheels")
            except ConfigError as error:
                missing(f"needs the packages of {REQUIREMENT}, which pip gets where it can: {error}")
    return name
