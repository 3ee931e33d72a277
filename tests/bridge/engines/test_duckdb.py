"""DuckDB's own ways: one program at a time, full disks, files that are none, large records, long numbers."""

from __future__ import annotations

import json
import os
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager
from decimal import Decimal
from pathlib import Path
from typing import Any

import duckdb
import pytest

from headwater.bridge.sinks import duckdb as duckdb_sink
from headwater.bridge.sinks import open_sink
from headwater.errors import DestinationConfigError, DestinationError, FlowError
from tests.bridge.databases import Database
from tests.bridge.fakes import records, state, status
from tests.bridge.landing import records_of, stream
from tests.needs import missing
from tests.other_user import as_nobody, folder_of_nobody

INT = {"type": "integer"}
TEXT = {"type": "string"}
PROPERTIES = {"id": INT, "v": TEXT}
HOLDER = """
import sys, duckdb
connection = duckdb.connect(sys.argv[1])
print("open", flush=True)
sys.stdin.read()
"""


@contextmanager
def held(path: Path) -> Iterator[subprocess.Popen[str]]:
    """Another program that has the file open; it lets go when its input ends."""
    holder = subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert holder.stdin is not None and holder.stdout is not None
    try:
        assert holder.stdout.readline() == "open\n"
        yield holder
    finally:
        holder.stdin.close()
        holder.wait(60)
        holder.stdout.close()


