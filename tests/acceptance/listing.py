"""The table of checks in docs/acceptance.md, from the checks themselves: ``python -m tests.acceptance.listing``."""

from __future__ import annotations

from collections.abc import Iterator

from headwater.acceptance.checks import WATCHES, Check, load

GROUPS = {
    "A": "A. The process and what it writes",
    "B": "B. `spec`",
    "C": "C. `check`",
    "D": "D. `discover`",
    "E": "E. `read`",
    "F": "F. Reads that go on from a state",
    "G": "G. The image (with `--image`)",
    "H": "H. The files (with a folder)",
    "X": "X. Over time, under pressure, behind a proxy",
}


def line(check: Check) -> str:
    """A check's line."""
    text = " ".join(((WATCHES.get(check.id) or check.function).__doc__ or "").split()).replace("``", "`")
    warning = " *(warning)*" if check.severity.value == "warning" else ""
    return f"| {check.id} | {check.title}{warning} | {text} |"


def table() -> Iterator[str]:
    """All of it."""
    group = ""
    for id, check in load().items():
        if id[0] != group:
            group = id[0]
            yield from ("", f"### {GROUPS[group]}", "", "| id | what must hold | how |", "|---|---|---|")
        yield line(check)


if __name__ == "__main__":
    print("\n".join(table()))
