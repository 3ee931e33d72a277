"""The tests of the command line find a connector ``fake``."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from headwater.errors import ConfigError
from tests.cli.fake import FLOW, Fake


@pytest.fixture(autouse=True)
def fake(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    def find(name: str) -> type[Fake]:
        if name != "fake":
            raise ConfigError(f"No connector {name!r} is installed. Installed: fake.")
        return Fake

    monkeypatch.setattr("headwater.registry.find", find)
    monkeypatch.setattr("headwater.registry.names", lambda: ["fake"])
    monkeypatch.setenv("TOKEN", "s3cret")
    Fake.fail = Fake.control = None
    Fake.seen = []
    yield


@pytest.fixture
def flow(tmp_path: Path) -> Path:
    path = tmp_path / "flow.toml"
    path.write_text(FLOW)
    return path
