"""The report in a terminal: a line for each check as it ends, then what is to be done."""

from __future__ import annotations

import os
import shlex
from collections.abc import Iterator

from headwater.acceptance.results import Finding, Outcome, Report, Result, Severity

_WORDS = {
    Outcome.PASSED: "passed ", Outcome.FAILED: "FAILED ", Outcome.WARNED: "warning", Outcome.SKIPPED: "skipped",
    Outcome.BROKEN: "BROKEN ",
}  # fmt: skip
_EXCERPT = 160


def line(result: Result) -> str:
    """A result in one line."""
    where = f" [{result.where}]" if result.where else ""
    reason = f": {result.reason}" if result.reason else ""
    return f"{_WORDS[result.outcome]}  {result.id:<4} {result.title}{where}{reason}"


def place(finding: Finding) -> str | None:
    """Where a finding is to be seen; None if it is of the connector as a whole."""
    if finding.recording is None:
        return None
    words = [f"run {finding.recording.number} ({finding.recording.what or finding.recording.arguments[0]})"]
    if finding.line is not None:
        words.append(f"line {finding.line}, after {finding.time or 0:.3f} s")
    return ", ".join(words)


def command(finding: Finding) -> str | None:
    """The connector's command that shows a finding, in one line; None if it takes the suite itself to show it: its
    proxy, or what it did to the process."""
    run = finding.recording
    if run is None or not run.command or run.proxied or run.acted is not None:
        return None
    changed = {name: value for name, value in run.changed.items() if os.environ.get(name) != value}
    gone = [word for name, value in changed.items() if value is None for word in ("-u", name)]
    given = [*gone, *(f"{name}={value}" for name, value in changed.items() if value is not None)]
    text = shlex.join(["env", *given, *run.command] if given else run.command)
    text = f"{text} | sed -n {finding.line}p" if finding.line is not None else text
    return f"(cd {shlex.quote(str(run.cwd))} && {text})" if run.cwd is not None else text


def details(result: Result, kept: bool) -> Iterator[str]:
    """A result's findings, for people.

    :param kept: the runs' files are kept, so that the connector's own command can be run again.
    """
    yield f"{result.id} {result.title}"
    for finding in result.findings:
        kind = "error" if finding.severity is Severity.ERROR else "warning"
        yield f"  {kind}: {finding.message}"
        where = place(finding)
        if where:
            yield f"    {where}"
        if finding.excerpt:
            yield f"    {finding.excerpt[:_EXCERPT]}{'...' if len(finding.excerpt) > _EXCERPT else ''}"
        if kept and (text := command(finding)):
            yield f"    run: {text}"
    if result.more:
        yield f"  and {result.more} more"
    if result.reproduce:
        yield f"  again: {result.reproduce}"


def summary(report: Report) -> Iterator[str]:
    """What is wrong, then the counts."""
    for outcome in (Outcome.FAILED, Outcome.WARNED):
        for result in report.of(outcome):
            yield ""
            yield from details(result, report.kept)
    for result in report.of(Outcome.BROKEN):
        yield ""
        yield f"{result.id} {result.title}"
        yield f"  the suite itself failed: {result.reason}"
    for note in report.notes:
        yield f"note: {note}"
    yield ""
    counts = [f"{len(report.of(outcome))} {_WORDS[outcome].strip().lower()}" for outcome in Outcome]
    facts = report.facts
    yield (
        f"{', '.join(counts)} in {report.seconds:.1f} s: {facts.get('processes', 0)} processes, "
        f"{facts.get('lines', 0)} lines."
    )
