"""Measure connectors to databases: ``make bench BENCH=sql``.

A table of 10 columns is read whole from PostgreSQL, MariaDB and SQLite by Headwater's connectors, by dlt's
sql_database and (PostgreSQL) by meltanolabs' tap-postgres, in turn, round by round: rows per CPU second of the reading
process. dlt's pipeline extracts the rows to lines of JSON in files; its rows are also just counted, which
writes nothing. Everybody else writes lines to standard output. The floor splices the JSON that
PostgreSQL's COPY gives by hand.
"""

from __future__ import annotations

import argparse
import json
import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from .process import ROOT, Failed, Run, environment, output_of, run

_ROOM = ROOT / ".venv-cdk" / "sql"
_PEERS = (
    "dlt[sql_database]>=1.4,<2",
    "psycopg2-binary>=2.9,<3",
    "PyMySQL>=1.1,<2",
    "meltanolabs-tap-postgres>=0.10,<1",
)


@dataclass(frozen=True)
class Reader:
    """Who reads what.

    :ivar least: how many times its rows per CPU second Headwater's are due to be.
    """

    database: str
    name: str
    command: tuple[str, ...]
    least: float = 1.0


def main(arguments: list[str]) -> int:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks sql", description=__doc__)
    parser.add_argument("--rows", type=int, default=1_000_000, help="how many rows (1000000)")
    parser.add_argument("--rounds", type=int, default=3, help="how often; the least counts (3)")
    parser.add_argument("--only-ours", action="store_true", help="leave the peers out")
    options = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory() as folder:
        servers = subprocess.Popen(
            [sys.executable, "-m", "tests.benchmarks.sql_servers", str(options.rows)],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=environment(), cwd=ROOT,
        )  # fmt: skip
        assert servers.stdin is not None and servers.stdout is not None
        try:
            line = servers.stdout.readline()
            if not line:
                raise Failed("The databases did not start.")
            print(_measured(json.loads(line), Path(folder), options.rows, options.rounds, options.only_ours))
        except Failed as error:
            print(f"The benchmark failed: {error}", file=sys.stderr)
            return 1
        finally:
            servers.stdin.close()
            servers.wait(120)
    return 0


