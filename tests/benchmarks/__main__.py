"""Measure Headwater and airbyte-cdk in one run: ``python -m tests.benchmarks``.

The same records are read from the same local API by two connectors that do the same, in turn, round by round.
First each one's output is counted; a read that gives too few or too many records ends the benchmark with an
error. The figures are a measurement, not a test: a target that is missed is said, and the exit code is 0.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from pathlib import Path

from . import rooms
from .process import Api, Failed, run
from .report import Many, Measured, Runs, tables
from .rooms import Room
from .works import Work

_IMPORTS = ("pass", "import headwater", "from headwater import *", "import requests")


def main() -> int:
    """The command line."""
    if sys.argv[1:2] == ["vdk"]:
        from . import vdk_jobs

        return vdk_jobs.main(sys.argv[2:])
    if sys.argv[1:2] == ["upsert"]:
        from . import upsert

        return upsert.main(sys.argv[2:])
    if sys.argv[1:2] == ["sql"]:
        from . import sql

        return sql.main(sys.argv[2:])
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="50,000 records, two rounds")
    parser.add_argument("--rounds", type=int, help="how often each read is run (5)")
    parser.add_argument("--records", type=int, help="how many records the API has (200000)")
    parser.add_argument("--partitions", type=int, help="how many partitions are compared (5000)")
    parser.add_argument("--many", type=int, default=50_000, help="how many partitions Headwater reads alone (50000)")
    parser.add_argument("--only-ours", action="store_true", help="leave airbyte-cdk out")
    parser.add_argument("--landing", action="store_true", help="only: rows in databases, beside dlt and PyAirbyte")
    parser.add_argument("--upserted", type=int, default=1_000_000, help="with --landing: so many rows are replaced")
    parser.add_argument("--containers", type=int, metavar="MB", help="only: so many megabytes out of containers")
    parser.add_argument("--pipes", action="store_true", help="only: records out of a foreign connector's pipe")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write every run's figures there")
    options = parser.parse_args()
    rounds = options.rounds or (2 if options.quick else 5)
    records = options.records or (50_000 if options.quick else 200_000)
    partitions = options.partitions or (2_000 if options.quick else 5_000)
    try:
        if options.landing:
            from .landing.measure import measure as landing

            print(landing(options.rounds or 1, records, options.upserted))
            return 0
        if options.containers:
            from .containers import measure  # needs docker-py

            print(measure(rounds, options.containers))
            return 0
        if options.pipes:
            from .pipes import measure as measure_pipes

            print(measure_pipes(rounds, records, only_ours=options.only_ours))
            return 0
        found = _measure(_rooms(options.only_ours), rounds, records, partitions, options.many)
    except Failed as error:
        print(f"The benchmark failed: {error}", file=sys.stderr)
        return 1
    print(tables(found))
    if options.json:
        options.json.write_text(json.dumps(found.to_json(), indent=1) + "\n", encoding="utf-8")
    return 0


def _rooms(only_ours: bool) -> list[Room]:
    if only_ours:
        return [rooms.ours()]
    try:
        return [rooms.ours(), rooms.theirs()]
    except Failed as error:
        print(f"{error}\nOnly Headwater is measured; there is nothing to compare it with.\n", file=sys.stderr)
        return [rooms.ours()]


def _works(sdks: list[Room], records: int, partitions: int) -> dict[Work, list[Room]]:
    """What is read, and by whom."""
    floor = [rooms.floor()]
    manifest = [rooms.manifest()] if len(sdks) > 1 else []
    parts = (("parts", partitions),)
    return {
        Work("full refresh", "items", records, target=7.0, over_manifest=10.0, of_floor=0.6): sdks + manifest + floor,
        Work("incremental", "changes", records, target=7.0, over_manifest=10.0): sdks + manifest,
        Work("a field added in Python", "tagged", records, target=4.0): sdks,
        Work("coerced to the schema", "coerced", records, target=20.0): sdks,
        Work("coerced, three texts to numbers", "quoted", records, target=20.0): sdks,
        # airbyte-cdk gives all fields, whatever the catalog says
        Work("three fields of twelve", "items", records, fields=("id", "updated_at", "title")): sdks[:1],
        Work("small answers", "changes", records // 50, per_page=2): sdks + floor,
        Work(f"{partitions} partitions", "members", 2 * partitions, 2, over_manifest=3.0, settings=parts): (
            sdks[:1] + manifest
        ),
        Work(f"{partitions} partitions, incremental", "member_changes", 2 * partitions, 2, over_manifest=10.0,
             settings=parts): sdks[:1] + manifest,
    }  # fmt: skip


def _measure(sdks: list[Room], rounds: int, records: int, partitions: int, many: int) -> Measured:
    todo = _works(sdks, records, partitions)
    found = Measured(versions=rooms.versions(*sdks))
    with Api() as url, tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for work, who in todo.items():
            _verify(work, who, url, folder)
        for number in range(rounds):
            print(f"round {number + 1} of {rounds}", file=sys.stderr)
            for work, who in todo.items():
                for room in who:
                    runs = found.reads.setdefault(work, {}).setdefault(room.name, Runs())
                    runs.runs.append(work.run(room, url, folder))
            for answers in (1, 10):
                _slices(found, sdks[0], answers, url, folder)
        for _ in range(2 * rounds):
            _start_up(found, sdks)
        for count in (records // 20, records, records * 5):
            work = Work(f"memory {count}", "changes", count)
            found.memory[count] = work.run(sdks[0], url, folder).peak
        for count in sorted({partitions, many}):
            for stream in ("members", "member_changes"):
                work = Work(f"many {stream}", stream, 2 * count, 2, settings=(("parts", count),))
                said, run = work.verify(sdks[0], url, folder), work.run(sdks[0], url, folder)
                found.many.append(Many(stream == "member_changes", count, run, said["state_bytes"]))
    return found


def _slices(found: Measured, room: Room, answers: int, url: str, folder: Path) -> None:
    """Twenty slices of so many answers, each of which takes 100 ms, ten at a time."""
    settings = (("parts", 20), ("delay", 100), ("num_workers", 10))
    work = Work(f"slices {answers}", "parts", 20 * 50 * answers, 50, settings=settings)
    read = float(work.verify(room, url, folder)["seconds"])
    found.slices.setdefault(answers, []).append((read, work.run(room, url, folder).wall))


def _verify(work: Work, who: list[Room], url: str, folder: Path) -> None:
    """Whether all gave the same records.

    :raises Failed: when they did not.
    """
    sums = {}
    for room in who:
        print(f"counting: {work.title}, {room.name}", file=sys.stderr)
        sums[room.name] = work.verify(room, url, folder)["checksum"]
    if len(set(sums.values())) > 1:
        raise Failed(f"{work.title}: the records differ between {', '.join(sums)}.")


def _start_up(found: Measured, sdks: list[Room]) -> None:
    for room in sdks:
        found.spec.setdefault(room.name, Runs()).runs.append(run(room.command("spec")))
    for statement in _IMPORTS:
        found.imports.setdefault(statement, Runs()).runs.append(run([sdks[0].python, "-c", statement]))


if __name__ == "__main__":
    sys.exit(main())
