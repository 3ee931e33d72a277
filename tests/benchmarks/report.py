"""The tables: what was measured, and whether it meets its target."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, field
from statistics import median
from typing import Any

from .process import Run
from .works import Work

SPEC, PEAK, IMPORT = 0.3, 80.0, 150.0
"""The targets: CPU seconds; megabytes; milliseconds."""
FLAT = 1.15
"""The peak of a hundred times as many records may be so much higher, and is still called flat."""
IDEAL, STATES = 1.25, 100.0
"""How many times the ideal wall time slices may take; megabytes of all STATE lines of 50,000 partitions."""


@dataclass
class Runs:
    """Several runs of one thing. The least CPU time is what it costs; the rest is the machine's noise."""

    runs: list[Run] = field(default_factory=list)

    @property
    def cpu(self) -> float:
        """The least CPU seconds."""
        return min(run.cpu for run in self.runs)

    @property
    def median(self) -> float:
        """The median of the CPU seconds."""
        return median(run.cpu for run in self.runs)

    @property
    def peak(self) -> float:
        """The greatest peak, in megabytes."""
        return max(run.peak for run in self.runs)


@dataclass(frozen=True)
class Many:
    """A read of many partitions.

    :ivar states: bytes of all its STATE lines.
    """

    incremental: bool
    partitions: int
    run: Run
    states: int


@dataclass
class Measured:
    """Everything that was measured, by the names of the rooms."""

    versions: dict[str, str] = field(default_factory=dict)
    reads: dict[Work, dict[str, Runs]] = field(default_factory=dict)
    spec: dict[str, Runs] = field(default_factory=dict)
    imports: dict[str, Runs] = field(default_factory=dict)
    memory: dict[int, float] = field(default_factory=dict)
    slices: dict[int, list[tuple[float, float]]] = field(default_factory=dict)
    many: list[Many] = field(default_factory=list)

    def to_json(self) -> dict[str, Any]:
        """All of it, each run alone."""
        return {
            "versions": self.versions,
            "reads": [
                {"work": asdict(work), "runs": {name: _plain(runs) for name, runs in rooms.items()}}
                for work, rooms in self.reads.items()
            ],
            "spec": {name: _plain(runs) for name, runs in self.spec.items()},
            "imports": {name: _plain(runs) for name, runs in self.imports.items()},
            "peak_mb_by_records": self.memory,
            "slices_wall_by_answers": self.slices,
            "many_partitions": [asdict(many) for many in self.many],
        }


def tables(found: Measured) -> str:
    """What is printed."""
    parts = [", ".join(f"{name} {version}" for name, version in found.versions.items())]
    parts.append(_reads(found))
    parts.append(_ratios(found))
    parts.append(_start(found))
    parts.append(_memory(found))
    parts.append(_slices(found))
    parts.append(_many(found))
    return "\n\n".join(part for part in parts if part)


def _reads(found: Measured) -> str:
    rows = []
    for work, rooms in found.reads.items():
        for name, runs in rooms.items():
            rows.append(
                (
                    work.title,
                    name,
                    f"{work.records / runs.cpu:,.0f}",
                    f"{runs.cpu:.2f}",
                    f"{runs.median:.2f}",
                    f"{runs.cpu * 1e6 / work.records:.1f}",
                    f"{runs.cpu * 1e3 / work.pages:.2f}",
                    f"{runs.peak:.0f}",
                )
            )
    head = ("read", "by", "records/CPU s", "CPU s (min)", "(median)", "us/record", "ms/answer", "peak MB")
    return table(head, rows)


def _ratios(found: Measured) -> str:
    rows = []
    for work, rooms in found.reads.items():
        ours = rooms["headwater"]
        for name, target in (("airbyte-cdk", work.target), ("cdk manifest", work.over_manifest)):
            if name not in rooms:
                continue
            theirs = rooms[name]
            ratio = theirs.cpu / ours.cpu
            net = _net(theirs, found.spec["airbyte-cdk"]) / _net(ours, found.spec["headwater"])
            rows.append(
                (
                    work.title,
                    name,
                    f"{ratio:.1f}",
                    f"{theirs.median / ours.median:.1f}",
                    f"{net:.1f}",
                    f">= {target:.0f}" if target else "",
                    _met(ratio >= target) if target else "",
                )
            )
        if work.of_floor:
            share = rooms["floor"].cpu / ours.cpu
            median = rooms["floor"].median / ours.median
            met = _met(share >= work.of_floor)
            rows.append((work.title, "floor", f"{share:.2f}", f"{median:.2f}", "", f">= {work.of_floor:.2f}", met))
    head = ("CPU, in headwater's", "of", "of minima", "of medians", "without start-up", "target", "")
    return table(head, rows) if rows else ""


