"""Generations: old rows are readable all the time, and disappear only when the new ones are complete."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from headwater.bridge import sync
from headwater.bridge.sinks.sqlite import SqliteSink
from headwater.errors import SourceError
from tests.bridge.fakes import Scripted, records, state, status
from tests.bridge.landing import query, stream

IDS = "SELECT id, _airbyte_generation_id FROM issues ORDER BY rowid"
PROPERTIES = {"id": {"type": "integer"}}


@pytest.fixture
def db(tmp_path: Path) -> Path:
    return tmp_path / "out.db"


def run(db: Path, generation: int, minimum: int, *script: object, mode: str = "append") -> Scripted:
    catalog = stream(properties=PROPERTIES, mode=mode, key=[["id"]], generation=generation, minimum=minimum)
    source = Scripted(*script)  # type: ignore[arg-type]
    sync(source, catalog, SqliteSink(db))
    return source


def test_a_refresh_that_keeps_the_rows(db: Path) -> None:
    run(db, 1, 0, records("issues", 1), state("issues", 1), status("issues"))
    run(db, 2, 0, records("issues", 2), state("issues", 2), status("issues"))
    assert query(db, IDS) == [(1, 1), (2, 2)]


@pytest.mark.parametrize("mode", ["append", "append_dedup"])
def test_a_refresh_that_removes_the_rows(db: Path, mode: str) -> None:
    run(db, 1, 0, records("issues", 1), state("issues", 1), status("issues"), mode=mode)

    def old_rows_are_there() -> None:
        assert query(db, IDS) == [(1, 1)]

    first = run(
        db, 2, 2, records("issues", 5), state("issues", 5), old_rows_are_there, records("issues", 6),
        state("issues", 6), status("issues"), mode=mode,
    )  # fmt: skip
    assert first.started_from == [[]], "the old state says nothing of the new rows"
    assert query(db, IDS) == [(5, 2), (6, 2)]
    after = run(db, 2, 2, records("issues", 7), state("issues", 7), status("issues"), mode=mode)
    assert [one.stream_state for one in after.started_from[0]] == [{"at": 6}]
    assert query(db, IDS) == [(5, 2), (6, 2), (7, 2)]


def test_a_refresh_that_fails_goes_on_and_the_old_rows_stay(db: Path) -> None:
    run(db, 1, 0, records("issues", 1), state("issues", 1), status("issues"))
    for _ in range(2):
        with pytest.raises(SourceError):
            run(db, 2, 2, records("issues", 5), state("issues", 5), records("issues", 6), SourceError("died"))
        assert query(db, IDS) == [(1, 1)]
        break
    last = run(db, 2, 2, records("issues", 6), state("issues", 6), status("issues"))
    assert [one.stream_state for one in last.started_from[0]] == [{"at": 5}]
    assert query(db, IDS) == [(5, 2), (6, 2)]
    assert [json.loads(row[0])["stream"]["stream_state"] for row in query(db, "SELECT state FROM _headwater_state")] \
        == [{"at": 6}]  # fmt: skip


def test_a_refresh_that_is_given_up_leaves_rows_and_state_as_they_were(db: Path) -> None:
    run(db, 1, 0, records("issues", 1), state("issues", 1), status("issues"))
    with pytest.raises(SourceError):
        run(db, 2, 2, records("issues", 5), state("issues", 5), SourceError("died"))
    after = run(db, 1, 0, records("issues", 2), state("issues", 2), status("issues"))
    assert [one.stream_state for one in after.started_from[0]] == [{"at": 1}]
    assert query(db, IDS) == [(1, 1), (2, 1)]


def test_a_later_refresh_starts_anew(db: Path) -> None:
    run(db, 1, 0, records("issues", 1), state("issues", 1), status("issues"))
    with pytest.raises(SourceError):
        run(db, 2, 2, records("issues", 5), state("issues", 5), SourceError("died"))
    third = run(db, 3, 3, records("issues", 6), state("issues", 6), status("issues"))
    assert third.started_from == [[]]
    assert query(db, IDS) == [(6, 3)]
    assert len(query(db, "SELECT 1 FROM _headwater_state")) == 1
