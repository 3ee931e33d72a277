"""What checks say: findings with the place that shows them, and one result for each check."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from headwater.acceptance.recording import Line, Recording

EXCERPT = 600
"""Characters of an offending line that a report shows."""


class Severity(Enum):
    """Whether a finding fails the suite."""

    ERROR = "error"
    WARNING = "warning"


class Outcome(Enum):
    """How a check ended."""

    PASSED = "passed"
    FAILED = "failed"
    WARNED = "warned"
    SKIPPED = "skipped"
    BROKEN = "broken"
    """The suite itself failed: nothing is known about the connector."""


def records_are(count: int) -> str:
    """``1 record is``, ``2 records are``."""
    return "1 record is" if count == 1 else f"{count} records are"


class Skipped(Exception):
    """A check can't be done here.

    :param reason: why, and what would make it possible.
    """

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


@dataclass
class Finding:
    """One thing that is wrong.

    :ivar message: what is wrong, in one sentence.
    :ivar recording: the run that shows it.
    :ivar line: its line on standard output, counted from 1; None: the run as a whole.
    :ivar time: seconds after the start of the run at which the line came.
    :ivar excerpt: the offending line's beginning, without secrets.
    """

    message: str
    recording: Recording | None = None
    line: int | None = None
    time: float | None = None
    excerpt: str | None = None
    stream: str | None = None
    severity: Severity | None = None

    @staticmethod
    def at(line: Line, recording: Recording, message: str, stream: str | None = None) -> Finding:
        """A finding that a line shows."""
        text = line.raw[: EXCERPT * 4].decode("utf-8", "backslashreplace").rstrip("\n")
        return Finding(message, recording, line.number, line.time, text[:EXCERPT], stream)


@dataclass
class Result:
    """What came of one check.

    :ivar where: which of several configurations it was checked with, if there are several.
    :ivar more: how many further findings were left out.
    """

    id: str
    title: str
    outcome: Outcome
    severity: Severity = Severity.ERROR
    findings: list[Finding] = field(default_factory=list)
    reason: str | None = None
    seconds: float = 0.0
    more: int = 0
    where: str | None = None
    reproduce: str = ""


@dataclass
class Report:
    """Everything that one run of the suite came to.

    :ivar subject: the connector, as its command line names it.
    :ivar facts: counts that a person wants to see: streams, records, processes, seconds.
    :ivar notes: what the suite's own configuration was warned about.
    :ivar mask: takes secrets out of a text.
    :ivar kept: the runs' files stay, so that the connector's own commands can be run again.
    """

    subject: str
    results: list[Result] = field(default_factory=list)
    facts: Mapping[str, Any] = field(default_factory=dict)
    notes: Sequence[str] = ()
    recordings: Sequence[Recording] = ()
    seconds: float = 0.0
    mask: Callable[[str], str] = str
    kept: bool = False

    def add(self, other: Report) -> None:
        """What the same connector came to with another configuration."""
        one, two = self.mask, other.mask
        self.results += other.results
        self.recordings = [*self.recordings, *other.recordings]
        self.facts = {name: round(self.facts[name] + other.facts[name], 2) for name in self.facts}
        self.seconds += other.seconds
        self.mask = lambda text: two(one(text))

    def of(self, outcome: Outcome) -> list[Result]:
        """The results with this outcome."""
        return [result for result in self.results if result.outcome is outcome]

    @property
    def code(self) -> int:
        """The exit code: 0 only if something was checked, nothing failed and the suite itself is whole."""
        if self.of(Outcome.FAILED) or self.of(Outcome.BROKEN):
            return 1
        return 0 if self.of(Outcome.PASSED) or self.of(Outcome.WARNED) else 1
