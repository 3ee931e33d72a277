"""Out of a connector's pipe: Headwater's bridge against PyAirbyte, for a connector that prints canned records.

What is counted is the CPU of the process that reads, from the start of the read to its end; the connector's own is
not. Headwater's records go through the sync into batches at a sink that keeps nothing, and its states are stored;
PyAirbyte's are taken in a loop. Also how the memory depends on the number of records.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from statistics import median
from typing import Any

import pytest

from .process import ROOT, Failed, environment

_FOLDER = Path(__file__).parent / "connectors"
TARGET = 250_000
OURS = ("airbyte", "singer")


def measure(rounds: int, records: int, *, only_ours: bool) -> str:
    """The table.

    :raises Failed: when a read is not whole.
    """
    peer = None if only_ours else _peer()
    found: dict[str, list[dict[str, Any]]] = {}
    for _ in range(rounds):
        for protocol in OURS:
            done = run_reader([sys.executable, str(_FOLDER / "canned_ours.py"), protocol, str(records)], records)
            if done["states"] != [{"at": records // 10_000 - 1}]:
                raise Failed(f"headwater, {protocol}: the states are {done['states']}.")
            found.setdefault(f"headwater, {protocol}", []).append(done)
        if peer:
            done = run_reader([peer, str(_FOLDER / "canned_pyairbyte.py"), str(records)], records)
            found.setdefault("PyAirbyte", []).append(done)
    peaks = {n: run_reader([sys.executable, str(_FOLDER / "canned_ours.py"), "airbyte", str(n)], n)["peak"]
             for n in (records // 5, records, records * 5)}  # fmt: skip
    return _table(found, records, peaks)


def _table(found: dict[str, list[dict[str, Any]]], records: int, peaks: dict[int, float]) -> str:
    speeds = {name: [run["records"] / run["cpu"] for run in runs] for name, runs in found.items()}
    theirs = median(speeds["PyAirbyte"]) if "PyAirbyte" in speeds else None
    lines = [
        f"From a connector's pipe, {records:,} records of half a kilobyte; target {TARGET:,} a CPU second; "
        f"medians (least to most) of {len(next(iter(found.values())))}",
        "",
        "| who | records per CPU second | times PyAirbyte | peak MB |",
        "|---|---|---|---|",
    ]
    for name, runs in found.items():
        speed = median(speeds[name])
        times = f"{speed / theirs:.1f}" if theirs else "-"
        spread = f"{speed:,.0f} ({min(speeds[name]):,.0f} to {max(speeds[name]):,.0f})"
        lines.append(f"| {name} | {spread} | {times} | {median(run['peak'] for run in runs):.0f} |")
    flat = ", ".join(f"{count:,} records {peak:.0f} MB" for count, peak in peaks.items())
    return "\n".join([*lines, "", f"Memory of Headwater's process: {flat}."])


def run_reader(command: list[str], records: int) -> dict[str, Any]:
    """Run a reader; what it said it cost.

    :raises Failed: when it did not read so many records.
    """
    environ = {**environment(), "PYTHONPATH": str(ROOT / "sdk")} if command[0] == sys.executable else environment()
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=environ, cwd=ROOT, timeout=900)
    if done.returncode:
        raise Failed(f"{' '.join(command)} failed: {done.stderr[-1500:]}")
    found: dict[str, Any] = json.loads(done.stdout.strip().splitlines()[-1])
    if found["records"] != records:
        raise Failed(f"{' '.join(command)} gave {found['records']} of {records} records.")
    return found


def _peer() -> str | None:
    from tests.cdk.rooms import pyairbyte_python

    try:
        return str(pyairbyte_python())
    except (pytest.skip.Exception, pytest.fail.Exception) as error:
        print(f"{error}\nOnly Headwater is measured.\n", file=sys.stderr)
        return None
