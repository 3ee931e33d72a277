"""E1 to E4, E11 to E13 and E19: a read as a whole, and its statuses."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

from headwater.acceptance.checks import Watch, check, watch
from headwater.acceptance.connector import Connector
from headwater.acceptance.recording import Line
from headwater.acceptance.results import Finding, Severity

_EARLIEST = 946_684_800_000  # 2000-01-01
_SLACK = 86_400_000
_BACKWARD = 1000


@check("E1", "The read succeeds")
def succeeds(connector: Connector) -> Iterator[Finding]:
    """Exit code 0, with every stream that is not exempt."""
    run = connector.first
    if run.code == 0 and not run.timed_out:
        return
    for line, error in run.traces("error"):
        yield Finding.at(line, run, f"The read {run.ending}: {error.get('message')}")
        return
    yield Finding(f"The read {run.ending}: {run.said(300) or 'nothing on standard error'}", run)


@watch("E2", "Records are of configured streams")
class OfConfiguredStreams(Watch):
    """The platform fails a sync with others."""

    def record(self, line: Line, record: dict[str, Any], name: str) -> None:
        """As :meth:`Watch.record`."""
        if name not in self.streams and not self._by_name(record):
            self.found(f"A record of the stream {name!r}, which is not configured.", line, name)

    def _by_name(self, record: dict[str, Any]) -> bool:
        return any(stream.stream["name"] == record.get("stream") for stream in self.streams.values())


@watch("E3", "Each stream has records")
class HasRecords(Watch):
    """`empty_streams` exempts some: what has no records is not tested."""

    def begin(self) -> None:
        """As :meth:`Watch.begin`."""
        self.seen: set[str] = set()

    def record(self, line: Line, record: dict[str, Any], name: str) -> None:
        """As :meth:`Watch.record`."""
        self.seen.add(name)

    def end(self) -> None:
        """As :meth:`Watch.end`."""
        exempt = self.connector.settings.empty_streams
        for name, stream in self.streams.items():
            if name not in self.seen and name not in exempt and stream.stream["name"] not in exempt:
                self.found(f"{name}: no record; --empty-stream exempts it.", None, name)


@watch("E4", "Records have their stream's namespace")
class Namespaces(Watch):
    """It is there if, and only if, the stream has one."""

    def record(self, line: Line, record: dict[str, Any], name: str) -> None:
        """As :meth:`Watch.record`."""
        if name in self.streams:
            return
        for stream in self.streams.values():
            if stream.stream["name"] == record.get("stream"):
                wanted = stream.stream.get("namespace")
                self.found(f"A record with the namespace {record.get('namespace')!r}, not {wanted!r}.", line, name)
                return


@watch("E11", "`emitted_at` is the time of the read, and does not go back")
class EmittedAt(Watch):
    """Milliseconds; a second of disorder within a stream is allowed to threads."""

    def begin(self) -> None:
        """As :meth:`Watch.begin`."""
        self.latest: dict[str, int] = {}
        self.now = time.time() * 1000

    def record(self, line: Line, record: dict[str, Any], name: str) -> None:
        """As :meth:`Watch.record`."""
        at = record.get("emitted_at")
        if not isinstance(at, int):
            return  # A2's
        if not _EARLIEST < at < self.now + _SLACK:
            self.found(f"{name}: `emitted_at` {at} is not in milliseconds of our time.", line, name)
        elif at < self.latest.get(name, 0) - _BACKWARD:
            self.found(f"{name}: `emitted_at` goes back by {self.latest[name] - at} ms.", line, name)
        self.latest[name] = max(at, self.latest.get(name, 0))


@watch("E12", "No record is empty")
class NotEmpty(Watch):
    """The platform drops a record without data in silence, and then its count is wrong."""

    def record(self, line: Line, record: dict[str, Any], name: str) -> None:
        """As :meth:`Watch.record`."""
        if not record.get("data"):
            self.found(f"{name}: a record without data.", line, name)


@watch("E13", "Statuses are STARTED, RUNNING with the first record, then COMPLETE or INCOMPLETE")
class Statuses(Watch):
    """Of every configured stream and of no other; of an empty one STARTED and COMPLETE. Nothing comes after the
    last one. A stream of a read that exits with 0 is COMPLETE."""

    def begin(self) -> None:
        """As :meth:`Watch.begin`."""
        self.last: dict[str, str] = {}
        self.records: set[str] = set()

    def status(self, line: Line, status: str, name: str, trace: dict[str, Any]) -> None:
        """As :meth:`Watch.status`."""
        before = self.last.get(name)
        if name not in self.streams:
            self.found(f"The status {status} of {name!r}, which is not configured.", line, name)
        elif before in ("COMPLETE", "INCOMPLETE"):
            self.found(f"{name}: {status} after {before}.", line, name)
        elif status == "STARTED" and before is not None:
            self.found(f"{name}: STARTED after {before}.", line, name)
        elif status != "STARTED" and before is None:
            self.found(f"{name}: {status} before STARTED.", line, name)
        elif status == "COMPLETE" and name in self.records and before != "RUNNING":
            self.found(f"{name}: COMPLETE with records and without RUNNING.", line, name)
        self.last[name] = status

    def record(self, line: Line, record: dict[str, Any], name: str) -> None:
        """As :meth:`Watch.record`."""
        if name not in self.records and name in self.streams:
            self.records.add(name)
            if name not in self.last:
                self.found(f"{name}: a record before STARTED.", line, name)
        if self.last.get(name) in ("COMPLETE", "INCOMPLETE"):
            self.found(f"{name}: a record after {self.last[name]}.", line, name)

    def end(self) -> None:
        """As :meth:`Watch.end`."""
        for name in self.streams:
            last = self.last.get(name)
            if last is None:
                self.found(f"{name}: no status.", None, name)
            elif last not in ("COMPLETE", "INCOMPLETE"):
                self.found(f"{name}: the last status is {last}: COMPLETE or INCOMPLETE must follow.", None, name)
            elif last == "INCOMPLETE" and self.recording.code == 0:
                self.found(f"{name}: INCOMPLETE, but the read exits with 0.", None, name)


@watch("E19", "Estimates are of streams or of the sync, not of both", Severity.WARNING)
class Estimates(Watch):
    """The platform throws all away if they are mixed."""

    def begin(self) -> None:
        """As :meth:`Watch.begin`."""
        self.kind: str | None = None

    def estimate(self, line: Line, estimate: dict[str, Any]) -> None:
        """As :meth:`Watch.estimate`."""
        kind = str(estimate.get("type"))
        if self.kind not in (None, kind):
            self.found(f"An estimate of type {kind} after one of type {self.kind}.", line)
        self.kind = self.kind or kind
