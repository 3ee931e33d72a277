"""X11, X12 and X19: what a connector makes of an API's faults, and which hosts it talks to."""

from __future__ import annotations

import fnmatch
import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from headwater.acceptance.checks import check
from headwater.acceptance.checks.process_surroundings import kind_of
from headwater.acceptance.connector import Connector
from headwater.acceptance.engine import Act
from headwater.acceptance.proxy import Answer, Fault, Request, Rule
from headwater.acceptance.results import Finding, Severity, Skipped
from headwater.acceptance.streams import name_of, value_at
from headwater.acceptance.web import WebRun, to

_JSON = [("Content-Type", "application/json")]
_VICTIMS = 3


def _error(status: int, *headers: tuple[str, str]) -> Fault:
    body = b'{"message":"said by the acceptance suite","error":"said by the acceptance suite"}'
    return Fault("answer", Answer(status, [*_JSON, *headers], body))


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
    Scenario("two answers of 429 with Retry-After", _error(429, ("Retry-After", "1")), 2),
    Scenario("three answers of 500", _error(500), 3),
    Scenario("an answer of 503", _error(503)),
    Scenario("a connection that is reset", Fault("reset")),
    Scenario("a body that ends in the middle", Fault("cut")),
    Scenario("JSON that ends in the middle", Fault("change", change=_half)),
    Scenario("an answer that comes late", Fault("delay", seconds=2.0)),
    Scenario("a body that comes drop by drop", Fault("drip", seconds=2.0)),
    Scenario("a certificate of somebody else", Fault("tls"), None, passes=False, kind=""),
    Scenario("answers of 401 from the middle on", _error(401), None, passes=False, kind="config_error"),
)


