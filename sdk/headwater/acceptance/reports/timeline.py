"""A run as a picture: when which stream's records, states and statuses came, and what was done to it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from html import escape

from headwater.acceptance.recording import Recording
from headwater.acceptance.results import Finding
from headwater.acceptance.streams import full_name, name_of, state_names

_BINS = 240
_LEFT, _WIDTH, _LANE = 190, 960, 30
_MOST_LANES = 60
_NAME = 30
"""Characters of a stream's name that there is room for."""
_MOST_MARKS = 400


@dataclass
class _Lane:
    bins: list[int] = field(default_factory=lambda: [0] * _BINS)
    marks: list[tuple[float, str, str]] = field(default_factory=list)
    records: int = 0
    states: int = 0

    @property
    def wrong(self) -> bool:
        """Whether something is wrong in it."""
        return any(kind in ("finding", "error") for _, kind, _ in self.marks)


def picture(recording: Recording, findings: Iterable[Finding], mask: Callable[[str], str]) -> str:
    """An SVG; a lane for each stream, and one for what concerns the whole run; "" where there is nothing to draw.

    :param mask: takes secrets out of what is shown.
    """
    length = max(recording.seconds, recording.last, 0.001)
    lanes = _lanes(recording, length)
    for at, what in recording.events:
        lanes[""].marks.append((at, "event", what))
    for finding in findings:
        if finding.time is not None:
            lane = finding.stream if finding.stream in lanes else ""
            lanes[lane or ""].marks.append((finding.time, "finding", f"line {finding.line}: {finding.message}"))
    if len(lanes) == 1 and not lanes[""].marks:
        return ""
    shown = sorted(sorted(lanes, key=lambda name: (not lanes[name].wrong, name))[:_MOST_LANES])
    height = _LANE * len(shown) + 30
    parts = [f'<svg viewBox="0 0 {_LEFT + _WIDTH + 20} {height}" role="img">']
    for number, name in enumerate(shown):
        shown_lane = lanes[name]
        shown_lane.marks = [(at, kind, mask(text)) for at, kind, text in shown_lane.marks]
        parts += _drawn(name, shown_lane, number * _LANE, length)
    for part in range(5):
        x = _LEFT + _WIDTH * part / 4
        anchor = {0: "start", 4: "end"}.get(part, "middle")
        parts.append(f'<text class="axis" text-anchor="{anchor}" x="{x:.0f}" y="{height - 8}">')
        parts.append(f"{length * part / 4:.2f} s</text>")
    more = f"<p>and {len(lanes) - len(shown)} more streams</p>" if len(lanes) > len(shown) else ""
    return "".join([*parts, "</svg>", more])


def _lanes(recording: Recording, length: float) -> dict[str, _Lane]:
    lanes: dict[str, _Lane] = defaultdict(_Lane)
    lanes[""]
    for line, message in recording.messages():
        kind = message["type"]
        if kind == "RECORD" and isinstance(message.get("record"), dict):
            lane = lanes[full_name(message["record"].get("stream"), message["record"].get("namespace"))]
            lane.bins[min(_BINS - 1, int(line.time / length * _BINS))] += 1
            lane.records += 1
        elif kind == "STATE" and isinstance(message.get("state"), dict):
            for name in state_names(message["state"]) or ("",):
                lanes[name].states += 1
                lanes[name].marks.append((line.time, "state", f"line {line.number}: state"))
        elif kind == "TRACE" and isinstance(message.get("trace"), dict):
            _trace(lanes, line.time, line.number, message["trace"])
    return lanes


def _trace(lanes: dict[str, _Lane], at: float, index: int, trace: dict[str, object]) -> None:
    status, error = trace.get("stream_status"), trace.get("error")
    if isinstance(status, dict):
        word = str(status.get("status"))
        kind = {"COMPLETE": "complete", "INCOMPLETE": "finding"}.get(word, "status")
        lanes[name_of(status.get("stream_descriptor"))].marks.append((at, kind, f"line {index}: {word}"))
    elif isinstance(error, dict):
        descriptor = error.get("stream_descriptor")
        name = name_of(descriptor) if descriptor else ""
        lanes[name].marks.append((at, "error", f"line {index}: {error.get('message')}"))


def _short(name: str) -> str:
    """What there is room for, with the end, by which names of one namespace differ."""
    return name if len(name) <= _NAME else f"{name[:10]}…{name[11 - _NAME :]}"


def _drawn(name: str, lane: _Lane, top: int, length: float) -> list[str]:
    base = top + _LANE - 6
    called = name or "(run)"
    title = called + (f" {lane.records} records, {lane.states} states" if lane.records else "")
    parts = [
        f'<text class="name" x="4" y="{base - 4}">{escape(_short(called))}<title>{escape(title)}</title></text>',
        f'<line class="base" x1="{_LEFT}" x2="{_LEFT + _WIDTH}" y1="{base}" y2="{base}"/>',
    ]
    tallest = max(lane.bins) or 1
    for number, count in enumerate(lane.bins):
        if count:
            height = 2 + (_LANE - 12) * count / tallest
            x = _LEFT + _WIDTH * number / _BINS
            parts.append(
                f'<rect class="records" x="{x:.1f}" y="{base - height:.1f}" width="{_WIDTH / _BINS:.1f}" '
                f'height="{height:.1f}"><title>{count} records</title></rect>'
            )
    step = max(1, len(lane.marks) // _MOST_MARKS)
    for place, (at, kind, text) in enumerate(lane.marks):
        if kind != "state" or place % step == 0:
            x = _LEFT + _WIDTH * min(1.0, at / length)
            parts.append(
                f'<line class="{kind}" x1="{x:.1f}" x2="{x:.1f}" y1="{top + 4}" y2="{base + 4}">'
                f"<title>{at:.3f} s, {escape(text[:200])}</title></line>"
            )
    return parts
