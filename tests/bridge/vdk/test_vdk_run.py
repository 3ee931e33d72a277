"""The ``vdk`` command as a user runs it: real processes, entry points and published destinations."""

from __future__ import annotations

import json
import random
import sqlite3
import time
from pathlib import Path
from typing import Any

import pytest

from tests.bridge.vdk.conftest import NEEDS_VDK

pytest.importorskip("vdk.plugin.sqlite", reason=NEEDS_VDK)
pytest.importorskip("vdk.plugin.duckdb", reason=NEEDS_VDK)

import duckdb

from headwater.bridge.vdk.states import KEY
from tests.bridge.vdk.numbers_source import row

FLOW = """
from headwater.bridge.vdk.data_flow import DataFlowInput
from headwater.bridge.vdk.definitions import *
def run(job_input):
    arguments = job_input.get_arguments()
    config = {"names": ["ones", "order"], "count": 7, **arguments.pop("config", {})}
    source = SourceDefinition("src", "numbers", config)
    to = DestinationDefinition("to", arguments.pop("method", None), arguments.pop("target", None))
    with DataFlowInput(job_input) as flow:
        flow.start(DataFlowMappingDefinition(source, to, **arguments))
"""


def run(vdk: Any, directory: Path, arguments: dict[str, Any], **settings: str) -> str:
    code, output = vdk("run", directory, "--arguments", json.dumps(arguments), **settings)
    assert code == 0, output
    return output


def test_connectors_are_shown(vdk: Any) -> None:
    code, output = vdk("data-sources", "--list")
    assert code == 0 and "numbers" in output and "auto-generated-data" in output
    code, output = vdk("data-sources", "--config", "numbers")
    assert code == 0 and "api_key" in output


def test_vdk_sqlite(vdk: Any, job: Any, tmp_path: Path) -> None:
    """Nested values, a field that comes late, a reserved table name, a column that the table lacks."""
    directory, file = job(FLOW), tmp_path / "x.db"
    arguments = {"method": "sqlite", "target": str(file)}
    run(vdk, directory, arguments)
    run(vdk, directory, {**arguments, "config": {"count": 9}})
    with sqlite3.connect(file) as database:
        database.row_factory = sqlite3.Row
        for table in ("ones", "order_"):
            found = {r["id"]: dict(r) for r in database.execute(f"SELECT * FROM {table}")}
            assert sorted(found) == [*range(1, 10)]
            for number, got in found.items():
                want = row(number)
                assert json.loads(got["tags"]) == want["tags"] and json.loads(got["inner"]) == want["inner"]
                assert (got["half"], got["even"]) == (want["half"], want["even"])
                assert (got["name"], got["order_"]) == (want.get("name"), want["order"])


def test_vdk_sqlite_gets_a_column_that_the_table_lacks(vdk: Any, job: Any, tmp_path: Path) -> None:
    file = tmp_path / "x.db"
    with sqlite3.connect(file) as database:
        database.execute("CREATE TABLE ones (id INTEGER, mine TEXT)")
    arguments = {"method": "sqlite", "streams": ["ones"]}
    run(vdk, job(FLOW), arguments, INGEST_TARGET_DEFAULT=str(file))
    with sqlite3.connect(file) as database:
        found = database.execute("SELECT id, mine, half FROM ones ORDER BY id").fetchall()
    assert found == [(n, None, n / 2) for n in range(1, 8)]


def test_vdk_duckdb(vdk: Any, job: Any, tmp_path: Path) -> None:
    """Whole numbers over 32 bits, real booleans and floats, and fields that the first record lacks."""
    file = tmp_path / "x.duckdb"
    for _ in range(2):
        run(vdk, job(FLOW), {}, DUCKDB_DATABASE=str(file), INGEST_METHOD_DEFAULT="duckdb")
    with duckdb.connect(str(file)) as database:
        for table in ("ones", "order_"):
            sql = f"SELECT DISTINCT id, half, even, name, order_ FROM {table} ORDER BY id"
            rows = [row(n) for n in range(1, 8)]
            assert database.execute(sql).fetchall() == [
                (r["id"], r["half"], r["even"], r.get("name"), r["order"]) for r in rows
            ]


def test_vdk_ingest_file(vdk: Any, job: Any, tmp_path: Path) -> None:
    run(vdk, job(FLOW), {"method": "file", "target": str(tmp_path / "out"), "streams": ["ones"]})
    decoder, text, found = json.JSONDecoder(), (tmp_path / "out.json").read_text(), []
    while text:
        record, end = decoder.raw_decode(text)
        found.append(record)
        text = text[end:]
    assert found == [row(n) for n in range(1, 8)]


