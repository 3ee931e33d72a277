"""The checks, by id. A check is a small function of the connector under test that yields findings::

    @check("C6", "check ends in time", Severity.WARNING)
    def ends_in_time(connector: Connector) -> Iterator[Finding]:
        if connector.check_run.seconds > 60:
            yield Finding(f"check took {connector.check_run.seconds:.0f} s.", connector.check_run)

It raises :class:`~headwater.acceptance.results.Skipped` where it can't be done. A check of what one read wrote is
a :class:`Watch`, so that all of them share one pass over it.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, TypeVar

from headwater.acceptance.results import Finding, Severity

if TYPE_CHECKING:
    from headwater.acceptance.connector import Connector
    from headwater.acceptance.recording import Line, Recording
    from headwater.acceptance.streams import Configured

MODULES = (
    "process_output", "process_surroundings", "spec_itself", "spec_rules", "spec_secrets", "connection", "discovery",
    "discovery_schemas", "reading", "reading_records", "reading_states", "reading_again", "incremental",
    "interrupted", "stopped", "over_time", "pressure", "leaking", "http_faults", "http_isolation", "http_schemas",
    "http_values", "consuming", "files", "image",
)  # fmt: skip
KEPT = 5
"""Findings of one check that are shown; the rest is counted."""

Function = Callable[["Connector"], Iterable[Finding]]


@dataclass(frozen=True)
class Check:
    """One check.

    :ivar id: its group's letter and a number; it never changes.
    :ivar title: what must hold, as a statement.
    :ivar suite: the key of ``acceptance-test-config.yml`` that bypasses it.
    """

    id: str
    title: str
    severity: Severity
    function: Function
    suite: str


CHECKS: dict[str, Check] = {}
WATCHES: dict[str, type[Watch]] = {}

_SUITES = {"A": "spec", "B": "spec", "C": "connection", "D": "discovery", "E": "basic_read", "F": "incremental",
           "G": "spec", "H": "connector_documentation", "X": "basic_read"}  # fmt: skip

_AnyFunction = TypeVar("_AnyFunction", bound=Function)
_AnyWatch = TypeVar("_AnyWatch", bound="type[Watch]")


def check(
    id: str, title: str, severity: Severity = Severity.ERROR, suite: str | None = None
) -> Callable[[_AnyFunction], _AnyFunction]:
    """Register a check."""

    def register(function: _AnyFunction) -> _AnyFunction:
        assert id not in CHECKS, id
        CHECKS[id] = Check(id, title, severity, function, suite or _SUITES[id[0]])
        return function

    return register


def watch(id: str, title: str, severity: Severity = Severity.ERROR) -> Callable[[_AnyWatch], _AnyWatch]:
    """Register a check of what one read wrote."""

    def register(kind: _AnyWatch) -> _AnyWatch:
        WATCHES[id] = kind
        check(id, title, severity)(lambda connector: connector.watched(id))
        return kind

    return register


class Watch:
    """Looks at the messages of one read as they come. Each method is called for messages of its kind, ``end``
    after the last one.

    :ivar recording: the read.
    :ivar streams: what was configured, by stream.
    :ivar optional: why it can't be done, if it can't; its check is then skipped.
    """

    most: ClassVar[int] = 1000

    def __init__(self, connector: Connector, recording: Recording, streams: Configured) -> None:
        self.connector, self.recording, self.streams = connector, recording, streams
        self.findings: list[Finding] = []
        self.more = 0
        self.optional: str | None = None
        self.begin()

    def begin(self) -> None:
        """Before the first message."""

    def record(self, line: Line, record: dict[str, Any], name: str) -> None:
        """A record; ``name`` is its stream's full name."""

    def state(self, line: Line, state: dict[str, Any], names: tuple[str, ...]) -> None:
        """A state, and the full names of the streams that it is about; of all of them if it is none in particular."""

    def status(self, line: Line, status: str, name: str, trace: dict[str, Any]) -> None:
        """A stream's status."""

    def estimate(self, line: Line, estimate: dict[str, Any]) -> None:
        """An estimate."""

    def end(self) -> None:
        """After the last message."""

    def found(self, message: str, line: Line | None = None, stream: str | None = None) -> None:
        """Something is wrong."""
        if len(self.findings) >= self.most:
            self.more += 1
        elif line is None:
            self.findings.append(Finding(message, self.recording, stream=stream))
        else:
            self.findings.append(Finding.at(line, self.recording, message, stream))


def load() -> dict[str, Check]:
    """All checks, in order."""
    for module in MODULES:
        importlib.import_module(f"headwater.acceptance.checks.{module}")
    return {id: CHECKS[id] for id in sorted(CHECKS, key=lambda id: (id[0], int(id[1:])))}
