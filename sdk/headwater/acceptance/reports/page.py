"""The report as one HTML page: the checks, the findings, and the timelines of the runs that show something."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from html import escape
from pathlib import Path

from headwater.acceptance.reports.terminal import command, place
from headwater.acceptance.reports.timeline import picture
from headwater.acceptance.results import Finding, Outcome, Report, Result, Severity

_MOST_RUNS = 40
_STYLE = """
body{font:15px/1.45 system-ui,sans-serif;margin:2rem auto;max-width:1200px;padding:0 1rem;color:#1c2126;background:#fff}
table{border-collapse:collapse;width:100%}td,th{text-align:left;padding:.3rem .6rem;border-bottom:1px solid #dde2e7;
vertical-align:top}code,pre{font:13px/1.4 ui-monospace,monospace;white-space:pre-wrap;overflow-wrap:anywhere}
pre{background:#f4f6f8;padding:.6rem;margin:.3rem 0}.passed{color:#176b36}.failed,.broken{color:#b3261e;font-weight:600}
.warned{color:#8a5a00}.skipped{color:#68737d}svg{width:100%;height:auto;background:#fafbfc;border:1px solid #dde2e7}
svg text{font-size:11px;fill:#3c454d}svg .axis{fill:#68737d}svg .base{stroke:#dde2e7}svg .records{fill:#8fb4dc}
svg line{stroke-width:1.5}svg .state{stroke:#3d8b5f}svg .status{stroke:#5b6b7b}svg .complete{stroke:#176b36;
stroke-width:3}svg .finding,svg .error{stroke:#b3261e;stroke-width:3}svg .event{stroke:#9b4dca;stroke-width:3}
.legend span{margin-right:1.2rem}.legend i{display:inline-block;width:12px;height:12px;margin-right:.3rem}
"""
_LEGEND = (("#8fb4dc", "records"), ("#3d8b5f", "state"), ("#5b6b7b", "status"), ("#176b36", "complete"),
           ("#b3261e", "finding, error, incomplete"), ("#9b4dca", "what the suite did"))  # fmt: skip


def write(report: Report, path: Path) -> None:
    """Write it. It needs nothing from elsewhere."""
    path.write_text("\n".join(_page(report)) + "\n", encoding="utf-8", errors="backslashreplace")


def _page(report: Report) -> Iterator[str]:
    yield f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{escape(report.subject)}</title>'
    yield f"<style>{_STYLE}</style></head><body><h1>headwater acceptance {escape(report.subject)}</h1>"
    counts = ", ".join(f"{len(report.of(outcome))} {outcome.value}" for outcome in Outcome)
    yield f"<p>{counts}; {report.seconds:.1f} s, {report.facts.get('processes', 0)} runs of the connector.</p>"
    for note in report.notes:
        yield f"<p>Note: {escape(note)}</p>"
    findings: dict[str, list[Finding]] = defaultdict(list)
    told = [*report.of(Outcome.FAILED), *report.of(Outcome.BROKEN), *report.of(Outcome.WARNED)]
    if told:
        yield "<h2>What is wrong</h2>"
    anchors = _anchors(report, told)
    for result in told:
        yield from _details(result, anchors)
        for finding in result.findings:
            if finding.recording is not None and id(finding.recording) in anchors:
                findings[anchors[id(finding.recording)]].append(finding)
    yield '<h2>Runs over time</h2><p class="legend">'
    yield "".join(f'<span><i style="background:{colour}"></i>{word}</span>' for colour, word in _LEGEND) + "</p>"
    for recording in report.recordings:
        anchor = anchors.get(id(recording))
        if anchor is not None:
            words = f"run {recording.number}: {recording.what or ' '.join(recording.arguments)}, {recording.ending}"
            yield f'<h3 id="{anchor}">{escape(report.mask(words))}</h3>'
            yield picture(recording, findings[anchor], report.mask)
    yield "<h2>Checks</h2><table>"
    for result in report.results:
        reason = f"<br>{escape(result.reason)}" if result.reason else ""
        where = f" [{escape(result.where)}]" if result.where else ""
        yield f'<tr><td>{result.id}</td><td class="{result.outcome.value}">{result.outcome.value}</td>'
        yield f"<td>{escape(result.title)}{where}{reason}</td><td>{result.seconds:.2f} s</td></tr>"
    yield "</table></body></html>"


def _anchors(report: Report, told: Sequence[Result]) -> dict[int, str]:
    """The runs that are drawn, by their identity, as several configurations count their own: the first read, and those
    with findings."""
    wanted = {id(finding.recording) for result in told for finding in result.findings}
    wanted |= {id(one) for one in [one for one in report.recordings if one.arguments[:1] == ["read"]][:1]}
    shown = [one for one in report.recordings if id(one) in wanted][:_MOST_RUNS]
    return {id(one): f"run-{place}" for place, one in enumerate(shown, 1)}


def _details(result: Result, anchors: Mapping[int, str]) -> Iterator[str]:
    yield f'<h3 class="{result.outcome.value}">{result.id} {escape(result.title)}</h3>'
    if result.reason:
        yield f"<p>The suite itself failed: {escape(result.reason)}</p>"
    for finding in result.findings:
        kind = "error" if finding.severity is Severity.ERROR else "warning"
        yield f"<p>{kind}: {escape(finding.message)}"
        where = place(finding)
        if where:
            anchor = anchors.get(id(finding.recording))
            yield f'<br><a href="#{anchor}">{escape(where)}</a>' if anchor else f"<br>{escape(where)}"
        yield "</p>"
        if finding.excerpt:
            yield f"<pre>{escape(finding.excerpt)}</pre>"
        if text := command(finding):
            yield f"<pre>{escape(text)}</pre>"
    if result.more:
        yield f"<p>and {result.more} more</p>"
    if result.reproduce:
        yield f"<p>Again: <code>{escape(result.reproduce)}</code></p>"
