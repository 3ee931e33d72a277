"""Measure how rows land: the local API to DuckDB, PostgreSQL, SQLite, and through a VDK job.

Each run is a process that reads the API and writes into a fresh database; then the rows are counted, and their
distinct ids. CPU seconds are those of the process and its children; the server's stand beside them.
"""

from __future__ import annotations

import shutil
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path

from tests.services.postgres import Postgres

from .. import rooms
from ..process import ROOT, Api, Failed, Run, run
from ..report import table
from . import peers

_SERVER = {"shared_buffers": "128MB", "max_wal_size": "2GB"}
_HERE = Path(__file__).parent
_VDK = str(Path(sys.executable).with_name("vdk"))
_JOB = "VDK job"


@dataclass
class Row:
    """Who landed how many records how, and what it cost."""

    work: str
    who: str
    records: int
    target: float = 0.0
    runs: list[Run] = field(default_factory=list)
    server: list[float] = field(default_factory=list)

    @property
    def cpu(self) -> float:
        """The least CPU seconds."""
        return min(run.cpu for run in self.runs)


@dataclass
class Bench:
    """One run of everything."""

    folder: Path
    url: str
    server: Postgres
    rows: list[Row] = field(default_factory=list)
    number: int = 0
    empty: list[float] = field(default_factory=list)
    """CPU seconds of data jobs that do nothing."""

    def target(self, kind: str) -> str:
        """A fresh database."""
        self.number += 1
        if kind == "postgres":
            return self.server.database().replace("postgres@", "postgres:none@")
        return f"{kind}:///{self.folder / f'landed{self.number}.{kind}'}"

    def time(self, row: Row, command: list[str], check: Callable[[], int]) -> None:
        """Run it once, and look at what landed.

        :raises Failed: where that isn't everything, once.
        """
        print(f"{row.work}: {row.who}", file=sys.stderr)
        before = self.server.cpu()
        row.runs.append(run(command))
        time.sleep(0.3)  # a session's CPU counts once it has ended
        row.server.append(self.server.cpu() - before)
        if (found := check()) != row.records:
            raise Failed(f"{row.work}, {row.who}: {row.records} rows were due, {found} landed.")

    def row(self, work: str, who: str, records: int, target: float = 0.0) -> Row:
        """The row of one work, which is made if missing."""
        for row in self.rows:
            if (row.work, row.who) == (work, who):
                return row
        self.rows.append(Row(work, who, records, target))
        return self.rows[-1]


def measure(rounds: int, records: int, upserted: int) -> str:
    """Everything, so many rounds; the tables."""
    with Api() as url, tempfile.TemporaryDirectory() as name, Postgres(_SERVER) as server:
        bench = Bench(Path(name), url, server)
        for _ in range(rounds):
            _duckdb(bench, records)
            _others(bench, records)
            _vdk(bench, records)
        if upserted:
            _upserts(bench, upserted)
        versions = ", ".join([f"{name} {said}" for name, said in rooms.versions(rooms.ours()).items()])
        peer = "; ".join(peers.versions().values())
        return f"{versions}; {peer}\n\n{tables(bench.rows, min(bench.empty))}"


def _duckdb(bench: Bench, records: int) -> None:
    work, url = f"{records:,} records to DuckDB", f"{bench.url}/{records}"
    target = bench.target("duckdb")
    bench.time(bench.row(work, "headwater", records), _ours(url, target), _counted(target, "items"))
    for rows in (16_000, 122_880):  # 8 MB a transaction, and a row group
        target = bench.target("duckdb")
        row = bench.row(work, f"floor: DuckDB alone, {rows:,} rows a transaction", records)
        bench.time(row, peers.floor().command(url, target, str(rows)), _counted(target, "items"))
    dlt = peers.dlt().python
    for nested in ("tables", "json"):
        target = bench.target("duckdb")
        row = bench.row(work, f"dlt, parquet, nested as {nested}", records, 10.0)
        bench.time(row, peers.dlt().command(url, target, "parquet", nested), _counted(target, "bench.items", dlt))
    connectors = {"airbyte-cdk": rooms.theirs(), "headwater": rooms.ours()}
    for name, room in connectors.items():
        target = bench.target("duckdb")
        program = bench.folder / f"source-{name}"
        program.write_text(f'#!/bin/sh\nexec {room.python} {room.connector} "$@"\n')
        program.chmod(0o755)
        row = bench.row(work, f"PyAirbyte, connector on {name}", records, 10.0)
        bench.time(row, peers.pyairbyte().command(url, target, str(program)), _counted(target, "bench.items"))


def _others(bench: Bench, records: int) -> None:
    for kind, title, formats in (
        ("postgres", "PostgreSQL", ("csv", "insert_values")),
        ("sqlite", "SQLite", ("parquet", "typed-jsonl")),
    ):
        work, url = f"{records:,} records to {title}", f"{bench.url}/{records}"
        target = bench.target(kind)
        bench.time(bench.row(work, "headwater", records), _ours(url, target), _counted(target, "items"))
        for one in formats:
            target = bench.target(kind)
            row = bench.row(work, f"dlt, {one}", records, 8.0)
            bench.time(row, peers.dlt().command(url, target, one, "tables"), _counted(target, "bench.items"))


