"""Doing something as a user without rights: root, as whom CI runs, may do everything."""

from __future__ import annotations

import os
import shutil
import tempfile
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

NOBODY = 54321
"""A user that no machine has an entry of."""


def as_nobody(work: Callable[[], None]) -> str:
    """Run a function in a child of this process that is nobody, if this one is root; what it raised, as text.

    What it needs must be imported already: the interpreter's files may be root's alone.
    """
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        said = ""
        try:
            if os.geteuid() == 0:
                os.setgroups([])
                os.setgid(NOBODY)
                os.setuid(NOBODY)
            work()
        except BaseException:
            said = traceback.format_exc()
        os.write(writer, said.encode()[:60_000])
        os._exit(0)
    os.close(writer)
    with os.fdopen(reader, "rb") as pipe:
        said = pipe.read().decode()
    os.waitpid(child, 0)
    return said


@contextmanager
def folder_of_nobody() -> Iterator[Path]:
    """A folder that nobody owns, and may reach."""
    folder = Path(tempfile.mkdtemp())
    try:
        if os.geteuid() == 0:
            os.chown(folder, NOBODY, NOBODY)
        yield folder
    finally:
        shutil.rmtree(folder)
