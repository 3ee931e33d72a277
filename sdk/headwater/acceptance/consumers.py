"""Whoever reads a connector's output: the bridge, or a program that takes it on standard input."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from typing import Any, cast

from headwater.acceptance.recording import decoded
from headwater.acceptance.spoiled import Taken
from headwater.acceptance.streams import Configured
from headwater.errors import HeadwaterError

# Writes a file, as the connector that it was recorded from; one that is cut off is killed on the way.
_GIVES = """
import os, shutil, signal, sys
with open(sys.argv[1], "rb") as file:
    shutil.copyfileobj(file, sys.stdout.buffer)
sys.stdout.flush()
if sys.argv[2] == "killed":
    os.kill(os.getpid(), signal.SIGKILL)
"""


def bridge(path: Path, catalog: Configured, *, cut: bool) -> tuple[Taken, str | None]:
    """What Headwater's bridge takes of an output; and what it says is wrong, None if nothing.

    :param cut: the connector is killed at its end.
    """
    from headwater.bridge.foreign import ForeignSource
    from headwater.bridge.runners import CommandRunner
    from headwater.protocol.catalog import ConfiguredCatalog
    from headwater.protocol.messages import Records, State

    taken = Taken()
    words = [sys.executable, "-I", "-S", "-c", _GIVES, str(path), "killed" if cut else "ended"]
    source = ForeignSource({}, runner=CommandRunner(words, title=path.name))
    try:
        # with all fields, also those that a stream does not declare
        plain = [{**one.json, "stream": {**one.stream, "json_schema": {"type": "object"}}} for one in catalog.values()]
        messages = source.read(ConfiguredCatalog.from_json({"streams": plain}))
        with closing(cast(Any, messages)):
            for message in messages:
                if isinstance(message, Records):
                    for row in message.rows():
                        taken.record(str(message.stream), row)
                elif isinstance(message, State):
                    taken.message({"type": "STATE", "state": dict(message.raw)})
    except HeadwaterError as error:
        return taken, str(error)
    return taken, None


def program(command: Sequence[str], path: Path, timeout: float) -> tuple[Taken, str | None]:
    """What a program takes of an output on its standard input: it writes the RECORD and STATE messages that it took,
    and ends with an exit code that is not 0 if something is wrong, such as a last line that is cut off."""
    taken = Taken()
    with path.open("rb") as given:
        try:
            done = subprocess.run(  # noqa: S603 - the command that the suite was given
                list(command), stdin=given, capture_output=True, timeout=timeout, check=False
            )
        except subprocess.TimeoutExpired:
            return taken, f"it did not end within {timeout:.0f} s"
    for line in done.stdout.split(b"\n"):
        message = decoded(line)
        if message is not None:
            taken.message(message)
    if done.returncode:
        said = done.stderr.decode("utf-8", "replace").strip()[-300:]
        return taken, f"it exited with {done.returncode}: {said}"
    return taken, None