def _vdk(bench: Bench, records: int) -> None:
    """A job of one step: our flows to files and to DuckDB, and vdk-data-sources to its fastest method, a file; all of
    as many records."""
    bench.number += 1
    job = bench.folder / f"empty-{bench.number}"
    job.mkdir()
    (job / "10_nothing.py").write_text("def run(job_input):\n    pass\n")
    bench.empty.append(run([_VDK, "run", str(job)]).cpu)
    work = f"{records:,} records in a {_JOB}"
    _job(bench, bench.row(work, "headwater, to DuckDB", records), "headwater-duckdb")
    _job(bench, bench.row(work, "headwater, to JSON Lines", records), "headwater-jsonl")
    _job(bench, bench.row(work, "vdk-data-sources, to its file", records, 30.0), "file")


def _job(bench: Bench, row: Row, method: str) -> None:
    bench.number += 1
    job = bench.folder / f"job-{bench.number}"
    job.mkdir()
    shutil.copy(_HERE / "vdk_job.py", job / "10_land.py")
    target = job / "out"
    variables = {
        "BENCH_HOST": row.who.partition(",")[0],
        "BENCH_URL": f"{bench.url}/{row.records}",
        "BENCH_METHOD": method,
        "BENCH_TARGET": str(target),
        "PYTHONPATH": f"{_installed(bench.folder)}:{_HERE}:{_HERE.parent / 'connectors'}:{ROOT}",
    }
    command = ["/usr/bin/env", *(f"{name}={value}" for name, value in variables.items()), _VDK, "run", str(job)]
    checks = {
        "file": _in_file(target.with_suffix(".json")),
        "headwater-jsonl": _in_file(target / "items.jsonl"),
        "headwater-duckdb": _counted(f"duckdb:///{target}", "items"),
    }
    bench.time(row, command, checks[method])


def _upserts(bench: Bench, records: int) -> None:
    """As many rows again, by their key, into a table that has them all."""
    for kind in ("duckdb", "postgres", "sqlite"):
        work, url = f"{records:,} rows into {kind}", f"{bench.url}/{records}"
        plain, keyed = bench.target(kind), bench.target(kind)
        bench.time(bench.row(work, "append", records), _ours(url, plain), _counted(plain, "items"))
        run(_ours(url, keyed, "append_dedup"))
        row = bench.row(work, "append_dedup, all there already", records)
        bench.time(row, _ours(url, keyed, "append_dedup"), _counted(keyed, "items"))


def _ours(url: str, target: str, mode: str = "append") -> list[str]:
    return peers.headwater().command(url, target, mode)


def _installed(folder: Path) -> Path:
    """A folder that has the benchmark's connector as an installed one."""
    site = folder / "site"
    info = site / "source_bench-1.0.dist-info"
    info.mkdir(parents=True, exist_ok=True)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: source-bench\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[headwater.sources]\nbench = ours:BenchSource\n")
    return site


def _counted(target: str, name: str, python: str = sys.executable) -> Callable[[], int]:
    """The rows of a table, where each has an id of its own; else 0."""
    sql = f"SELECT count(*), count(DISTINCT id) FROM {name}"

    def count() -> int:
        scheme, _, path = target.partition(":///")
        if scheme == "duckdb":
            # With the DuckDB that wrote it, which may be a newer one than ours.
            ask = f"import duckdb; print(*duckdb.connect({path!r}, read_only=True).execute({sql!r}).fetchone())"
            said = subprocess.run([python, "-c", ask], capture_output=True, text=True, check=True)
            rows, distinct = map(int, said.stdout.split())
        elif scheme == "sqlite":
            beside = Path(path).with_name(f"{Path(path).stem}__bench{Path(path).suffix}")  # where dlt writes
            plain = sql.replace("bench.", "")
            with closing(sqlite3.connect(beside if "bench." in name else path)) as file:
                ((rows, distinct),) = file.execute(plain).fetchall()
        else:
            import psycopg

            with psycopg.connect(target) as server:
                ((rows, distinct),) = server.execute(sql.encode()).fetchall()
        return int(rows) if rows == distinct else 0

    return count


def _in_file(path: Path) -> Callable[[], int]:
    return lambda: path.read_text(encoding="utf-8").count('"node_id"')


def tables(rows: list[Row], empty: float) -> str:
    """What is printed.

    :param empty: CPU seconds of a data job that does nothing.
    """
    ours: dict[str, Row] = {}
    for row in rows:
        if row.who.startswith("headwater") or row.who == "append":
            ours.setdefault(row.work, row)
    lines = []
    for row in rows:
        best = ours[row.work]
        ratio = (row.cpu / row.records) / (best.cpu / best.records)
        aim = f">= {row.target:.0f}" if row.target else "<= 3" if "dedup" in row.who else ""
        met = ratio >= row.target if row.target else ratio <= 3
        server = f"{min(row.server):.2f}" if "ostgre" in row.work else ""
        other = ""
        if server:
            other = f"{(row.cpu + min(row.server)) / (best.cpu + min(best.server)):.1f} with the server"
        elif _JOB in row.work:
            other = f"{(row.cpu - empty) / (best.cpu - empty):.1f} without {empty:.2f} s of an empty job"
        lines.append(
            (
                row.work,
                row.who,
                f"{row.records / row.cpu:,.0f}",
                f"{row.cpu:.2f}",
                server,
                f"{max(run.peak for run in row.runs):.0f}",
                f"{ratio:.1f}" if row is not best else "",
                other if row is not best else "",
                aim,
                ("met" if met else "NOT MET") if aim else "",
            )
        )
    head = ("work", "by", "records/CPU s", "CPU s", "server", "peak MB", "CPU : ours", "or", "target", "")
    return table(head, lines)
