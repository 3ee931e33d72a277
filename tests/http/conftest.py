"""The scripted upstreams of the tests."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from headwater.testing import Upstream


@pytest.fixture
def api() -> Iterator[Upstream]:
    """The API."""
    with Upstream() as served:
        yield served


@pytest.fixture
def other() -> Iterator[Upstream]:
    """Another host."""
    with Upstream("127.0.0.2") as served:
        yield served
