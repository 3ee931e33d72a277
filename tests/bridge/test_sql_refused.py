"""Values that don't fit and records that are refused: by policy, told, counted, never dropped in silence."""

from __future__ import annotations

import json
import logging
from pathlib import Path
from typing import Any

import pytest

from headwater.bridge import sync
from headwater.bridge.progress import total_line
from headwater.bridge.sinks.options import SqlOptions
from headwater.bridge.sinks.sqlite import SqliteSink
from headwater.errors import DestinationError, SourceError
from headwater.protocol.messages import StreamDescriptor
from tests.bridge.fakes import Scripted, state, status
from tests.bridge.landing import execute, land, query, records_of, stream

INTEGER = {"v": {"type": "integer"}, "n": {"type": "string"}}


@pytest.fixture
def db(tmp_path: Path) -> Path:
    return tmp_path / "out.db"


def changes(db: Path, table: str = "issues") -> list[Any]:
    rows = query(db, f"SELECT _airbyte_meta FROM {table} ORDER BY rowid")
    return [[(c["field"], c["change"], c["reason"]) for c in json.loads(row[0])["changes"]] for row in rows]


def test_misfits_become_null_and_it_is_told(db: Path) -> None:
    catalog = stream(properties=INTEGER)
    land(db, catalog, {"v": 1}, {"v": "x", "n": 5}, {"v": 2**70}, {"v": 7.0}, misfits="null")
    assert query(db, "SELECT v, n FROM issues") == [(1, None), (None, "5"), (None, None), (7, None)]
    nulled = ("v", "NULLED", "DESTINATION_TYPECAST_ERROR")
    assert changes(db) == [[], [nulled, ("n", "WIDENED", "DESTINATION_TYPECAST_ERROR")], [nulled], []]
    assert [kind for _, name, kind, *_ in query(db, "PRAGMA table_info(issues)") if name in "vn"] == ["INTEGER", "TEXT"]


def test_misfits_stay_and_it_is_told(db: Path) -> None:
    land(db, stream(properties=INTEGER), {"v": 1}, {"v": "x"})
    land(db, stream(properties=INTEGER), {"v": "y"})
    assert query(db, "SELECT v FROM issues") == [(1,), ("x",), ("y",)]
    # the column takes anything from then on
    assert changes(db) == [[], [("v", "WIDENED", "DESTINATION_TYPECAST_ERROR")], []]


CHECK = """
CREATE TRIGGER odd BEFORE INSERT ON issues WHEN NEW.v % 10 = 7 BEGIN SELECT RAISE(ABORT, 'no sevens'); END;
"""


def test_what_the_database_refuses_fails_the_sync_and_nothing_of_the_batch_lands(db: Path) -> None:
    catalog = stream(properties=INTEGER)
    land(db, catalog, {"v": 1})
    execute(db, CHECK)
    with pytest.raises(DestinationError, match=r"'issues'.*refused a record: no sevens.*refused = \"table\"") as caught:
        land(db, catalog, {"v": 2}, {"v": 7}, {"v": 3})
    assert caught.value.internal == '{"v": 7}'
    assert query(db, "SELECT v FROM issues") == [(1,)]
    assert query(db, "SELECT * FROM _headwater_refused") == []


def test_what_the_database_refuses_goes_to_a_table(db: Path, caplog: pytest.LogCaptureFixture) -> None:
    catalog = stream(properties=INTEGER)
    land(db, catalog, {"v": 1})
    execute(db, CHECK)
    rows: list[Any] = [{"v": number} for number in range(40)]
    rows[20:20] = [b"[1]", b"{", {"v": "text", "new": 1}]
    with caplog.at_level(logging.WARNING):
        result = land(db, catalog, *rows, refused="table")
    assert query(db, "SELECT count(*), count(new) FROM issues") == [(1 + 40 - 4 + 1, 1)]
    found = query(db, "SELECT stream, reason, record FROM _headwater_refused ORDER BY rowid")
    assert [row[2] for row in found] == ['{"v": 7}', '{"v": 17}', "[1]", "{", '{"v": 27}', '{"v": 37}']
    assert [row[1][:9] for row in found] == [
        "no sevens",
        "no sevens",
        "it can't ",
        "it can't ",
        "no sevens",
        "no sevens",
    ]
    counted = result.streams[StreamDescriptor("issues")]
    assert (counted.records, counted.landed, counted.refused) == (43, 37, 6)
    assert "6 refused" in total_line(result)
    assert "'issues': records are refused, and kept in _headwater_refused: no sevens" in caplog.text


def test_refused_records_are_kept_once_after_a_failure(db: Path) -> None:
    catalog = stream(properties=INTEGER)
    options = SqlOptions(refused="table")
    with pytest.raises(SourceError):
        source = Scripted(records_of(catalog, {"v": 1}, b"{"), SourceError("died"))
        sync(source, catalog, SqliteSink(db, options=options))
    assert query(db, "SELECT count(*) FROM _headwater_refused") == [(1,)]
    again = Scripted(records_of(catalog, {"v": 1}, b"{"), state("issues", 1), status("issues"))
    sync(again, catalog, SqliteSink(db, options=options))
    assert query(db, "SELECT v FROM issues") == [(1,)]
    assert query(db, "SELECT record FROM _headwater_refused") == [("{",)]


def test_an_overwrite_forgets_what_was_refused_before(db: Path) -> None:
    catalog = stream(properties=INTEGER, mode="overwrite")
    for count in (2, 1):
        land(db, catalog, {"v": 1}, *[b"["] * count, refused="table")
        assert query(db, "SELECT count(*) FROM _headwater_refused") == [(count,)]


def test_a_column_that_a_user_declared_not_null(db: Path) -> None:
    land(db, stream(), {"v": 1})
    execute(db, "DROP TABLE issues; CREATE TABLE issues (v INTEGER NOT NULL, _airbyte_raw_id, "
            "_airbyte_extracted_at, _airbyte_generation_id, _airbyte_meta)")  # fmt: skip
    result = land(db, stream(properties=INTEGER), {"v": 1}, {"v": None}, refused="table")
    assert result.refused == 1
    assert query(db, "SELECT reason FROM _headwater_refused") == [("NOT NULL constraint failed: issues.v",)]
    execute(db, "CREATE VIEW mine AS SELECT v FROM issues; CREATE INDEX quick ON issues (v)")
    land(db, stream(properties={"v": {"type": ["null", "integer"]}}, mode="append_dedup", key=[["v"]]), {"v": None})
    assert query(db, "SELECT v FROM mine ORDER BY v") == [(None,), (1,)]
    assert query(db, "SELECT count(*) FROM sqlite_master WHERE tbl_name = 'issues' AND type = 'index'") == [(2,)]


def test_the_first_refused_record_is_found_at_once_where_it_fails_the_sync(
    db: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A constraint that every record breaks must not cost a trial for each of them."""
    trials: list[int] = []
    trial = SqliteSink._trial

    def counted(sink: SqliteSink, stream: Any, attempt: Any, only: Any) -> Any:
        trials.append(len(only))
        return trial(sink, stream, attempt, only)

    monkeypatch.setattr(SqliteSink, "_trial", counted)
    catalog = stream(properties=INTEGER)
    land(db, catalog, {"v": 1})
    execute(db, CHECK)
    rows = [{"v": 2}, {"v": 12}, *({"v": 7 + 10 * number} for number in range(1000))]
    with pytest.raises(DestinationError, match="no sevens") as caught:
        land(db, catalog, *rows)
    assert caught.value.internal == '{"v": 7}'
    assert len(trials) < 30
