"""The SQLite destination: failures name what to do."""

from __future__ import annotations

import json
import os
import sqlite3
import subprocess
from contextlib import closing
from pathlib import Path

import pytest

from headwater.bridge import sync
from headwater.bridge.sinks import sqlite as sqlite_module
from headwater.bridge.sinks.sqlite import SqliteSink
from headwater.errors import DestinationError
from headwater.protocol.messages import Records, StreamDescriptor
from tests.bridge.fakes import Scripted, records, state, status
from tests.bridge.sqlite.landing import land, query, stream
from tests.needs import missing
from tests.other_user import as_nobody, folder_of_nobody


def test_another_program_holds_the_database(db: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sqlite_module, "BUSY_SECONDS", 0.05)
    land(db, stream(), {"id": 1})
    with closing(sqlite3.connect(db, isolation_level=None)) as connection:
        connection.execute("BEGIN IMMEDIATE")
        with pytest.raises(DestinationError, match=r"locked.*end it"):
            land(db, stream(), {"id": 2})


def test_a_full_disk(db: Path) -> None:
    class Small(SqliteSink):
        def connect(self) -> None:
            super().connect()
            self.engine.rows("PRAGMA max_page_count = 40")

    big = Records(StreamDescriptor("issues"), [json.dumps({"t": "x" * 1000}).encode()] * 300)
    source = Scripted(records("issues", 1), state("issues", 1), big, state("issues", 2), status("issues"))
    with pytest.raises(DestinationError, match=r"full.*Make room") as caught:
        sync(source, stream(), Small(db), batch_bytes=100_000)
    assert caught.value.stream == "issues"
    assert query(db, "SELECT id FROM issues") == [(1,)]
    assert json.loads(query(db, "SELECT state FROM _headwater_state")[0][0])["stream"]["stream_state"] == {"at": 1}


def test_a_file_system_without_room(tmp_path: Path) -> None:
    if os.geteuid() != 0:
        missing("a small file system: run as root")
    small = tmp_path / "small"
    small.mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(small)], check=False).returncode:
        missing("a small file system: run where tmpfs may be mounted")
    try:
        db, catalog = small / "out.db", stream()
        sync(Scripted(records("issues", 1), state("issues", 1), status("issues")), catalog, SqliteSink(db))
        big = Records(StreamDescriptor("issues"), [json.dumps({"t": "x" * 10_000}).encode()] * 300)
        with pytest.raises(DestinationError, match=r"(full|disk I/O).*[Mm]ake room|look at the system"):
            sync(Scripted(big, state("issues", 9), status("issues")), catalog, SqliteSink(db))
        assert query(db, "SELECT id FROM issues") == [(1,)]
        again = Scripted(records("issues", 2), state("issues", 2), status("issues"))
        sync(again, catalog, SqliteSink(db))
        assert [one.stream_state for one in again.started_from[0]] == [{"at": 1}]
        assert query(db, "SELECT id FROM issues") == [(1,), (2,)]
    finally:
        subprocess.run(["umount", str(small)], check=True)


def test_what_is_no_database_and_no_folder(db: Path) -> None:
    db.write_text("hello, this is a text of some length, not a database\n" * 40)
    with pytest.raises(DestinationError, match=r"not a database.*another file"):
        land(db, stream(), {"id": 1})
    with pytest.raises(DestinationError, match=r"unable to open.*folder"):
        land(db.parent / "none" / "x.db", stream(), {"id": 1})
    with pytest.raises(DestinationError, match=str(db.parent)):
        land(db.parent, stream(), {"id": 1})


def test_a_read_only_file() -> None:
    with folder_of_nobody() as folder:
        db = folder / "x.db"

        def work() -> None:
            land(db, stream(), {"id": 1})
            db.chmod(0o400)
            with pytest.raises(DestinationError, match=r"readonly|read-only"):
                land(db, stream(), {"id": 1})

        assert as_nobody(work) == ""
