"""Processes of this machine: what a connector's use, and what it leaves behind. Linux's /proc tells."""

from __future__ import annotations

import contextlib
import os
import signal
import time
from collections.abc import Callable
from pathlib import Path

_PATIENCE = 2.0
"""Seconds that a process left behind is given to end by itself before it counts as left behind."""


def memory(pid: int) -> tuple[int, int, int]:
    """Bytes of memory that a process and its descendants hold, the most that each of them ever held, and what the
    largest of them could write to; 0 where that can't be told."""
    held = most = data = 0
    todo = [pid]
    while todo:
        one = todo.pop()
        with contextlib.suppress(OSError, ValueError, IndexError):
            status = Path(f"/proc/{one}/status").read_text()
            held += _kibibytes(status, "VmRSS:")
            most += _kibibytes(status, "VmHWM:")
            data = max(data, _kibibytes(status, "VmData:"))
        with contextlib.suppress(OSError):
            todo += map(int, Path(f"/proc/{one}/task/{one}/children").read_text().split())
    return held, most, data


def _kibibytes(status: str, name: str) -> int:
    _, found, rest = status.partition(name)
    return int(rest.split(None, 1)[0]) * 1024 if found else 0


def marked(variable: str, value: str, session: int) -> dict[int, str]:
    """The living processes that have this variable in their environment, or are of this session, with their command
    lines."""
    found = {}
    wanted = f"{variable}={value}".encode()
    for folder in Path("/proc").iterdir() if Path("/proc").is_dir() else ():
        if not folder.name.isdigit():
            continue
        with contextlib.suppress(OSError):
            state, _, _, of_session = (folder / "stat").read_text().rpartition(")")[2].split()[:4]
            if state in "ZX":
                continue
            if int(of_session) == session or wanted in (folder / "environ").read_bytes():
                words = (folder / "cmdline").read_bytes().split(b"\0")
                found[int(folder.name)] = b" ".join(words).decode("utf-8", "backslashreplace").strip()
    return found


def end_all(variable: str, value: str, but: int) -> list[str]:
    """Kill what is left of a run, after it had time to end by itself; gives the command lines.

    :param but: the process itself, which is looked after elsewhere; the number of its session.
    """
    until = time.monotonic() + _PATIENCE
    while left := {pid: name for pid, name in marked(variable, value, but).items() if pid != but}:
        if time.monotonic() > until:
            break
        time.sleep(0.05)
    for pid in left:
        with contextlib.suppress(OSError):
            os.kill(pid, signal.SIGKILL)
    return sorted(left.values())


def end_of(pid: int) -> int | None:
    """A descriptor that is readable when the process has ended; None where the system has none."""
    opened: Callable[[int], int] | None = getattr(os, "pidfd_open", None)
    if opened is None:
        return None
    try:
        return opened(pid)
    except OSError:
        return None
