"""When an image is fetched, and what is told when it can't be."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from headwater.bridge.runners.docker_engine import find_image
from headwater.errors import ConfigError, TransientError
from tests.containers.registry import Registry

if TYPE_CHECKING:
    from docker import DockerClient


def test_an_image_is_pulled_when_the_policy_says_so(client: DockerClient) -> None:
    with Registry("shop/source-x") as registry:
        try:
            with pytest.raises(ConfigError, match="not to be pulled"):
                find_image(client, registry.image, "never")
            first = find_image(client, registry.image, "missing")["Id"]
            registry.put("second")
            asked = registry.pulled
            assert find_image(client, registry.image, "missing")["Id"] == first
            assert find_image(client, registry.image, "never")["Id"] == first
            assert registry.pulled == asked
            assert find_image(client, registry.image, "always")["Id"] != first
            assert registry.pulled > asked
            with pytest.raises(ConfigError, match=r"source-y:1' can't be pulled: .* Check its name"):
                find_image(client, registry.image.replace("source-x", "source-y"), "missing")
            registry.stop()
            with pytest.raises(TransientError, match="can't be pulled now"):
                find_image(client, registry.image, "always")
        finally:
            client.images.remove(registry.image, force=True)
