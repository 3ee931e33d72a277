"""Headwater's destinations as methods of a data job: targets, states by choice, bytes, options."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from tests.bridge.vdk.conftest import NEEDS_VDK

pytest.importorskip("vdk.plugin.test_utils", reason=NEEDS_VDK)

from vdk.plugin.sqlite import sqlite_plugin
from vdk.plugin.test_utils.util_funcs import cli_assert_equal

from headwater.bridge.vdk import plugin
from headwater.bridge.vdk.definitions import DataFlowMappingDefinition, DestinationDefinition, SourceDefinition
from headwater.bridge.vdk.errors import DefinitionError
from headwater.bridge.vdk.own import OWN
from headwater.bridge.vdk.toml_parser import definitions_from_dict
from tests.bridge.vdk.test_flow import flow_of


def query(file: Path, sql: str) -> list[Any]:
    with closing(sqlite3.connect(file)) as connection:
        return connection.execute(sql).fetchall()


def execute(file: Path, sql: str) -> None:
    with closing(sqlite3.connect(file)) as connection:
        connection.executescript(sql)


def into(target: str, more: str = "", method: str | None = "headwater") -> str:
    to = f"DestinationDefinition('db', {method!r}, {target!r})"
    return f"flow.start(DataFlowMappingDefinition(source(count=int(job_input.get_arguments()['n'])), {to}{more}))"


def step(target: str, more: str = "", count: int = 5, method: str | None = "headwater") -> str:
    return flow_of(into(target, more, method).replace("int(job_input.get_arguments()['n'])", str(count)))


def test_a_url_needs_no_method_and_rows_that_come_again_are_told(job: Any, run: Any, tmp_path: Path) -> None:
    whole = ", sync_mode='full_refresh'"
    kept = run(job(step(f"sqlite:///{tmp_path / 'x.db'}", whole, method=None)), plugin)
    cli_assert_equal(0, kept)
    assert query(tmp_path / "x.db", "SELECT count(*) FROM ones") == [(5,)]
    assert "adds all rows again" not in kept.output
    added = run(job(step(f"jsonl:///{tmp_path / 'lines'}", whole, method=None)), plugin)
    cli_assert_equal(0, added)
    assert "Source s: each run reads 'ones' whole and adds all rows again" in added.output


def test_the_choice_of_states_and_the_destination_s_win(job: Any, run: Any, tmp_path: Path) -> None:
    db = tmp_path / "x.db"
    target, ids = f"sqlite:///{db}", "SELECT id FROM ones ORDER BY id"
    cli_assert_equal(0, run(job(step(target)), plugin))
    assert query(db, ids) == [(n,) for n in range(1, 6)]
    assert not run.states(), "kept in the destination alone"
    cli_assert_equal(0, run(job(step(target, ", states='properties'", 6)), plugin))
    assert query(db, ids) == [(n,) for n in range(1, 7)]
    copied = run.states()["s"]["streams"]["ones"]
    kept = [json.loads(row[0])["stream"]["stream_state"] for row in query(db, "SELECT state FROM _headwater_state")]
    assert kept == [copied]
    # As if a backup of the database had been restored: its rows and its state are one, the properties' is ahead.
    execute(db, "DELETE FROM ones WHERE id > 3")
    state = query(db, "SELECT state FROM _headwater_state")[0][0]
    number = next(value for value in copied.values() if isinstance(value, int))
    execute(db, f"UPDATE _headwater_state SET state = '{state.replace(f':{number}', ':3')}'")
    cli_assert_equal(0, run(job(step(target, ", states='properties'", 6)), plugin))
    assert query(db, ids) == [(n,) for n in range(1, 7)]
    assert run.states()["s"]["streams"]["ones"] == copied


def test_a_method_without_states_says_so(job: Any, run: Any, tmp_path: Path) -> None:
    result = run(job(step(str(tmp_path), ", states='destination'", method="headwater-jsonl")), plugin)
    cli_assert_equal(1, result)
    assert "can't keep states" in result.output


def test_several_destinations_of_one_kind_side_by_side(job: Any, run: Any, tmp_path: Path) -> None:
    files = [tmp_path / "a.db", tmp_path / "b.db"]
    flows = [f"flow.start(source(), DestinationDefinition('d{n}', 'headwater', 'sqlite:///{file}'))"
             for n, file in enumerate(files)]  # fmt: skip
    cli_assert_equal(0, run(job(flow_of("; ".join(flows))), plugin))
    for file in files:
        assert query(file, "SELECT count(*) FROM ones") == [(5,)]
        assert query(file, "SELECT flow FROM _headwater_state") == [("a-job/s",)]


def test_options_reach_the_destination(job: Any, run: Any, tmp_path: Path) -> None:
    db = tmp_path / "x.db"
    cli_assert_equal(0, run(job(step(f"sqlite:///{db}")), plugin))
    execute(db, "CREATE TRIGGER odd BEFORE INSERT ON ones WHEN NEW.id = 7 BEGIN SELECT RAISE(ABORT, 'seven'); END")
    cli_assert_equal(1, run(job(step(f"sqlite:///{db}", count=8)), plugin))
    cli_assert_equal(0, run(job(step(f"sqlite:///{db}", ", refused='table'", 8)), plugin))
    assert query(db, "SELECT reason, json_extract(record, '$.id') FROM _headwater_refused") == [("seven", 7)]
    assert query(db, "SELECT count(*) FROM ones") == [(7,)]
    with pytest.raises(DefinitionError, match="refused"):
        DataFlowMappingDefinition(SourceDefinition("s", "numbers"), DestinationDefinition("d"), refused="drop")


def test_toml_options() -> None:
    data: dict[str, Any] = {
        "sources": {"s": {"name": "numbers"}},
        "destinations": {"d": {"method": "headwater", "target": "sqlite:///x.db"}},
        "flows": [{"from": "s", "to": "d", "states": "properties", "misfits": "null", "nested": "tables"}],
    }
    (flow,) = definitions_from_dict(data).flows
    assert flow.states == "properties" and flow.options.chosen() == ["misfits", "nested"]


BYTES = """
import datetime, decimal
def run(job_input):
    for n in range(3):
        row = {"id": n, "raw": bytes([0, 255, n]), "at": datetime.datetime(2024, 1, 1, tzinfo=datetime.timezone.utc),
               "text": "a\\0b", "price": decimal.Decimal("1.10"), "tags": [n]}
        job_input.send_object_for_ingestion(row, "t", "headwater-sqlite", TARGET)
