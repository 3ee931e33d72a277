"""What docs/acceptance-findings.md says of a published connector is so."""

from __future__ import annotations

import json
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from tests.bridge.foreign import rooms
from tests.test_docs import blocks

PAGE = "docs/acceptance-findings.md"


@pytest.mark.timeout(1800)
def test_airbytes_faker_loses_records(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HEADWATER_CACHE", str(rooms.CACHE))
    (command,) = [line for block in blocks(PAGE, "sh") for line in block.splitlines()]
    words = shlex.split(command)
    assert rooms.FAKER in words
    rooms.prepared(rooms.FAKER)
    (tmp_path / "faker.json").write_text(blocks(PAGE, "json")[0])
    report = tmp_path / "report.json"
    program = [sys.executable, "-m", "headwater", *words[1:], "--trials", "2", "--json", str(report)]
    done = subprocess.run(program, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 1, done.stdout + done.stderr
    found = {result["id"]: result for result in json.loads(report.read_text())["results"]}
    assert {id: result["outcome"] for id, result in found.items()} == {"F2": "failed"}
    assert re.search(r"users: \d+ records are lost", found["F2"]["findings"][0]["message"])
