"""Singer taps that are told to stop, that nobody reads any more, and that are killed."""

from __future__ import annotations

import json
import signal
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests.connectors.process import PATIENCE, ROOT, environment
from tests.connectors.tap import Output, Tap

TERM, INT = signal.SIGTERM, signal.SIGINT


@pytest.fixture
def tap(tmp_path: Path) -> Tap:
    return Tap(tmp_path)


class TestStops:
    @pytest.mark.parametrize("number", [TERM, INT])
    def test_signals(self, tap: Tap, number: signal.Signals) -> None:
        with tap.started("sleeping", "numbers") as process:
            process.wait_for(b"waiting now", of="stderr")
            process.signal(number)
            run = Output(process.end())
        assert run.code == 128 + number
        assert "did not end in time" not in run.log
        assert len(run.records("sleeping")) == 3
        assert run.messages[-1] == {
            "type": "STATE",
            "value": {"bookmarks": {"sleeping": {"at": "2024-01-01T00:00:02Z"}}},
        }
        assert run.records("numbers") == []
        assert "WARNING The read was stopped" in run.log
        assert "CRITICAL" not in run.log

    def test_in_the_middle_of_many_records(self, tap: Tap) -> None:
        with tap.started("endless") as process:
            process.wait_for(b'"STATE"')
            process.signal(TERM)
            run = Output(process.end())
        assert run.code == 143
        at = [row["at"] for row in run.records("endless")]
        covered = at.index(run.states[-1]["bookmarks"]["endless"]["at"]) + 1
        assert len(at) - covered in (0, 100)  # at most the last page comes again

    def test_nobody_reads(self, tap: Tap) -> None:
        command = tap.line("endless")
        popen = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=environment(), cwd=ROOT)
        assert popen.stdout is not None
        assert popen.stderr is not None
        popen.stdout.readline()
        popen.stdout.close()
        log = popen.stderr.read().decode()
        assert popen.wait(PATIENCE) == 141
        assert "Traceback" not in log

    def test_nobody_reads_the_log(self, tap: Tap) -> None:
        command = tap.line("printing", "numbers")
        popen = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=environment(), cwd=ROOT)
        assert popen.stderr is not None
        popen.stderr.close()
        out = popen.stdout.read() if popen.stdout else b""
        assert popen.wait(PATIENCE) == 0
        assert out.count(b'"RECORD"') == 15

    def test_killed_again_and_again(self, tap: Tap) -> None:
        """What a runner has after kills is what there is, in order, with repetitions only."""
        seen: list[str] = []
        state: Any = None
        for attempt in range(30):
            with tap.started("numbers", state=state, pages=3000) as process:
                if attempt < 4:
                    assert process.hold(90_000)
                    process.popen.kill()
                code = process.end().code
            whole = bytes(process.stdout).split(b"\n")[:-1]  # the last line may be cut
            for message in map(json.loads, whole):
                if message["type"] == "RECORD":
                    seen.append(message["record"]["id"])
                elif message["type"] == "STATE":
                    state = message["value"]
            if code == 0:
                break
        assert (code, attempt) == (0, 4)
        assert set(seen) == set(range(9000))
        assert list(dict.fromkeys(seen)) == sorted(set(seen))
