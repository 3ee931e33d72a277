"""The SQLite destination: overwrites and states; no row is lost or doubled."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from headwater.bridge import sync
from headwater.bridge.sinks.sqlite import SqliteSink
from headwater.errors import DestinationError, SourceError
from headwater.protocol.messages import Records, State, StreamDescriptor
from tests.bridge.fakes import Scripted, global_state, records, state, status
from tests.bridge.sqlite.landing import KEYED, both, land, query, stream


@pytest.mark.parametrize("mode", ["overwrite", "overwrite_dedup"])
def test_overwrite_replaces_when_complete(db: Path, mode: str) -> None:
    catalog = stream(properties=KEYED, mode=mode, key=[["id"]])
    land(db, catalog, {"id": 1, "v": "a"}, {"id": 1, "v": "b"})
    assert query(db, "SELECT count(*) FROM issues") == [(2 if mode == "overwrite" else 1,)]
    with closing(sqlite3.connect(db)) as connection:
        connection.execute("CREATE INDEX mine ON issues (v)")
        connection.execute("CREATE VIEW seen AS SELECT id, v FROM issues")
    with pytest.raises(SourceError):
        sync(Scripted(records("issues", 7), SourceError("died")), catalog, SqliteSink(db))
    assert query(db, "SELECT max(id) FROM issues") == [(1,)]
    land(db, catalog, {"id": 3, "v": "c"})
    assert query(db, "SELECT * FROM seen") == [(3, "c")]
    assert query(db, "SELECT _airbyte_generation_id FROM issues") == [(2,)]
    assert query(db, "SELECT count(*) FROM sqlite_master WHERE name = 'mine'") == [(1,)]
    assert query(db, "SELECT name FROM sqlite_master WHERE name LIKE '_headwater_new%'") == []
    land(db, catalog)
    assert query(db, "SELECT count(*) FROM issues") == [(0,)]


def test_a_trial_of_overwrite_leaves_the_old_rows(db: Path) -> None:
    catalog = stream(properties=KEYED, mode="overwrite")
    land(db, catalog, {"id": 1})
    land(db, catalog, {"id": 2}, {"id": 3}, limit=1)
    assert query(db, "SELECT id FROM issues") == [(1,)]


def test_states_are_in_the_file_by_flow(db: Path) -> None:
    catalog = stream()
    script = [records("issues", 1), state("issues", 1), status("issues")]
    sync(Scripted(*script), catalog, SqliteSink(db, "a"))
    source = Scripted(status("issues"))
    sync(source, catalog, SqliteSink(db, "b"))
    assert source.started_from == [[]]
    sync(source, catalog, SqliteSink(db, "a"))
    assert source.started_from[1] == [state("issues", 1)]


def test_unknown_fields_of_a_state_stay(db: Path) -> None:
    odd = State({**state("issues", 1).raw, "id": 7, "destinationStats": {"x": [2**70]}})
    sync(Scripted(odd, status("issues")), stream(), SqliteSink(db))
    source = Scripted(status("issues"))
    sync(source, stream(), SqliteSink(db))
    assert source.started_from == [[odd]]


@pytest.mark.parametrize("mode", ["append", "append_dedup"])
def test_rows_after_the_last_state_stay_until_they_are_read_again(db: Path, mode: str) -> None:
    catalog = stream(properties=KEYED, mode=mode, key=[["id"]])
    keyless = Records(StreamDescriptor("issues"), [b'{"v":"no key"}'])
    source = Scripted(records("issues", 1), state("issues", 1), records("issues", 2, 3), keyless, SourceError("died"))
    with pytest.raises(SourceError):
        sync(source, catalog, SqliteSink(db))
    assert query(db, "SELECT id FROM issues ORDER BY rowid") == [(1,), (2,), (3,), (None,)]
    sync(Scripted(records("issues", 2, 3, 4), keyless, status("issues")), catalog, SqliteSink(db))
    assert query(db, "SELECT id FROM issues ORDER BY rowid") == [(1,), (2,), (3,), (4,), (None,)]
    sync(Scripted(records("issues", 5), status("issues")), catalog, SqliteSink(db))
    assert query(db, "SELECT count(*) FROM issues") == [(6,)]  # a complete stream's rows are never removed
    assert query(db, "SELECT * FROM _headwater_unsettled") == []


def test_rows_of_a_stream_read_whole_are_removed_only_when_it_was_not_complete(db: Path) -> None:
    catalog = stream(sync_mode="full_refresh")
    with pytest.raises(SourceError):
        sync(Scripted(records("issues", 1), state("issues", 1), SourceError("x")), catalog, SqliteSink(db))
    for _ in range(2):
        sync(Scripted(records("issues", 1, 2), state("issues", 2), status("issues")), catalog, SqliteSink(db))
    assert query(db, "SELECT id FROM issues") == [(1,), (2,), (1,), (2,)]


def test_global_states_settle_all_streams(db: Path) -> None:
    catalog = both(stream("a"), stream("b"))
    source = Scripted(records("a", 1), records("b", 1), global_state(1), records("a", 2), SourceError("died"))
    with pytest.raises(SourceError):
        sync(source, catalog, SqliteSink(db))
    sync(Scripted(records("a", 2), records("b", 2), status("a"), status("b")), catalog, SqliteSink(db))
    for table in "ab":
        assert query(db, f"SELECT id FROM {table}") == [(1,), (2,)]


def test_a_state_repeated_before_anything_is_read_settles_nothing(db: Path) -> None:
    with pytest.raises(SourceError):
        sync(Scripted(state("issues", 0), records("issues", 1), SourceError("died")), stream(), SqliteSink(db))
    sync(
        Scripted(state("issues", 0), records("issues", 1), state("issues", 1), status("issues")),
        stream(),
        SqliteSink(db),
    )
    assert query(db, "SELECT id FROM issues") == [(1,)]


@pytest.mark.parametrize("kind", ["GLOBAL", "LEGACY"])
def test_a_complete_stream_is_read_again_where_its_global_state_never_came(db: Path, kind: str) -> None:
    catalog = both(stream("a"), stream("b"))
    first = [global_state(0, kind), records("a", 1), status("a"), records("b", 1)]
    with pytest.raises(SourceError):
        sync(Scripted(*first, SourceError("died")), catalog, SqliteSink(db))
    sync(Scripted(*first, status("b"), global_state(1, kind)), catalog, SqliteSink(db))
    for table in "ab":
        assert query(db, f"SELECT id FROM {table}") == [(1,)]
    sync(Scripted(records("a", 2), status("a"), status("b")), catalog, SqliteSink(db))
    assert query(db, "SELECT id FROM a") == [(1,), (2,)]
    sync(Scripted(records("a", 3), status("a"), status("b")), catalog, SqliteSink(db))
    assert query(db, "SELECT id FROM a") == [(1,), (2,), (3,)]


def test_the_earlier_of_two_syncs_of_one_flow_stops(db: Path) -> None:
    catalog = stream()

    def other() -> None:
        sync(Scripted(records("issues", 1, 2), state("issues", 2), status("issues")), catalog, SqliteSink(db))

    source = Scripted(records("issues", 1), state("issues", 1), other, records("issues", 2), status("issues"))
    with pytest.raises(DestinationError, match="Another sync of the flow 'default'"):
        sync(source, catalog, SqliteSink(db))
    assert query(db, "SELECT id FROM issues") == [(1,), (2,)]