def test_another_program_has_the_file(duck: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    catalog = stream(properties=PROPERTIES)
    duck.land(catalog, {"id": 1})
    monkeypatch.setattr(duckdb_sink, "LOCK_SECONDS", 0.5)
    with held(duck.path), pytest.raises(DestinationError) as told:
        duck.land(catalog, {"id": 2})
    assert "Another program has had the file open for" in str(told.value) and str(duck.path) in str(told.value)
    duck.land(catalog, {"id": 2})
    assert duck.values("id") == [1, 2]


def test_it_waits_until_the_other_program_lets_go(duck: Database) -> None:
    with held(duck.path) as holder:
        sink = duck.sink()
        waiting = sink.engine

        def let_go(*_: Any) -> None:
            assert holder.stdin is not None
            holder.stdin.close()

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr("headwater.bridge.sinks.duckdb_engine.time.sleep", let_go)
            waiting.connect()
        sink.close()
        waiting.close()


def test_a_job_that_has_the_file_open_itself(duck: Database) -> None:
    with duckdb.connect(str(duck.path)) as own:
        own.execute("CREATE TABLE mine AS SELECT 1 AS one")
        duck.land(stream(properties=PROPERTIES), {"id": 1})
        assert own.execute("SELECT id FROM issues").fetchall() == [(1,)]


def test_a_full_disk(tmp_path: Path) -> None:
    if os.geteuid() != 0:
        missing("a small file system: run as root")
    small = tmp_path / "small"
    small.mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=4m", "tmpfs", str(small)], check=False).returncode:
        missing("a small file system: run where tmpfs may be mounted")
    try:
        duck = Database("duckdb", f"duckdb:///{small / 'out.duckdb'}")
        catalog = stream(properties=PROPERTIES)
        duck.run(catalog, records("issues", 1), state("issues", 1), status("issues"))
        big = [{"id": n, "v": os.urandom(50_000).hex()} for n in range(2, 80)]
        with pytest.raises(DestinationError, match=r"(?i)no space left.*Make room"):
            duck.run(catalog, records_of(catalog, *big), state("issues", 99), status("issues"))
        assert duck.values("id") == [1]
        again = duck.run(catalog, records("issues", 2), state("issues", 2), status("issues"))
        assert [one.stream_state for one in again.started_from[0]] == [{"at": 1}]
        assert duck.values("id") == [1, 2]
    finally:
        subprocess.run(["umount", str(small)], check=True)


def test_what_is_no_database_and_no_folder(tmp_path: Path) -> None:
    catalog = stream(properties=PROPERTIES)
    (tmp_path / "text").write_text("hello " * 10_000)
    with pytest.raises(DestinationError, match=r"not a valid DuckDB database file.*Name another file"):
        Database("duckdb", f"duckdb:///{tmp_path / 'text'}").land(catalog)
    with closing(sqlite3.connect(tmp_path / "lite.db")) as lite:
        lite.execute("CREATE TABLE mine (id)")
    before = (tmp_path / "lite.db").read_bytes()
    with pytest.raises(DestinationConfigError, match=r"lite.db: the file is an SQLite database.*sqlite://"):
        Database("duckdb", f"duckdb:///{tmp_path / 'lite.db'}").land(catalog)
    assert (tmp_path / "lite.db").read_bytes() == before
    with pytest.raises(DestinationError, match="Is there such a folder"):
        Database("duckdb", f"duckdb:///{tmp_path / 'none' / 'x.db'}").land(catalog)


_KILLED = """
import resource, signal, sys
from headwater.bridge.sinks.duckdb_engine import DuckdbEngine
signal.signal(signal.SIGXFSZ, signal.SIG_DFL)
resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[2]), int(sys.argv[2])))
DuckdbEngine(sys.argv[1], 0).connect()
"""


@pytest.mark.parametrize("size", [0, 4096, 8192])
def test_killed_while_the_file_is_made(duck: Database, size: int) -> None:
    done = subprocess.run([sys.executable, "-c", _KILLED, str(duck.path), str(size)], check=False)
    assert done.returncode == -signal.SIGXFSZ  # the system ends it where it writes on
    duck.land(stream(properties=PROPERTIES), {"id": 1})
    assert duck.values("id") == [1]


def test_a_file_that_may_not_be_written() -> None:
    with folder_of_nobody() as folder:
        duck = Database("duckdb", f"duckdb:///{folder / 'out.duckdb'}")
        catalog = stream(properties=PROPERTIES)
        duck.land(catalog, {"id": 1})
        os.chmod(duck.path, 0o444)
        said = as_nobody(lambda: duck.land(catalog, {"id": 2}) and None)
        assert "DestinationConfigError: DuckDB" in said and "Grant write access" in said, said
        assert duck.values("id") == [1]


def test_large_records_in_little_memory(duck: Database) -> None:
    """A record of 30 MB, and many of 2 MB: the limit of DuckDB's memory is 160 MB."""
    catalog = stream(properties={"id": INT, "v": TEXT, "o": {"type": "object"}}, mode="append_dedup", key=[["id"]])
    word = os.urandom(500).hex()
    rows = [{"id": 1, "v": word * 30_000}, *({"id": n, "o": {"w": [word] * 2_000}} for n in range(2, 40))]
    data = [json.dumps(row).encode() for row in rows]
    duck.run(catalog, *(records_of(catalog, one) for one in data), status("issues"))
    found = duck.query("SELECT count(*), max(length(v)), sum(length(o)) FROM issues")
    assert found[0][:2] == (39, 30_000_000) and found[0][2] > 38 * 2_000_000


def test_numbers_keep_their_digits(duck: Database) -> None:
    decimal = {"type": "string", "airbyte_type": "big_number"}
    catalog = stream(properties={"id": INT, "d": decimal})
    digits = ["12345678901234567890123456789.123456789", "0.000000001", "-1.50", "1E+3", "0", "null", '"7.25"']
    duck.land(catalog, *(f'{{"id": {n}, "d": {text}}}'.encode() for n, text in enumerate(digits)))
    assert duck.types("issues")["d"] == "DECIMAL(38,9)"
    found = [value if value is None else Decimal(value) for value in duck.values("d")]
    assert found == [None if text == "null" else Decimal(text.strip('"')) for text in digits]
    duck.land(catalog, b'{"id": 7, "d": 0.1234567890123}')
    duck.land(catalog, b'{"id": 8, "d": 1.100000000000000000000000000001}')
    texts = duck.values("d")
    assert duck.types("issues")["d"] == "VARCHAR"
    assert texts[:5] == ["12345678901234567890123456789.123456789", "0.000000001", "-1.5", "1000", "0"]
    assert texts[7:] == ["0.1234567890123", "1.100000000000000000000000000001"]


def test_schemas_with_the_name_of_a_database(tmp_path: Path) -> None:
    duck = Database("duckdb", f"duckdb:///{tmp_path / 'shop.db'}")
    from headwater.protocol.catalog import CatalogStream, ConfiguredCatalog, ConfiguredStream

    for namespace in ("shop", "temp", "main", None):
        one = CatalogStream("issues", {"properties": PROPERTIES}, namespace=namespace)
        duck.land(ConfiguredCatalog((ConfiguredStream(one, "incremental", "append"),)), {"id": 1})
    found = duck.query("SELECT schema_name, namespace FROM _headwater_tables ORDER BY namespace")
    assert found == [("", ""), ("", "main"), ("shop_schema", "shop"), ("temp_schema", "temp")]
    assert duck.query("SELECT id FROM shop_schema.issues UNION ALL SELECT id FROM temp_schema.issues") == [(1,), (1,)]


def test_without_duckdb(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(duckdb_sink, "find_spec", lambda _: None)
    with pytest.raises(FlowError, match=r"pip install 'headwater\[duckdb\]'"):
        open_sink("duckdb:///x.db")
