"""The end of ``headwater acceptance``: what it is asked to end by, and that nothing of it outlives it."""

from __future__ import annotations

import shlex
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from headwater.acceptance.engine import How, Stopped, execute
from headwater.acceptance.proxy import Answer, Proxy, Request
from headwater.acceptance.recording import Recording
from headwater.cli import main
from tests.acceptance.suite import CONFIG, write
from tests.acceptance.test_command import command
from tests.bridge.runners.test_command import gone


@pytest.fixture
def config(tmp_path: Path) -> str:
    return str(write(tmp_path / "config.json", CONFIG))


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_ends_the_suite_and_the_connector(tmp_path: Path, number: signal.Signals, code: int) -> None:
    script = tmp_path / "waits.py"
    script.write_text("import os, sys, time\nopen(sys.argv[1], 'a').write(f'{os.getpid()}\\n')\ntime.sleep(900)\n")
    pids = tmp_path / "pids"
    connector = shlex.join([sys.executable, "-S", str(script), str(pids)])
    words = [sys.executable, "-m", "headwater", "acceptance", "--command", connector, "--timeout", "600"]
    with subprocess.Popen(words, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as suite:
        try:
            end = time.monotonic() + 120
            while not (pids.exists() and pids.read_text().strip()) and time.monotonic() < end:
                time.sleep(0.05)
            suite.send_signal(number)
            assert suite.wait(150) == code
        finally:
            suite.kill()
    assert all(gone(int(pid)) for pid in pids.read_text().split())


def test_a_suite_in_the_background_ignores_interrupts_and_its_connector_does_not(config: str) -> None:
    words = [sys.executable, "-m", "headwater", "acceptance", "--command", command("NoHandler"), "--config", config]
    shell = ["sh", "-c", 'trap "" INT; exec "$@"', "sh", *words, "--only", "X4"]
    done = subprocess.run(shell, capture_output=True, text=True, check=False)
    assert "After SIGINT it was ended by signal 2, not with 130 or 1." in done.stdout, done.stdout + done.stderr


def test_what_runs_apart_is_killed_when_the_suite_is_ended(tmp_path: Path) -> None:
    killed: list[str] = []
    with pytest.raises(Stopped):
        execute(["sleep", "900"], Recording(1, [], [], tmp_path), How(stopped=lambda: True), killed.append)
    assert killed == ["KILL"]


def test_the_proxy_ends_with_the_suite(config: str, monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[Proxy] = []

    class Kept(Proxy):
        def __init__(self, folder: Path, trust: Path | None = None) -> None:
            super().__init__(folder, trust)
            made.append(self)

    monkeypatch.setattr("headwater.acceptance.proxy.Proxy", Kept)
    main(["acceptance", "--command", command("correct"), "--config", config, "--only", "X11"])
    (proxy,) = made
    with pytest.raises(ValueError, match="closed file"):
        proxy.tape.add(Request("GET", "http://127.0.0.1/"), Answer(200, (), b"x"))
