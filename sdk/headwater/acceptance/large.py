"""Lets go of what large runs wrote once nobody looks at it any more, so that outputs of gigabytes need the room of a
few reads, not of all that the checks make."""

from __future__ import annotations

import threading
from collections.abc import Callable

from headwater.acceptance.recording import Recording
from headwater.acceptance.results import Finding

LARGE = 64_000_000
"""Bytes."""
_LOOKED_AT = 2
"""A check compares at most so many runs that it made itself with each other; what it shares stays in any case."""


class Large:
    """The runs of each check that are its own, not shared with others. A check runs in a thread.

    :param least: bytes of output; smaller ones stay.
    :param shows: looks through a run that is to go; if it says True, the run stays, as there is something to be seen.
    """

    def __init__(self, least: int, shows: Callable[[Recording], bool]) -> None:
        self.least, self._shows = least, shows
        self._of = threading.local()

    def begin(self, findings: list[Finding]) -> None:
        """A check begins.

        :param findings: what it finds, as it does: the runs that show it stay.
        """
        self._of.runs, self._of.findings = list[Recording](), findings

    def made(self, recording: Recording) -> None:
        """The check made a run."""
        if hasattr(self._of, "runs"):
            self._of.runs.append(recording)

    def next(self) -> None:
        """The check makes one more: those before the last ones go."""
        self._let_go(_LOOKED_AT - 1)

    def end(self) -> None:
        """The check has ended."""
        self._let_go(0)

    def _let_go(self, but: int) -> None:
        runs: list[Recording] = getattr(self._of, "runs", [])
        for run in [one for one in runs[: len(runs) - but] if one.size > self.least]:
            runs.remove(run)
            if not any(finding.recording is run for finding in self._of.findings) and not self._shows(run):
                run.drop()
