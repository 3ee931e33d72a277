"""The tests of the SQLite destination have a file that is not there yet."""

from __future__ import annotations

from pathlib import Path

import pytest


@pytest.fixture
def db(tmp_path: Path) -> Path:
    return tmp_path / "out.db"
