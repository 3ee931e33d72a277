"""The benchmark of databases: it counts what was read before it measures, and has a line for each database."""

from __future__ import annotations

from typing import Any

import pytest

from tests.services.mariadb import MariaDb
from tests.services.postgres import Postgres

from . import sql


@pytest.fixture
def servers() -> None:
    """That the benchmark's process can start some; else the test skips here."""
    for kind in (Postgres, MariaDb):
        with kind():
            pass


def test_every_database_is_read_and_counted(servers: None, capsys: pytest.CaptureFixture[str]) -> None:
    assert sql.main(["--rows", "300", "--rounds", "1", "--only-ours"]) == 0
    out = capsys.readouterr().out
    for database in ("postgres", "mysql", "sqlite", "log"):
        assert f"| {database} | headwater |" in out
    assert "| postgres | floor: COPY spliced by hand |" in out


def test_too_few_rows_end_it(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    def one_less(command: Any) -> dict[str, int]:
        return {"records": 49, "distinct": 49}

    monkeypatch.setattr(sql, "output_of", one_less)
    assert sql.main(["--rows", "50", "--rounds", "1", "--only-ours", "--only", "sqlite"]) == 1
    assert "sqlite: 50 records were due" in capsys.readouterr().err