@check("X11", "Faults of an API are waited out or told; nothing is lost in silence")
def faults(connector: Connector) -> Iterator[Finding]:
    """429, 500, resets, bodies that are cut or come drop by drop, late answers, 401, a page that comes again and again:
    everything is read, or the read fails, with an ERROR trace of the right type. It always ends."""
    web = connector.web
    requests = web.requests
    if not requests:
        raise Skipped("no answer was JSON.")
    target = requests[len(requests) // 2]
    for scenario in SCENARIOS:
        rule = Rule(scenario.fault, lambda request: request.key == target.key, scenario.times, name=scenario.name)
        if scenario.times is None:
            rule.matches = lambda request: True
            rule.after = 0 if scenario.fault.kind == "tls" else len(web.base.seen) // 2
        run = web.read(connector.streams, rules=[rule], what=scenario.name)
        yield from _judged(connector, run, scenario)
    yield from _again_and_again(connector)


def _judged(connector: Connector, run: WebRun, scenario: Scenario) -> Iterator[Finding]:
    recording, name = run.recording, scenario.name
    errors = [(line, error) for line, error in recording.traces("error")]
    if not run.happened:
        return
    if recording.timed_out:
        yield Finding(f"With {name} the read does not end.", recording)
        return
    missing = connector.web.missing(run)
    complete = {
        name_of(status.get("stream_descriptor"))
        for _, status in recording.traces("stream_status")
        if status.get("status") == "COMPLETE"
    }
    for stream, count in missing.items():
        if recording.code == 0:
            yield Finding(f"{stream}: with {name} {count} records are missing, and the read exits with 0.", recording,
                          stream=stream)  # fmt: skip
        elif stream in complete:
            yield Finding(f"{stream}: with {name} {count} records are missing, and it is COMPLETE.", recording,
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


def _again_and_again(connector: Connector) -> Iterator[Finding]:
    """Every page of a list is the first one, with its link to the next."""
    web = connector.web
    pages = Counter(request.url.partition("?")[0] for request in web.requests)
    url, count = pages.most_common(1)[0]
    if count < 2:
        return
    first = next(request for request in web.requests if request.url.partition("?")[0] == url)
    answer = web.proxy.tape.find(first, 0)
    rule = Rule(Fault("answer", answer), to({url}), None, name="the same page again")
    most = 10 * count + 50
    run = web.read(
        connector.streams, rules=[rule], act=Act("kill", 0), trigger=lambda: rule.happened > most,
        what="the same page again and again",
    )  # fmt: skip
    if run.recording.acted is not None or run.recording.timed_out:
        yield Finding(f"When {url} gives the same page again and again it asks for ever.", run.recording)


@check("X12", "A stream that fails leaves the others alone")
def isolation(connector: Connector) -> Iterator[Finding]:
    """What only one stream asks for is answered with 400: that one is INCOMPLETE, with an ERROR trace that names it and
    an exit code that is not 0; the others are complete, with all records."""
    if len(connector.streams) < 2:
        raise Skipped("there is one stream only.")
    web = connector.web
    assert web.base.recording.code == 0
    names = [name for name, rows in web.rows.items() if rows.prints]
    connector.chance(3).shuffle(names)
    for name in names[:_VICTIMS]:
        alone = web.read(connector.streams.only([name]), what=f"{name} alone, behind the proxy")
        others = web.read(
            connector.streams.only(other for other in connector.streams if other != name), what=f"all but {name}"
        )
        urls = _urls(alone) - _urls(others)
        if urls:
            rule = Rule(_error(400), to(urls), None, name="400")
            run = web.read(connector.streams, rules=[rule], what=f"{name} fails")
            yield from _isolated(connector, run, name)
            return
    raise Skipped("no stream asks for something that no other one asks for.")


def _urls(run: WebRun) -> set[str]:
    return {seen.request.url.partition("?")[0] for seen in run.seen if seen.request.method != "CONNECT"}


def _isolated(connector: Connector, run: WebRun, name: str) -> Iterator[Finding]:
    recording = run.recording
    missing = connector.web.missing(run)
    if not missing.get(name):
        return
    last: dict[str, str] = {}
    for _, status in recording.traces("stream_status"):
        last[name_of(status.get("stream_descriptor"))] = str(status.get("status"))
    if recording.code == 0:
        yield Finding(
            f"{name}: {missing[name]} records are missing, and the read exits with 0.", recording, stream=name
        )
    if last.get(name) != "INCOMPLETE":
        yield Finding(f"{name} fails, and its last status is {last.get(name)}.", recording, stream=name)
    told = [
        name_of(error["stream_descriptor"]) for _, error in recording.traces("error") if error.get("stream_descriptor")
    ]
    if name not in told:
        yield Finding(f"{name} fails without an ERROR trace that names it.", recording, stream=name)
    for other, count in missing.items():
        if other != name:
            yield Finding(f"{other}: {count} records are missing as {name} fails.", recording, stream=other)
    for other in connector.streams:
        if other != name and last.get(other) != "COMPLETE":
            yield Finding(f"{other} is not complete as {name} fails.", recording, stream=other)


@check("X19", "It talks only to the hosts that its metadata allow")
def hosts(connector: Connector) -> Iterator[Finding]:
    """`allowedHosts` of metadata.yaml, with ``${...}`` of the config; the proxy sees the hosts."""
    allowed = connector.settings.told(dict, "allowedHosts")
    if allowed is None:
        raise Skipped("no metadata.yaml with `allowedHosts` was given: --metadata FILE, or the connector's folder.")
    patterns = [_host(_filled(str(host), connector.config)) for host in allowed.get("hosts") or ()]
    assert connector.web.base.recording.code == 0
    seen: dict[str, WebRun] = {}
    for session in list(connector.web.sessions):
        for request in session.seen:
            seen.setdefault(request.request.host, connector.web.base)
    for host in sorted(seen):
        if not any(fnmatch.fnmatch(host, pattern) for pattern in patterns):
            yield Finding(f"It asks {host}, which `allowedHosts` does not name.", connector.web.base.recording)


def _filled(text: str, config: Any) -> str:
    return re.sub(r"\$\{([^}]+)\}", lambda match: str(value_at(config, match.group(1).split(".")) or ""), text)


def _host(text: str) -> str:
    """Of a URL or a host with a port."""
    return urlsplit(text if "//" in text else f"//{text}").hostname or text
