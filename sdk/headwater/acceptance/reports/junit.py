"""The report as JUnit's XML, for CI: a test case for each check."""

from __future__ import annotations

import re
from pathlib import Path
from xml.etree import ElementTree

from headwater.acceptance.reports.terminal import details
from headwater.acceptance.results import Outcome, Report, Result

_NOT_XML = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def write(report: Report, path: Path) -> None:
    """Write it. A warning is a passed case with its findings as output."""
    root = ElementTree.Element("testsuites")
    suite = ElementTree.SubElement(root, "testsuite", {
        "name": "headwater acceptance",
        "tests": str(len(report.results)),
        "failures": str(len(report.of(Outcome.FAILED))),
        "errors": str(len(report.of(Outcome.BROKEN))),
        "skipped": str(len(report.of(Outcome.SKIPPED))),
        "time": f"{report.seconds:.3f}",
    })  # fmt: skip
    for result in report.results:
        _case(suite, result, report.kept)
    ElementTree.indent(root)
    ElementTree.ElementTree(root).write(path, encoding="utf-8", xml_declaration=True)


def _case(suite: ElementTree.Element, result: Result, kept: bool) -> None:
    where = f" [{result.where}]" if result.where else ""
    names = {"classname": f"acceptance.{result.id[0]}", "name": f"{result.id} {result.title}{where}"}
    case = ElementTree.SubElement(suite, "testcase", {**names, "time": f"{result.seconds:.3f}"})
    text = _NOT_XML.sub("?", "\n".join(details(result, kept)))
    if result.outcome is Outcome.FAILED:
        message = _NOT_XML.sub("?", result.findings[0].message)
        ElementTree.SubElement(case, "failure", {"message": message}).text = text
    elif result.outcome is Outcome.BROKEN:
        ElementTree.SubElement(case, "error", {"message": _NOT_XML.sub("?", result.reason or "")})
    elif result.outcome is Outcome.SKIPPED:
        ElementTree.SubElement(case, "skipped", {"message": _NOT_XML.sub("?", result.reason or "")})
    elif result.outcome is Outcome.WARNED:
        ElementTree.SubElement(case, "system-out").text = text