"""


def test_bytes_and_other_python_values_are_kept(job: Any, run: Any, tmp_path: Path) -> None:
    db = tmp_path / "x.db"
    cli_assert_equal(0, run(job(BYTES.replace("TARGET", repr(f"sqlite:///{db}"))), plugin))
    assert query(db, "SELECT id, raw, at, text, price, tags FROM t ORDER BY id")[2] == (
        2, b"\0\xff\2", "2024-01-01T00:00:00Z", "a\0b", "1.10", "[2]",
    )  # fmt: skip


BINARY = """
from headwater.bridge.vdk.ingester import DataSourceIngester, IngestDestination
from headwater.bridge.vdk.sink import IngestionSink
from headwater.bridge.vdk.job import job_of
from headwater.bridge.sink import Batch
from headwater.protocol.catalog import *
from headwater.protocol.messages import Records
def run(job_input):
    schema = {"properties": {"id": {"type": "integer"}, "raw": {"type": "string", "contentEncoding": "base64"}}}
    stream = ConfiguredStream(CatalogStream("t", schema))
    sink = IngestionSink(job_of(job_input), "sqlite", TARGET)
    sink.open(ConfiguredCatalog((stream,)))
    for data in ([b'{"id":0,"raw":null}'], [b'{"id":1,"raw":"AP8="}', b'{"id":2,"raw":"no"}']):
        sink.write(Batch(stream, [Records(stream.descriptor, data)]), ())
"""


def test_the_published_sqlite_method_gets_bytes(job: Any, run: Any, tmp_path: Path) -> None:
    db = tmp_path / "x.db"
    made = job(BINARY.replace("TARGET", repr(str(db))))
    cli_assert_equal(0, run(made, plugin, sqlite_plugin))
    assert query(db, "SELECT id, raw FROM t ORDER BY id") == [(0, None), (1, b"\0\xff"), (2, "no")]
    execute(db, "DROP TABLE t; CREATE TABLE t (id INTEGER, raw TEXT)")  # as earlier versions had it made
    cli_assert_equal(0, run(made, plugin, sqlite_plugin))
    assert query(db, "SELECT raw FROM t ORDER BY id") == [(None,), ("AP8=",), ("no",)]


def test_bytes_stay_text_where_an_earlier_version_made_it_text(job: Any, run: Any, tmp_path: Path) -> None:
    db = tmp_path / "x.db"
    step_ = job(BYTES.replace("TARGET", repr(f"sqlite:///{db}")))
    cli_assert_equal(0, run(step_, plugin))
    columns = ["id INTEGER", "raw TEXT", "price REAL", "_airbyte_raw_id TEXT", "_airbyte_extracted_at INTEGER",
               "_airbyte_generation_id INTEGER", "_airbyte_meta TEXT"]  # fmt: skip
    execute(db, f"DROP TABLE t; CREATE TABLE t ({', '.join(columns)})")
    cli_assert_equal(0, run(step_, plugin))
    assert query(db, "SELECT raw, price FROM t ORDER BY id") == [("AP8A", 1.1), ("AP8B", 1.1), ("AP8C", 1.1)]


def test_targets() -> None:
    kinds = {kind.method: kind for kind in OWN}
    assert kinds["headwater-sqlite"].url("/a/b.db") == "sqlite:////a/b.db"
    assert kinds["headwater"].url("sqlite:///x.db") == "sqlite:///x.db"
    assert kinds["headwater-postgres"].url("postgres://h/d") == "postgres://h/d"
    for method, target in (
        ("headwater", "x.db"), ("headwater", None), ("headwater-sqlite", "duckdb:///x"), ("headwater-postgres", "x"),
    ):  # fmt: skip
        with pytest.raises(DefinitionError, match=method):
            kinds[method].url(target)
    with pytest.raises(DefinitionError, match="ftp") as caught:
        kinds["headwater"].sink("ftp://user:hunter2@host/x", "f")
    assert "hunter2" not in str(caught.value)
