"""What docs/acceptance-findings.md says of published connectors is so: its commands find what its tables say."""

from __future__ import annotations

import json
import re
import shlex
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from acceptance_tests.findings import WORLDS
from tests.bridge.foreign import rooms
from tests.test_docs import ROOT

PAGE = (ROOT / "docs" / "acceptance-findings.md").read_text()


@dataclass(frozen=True)
class Section:
    """What the page says of a connector.

    :ivar command: the one that shows all of it.
    :ivar found: by check: failed or warned.
    :ivar config: the JSON that is given, if it is given.
    """

    command: list[str]
    found: dict[str, str]
    config: str


def section(name: str) -> Section:
    """The section whose heading begins with a name."""
    (text,) = [part for part in PAGE.split("\n## ") if part.startswith(name)]
    (command,) = re.findall(r"^headwater acceptance .*$", text, re.MULTILINE)
    found = {}
    for ids, kind in re.findall(r"^\| ([A-Z][A-Z0-9, ]*\d)( \(warnings?\))? \|", text, re.MULTILINE):
        found.update(dict.fromkeys(ids.split(", "), "warned" if kind else "failed"))
    return Section(shlex.split(command), found, "".join(re.findall(r"```json\n(.*?)```", text, re.DOTALL)))


@pytest.mark.timeout(1800)
@pytest.mark.parametrize("name", WORLDS)
def test_what_the_page_says_is_found(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HEADWATER_CACHE", str(rooms.CACHE))
    said = section(name)
    assert said.command[said.command.index("--only") + 1].split(",") == sorted(said.found, key=_order)
    with WORLDS[name](tmp_path, said.config):
        report = tmp_path / "report.json"
        program = [sys.executable, "-m", "headwater", *said.command[1:], "--trials", "2", "--json", str(report)]
        done = subprocess.run(program, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 1, done.stdout + done.stderr
    results = {result["id"]: result for result in json.loads(report.read_text())["results"]}
    assert {id: result["outcome"] for id, result in results.items()} == said.found, done.stdout
    _quoted(name, results)


def _quoted(name: str, results: dict[str, Any]) -> None:
    """The records that are lost."""
    words = r"\w+: .*\d+ records? (are|is) (lost|missing)"
    first = "F2" if name == "airbyte-source-faker" else "X11"
    assert any(re.match(words, finding["message"]) for finding in results[first]["findings"])


def _order(id: str) -> tuple[str, int]:
    return id[0], int(id[1:])


def test_every_section_is_run() -> None:
    headings = [part.split("\n")[0] for part in PAGE.split("\n## ")[1:]]
    assert [next(name for name in WORLDS if heading.startswith(name)) for heading in headings] == list(WORLDS)
