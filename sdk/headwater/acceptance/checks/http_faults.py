"""X11: what a connector makes of an API's faults."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from headwater.acceptance.checks import check
from headwater.acceptance.checks.process_surroundings import kind_of
from headwater.acceptance.connector import Connector
from headwater.acceptance.engine import Act
from headwater.acceptance.proxy import Answer, Fault, Request, Rule
from headwater.acceptance.proxy.faults import refusal
from headwater.acceptance.proxy.server import Seen
from headwater.acceptance.recording import Recording
from headwater.acceptance.results import Finding, Severity, Skipped, records_are
from headwater.acceptance.streams import name_of
from headwater.acceptance.web import WebRun, to

_QUIET = 3.0
"""Seconds without a request after which a connector is taken to wait, so that the next fault is tried meanwhile."""
_SILENT = 30.0
"""Seconds without a request before one that waits longer than the patience is given up."""
_AT_ONCE = 6
"""Connectors that wait at the same time."""


def _half(request: Request, answer: Answer) -> Answer:
    body = answer.content()
    return answer.with_content(body[: max(1, len(body) // 2)])


@dataclass(frozen=True)
class Scenario:
    """One fault.

    :ivar passes: it is over soon: who tries again reads everything.
    :ivar kind: the failure type of whoever gives up; "" stands for any.
    """

    name: str
    fault: Fault
    times: int | None = 1
    passes: bool = True
    kind: str = "transient_error"


SCENARIOS = (
    Scenario("two answers of 429 with Retry-After", refusal(429, ("Retry-After", "1")), 2),
    Scenario("three answers of 500", refusal(500), 3),
    Scenario("an answer of 503", refusal(503)),
    Scenario("a connection that is reset", Fault("reset")),
    Scenario("a body that ends in the middle", Fault("cut")),
    Scenario("JSON that ends in the middle", Fault("change", change=_half)),
    Scenario("an answer that comes late", Fault("delay", seconds=2.0)),
    Scenario("a body that comes drop by drop", Fault("drip", seconds=2.0)),
    Scenario("a certificate of somebody else", Fault("tls"), None, passes=False, kind=""),
    Scenario("answers of 401 from the middle on", refusal(401), None, passes=False, kind="config_error"),
)
_AGAIN = Scenario("the same page again and again", Fault("answer"), None)


@check("X11", "Faults of an API are waited out or told; nothing is lost in silence")
def faults(connector: Connector) -> Iterator[Finding]:
    """429, 500, resets, bodies that are cut or come drop by drop, late answers, 401, a page that comes again and again:
    everything is read, or the read fails, with an ERROR trace of the right type. It always ends; one that says
    that it waits and does so for longer than --patience is warned of."""
    web = connector.web
    requests = web.requests
    if not requests:
        raise Skipped("no answer was JSON.")
    tries = [_Try.of(connector, scenario, requests[len(requests) // 2]) for scenario in SCENARIOS]
    tries += [_Try(connector, _AGAIN, rule, most) for rule, most in _again_and_again(connector)]
    with ThreadPoolExecutor(_AT_ONCE) as pool:
        running = []
        for one in tries:
            running.append(pool.submit(one.run))
            while not (running[-1].done() or one.waits(_QUIET)):
                time.sleep(0.05)
        for one, future in zip(tries, running, strict=True):
            run = future.result()
            connector.owned(run.recording)
            yield from one.judged(run)


class _Try:
    """One fault, and the read that it happens in.

    :param most: how often it may happen.
    """

    def __init__(self, connector: Connector, scenario: Scenario, rule: Rule, most: int | None = None) -> None:
        self.connector, self.scenario, self.rule, self.most = connector, scenario, rule, most
        self.first: float | None = None
        self.last = 0.0

    @staticmethod
    def of(connector: Connector, scenario: Scenario, target: Request) -> _Try:
        """Where one request is answered; from the middle of the read on if the fault is never over."""
        rule = Rule(scenario.fault, lambda request: request.key == target.key, scenario.times, name=scenario.name)
        if scenario.times is None:
            rule.matches = lambda request: True
            rule.after = 0 if scenario.fault.kind == "tls" else len(connector.web.base.seen) // 2
        return _Try(connector, scenario, rule)

    def run(self) -> WebRun:
        """The read; it is killed when it asks too often, or waits too long."""
        return self.connector.web.read(
            self.connector.streams, rules=[self.rule], told=self._told, act=Act("kill", 0), trigger=self._over,
            what=self.scenario.name,
        )  # fmt: skip

    def _told(self, seen: Seen) -> None:
        self.last = seen.time
        if self.first is None and seen.fault is not None:
            self.first = seen.time

    def waits(self, seconds: float) -> bool:
        """Whether it has asked for nothing for so long, since the fault."""
        return self.first is not None and time.monotonic() - self.last > seconds

    def _over(self) -> bool:
        late = self.first is not None and time.monotonic() - self.first > self.connector.settings.patience
        return self._too_often() or (late and self.waits(min(_SILENT, self.connector.settings.patience)))

    def _too_often(self) -> bool:
        return self.most is not None and self.rule.happened > self.most

    def _told_since(self, recording: Recording) -> bool:
        """Whether it has said anything since the fault: a message that is no record, or to standard error."""
        assert self.first is not None
        began = self.first - recording.began
        told = any(line.time >= began and message["type"] in ("LOG", "TRACE") for line, message in recording.messages())
        return told or bool(recording.said())

    def judged(self, run: WebRun) -> Iterator[Finding]:
        """What is to be said of the read."""
        name, recording = self.scenario.name, run.recording
        if self.first is None:
            return
        if recording.timed_out:
            yield Finding(f"With {name} the read does not end in {recording.seconds:.0f} s.", recording)
        elif recording.acted is not None and self._too_often():
            yield Finding(f"With {name} it asks for ever: {run.happened} times.", recording)
        elif recording.acted is not None:
            since, silent = (recording.began + recording.acted - moment for moment in (self.first, self.last))
            text = f"With {name} it has not ended after {since:.0f} s, and has asked for nothing for {silent:.0f} s"
            if self._told_since(recording):
                yield Finding(f"{text}: how it ends was not waited for (--patience SECONDS).", recording,
                              severity=Severity.WARNING)  # fmt: skip
            else:
                yield Finding(f"{text}, nor said a word: a wait is told. Does it hang? (--patience SECONDS)", recording)
        elif self.most is None:
            yield from _judged(self.connector, run, self.scenario)


def _judged(connector: Connector, run: WebRun, scenario: Scenario) -> Iterator[Finding]:
    recording, name = run.recording, scenario.name
    errors = [(line, error) for line, error in recording.traces("error")]
    missing = connector.web.missing(run)
    complete = {
        name_of(status.get("stream_descriptor"))
        for _, status in recording.traces("stream_status")
        if status.get("status") == "COMPLETE"
    }
    for stream, count in missing.items():
        if recording.code == 0:
            yield Finding(f"{stream}: with {name} {records_are(count)} missing, and the read exits with 0.", recording,
                          stream=stream)  # fmt: skip
        elif stream in complete:
            yield Finding(f"{stream}: with {name} {records_are(count)} missing, and it is COMPLETE.", recording,
                          stream=stream)  # fmt: skip
    if recording.code == 0:
        return
    if not errors:
        yield Finding(f"With {name} the read {recording.ending} without an ERROR trace.", recording)
        return
    line, error = errors[-1]
    if scenario.passes:
        finding = Finding.at(line, recording, f"With {name} the read fails: {error.get('message')}")
        finding.severity = Severity.WARNING
        yield finding
    if scenario.kind and all(error.get("failure_type") != scenario.kind for _, error in errors):
        finding = Finding.at(line, recording, f"With {name} it is {kind_of(error)}, not {scenario.kind}.")
        finding.severity = Severity.WARNING
        yield finding


def _again_and_again(connector: Connector) -> Iterator[tuple[Rule, int]]:
    """Every page of a list is the first one, with its link to the next; and how often it may be asked for."""
    web = connector.web
    pages = Counter(request.url.partition("?")[0] for request in web.requests)
    url, count = pages.most_common(1)[0]
    if count >= 2:
        first = next(request for request in web.requests if request.url.partition("?")[0] == url)
        fault = Fault("answer", web.proxy.tape.find(first, 0))
        yield Rule(fault, to({url}), None, name=_AGAIN.name), 10 * count + 50
