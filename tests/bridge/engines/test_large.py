"""Batches that are written in several pieces, or transactions."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from headwater.bridge import sync
from headwater.bridge.sinks import duckdb_load, sql
from headwater.protocol.messages import Records
from tests.bridge.databases import Database
from tests.bridge.fakes import Scripted, state, status
from tests.bridge.landing import records_of, stream

INT = {"type": "integer"}
EXACT = {"type": "number", "airbyte_type": "big_number"}
ROWS = 60


@pytest.fixture
def duck(tmp_path: Path) -> Database:
    return Database("duckdb", f"duckdb:///{tmp_path / 'out.duckdb'}")


@pytest.mark.parametrize("mode", ["append", "append_dedup"])
def test_pieces_of_a_load_are_numbered_through(duck: Database, monkeypatch: pytest.MonkeyPatch, mode: Any) -> None:
    monkeypatch.setattr(duckdb_load, "_PIECE", 300)
    catalog = stream(properties={"id": INT, "v": EXACT}, mode=mode, key=[["id"]])
    script = [Records(part.stream, part.data, 1_700_000_000_000 + at) for at, part in enumerate(
        records_of(catalog, *({"id": at * 20 + n, "v": f"{n}.5"} for n in range(20))) for at in range(3)
    )]  # fmt: skip
    sync(Scripted(*script, state("issues", 1), status("issues")), catalog, duck.sink())
    found = duck.query(
        "SELECT id, v, epoch_ms(_airbyte_extracted_at), right(_airbyte_raw_id, 8) FROM issues ORDER BY 1"
    )
    assert found == [
        (n, Decimal(f"{n % 20}.5"), 1_700_000_000_000 + n // 20, f"{n:08x}") for n in range(ROWS)
    ]  # fmt: skip


def test_a_large_batch_with_misfits_is_looked_at_some_at_a_time(db: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sql, "_CAREFUL", 200)
    catalog = stream(properties={"id": INT, "v": INT}, key=[["id"]])
    db.land(catalog)
    db.query("CREATE UNIQUE INDEX one_v ON issues (v)")
    rows = [{"id": n, "v": 7 if n in (5, 40) else n + 1000, **({"new": "x"} if n == 30 else {})} for n in range(ROWS)]
    sink = db.sink(refused="table")
    result = sync(Scripted(records_of(catalog, *rows), state("issues", 1), status("issues")), catalog, sink)
    assert db.values("id") == [n for n in range(ROWS) if n != 40]
    assert result.refused == 1 and result.streams[catalog.streams[0].descriptor].landed == ROWS - 1
    assert db.query("SELECT id FROM issues WHERE new = 'x'") == [(30,)]
    assert db.query("SELECT count(*) FROM _headwater_refused") == [(1,)]
    assert db.query("SELECT * FROM _headwater_unsettled") == []


def test_a_record_that_is_larger_than_that_and_does_not_fit(db: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sql, "_CAREFUL", 200)
    catalog = stream(properties={"id": INT, "v": {"type": "string"}})
    db.land(catalog, {"id": 1, "v": "x"}, {"id": "two", "v": "x" * 1000}, {"id": 3, "v": "x"})
    assert db.query("SELECT length(v) FROM issues ORDER BY 1") == [(1,), (1,), (1000,)]


def test_duckdb_gets_whole_row_groups(duck: Database) -> None:
    catalog = stream(properties={"id": INT})
    pages = [
        records_of(catalog, *({"id": n} for n in range(first, first + 10_000))) for first in range(0, 260_000, 10_000)
    ]
    states = [state("issues", at) for at in range(len(pages))]
    script = [message for pair in zip(pages, states, strict=True) for message in pair]
    sync(Scripted(*script, status("issues")), catalog, duck.sink())
    groups = duck.query(
        "SELECT sum(count) FROM pragma_storage_info('issues') WHERE column_name = 'id' AND segment_type <> 'VALIDITY' "
        "GROUP BY row_group_id ORDER BY row_group_id"
    )
    assert groups == [(122_880,), (122_880,), (14_240,)]
    assert duck.query("SELECT count(DISTINCT id), count(*) FROM issues") == [(260_000, 260_000)]
    assert duck.query("SELECT * FROM _headwater_unsettled") == []


def test_duckdb_has_the_memory_for_wide_tables(duck: Database) -> None:
    names = [f"c{n}" for n in range(300)]
    catalog = stream(
        properties={"id": INT, **{name: {"type": "string"} for name in names}}, mode="append_dedup", key=[["id"]]
    )
    text = "x" * 40
    pages = [
        records_of(catalog, *({"id": n, **dict.fromkeys(names, f"{text}{n}")} for n in range(at, at + 500)))
        for at in range(0, 4000, 500)
    ]
    for _ in range(2):
        sync(Scripted(*pages, state("issues", 1), status("issues")), catalog, duck.sink())
    assert duck.query("SELECT count(*), count(DISTINCT c299) FROM issues") == [(4000, 4000)]
