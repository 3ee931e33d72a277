"""The benchmarks of destinations: they land what they count, and say so when they don't."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from . import upsert, vdk_jobs


def test_an_upsert_finds_every_row_again(tmp_path: Path) -> None:
    db = tmp_path / "x.db"
    for seed in (1, 2):
        upsert.land(f"sqlite:///{db}", "append_dedup", 3000, seed)
    with closing(sqlite3.connect(db)) as connection:
        assert connection.execute("SELECT count(*), count(DISTINCT id) FROM items").fetchone() == (3000, 3000)


def test_the_upsert_s_table(capsys: pytest.CaptureFixture[str]) -> None:
    assert upsert.main(["--rows", "2000", "--rounds", "1", "sqlite:///{}", "ftp://{}"]) == 0
    out = capsys.readouterr().out
    assert "| sqlite |" in out and "| ftp | failed:" in out


def test_a_job_lands_every_record(capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("vdk.plugin.data_sources", reason="needs the extra: pip install headwater[vdk]")
    assert vdk_jobs.main(["--rounds", "1", "--records", "2000", "--only", "headwater, SQLite"]) == 0
    out, err = capsys.readouterr()
    assert "| headwater, SQLite |" in out and "failed" not in err and "due" not in err
