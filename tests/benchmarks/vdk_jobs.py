"""Measure a VDK data job: ``make bench BENCH=vdk``.

The same local API is read into a destination by Headwater's flow and by vdk-data-sources' own, each in a job that
``vdk run`` runs; the latter with a data source that asks for whole pages, and each published method in turn. What
an empty job costs is taken off. Rows are counted afterwards; a job that lost or doubled some is said to be so.
"""

from __future__ import annotations

import argparse
import json
import sqlite3
import statistics
import sys
import tempfile
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from .process import ROOT, Api, Failed, run

_DRIVER = """
import os, sys
sys.path[:0] = [{site!r}, {root!r}]
os.environ.update({settings!r})
sys.argv = ["vdk", "run", {job!r}]
from vdk.internal.cli_entry import main
sys.exit(main())
"""
_OURS = """
from headwater.bridge.vdk.data_flow import DataFlowInput, DestinationDefinition, SourceDefinition
def run(job_input):
    source = SourceDefinition("api", "bench", {{"url": {url!r}}})
    with DataFlowInput(job_input) as flow_input:
        flow_input.start_flows(definitions(source, DestinationDefinition("db", "headwater", {target!r})))
def definitions(source, destination):
    from headwater.bridge.vdk.definitions import DataFlowMappingDefinition, Definitions
    flow = DataFlowMappingDefinition(source, destination, streams=["items"], mode="append")
    return Definitions({{}}, {{}}, [flow])
"""
_THEIRS = """
import json
import requests
from vdk.plugin.data_sources.data_source import (
    DataSourcePayload, IDataSource, IDataSourceConfiguration, IDataSourceStream)
from vdk.plugin.data_sources.config import config_class
from vdk.plugin.data_sources.factory import SingletonDataSourceFactory, data_source
from vdk.plugin.data_sources.mapping.data_flow import DataFlowInput
from vdk.plugin.data_sources.mapping.definitions import (
    DataFlowMappingDefinition, DestinationDefinition, SourceDefinition)
@config_class(name="pages", description="The benchmark's API.")
class Config(IDataSourceConfiguration):
    pass
class Stream(IDataSourceStream):
    def name(self):
        return "items"
    def read(self):
        session, url = requests.Session(), {url!r} + "/items?per_page=1000"
        while url:
            answer = session.get(url)
            for record in json.loads(answer.content):
                record["author"], record["labels"] = json.dumps(record["author"]), json.dumps(record["labels"])
                yield DataSourcePayload(record, {{}}, {{}})
            url = answer.links.get("next", {{}}).get("url")
@data_source(name="pages", config_class=Config)
class Pages(IDataSource):
    def configure(self, config): pass
    def connect(self, state): pass
    def disconnect(self): pass
    def streams(self):
        return [Stream()]
def run(job_input):
    if not any(one.name == "pages" for one in SingletonDataSourceFactory().list()):
        SingletonDataSourceFactory().register_data_source_class(Pages)
    flow = DataFlowMappingDefinition(
        SourceDefinition("api", "pages", {{}}), DestinationDefinition("db", {method!r}, {target!r}))
    with DataFlowInput(job_input) as flow_input:
        flow_input.start(flow)
"""
_EMPTY = "def run(job_input):\n    pass\n"


@dataclass(frozen=True)
class Way:
    """One way of landing the records.

    :ivar step: of the job, with what it needs in braces.
    :ivar share: which part of the records it is given; the slow ones get fewer.
    :ivar count: the rows in a target.
    """

    name: str
    step: str
    target: str
    method: str
    share: float
    count: Callable[[Path], int]


def _in_sqlite(file: Path) -> int:
    with closing(sqlite3.connect(file)) as connection:
        return int(connection.execute("SELECT count(*) FROM items").fetchone()[0])


def _in_duckdb(file: Path) -> int:
    import duckdb

    with duckdb.connect(str(file)) as connection:
        return int(connection.execute("SELECT count(*) FROM items").fetchall()[0][0])


def _in_lines(folder: Path) -> int:
    return (folder / "items.jsonl").read_bytes().count(b"\n")


def _in_json(file: Path) -> int:
    return file.with_name(file.name + ".json").read_text(encoding="utf-8").count('"node_id"')


