"""X10: secrets stay where they are."""

from __future__ import annotations

import json
from bisect import bisect_right
from collections.abc import Iterator

from headwater.acceptance.checks import check
from headwater.acceptance.connector import Connector
from headwater.acceptance.recording import Line, Recording, decoded
from headwater.acceptance.results import Finding, Skipped
from headwater.acceptance.secrets import SHORTEST, leaks, replaced, values

CANARY = 'cAnary7-%/+=&"\\ä'
"""A secret that looks different in each form in which it can be written."""


@check("X10", "No secret is in any output, in any form")
def secrets_stay(connector: Connector) -> Iterator[Finding]:
    """Neither as it is nor percent-encoded, in base64, escaped, in hexadecimal: in all runs of this suite, in runs
    with canaries as secrets, which fail, and with ``--debug``. CONTROL messages, which carry the config, are exempt."""
    schema, config = connector.connection_specification, connector.config
    secrets = {secret for secret in values(schema, config) if len(secret) >= SHORTEST}
    if not secrets:
        raise Skipped("the config has no secret of six characters or more in a field marked with `airbyte_secret`.")
    canaries = replaced(schema, config, CANARY)
    path = str(connector.file("config.json", canaries))
    connector.run("check", "--config", path, what="canaries as secrets")
    connector.run("check", "--config", path, "--debug", what="canaries as secrets, --debug")
    try:
        connector.read(connector.streams, config=canaries, what="canaries as secrets")
        connector.read(connector.streams, flags=["--debug"], what="--debug")
    except Skipped:
        pass
    public = json.dumps(connector.spec) + json.dumps(_catalog(connector))
    # a word that the connector says of itself is no secret
    wanted = [secret for secret in {*secrets, CANARY} if secret not in public]
    for run in list(connector.recordings):
        yield from _leaks(run, wanted)


def _catalog(connector: Connector) -> object:
    try:
        return connector.catalog
    except Skipped:
        return None


def _leaks(run: Recording, secrets: list[str]) -> Iterator[Finding]:
    name = run.what or run.arguments[0]
    for path, place, form in leaks([run.stdout, run.stderr], secrets):
        if path == run.stderr:
            yield Finding(f"{name}: a secret {form} is on standard error, at byte {place}.", run)
            continue
        number = bisect_right(run.ends, place) + 1
        line = _line(run, number)
        message = decoded(line.raw) if line is not None else None
        if line is None:
            yield Finding(f"{name}: a secret {form} is in a line that was cut off.", run)
        elif message is None or message["type"] != "CONTROL":
            kind = message["type"] if message else "no message"
            yield Finding.at(line, run, f"{name}: a secret {form} is in a line ({kind}).")


def _line(run: Recording, number: int) -> Line | None:
    if number > len(run.ends):
        return None
    start = run.ends[number - 2] if number > 1 else 0
    with run.stdout.open("rb") as file:
        file.seek(start)
        return Line(number, run.times[number - 1], file.read(run.ends[number - 1] - start))
