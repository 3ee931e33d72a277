"""Runs a process and says what it cost.

This module and whoever imports it stay small: the kernel counts the memory of the parent, at the moment of
the fork, into the child's peak.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
_LONGEST = 900.0
# ru_maxrss is in kilobytes on Linux, in bytes on macOS.
_A_MEGABYTE = 1024 * 1024 if sys.platform == "darwin" else 1024


class Failed(Exception):
    """A process of the benchmark did not do its work, or not all of it."""


@dataclass(frozen=True)
class Run:
    """What one process cost.

    :ivar cpu: user and system seconds.
    :ivar wall: seconds from its start to its end; says little on a busy machine.
    :ivar peak: megabytes of its greatest resident set.
    """

    cpu: float
    wall: float
    peak: float


def environment() -> dict[str, str]:
    """The same fair one for everybody: bytecode may be kept and output buffered, whatever the shell says."""
    kept = ("PATH", "HOME", "LANG", "LC_ALL", "TMPDIR")
    return {name: os.environ[name] for name in kept if name in os.environ}


def run(argv: Sequence[str], expect: int = 0) -> Run:
    """Run a command with its output thrown away.

    :raises Failed: when it exits with another code, or takes a quarter of an hour.
    """
    with tempfile.TemporaryFile() as errors:
        began = time.monotonic()
        process = subprocess.Popen(
            list(argv),
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=errors, env=environment(), cwd=ROOT,
        )  # fmt: skip
        alarm = threading.Timer(_LONGEST, process.kill)
        alarm.start()
        _, status, usage = os.wait4(process.pid, 0)
        alarm.cancel()
        wall = time.monotonic() - began
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode != expect:
            errors.seek(0)
            said = errors.read()[-1500:].decode(errors="replace").strip()
            raise Failed(f"{' '.join(argv)} exited with {process.returncode}. {said}")
    return Run(usage.ru_utime + usage.ru_stime, wall, usage.ru_maxrss / _A_MEGABYTE)


def output_of(argv: Sequence[str]) -> dict[str, Any]:
    """Run a connector into :mod:`tests.benchmarks.verify` and give what that counted.

    :raises Failed: when one of them fails.
    """
    writer = subprocess.Popen(
        list(argv),
        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=environment(), cwd=ROOT,
    )  # fmt: skip
    assert writer.stdout is not None and writer.stderr is not None
    counter = subprocess.run(
        [sys.executable, "-m", "tests.benchmarks.verify"],
        stdin=writer.stdout, capture_output=True, env=environment(), cwd=ROOT, check=False,
    )  # fmt: skip
    writer.stdout.close()
    said = writer.stderr.read()[-1500:].decode(errors="replace").strip()
    code = writer.wait()
    if code or counter.returncode:
        what = counter.stderr[-1500:].decode(errors="replace").strip()
        raise Failed(f"{' '.join(argv)} exited with {code}. {said} {what}")
    found: dict[str, Any] = json.loads(counter.stdout)
    return found


class Api:
    """The benchmark's API, running while the block is."""

    def __enter__(self) -> str:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.benchmarks.server"],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment(), cwd=ROOT,
        )  # fmt: skip
        assert self._process.stdout is not None
        url = self._process.stdout.readline().strip()
        if not url:
            raise Failed("The benchmark's API did not start.")
        return url

    def __exit__(self, *error: object) -> None:
        assert self._process.stdin is not None and self._process.stdout is not None
        self._process.stdin.close()
        self._process.wait(30)
        self._process.stdout.close()
