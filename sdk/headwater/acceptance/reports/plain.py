"""The report as JSON, for programs."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from headwater.acceptance.recording import Recording
from headwater.acceptance.reports.terminal import command
from headwater.acceptance.results import Finding, Outcome, Report, Result


def write(report: Report, path: Path) -> None:
    """Write it."""
    path.write_text(json.dumps(content(report), indent=2, ensure_ascii=False) + "\n", encoding="utf-8")


def content(report: Report) -> dict[str, Any]:
    """What is written."""
    return {
        "subject": report.subject,
        "exit_code": report.code,
        "seconds": round(report.seconds, 3),
        "counts": {outcome.value: len(report.of(outcome)) for outcome in Outcome},
        "facts": dict(report.facts),
        "notes": list(report.notes),
        "results": [_result(result, report.kept) for result in report.results],
        "runs": [_recording(recording, report.mask) for recording in report.recordings],
    }


def _result(result: Result, kept: bool) -> dict[str, Any]:
    return {
        "id": result.id,
        "title": result.title,
        "where": result.where,
        "outcome": result.outcome.value,
        "severity": result.severity.value,
        "reason": result.reason,
        "seconds": round(result.seconds, 3),
        "findings": [_finding(finding, kept) for finding in result.findings],
        "more_findings": result.more,
        "reproduce": result.reproduce,
    }


def _finding(finding: Finding, kept: bool) -> dict[str, Any]:
    return {
        "message": finding.message,
        "severity": finding.severity.value if finding.severity else None,
        "stream": finding.stream,
        "run": finding.recording.number if finding.recording else None,
        "line": finding.line,
        "time": finding.time,
        "excerpt": finding.excerpt,
        "command": command(finding) if kept else None,
    }


def _recording(recording: Recording, mask: Callable[[str], str]) -> dict[str, Any]:
    return {
        "number": recording.number,
        "what": recording.what,
        "arguments": recording.arguments,
        "exit_code": recording.code,
        "timed_out": recording.timed_out,
        "seconds": round(recording.seconds, 3),
        "cpu_seconds": round(recording.cpu, 3),
        "peak_bytes": recording.peak,
        "bytes": recording.size,
        "lines": len(recording.ends),
        "events": [{"time": round(at, 3), "what": mask(what)} for at, what in recording.events],
    }
