"""Measure connectors to databases: ``make bench BENCH=sql``.

A table of 10 columns is read whole from PostgreSQL, MariaDB and SQLite by Headwater's connectors, by dlt's
sql_database, by meltanolabs' tap-postgres and by taps of the singer-sdk that it is made with, in turn, round by
round: rows per CPU second of the reading process. dlt's pipeline extracts the rows to lines of JSON in files; its rows
are also just counted, which writes nothing. Everybody else writes lines to standard output. The floor splices the JSON
that PostgreSQL's COPY gives by hand. "log" are as many inserted rows of PostgreSQL's log of changes, and its floor what
just fetches their messages; psycopg2 reads it in a loop written by hand, and tap-postgres where the server has wal2json
(Debian's postgresql-15-wal2json).
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from .process import ROOT, Failed, Run, environment, output_of, run
from .sql_peers import Reader, peers
from .sql_servers import DATABASES


def main(arguments: list[str]) -> int:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks sql", description=__doc__)
    parser.add_argument("--rows", type=int, default=1_000_000, help="how many rows (1000000)")
    parser.add_argument("--rounds", type=int, default=3, help="how often; the least counts (3)")
    parser.add_argument("--only", action="append", choices=DATABASES, help="this database alone; may be given again")
    parser.add_argument("--only-ours", action="store_true", help="leave the peers out")
    options = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory() as folder:
        servers = subprocess.Popen(
            [sys.executable, "-m", "tests.benchmarks.sql_servers", str(options.rows), *(options.only or DATABASES)],
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
    readers = [*_ours(where, folder), *([] if only_ours else peers(where, folder))]
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
    small = {name: run(_headwater(name, where, folder, rows // 10)).peak for name in where if name != "log"}
    lines = ["| database | by | rows per CPU second | headwater : it | due | peak MB |", "|---|---|---|---|---|---|"]
    best = {reader: min(one.cpu for one in made) for reader, made in runs.items()}
    ours = {reader.database: best[reader] for reader in readers if reader.name == "headwater"}
    for reader in readers:
        ratio = best[reader] / ours[reader.database]
        due = "" if reader.least is None else f"{reader.least:g} {'met' if ratio >= reader.least else 'NOT MET'}"
        said = f"{max(one.peak for one in runs[reader]):.0f}"
        if reader.name == "headwater" and reader.database in small:
            said += f" ({small[reader.database]:.0f} of a tenth)"
        lines.append(
            f"| {reader.database} | {reader.name} | {rows / best[reader]:,.0f} | {ratio:.2f} | {due} | {said} |"
        )
    return "\n".join(lines)


def _headwater(name: str, where: dict[str, str], folder: Path, rows: int = 0) -> tuple[str, ...]:
    """The command line of one of our connectors."""
    config: dict[str, Any] = {"path": where[name]}
    stream: dict[str, Any] = {"name": "bench", "json_schema": {}, "supported_sync_modes": ["full_refresh"]}
    configured: dict[str, Any] = {"stream": stream}
    files: dict[str, Any] = {"config": config, "catalog": {"streams": [configured]}}
    if name != "sqlite":
        parts = urlsplit(where[name])
        config = {"host": parts.hostname, "port": parts.port, "database": parts.path[1:], "username": parts.username}
        files["config"] = config
        stream["namespace"] = parts.path[1:] if name == "mysql" else "public"
    if rows:
        config["table_settings"] = [{"table": "bench", "row_filter": f"id <= {rows}"}]
    if name == "log":
        config["replication_method"] = {"method": "CDC", "replication_slot": "slot", "publication": "pub"}
        configured["sync_mode"] = "incremental"
        known = {"name": "bench", "namespace": "public"}
        begun = {"stream_descriptor": known, "stream_state": {"__ab_full_refresh_sync_complete": True}}
        state = {"shared_state": {"lsn": parts.fragment}, "stream_states": [begun]}
        files["state"] = [{"type": "GLOBAL", "global": state}]
    command = [str(Path(sys.executable).with_name(f"source-{'postgres' if name == 'log' else name}")), "read"]
    for kind, content in files.items():
        file = folder / f"{name}-{kind}-{rows}.json"
        file.write_text(json.dumps(content))
        command += [f"--{kind}", str(file)]
    return tuple(command)


def _ours(where: dict[str, str], folder: Path) -> list[Reader]:
    found = [Reader(name, "headwater", _headwater(name, where, folder)) for name in where]
    floor = (sys.executable, "-m", "tests.benchmarks.sql_floor")
    if "postgres" in where:
        found.append(Reader("postgres", "floor: COPY spliced by hand", (*floor, where["postgres"]), 0.6))
    if "log" in where:
        found.append(Reader("log", "floor: its messages, unread", (*floor, where["log"].partition("#")[0], "slot")))
    return found
