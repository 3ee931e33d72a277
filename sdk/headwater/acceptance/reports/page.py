"""The report as one HTML page: the checks, the findings, and the timelines of the runs that show something."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from html import escape
from pathlib import Path

from headwater.acceptance.reports.terminal import command, place
from headwater.acceptance.reports.timeline import picture
from headwater.acceptance.results import Finding, Outcome, Report, Result, Severity

_MOST_RUNS = 40
_STYLE = """
:root{color-scheme:light dark;--text:#1c2126;--page:#fff;--soft:#f4f6f8;--rule:#dde2e7;--quiet:#5f6a74;--link:#0b57d0;
--good:#176b36;--bad:#b3261e;--warn:#8a5a00;--records:#8fb4dc;--state:#3d8b5f;--status:#5b6b7b;--event:#9b4dca}
@media(prefers-color-scheme:dark){:root{--text:#e3e6e9;--page:#15191d;--soft:#20262c;--rule:#39424b;--quiet:#9aa5af;
--link:#8ab4f8;--good:#6fcf8e;--bad:#ff8a80;--warn:#e6b450;--records:#4a76a8;--state:#5fb584;--status:#8b9bab;
--event:#c58af9}}
body{font:15px/1.45 system-ui,sans-serif;margin:2rem auto;max-width:1200px;padding:0 1rem;color:var(--text);
background:var(--page);overflow-wrap:anywhere}a{color:var(--link)}h1{font-size:1.6rem}h3{margin-bottom:.3rem}
table{border-collapse:collapse;width:100%}td{text-align:left;padding:.3rem .6rem .3rem 0;vertical-align:top;
border-bottom:1px solid var(--rule)}td:first-child,td:nth-child(2),td:last-child{white-space:nowrap}
td:last-child{text-align:right;padding-right:0}code,pre{font:13px/1.4 ui-monospace,monospace;white-space:pre-wrap}
pre{background:var(--soft);padding:.6rem;margin:.3rem 0}.passed{color:var(--good)}
.failed,.broken{color:var(--bad);font-weight:600}.warned{color:var(--warn)}.skipped{color:var(--quiet)}
.run{overflow-x:auto;border:1px solid var(--rule);background:var(--soft)}svg{display:block;width:100%;min-width:760px}
svg text{font-size:11px;fill:var(--text)}svg .axis{fill:var(--quiet)}svg .base{stroke:var(--rule)}
svg line{stroke-width:1.5}svg .records{fill:var(--records)}svg .state{stroke:var(--state)}
svg .status{stroke:var(--status)}svg .complete{stroke:var(--good);stroke-width:3}
svg .finding,svg .error{stroke:var(--bad);stroke-width:3}svg .event{stroke:var(--event);stroke-width:3}
.legend span{margin-right:1.2rem;white-space:nowrap}
.legend i{display:inline-block;width:12px;height:12px;margin-right:.3rem}
"""
_LEGEND = (("records", "records"), ("state", "state"), ("status", "status"), ("good", "complete"),
           ("bad", "finding, error, incomplete"), ("event", "what the suite did"))  # fmt: skip
_CODE = re.compile("`([^`]+)`")


def write(report: Report, path: Path) -> None:
    """Write it. It needs nothing from elsewhere."""
    path.write_text("\n".join(_page(report)) + "\n", encoding="utf-8", errors="backslashreplace")


def _page(report: Report) -> Iterator[str]:
    yield '<!doctype html><html lang="en"><head><meta charset="utf-8">'
    yield '<meta name="viewport" content="width=device-width, initial-scale=1">'
    yield f"<title>{escape(report.subject)}</title><style>{_STYLE}</style></head><body>"
    yield f"<h1>Acceptance of a connector</h1><p><code>headwater acceptance {escape(report.subject)}</code></p>"
    counts = ", ".join(f"{len(report.of(outcome))} {outcome.value}" for outcome in Outcome)
    yield f"<p>{counts}; {report.seconds:.1f} s, {report.facts.get('processes', 0)} runs of the connector.</p>"
    for note in report.notes:
        yield f"<p>Note: {_text(note)}</p>"
    findings: dict[str, list[Finding]] = defaultdict(list)
    told = [*report.of(Outcome.FAILED), *report.of(Outcome.BROKEN), *report.of(Outcome.WARNED)]
    if told:
        yield "<h2>What is wrong</h2>"
    anchors = _anchors(report, told)
    for result in told:
        yield from _details(result, anchors, report.kept)
        for finding in result.findings:
            if finding.recording is not None and id(finding.recording) in anchors:
                findings[anchors[id(finding.recording)]].append(finding)
    yield '<h2>Runs over time</h2><p class="legend">'
    yield "".join(f'<span><i style="background:var(--{name})"></i>{word}</span>' for name, word in _LEGEND) + "</p>"
    for recording in report.recordings:
        anchor = anchors.get(id(recording))
        if anchor is not None:
            words = f"run {recording.number}: {recording.what or ' '.join(recording.arguments)}, {recording.ending}"
            yield f'<h3 id="{anchor}">{escape(report.mask(words))}</h3>'
            if drawn := picture(recording, findings[anchor], report.mask):
                yield f'<div class="run">{drawn}</div>'
    yield "<h2>Checks</h2><table>"
    for result in report.results:
        reason = f"<br>{_text(result.reason)}" if result.reason else ""
        where = f" [{escape(result.where)}]" if result.where else ""
        yield f'<tr><td>{result.id}</td><td class="{result.outcome.value}">{result.outcome.value}</td>'
        yield f"<td>{_text(result.title)}{where}{reason}</td><td>{result.seconds:.2f} s</td></tr>"
    yield "</table></body></html>"


def _anchors(report: Report, told: Sequence[Result]) -> dict[int, str]:
    """The runs that are drawn, by their identity, as several configurations count their own: the first read, and those
    with findings."""
    wanted = {id(finding.recording) for result in told for finding in result.findings}
    wanted |= {id(one) for one in [one for one in report.recordings if one.arguments[:1] == ["read"]][:1]}
    shown = [one for one in report.recordings if id(one) in wanted and not one.dropped][:_MOST_RUNS]
    return {id(one): f"run-{place}" for place, one in enumerate(shown, 1)}


def _text(text: str) -> str:
    """With what is in backticks as code."""
    return _CODE.sub(r"<code>\1</code>", escape(text))


def _details(result: Result, anchors: Mapping[int, str], kept: bool) -> Iterator[str]:
    yield f'<h3 class="{result.outcome.value}">{result.id} {_text(result.title)}</h3>'
    if result.reason:
        yield f"<p>The suite itself failed: {_text(result.reason)}</p>"
    for finding in result.findings:
        kind = "error" if finding.severity is Severity.ERROR else "warning"
        yield f"<p>{kind}: {_text(finding.message)}"
        where = place(finding)
        if where:
            anchor = anchors.get(id(finding.recording))
            yield f'<br><a href="#{anchor}">{escape(where)}</a>' if anchor else f"<br>{escape(where)}"
        yield "</p>"
        if finding.excerpt:
            yield f"<pre>{escape(finding.excerpt)}</pre>"
        if kept and (text := command(finding)):
            yield f"<p>Run: <code>{escape(text)}</code></p>"
    if result.more:
        yield f"<p>and {result.more} more</p>"
    if result.reproduce:
        yield f"<p>Again: <code>{escape(result.reproduce)}</code></p>"