def _measured(where: dict[str, str], folder: Path, rows: int, rounds: int, only_ours: bool) -> str:
    readers = [*_ours(where, folder), *([] if only_ours else _peers(where, folder))]
    for reader in readers:
        if reader.name == "headwater":
            found = output_of(reader.command)
            if (found["records"], found["distinct"]) != (rows, rows):
                raise Failed(f"{reader.database}: {rows} records were due, {found} came.")
    runs: dict[Reader, list[Run]] = {reader: [] for reader in readers}
    for number in range(rounds):
        print(f"round {number + 1} of {rounds}", file=sys.stderr)
        for reader in readers:
            runs[reader].append(run(reader.command))
    small = {name: run(_headwater(name, where, folder, rows // 10)).peak for name in where}
    lines = ["| database | by | rows per CPU second | headwater : it | due | peak MB |", "|---|---|---|---|---|---|"]
    best = {reader: min(one.cpu for one in made) for reader, made in runs.items()}
    ours = {reader.database: best[reader] for reader in readers if reader.name == "headwater"}
    for reader in readers:
        ratio = best[reader] / ours[reader.database]
        due = "" if reader.name == "headwater" else f"{reader.least:g} {'met' if ratio >= reader.least else 'NOT MET'}"
        peak = max(one.peak for one in runs[reader])
        said = f"{peak:.0f}" + (f" ({small[reader.database]:.0f} of a tenth)" if reader.name == "headwater" else "")
        lines.append(
            f"| {reader.database} | {reader.name} | {rows / best[reader]:,.0f} | {ratio:.2f} | {due} | {said} |"
        )
    return "\n".join(lines)


def _headwater(name: str, where: dict[str, str], folder: Path, rows: int = 0) -> tuple[str, ...]:
    """The command line of one of our connectors."""
    config: dict[str, Any] = {"path": where[name]}
    namespace = None
    if name != "sqlite":
        parts = urlsplit(where[name])
        config = {"host": parts.hostname, "port": parts.port, "database": parts.path[1:], "username": parts.username}
        namespace = "public" if name == "postgres" else parts.path[1:]
    if rows:
        config["table_settings"] = [{"table": "bench", "row_filter": f"id <= {rows}"}]
    stream = {"name": "bench", "namespace": namespace, "json_schema": {}, "supported_sync_modes": ["full_refresh"]}
    files = []
    for kind, content in (("config", config), ("catalog", {"streams": [{"stream": stream}]})):
        file = folder / f"{name}-{kind}-{rows}.json"
        file.write_text(json.dumps(content))
        files += [f"--{kind}", str(file)]
    return (str(Path(sys.executable).with_name(f"source-{name}")), "read", *files)


def _ours(where: dict[str, str], folder: Path) -> list[Reader]:
    floor = (sys.executable, "-m", "tests.benchmarks.sql_floor", where["postgres"])
    return [
        *(Reader(name, "headwater", _headwater(name, where, folder)) for name in where),
        Reader("postgres", "floor: COPY spliced by hand", floor, 0.6),
    ]


def _peers(where: dict[str, str], folder: Path) -> list[Reader]:
    python = _room()
    urls = {
        "postgres": where["postgres"].replace("postgresql:", "postgresql+psycopg2:"),
        "mysql": where["mysql"].replace("mysql:", "mysql+pymysql:"),
        "sqlite": f"sqlite:///{where['sqlite']}",
    }
    script = str(Path(__file__).with_name("sql_dlt.py"))
    found = []
    for name, url in urls.items():
        due = 10.0 if name == "postgres" else 5.0
        found.append(Reader(name, "dlt, extract", (str(python), script, url, "extract"), due))
        found.append(Reader(name, "dlt, rows counted", (str(python), script, url, "count"), due))
    parts = urlsplit(where["postgres"])
    known = {"user": parts.username, "password": "x", "database": "postgres", "filter_schemas": ["public"]}
    config = {"host": parts.hostname, "port": parts.port, **known}
    (folder / "tap.json").write_text(json.dumps(config))
    tap = str(python.with_name("tap-postgres"))
    made = subprocess.run([tap, "--config", str(folder / "tap.json"), "--discover"], capture_output=True, check=False)
    if made.returncode:
        raise Failed(f"tap-postgres: {made.stderr[-600:].decode(errors='replace')}")
    catalog = json.loads(made.stdout)
    for stream in catalog["streams"]:
        for entry in stream["metadata"]:
            entry["metadata"]["selected"] = True
    (folder / "tap-catalog.json").write_text(json.dumps(catalog))
    command = (tap, "--config", str(folder / "tap.json"), "--catalog", str(folder / "tap-catalog.json"))
    return [*found, Reader("postgres", "meltanolabs tap-postgres", command, 25.0)]


def _room() -> Path:
    """The peers' Python, in an environment of their own, which is made when it is not there."""
    python = _ROOM / "bin" / "python"
    if python.exists():
        return python
    uv = shutil.which("uv", path=str(Path(sys.executable).parent)) or shutil.which("uv")
    if uv is None:
        raise Failed("uv is needed to install the peers.")
    for command in (
        [uv, "venv", "-q", "--python", sys.executable, str(_ROOM)],
        [uv, "pip", "install", "-q", "--compile-bytecode", "--python", str(python), *_PEERS],
    ):
        made = subprocess.run(command, capture_output=True, text=True, check=False, cwd=ROOT)
        if made.returncode:
            shutil.rmtree(_ROOM, ignore_errors=True)
            raise Failed(f"The peers can't be installed: {made.stderr.strip()[-600:]}")
    return python
