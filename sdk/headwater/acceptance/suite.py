"""Runs the checks, and says honestly what was checked and what was not."""

from __future__ import annotations

import time
import traceback
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import islice

from headwater.acceptance.checks import KEPT, Check, load
from headwater.acceptance.checks.leaking import leaks_in
from headwater.acceptance.connector import Connector
from headwater.acceptance.large import Large
from headwater.acceptance.results import Finding, Outcome, Report, Result, Severity, Skipped
from headwater.acceptance.settings import Settings
from headwater.errors import ConfigError

CHANGING = ("F11",)
"""Change the source, so that they come after those that compare its reads."""
LAST = ("X10", "X19", "X20")
"""Look at all that the others ran, so they come after them."""
_COUNTED = 10_000


def chosen(only: Sequence[str] = (), skip: Sequence[str] = ()) -> list[Check]:
    """The checks with these ids; a letter stands for its group.

    :raises ConfigError: there is no such check.
    """
    checks = load()
    for word in (*only, *skip):
        if word not in checks and not any(id[0] == word for id in checks):
            raise ConfigError(f"There is no check {word!r}: --list shows all of them.")

    def named(id: str, words: Sequence[str]) -> bool:
        return id in words or id[0] in words

    return [one for id, one in checks.items() if (not only or named(id, only)) and not named(id, skip)]


def run(
    connector: Connector,
    checks: Sequence[Check],
    tell: Callable[[Result], None] = lambda result: None,
    jobs: int = 1,
    reproduce: Callable[[str], str] = lambda id: "",
    where: str | None = None,
    lean: int | None = None,
) -> Report:
    """Run checks on a connector.

    :param tell: called with each result, in the checks' order.
    :param jobs: how many at once.
    :param reproduce: the command that runs one check again.
    :param lean: what runs wrote that is larger than this goes as soon as it may; None: everything stays.
    """
    began = time.monotonic()
    if lean is not None:
        looked_for = any(check.id == "X10" for check in checks)
        connector.large = Large(lean, lambda run: looked_for and leaks_in(connector, run))
    report = Report(connector.room.label)
    groups = (
        [one for one in checks if one.id not in CHANGING + LAST],
        [one for one in checks if one.id in CHANGING],
        [one for one in checks if one.id in LAST],
    )
    with ThreadPoolExecutor(max(1, jobs)) as pool:
        try:
            for group in groups:
                for result in pool.map(lambda one: run_one(connector, one), group):
                    result.reproduce, result.where = reproduce(result.id), where
                    finish(result, connector)
                    report.results.append(result)
                    tell(result)
        except BaseException:  # an interrupt: nobody waits for connectors that have minutes left to run
            connector.stop()
            pool.shutdown(wait=False, cancel_futures=True)
            raise
    report.seconds = time.monotonic() - began
    report.recordings, report.mask = connector.recordings, masking(connector)
    report.facts = facts(connector)
    return report


def finish(result: Result, connector: Connector) -> None:
    """Take secrets out of a result."""
    mask = masking(connector)
    result.reason = mask(result.reason) if result.reason else None
    for finding in result.findings:
        finding.message = " ".join(mask(finding.message).split())  # what a connector says may be of many lines
        finding.excerpt = mask(finding.excerpt) if finding.excerpt else None


def masking(connector: Connector) -> Callable[[str], str]:
    """What takes the config's secrets out of a text."""
    try:
        return connector.masking
    except (Skipped, OSError, ValueError):
        return str


def run_one(connector: Connector, check: Check) -> Result:
    """One check: a failure of the suite itself is told as such, not as one of the connector."""
    result = Result(check.id, check.title, Outcome.PASSED, check.severity)
    reason = _left_out(connector.settings, check)
    if reason:
        result.outcome, result.reason = Outcome.SKIPPED, reason
        return result
    if check.id in connector.settings.on:
        result.severity = Severity.ERROR
    began = time.monotonic()
    findings: list[Finding] = []
    if connector.large is not None:
        connector.large.begin(findings)
    try:
        for finding in islice(iter(check.function(connector)), _COUNTED):
            finding.severity = finding.severity or result.severity
            findings.append(finding)
    except Skipped as skipped:
        result.outcome, result.reason = Outcome.SKIPPED, skipped.reason
    except Exception as error:  # noqa: BLE001 - anything: the other checks are to run
        result.outcome = Outcome.BROKEN
        last = traceback.extract_tb(error.__traceback__)[-1]
        result.reason = f"{type(error).__name__}: {error} ({last.filename.rpartition('/')[2]}:{last.lineno})"
    if connector.large is not None:
        connector.large.end()
    findings.sort(key=lambda finding: finding.severity is not Severity.ERROR)
    result.findings, result.more = findings[:KEPT], max(0, len(findings) - KEPT)
    if findings and result.outcome is not Outcome.BROKEN:
        errors = any(finding.severity is Severity.ERROR for finding in findings)
        result.outcome = Outcome.FAILED if errors else Outcome.WARNED
    result.seconds = time.monotonic() - began
    return result


def _left_out(settings: Settings, check: Check) -> str | None:
    if check.id in settings.off:
        return settings.off[check.id]
    if check.suite in settings.bypassed and check.id[0] != "A":
        return f"`{check.suite}` is bypassed: {settings.bypassed[check.suite]}"
    return None


def facts(connector: Connector) -> dict[str, object]:
    """What a person wants to know of the runs."""
    recordings = connector.recordings
    return {
        "processes": len(recordings),
        "bytes": sum(one.size for one in recordings),
        "lines": sum(len(one.ends) for one in recordings),
        "connector_cpu_seconds": round(sum(one.cpu for one in recordings), 2),
    }