def _start(found: Measured) -> str:
    rows = []
    for name, runs in found.spec.items():
        own = name == "headwater"
        rows.append(
            (
                f"spec, {name}",
                f"{runs.cpu * 1000:.0f}",
                f"{runs.median * 1000:.0f}",
                f"{runs.peak:.0f}",
                f"< {SPEC * 1000:.0f}" if own else "",
                _met(runs.cpu < SPEC) if own else "",
            )
        )
    bare = found.imports["pass"]
    for name, runs in found.imports.items():
        net = (runs.cpu - bare.cpu) * 1000
        own = name == "import headwater"
        rows.append(
            (
                f"python -c '{name}'",
                f"{runs.cpu * 1000:.0f}" + (f" (+{net:.0f})" if runs is not bare else ""),
                f"{runs.median * 1000:.0f}",
                f"{runs.peak:.0f}",
                f"< +{IMPORT:.0f}" if own else "",
                _met(net < IMPORT) if own else "",
            )
        )
    head = ("start-up", "CPU ms (min)", "(median)", "peak MB", "target", "")
    if "airbyte-cdk" in found.spec:
        ratio = found.spec["airbyte-cdk"].cpu / found.spec["headwater"].cpu
        rows.append(("spec, airbyte-cdk : headwater", f"{ratio:.1f}", "", "", "towards 10", ""))
    return table(head, rows)


def _memory(found: Measured) -> str:
    if not found.memory:
        return ""
    least = min(found.memory.values())
    rows = [
        (f"{records:,}", f"{peak:.1f}", f"< {PEAK:.0f}, flat", _met(peak < PEAK and peak <= least * FLAT))
        for records, peak in found.memory.items()
    ]
    return table(("incremental read of records, headwater", "peak MB", "target", ""), rows)


def _slices(found: Measured) -> str:
    rows = []
    for answers, runs in found.slices.items():
        ideal = 0.2 * answers
        read, whole = min(pair[0] for pair in runs), min(pair[1] for pair in runs)
        ratio = f"{median(pair[0] for pair in runs) / ideal:.2f}"
        met = _met(read <= IDEAL * ideal)
        rows.append(
            (
                f"20 slices of {answers}", f"{ideal:.1f}", f"{read:.2f}", f"{read / ideal:.2f}", ratio, f"{whole:.2f}",
                f"<= {IDEAL}", met,
            )
        )  # fmt: skip
    title = "answers of 100 ms, ten at a time"
    head = (title, "ideal s", "read s (min)", "of ideal", "(median)", "process s", "target", "")
    return table(head, rows) if rows else ""


def _many(found: Measured) -> str:
    rows = []
    for many in found.many:
        kind = "incremental" if many.incremental else "full refresh"
        megabytes = many.states / 1e6
        rows.append(
            (
                f"{many.partitions:,}, {kind}",
                f"{many.run.cpu:.2f}",
                f"{many.run.cpu * 1000 / many.partitions:.3f}",
                f"{many.run.peak:.1f}",
                f"{megabytes:.2f}",
                f"< {STATES:.0f}",
                _met(megabytes < STATES),
            )
        )
    head = ("partitions of two records, headwater", "CPU s", "ms/partition", "peak MB", "states MB", "target", "")
    return table(head, rows) if rows else ""


def _net(runs: Runs, start: Runs) -> float:
    return max(runs.cpu - start.cpu, 0.01)


def _met(met: bool) -> str:
    return "met" if met else "NOT MET"


def _plain(runs: Runs) -> list[dict[str, float]]:
    return [asdict(run) for run in runs.runs]


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    cells = [head, *rows]
    widths = [max(len(row[column]) for row in cells) for column in range(len(head))]
    lines = []
    for row in cells:
        first, *rest = (cell.ljust(width) if not place else cell.rjust(width)
                        for place, (cell, width) in enumerate(zip(row, widths)))  # fmt: skip  # noqa: B905
        lines.append("  ".join([first, *rest]).rstrip())
    lines.insert(1, "-" * max(map(len, lines)))
    return "\n".join(lines)
