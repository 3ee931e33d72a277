"""Connectors as classes: a subclass names what runs, and may change what comes from it.

::

    class Shop(CommandSource):
        command = "/opt/shop/bin/source-shop"

        def transform(self, stream, record):
            record.pop("email", None)
            return record
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import ClassVar

from headwater.bridge.foreign.source import ForeignSource
from headwater.bridge.runners.base import SILENCE, Runner
from headwater.bridge.runners.command import CommandRunner


class CommandSource(ForeignSource):
    """A connector that is a program of this machine.

    :cvar command: the program and its first arguments; a text is split as a shell would.
    :cvar environment: more variables for it.
    :cvar silence: seconds without output after which it counts as hanging.
    """

    command: ClassVar[str | Sequence[str]] = ""
    environment: ClassVar[Mapping[str, str]] = {}
    silence: ClassVar[float] = SILENCE

    def make_runner(self) -> Runner:
        """Of the command."""
        return CommandRunner(self.command, environment=self.environment, silence=self.silence)
