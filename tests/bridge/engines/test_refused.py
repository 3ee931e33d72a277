"""Every engine: batches of which the database refuses many records."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from headwater.bridge import sync
from headwater.bridge.sinks.engine import Load
from headwater.bridge.sinks.options import Nested
from headwater.errors import DestinationError, SourceError
from tests.bridge.databases import Database
from tests.bridge.fakes import Scripted, state, status
from tests.bridge.landing import records_of, stream

INT = {"type": "integer"}
PROPERTIES = {"id": INT, "v": {"type": "string"}, "tags": {"type": "array", "items": INT}}
ROWS = 100


class Counted:
    """Counts the records that an engine is given, and fails at one of its loads."""

    def __init__(self, sink: Any, fail_at: int = 0) -> None:
        self.count = self.loads = 0
        self._fail_at = fail_at
        self._load = sink.engine.load
        sink.engine.load = self.load

    def load(self, load: Load) -> Any:
        self.count += len(load)
        self.loads += 1
        if self.loads == self._fail_at:
            raise RuntimeError("the machine burns")
        return self._load(load)


def half_refused(db: Database, mode: Any = "append", **options: Any) -> Any:
    """A table with an index of a user's, and a batch of which every second record is refused by it: half of these
    for the row that is there, half for one before them in the batch."""
    catalog = stream(properties=PROPERTIES, mode=mode, key=[["id"]])
    db.land(catalog, {"id": -1, "v": "bad", "tags": [1]}, **options)
    db.query("CREATE UNIQUE INDEX one_v ON issues (v)")
    rows = [{"id": n, "v": ("bad", f"v{n - 1}")[n // 2 % 2] if n % 2 else f"v{n}", "tags": [n, n]} for n in range(ROWS)]
    return catalog, records_of(catalog, *rows)


@pytest.mark.parametrize(("mode", "nested"), [("append", "json"), ("append_dedup", "tables")])
def test_of_a_batch_that_is_refused_by_half_no_record_is_written_often(db: Database, mode: Any, nested: Nested) -> None:
    catalog, batch = half_refused(db, mode, nested=nested)
    sink = db.sink(refused="table", nested=nested)
    counted = Counted(sink)
    result = sync(Scripted(batch, status("issues")), catalog, sink)
    assert db.values("id") == [-1, *range(0, ROWS, 2)]
    assert result.refused == ROWS // 2
    assert db.query("SELECT count(*), count(DISTINCT record) FROM _headwater_refused") == [(ROWS // 2, ROWS // 2)]
    assert db.query("SELECT count(DISTINCT _airbyte_raw_id) FROM issues") == [(1 + ROWS // 2,)]
    assert db.query("SELECT * FROM _headwater_unsettled") == []
    if nested == "tables":
        joined = "issues t JOIN issues__tags c ON c._airbyte_parent_id = t._airbyte_raw_id WHERE t.id = c.value"
        assert db.query(f"SELECT count(*) FROM {joined}") == [(ROWS,)]
        assert db.query("SELECT count(*) FROM issues__tags") == [(1 + ROWS,)]
    # three times as a whole (as it came, fitted, looked at thoroughly), then twice for each time it is halved
    assert counted.count < (3 + 8) * ROWS * (3 if nested == "tables" else 1)


def test_a_part_that_failed_leaves_nothing_for_the_next_to_lie_in(db: Database) -> None:
    """With thousands of refused records, savepoints would else lie in each other as deep."""
    db.land(stream(properties=PROPERTIES), {"id": 1})
    engine = db.sink().engine
    engine.connect()
    try:
        with engine.transaction():
            with pytest.raises(ArithmeticError), engine.savepoint():
                engine.rows("DELETE FROM issues")
                raise ArithmeticError
            assert engine.rows("SELECT id FROM issues") == [(1,)]
            with pytest.raises(Exception, match=r"(?i)savepoint|syntax"):
                engine.rows("RELEASE SAVEPOINT _headwater_part")
            raise ArithmeticError
    except ArithmeticError:
        pass
    finally:
        engine.close()


def test_a_batch_that_dies_between_its_parts_is_there_once(db: Database) -> None:
    catalog, batch = half_refused(db)
    for fail_at in (20, 60):
        sink = db.sink(refused="table")
        Counted(sink, fail_at)
        with pytest.raises((DestinationError, RuntimeError), match="the machine burns"):
            sync(Scripted(batch, state("issues", 1), status("issues")), catalog, sink)
    db.run(catalog, batch, state("issues", 1), status("issues"), refused="table")
    assert db.values("id") == [-1, *range(0, ROWS, 2)]
    assert db.query("SELECT count(*) FROM _headwater_refused") == [(ROWS // 2,)]
    assert db.query("SELECT * FROM _headwater_unsettled") == []


def test_what_a_failed_overwrite_refused_is_forgotten(db: Database) -> None:
    overwrite = stream(properties=PROPERTIES, mode="overwrite")
    with pytest.raises(SourceError):
        db.run(overwrite, records_of(overwrite, {"id": 1}, b"["), SourceError("died"), refused="table")
    append = stream(properties=PROPERTIES)
    db.run(append, records_of(append, {"id": 2}, b"{"), state("issues", 2), status("issues"), refused="table")
    assert db.query("SELECT record FROM _headwater_refused") == [("{",)]
    assert db.query("SELECT * FROM _headwater_unsettled") == []


def test_a_trigger_that_ends_the_transaction_is_told(tmp_path: Path) -> None:
    db = Database("sqlite", f"sqlite:///{tmp_path / 'out.db'}")
    catalog = stream(properties=PROPERTIES)
    db.land(catalog, {"id": 1})
    db.query("CREATE TRIGGER odd BEFORE INSERT ON issues WHEN NEW.id % 2 BEGIN SELECT RAISE(ROLLBACK, 'not even'); END")
    with pytest.raises(DestinationError, match=r"not even\..*let it say RAISE\(ABORT"):
        db.land(catalog, *[{"id": n} for n in range(2, 9)], refused="table")
    assert db.values("id") == [1]
    db.query("DROP TRIGGER odd")
    db.land(catalog, {"id": 2})
    assert db.values("id") == [1, 2]


def test_a_constraint_that_is_checked_late(pg: Database) -> None:
    catalog = stream(properties=PROPERTIES)
    pg.land(catalog, {"id": -1, "v": "bad"})
    pg.query("ALTER TABLE issues ADD UNIQUE (v) DEFERRABLE INITIALLY DEFERRED")
    result = pg.land(catalog, {"id": 1, "v": "bad"}, {"id": 2, "v": "good"}, {"id": 3, "v": "good"}, refused="table")
    assert pg.values("id") == [-1, 2] and result.refused == 2
