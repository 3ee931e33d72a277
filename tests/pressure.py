"""Whether what is not read holds up who writes it: how far that one came, and what we hold meanwhile."""

from __future__ import annotations

import os
import time
from pathlib import Path


def used() -> int:
    """Bytes of memory that this process uses now."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def settled(file: Path) -> int:
    """The number in a file that somebody writes again and again, once it stays the same for a second."""
    last = -1
    while True:
        time.sleep(1)
        now = int((file.read_text() if file.exists() else "") or -1)
        if now == last >= 0:
            return now
        last = now