WAYS = (
    Way("headwater, SQLite", _OURS, "sqlite:///{0}", "", 1.0, _in_sqlite),
    Way("headwater, DuckDB", _OURS, "duckdb:///{0}", "", 1.0, _in_duckdb),
    Way("headwater, JSON Lines", _OURS, "jsonl:///{0}", "", 1.0, _in_lines),
    Way("vdk-data-sources, sqlite", _THEIRS, "{0}", "sqlite", 0.05, _in_sqlite),
    Way("vdk-data-sources, duckdb", _THEIRS, "{0}", "duckdb", 0.05, _in_duckdb),
    Way("vdk-data-sources, file", _THEIRS, "{0}", "file", 0.05, _in_json),
)


def main(arguments: list[str]) -> int:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks vdk", description=__doc__)
    parser.add_argument("--rounds", type=int, default=3, help="how often each job is run (3)")
    parser.add_argument("--records", type=int, default=200_000, help="how many records Headwater lands (200000)")
    parser.add_argument("--only", default="", metavar="TEXT", help="only the ways that have this in their name")
    options = parser.parse_args(arguments)
    ways = [way for way in WAYS if options.only in way.name]
    rates: dict[str, list[float]] = {}
    peaks: dict[str, float] = {}
    with Api() as url, tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for number in range(options.rounds):
            empty = run(_job(folder / f"{number}-empty", _EMPTY, {})).cpu
            for way in ways:
                print(f"round {number + 1} of {options.rounds}: {way.name}", file=sys.stderr)
                records = max(1000, int(options.records * way.share) // 1000 * 1000)
                file = folder / f"{number}-{WAYS.index(way)}.out"
                step = way.step.format(url=f"{url}/{records}", target=way.target.format(file), method=way.method)
                try:
                    made = run(_job(folder / f"{number}-{WAYS.index(way)}", step, {"VDK_DUCKDB_DATABASE": str(file)}))
                    found = way.count(file)
                except (Failed, OSError, sqlite3.Error) as error:
                    print(f"{way.name} failed: {str(error)[-300:]}", file=sys.stderr)
                    continue
                if found != records:
                    print(f"{way.name}: {records} records were due, {found} are there.", file=sys.stderr)
                rates.setdefault(way.name, []).append(found / max(made.cpu - empty, 0.001))
                peaks[way.name] = max(peaks.get(way.name, 0.0), made.peak)
    print(_table(rates, peaks))
    return 0


def _job(folder: Path, step: str, settings: dict[str, str]) -> list[str]:
    """The command that runs a job of one step, with the benchmark's connector installed."""
    info = folder / "site" / "source_bench-1.0.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: source-bench\nVersion: 1.0\n")
    connectors = ROOT / "tests" / "benchmarks" / "connectors"
    (folder / "site" / "bench_ours.py").write_text((connectors / "ours.py").read_text())
    (folder / "site" / "items.json").write_text((connectors / "items.json").read_text())
    (info / "entry_points.txt").write_text("[headwater.sources]\nbench = bench_ours:BenchSource\n")
    job = folder / "job"
    job.mkdir()
    (job / "step.py").write_text(step)
    settings = {
        "VDK_INGESTER_NUMBER_OF_WORKER_THREADS": "1",  # SQLite is locked with more
        "VDK_LOG_LEVEL_MODULE": "root=WARNING",
        "HOME": str(folder),
        **settings,
    }
    driver = folder / "driver.py"
    driver.write_text(
        _DRIVER.format(site=str(folder / "site"), root=str(ROOT / "sdk"), settings=settings, job=str(job))
    )
    return [sys.executable, str(driver)]


def _table(rates: dict[str, list[float]], peaks: dict[str, float]) -> str:
    theirs = {name: statistics.median(found) for name, found in rates.items() if name.startswith("vdk")}
    fastest = max(theirs, key=lambda name: theirs[name], default="")
    lines = [
        "| a VDK job to | records per CPU second | peak MB | times the fastest of vdk-data-sources |",
        "|---|---|---|---|",
    ]
    for name, found in rates.items():
        middle = statistics.median(found)
        times = f"{middle / theirs[fastest]:.1f}" if fastest else ""
        lines.append(f"| {name} | {middle:,.0f} | {peaks[name]:.0f} | {times} |")
    return "\n".join([*lines, "", json.dumps({name: [round(rate) for rate in found] for name, found in rates.items()})])
