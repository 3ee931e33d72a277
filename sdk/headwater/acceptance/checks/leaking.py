"""X10 and X19: secrets stay where they are, and nobody is asked but who may be."""

from __future__ import annotations

import fnmatch
import json
import re
from bisect import bisect_right
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

from headwater.acceptance.checks import check
from headwater.acceptance.connector import Connector
from headwater.acceptance.recording import Line, Recording, decoded
from headwater.acceptance.results import Finding, Severity, Skipped
from headwater.acceptance.secrets import SHORTEST, leaks, replaced, unmarked, values
from headwater.acceptance.streams import value_at

CANARY = 'cAnary7-%/+=&"\\ä'
"""A secret that looks different in each form in which it can be written."""


@check("X10", "No secret is in any output, in any form")
def secrets_stay(connector: Connector) -> Iterator[Finding]:
    """Neither as it is nor percent-encoded, in base64, escaped, in hexadecimal: in all runs of this suite, in runs
    with canaries as secrets, which fail, and with ``--debug``. CONTROL messages, which carry the config, are exempt. Of
    what looks like a secret and is not marked as one a warning."""
    wanted = _wanted(connector)
    _in_all_ways(connector, replaced(connector.connection_specification, connector.config, CANARY))
    for run in list(connector.recordings):
        if not run.dropped:  # else it was looked through before it went, and nothing was there
            yield from _found(run, *wanted)


def leaks_in(connector: Connector, run: Recording) -> bool:
    """Whether X10 has something to say of a run."""
    try:
        return any(True for _ in _found(run, *_wanted(connector)))
    except Skipped:
        return False


def _wanted(connector: Connector) -> tuple[list[str], list[str]]:
    """The secrets that are marked, and those that only look like some."""
    schema, config = connector.connection_specification, connector.config
    secrets, hidden = ({one for one in found(schema, config) if len(one) >= SHORTEST} for found in (values, unmarked))
    if not secrets and not hidden:
        raise Skipped("the config has no secret of six characters or more in a field marked with `airbyte_secret`.")
    public = json.dumps(connector.spec) + json.dumps(_catalog(connector))
    # a word that the connector says of itself is no secret
    wanted, doubted = ([one for one in found if one not in public] for found in ({*secrets, CANARY}, hidden - secrets))
    return wanted, doubted


def _found(run: Recording, wanted: list[str], doubted: list[str]) -> Iterator[Finding]:
    yield from _leaks(run, wanted)
    for finding in _leaks(run, doubted):
        finding.message += " The specification does not mark it with `airbyte_secret`."
        finding.severity = Severity.WARNING
        yield finding


def _in_all_ways(connector: Connector, canaries: Any) -> None:
    """Runs in which secrets are apt to be written."""
    path = str(connector.file("config.json", canaries))
    connector.run("check", "--config", path, what="canaries as secrets")
    connector.run("check", "--config", path, "--debug", what="canaries as secrets, --debug")
    try:
        connector.read(connector.streams, config=canaries, what="canaries as secrets")
        connector.read(connector.streams, flags=["--debug"], what="--debug")
    except Skipped:
        pass


def _catalog(connector: Connector) -> object:
    try:
        return connector.catalog
    except Skipped:
        return None


def _leaks(run: Recording, secrets: list[str]) -> Iterator[Finding]:
    name = run.what or run.arguments[0]
    for path, place, form in leaks([run.stdout, run.stderr], secrets):
        if path == run.stderr:
            yield Finding(f"{name}: a secret ({form}) is on standard error, at byte {place}.", run)
            continue
        number = bisect_right(run.ends, place) + 1
        line = _line(run, number)
        message = decoded(line.raw) if line is not None else None
        if line is None:
            yield Finding(f"{name}: a secret ({form}) is in a line that was cut off.", run)
        elif message is None or message["type"] != "CONTROL":
            kind = message["type"] if message else "no message"
            yield Finding.at(line, run, f"{name}: a secret ({form}) is in a line ({kind}).")


def _line(run: Recording, number: int) -> Line | None:
    if number > len(run.ends):
        return None
    start = run.ends[number - 2] if number > 1 else 0
    with run.stdout.open("rb") as file:
        file.seek(start)
        return Line(number, run.times[number - 1], file.read(run.ends[number - 1] - start))


@check("X19", "It talks only to the hosts that its metadata allow")
def hosts(connector: Connector) -> Iterator[Finding]:
    """`allowedHosts` of metadata.yaml, with ``${...}`` of the config; the proxy sees the hosts."""
    allowed = connector.settings.told(dict, "allowedHosts")
    if allowed is None:
        raise Skipped("no metadata.yaml with `allowedHosts` was given: --metadata FILE, or the connector's folder.")
    patterns = [_host(_filled(str(host), connector.config)) for host in allowed.get("hosts") or ()]
    assert connector.web.base.recording.code == 0
    asked = {seen.request.host for session in list(connector.web.sessions) for seen in session.seen}
    for host in sorted(asked):
        if not any(fnmatch.fnmatch(host, pattern) for pattern in patterns):
            yield Finding(f"It asks {host}, which `allowedHosts` does not name.", connector.web.base.recording)


def _filled(text: str, config: Any) -> str:
    return re.sub(r"\$\{([^}]+)\}", lambda match: str(value_at(config, match.group(1).split(".")) or ""), text)


def _host(text: str) -> str:
    """Of a URL or a host with a port."""
    return urlsplit(text if "//" in text else f"//{text}").hostname or text