@pytest.mark.parametrize("mode", ["append", "append_dedup", "overwrite"])
def test_headwater_sqlite(vdk: Any, job: Any, tmp_path: Path, mode: str) -> None:
    directory, file = job(FLOW), tmp_path / "x.db"
    arguments = {"method": "headwater-sqlite", "target": str(file), "mode": mode}
    run(vdk, directory, arguments)
    run(vdk, directory, {**arguments, "config": {"count": 9}})
    with sqlite3.connect(file) as database:
        for table in ("ones", "order"):
            assert database.execute(f'SELECT id FROM "{table}" ORDER BY id').fetchall() == [(n,) for n in range(1, 10)]


def test_a_key_that_the_flow_gives(vdk: Any, job: Any, tmp_path: Path) -> None:
    file = tmp_path / "x.db"
    streams = {"ones": {"columns": ["even"], "primary_key": ["even"]}}
    arguments = {"method": "headwater-sqlite", "target": str(file), "mode": "append_dedup", "streams": streams}
    run(vdk, job(FLOW), arguments)
    with sqlite3.connect(file) as database:
        assert database.execute("SELECT even, id FROM ones ORDER BY id").fetchall() == [(1, 6), (0, 7)]


def test_states_last_in_a_file(vdk: Any, job: Any, tmp_path: Path) -> None:
    directory = job(FLOW)
    for _ in range(2):
        run(
            vdk,
            directory,
            {"method": "headwater-jsonl", "target": str(tmp_path / "out")},
            PROPERTIES_DEFAULT_TYPE="headwater-file",
        )
    states = json.loads((directory / ".headwater" / "properties.json").read_bytes())[KEY]["src"]
    assert set(states["streams"]) == {"ones", "order"}
    lines = (tmp_path / "out" / "ones.jsonl").read_text().splitlines()
    assert {json.loads(line)["id"] for line in lines} == {*range(1, 8)}


def test_a_failed_stream_fails_the_job_with_its_name_and_reason_and_no_secret(
    vdk: Any, job: Any, tmp_path: Path
) -> None:
    arguments = {
        "method": "headwater-sqlite",
        "target": str(tmp_path / "x.db"),
        "config": {"api_key": "hunter2hunter2", "fail": {"ones": "broken"}, "names": ["ones", "twos"]},
    }
    code, output = vdk(
        "run",
        job(FLOW.replace("arguments = job_input.get_arguments()", f"arguments = {arguments!r}")),
        LOG_LEVEL_MODULE="headwater=DEBUG",
    )
    assert code == 1
    assert "'ones'" in output and "numbers.test" in output
    assert "hunter2" not in output
    with sqlite3.connect(tmp_path / "x.db") as database:
        assert database.execute("SELECT count(*) FROM twos").fetchone() == (7,)


def test_who_must_act_is_told(vdk: Any, job: Any, tmp_path: Path) -> None:
    arguments = {"method": "headwater-jsonl", "target": str(tmp_path / "out")}
    for kind, who in (("config", "User Error"), ("transient", "Platform error")):
        config = {"names": ["ones"], "fail": {"ones": kind}}
        code, output = vdk("run", job(FLOW), "--arguments", json.dumps({**arguments, "config": config}))
        assert code == 1
        summary = output[output.index("Data Job execution summary") :]
        assert f'"blamee": "{who}"' in summary, summary


KILLED = [
    ("headwater-sqlite", "append", True),
    ("headwater-sqlite", "append_dedup", True),
    ("headwater-jsonl", "append", False),
    ("sqlite", "append", False),
]


@pytest.mark.parametrize(("method", "mode", "once"), KILLED)
def test_killed_at_random_and_run_again_no_row_is_missing(
    vdk: Any, job: Any, tmp_path: Path, method: str, mode: str, once: bool
) -> None:
    """``once``: none is there twice either."""
    seed = random.Random(f"{method} {mode}")
    directory, target = job(FLOW), tmp_path / "target"
    count = 600
    arguments = {
        "method": method,
        "target": str(target),
        "mode": mode,
        "config": {"count": count, "page": 20, "pause": 0.02, "names": ["ones", "twos"]},
    }
    settings = {"PROPERTIES_DEFAULT_TYPE": "headwater-file"}
    for _ in range(3):
        process = vdk.start("run", directory, "--arguments", json.dumps(arguments), **settings)
        time.sleep(seed.uniform(0.4, 1.9))
        process.kill()
        process.communicate()
    arguments["config"]["pause"] = 0  # type: ignore[index]
    run(vdk, directory, arguments, **settings)
    for stream in ("ones", "twos"):
        found = landed(method, target, stream)
        assert set(found) == {*range(1, count + 1)}
        if once:
            assert len(found) == count


def landed(method: str, target: Path, stream: str) -> list[int]:
    if method == "headwater-jsonl":
        return [json.loads(line)["id"] for line in (target / f"{stream}.jsonl").read_text().splitlines()]
    with sqlite3.connect(target) as database:
        return [number for (number,) in database.execute(f"SELECT id FROM {stream}")]
