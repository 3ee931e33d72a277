"""C1 to C6: ``check``."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from typing import Any

from headwater.acceptance.checks import check
from headwater.acceptance.checks.process_surroundings import kind_of
from headwater.acceptance.connector import Connector
from headwater.acceptance.recording import Recording
from headwater.acceptance.results import Finding, Severity, Skipped

_SECONDS = 60.0


def _status(run: Recording) -> dict[str, Any] | None:
    found = None
    for _, status in run.of("CONNECTION_STATUS", "connectionStatus"):
        found = status
    return found


@check("C1", "`check` of a valid config says SUCCEEDED")
def valid(connector: Connector) -> Iterator[Finding]:
    """With exit code 0."""
    run = connector.check_run
    status = _status(run)
    if status is None:
        yield Finding(f"`check` {run.ending} and gives no CONNECTION_STATUS. {_error(run)}", run)
    elif status.get("status") != "SUCCEEDED":
        yield Finding(f"`check` of the config says {status.get('status')}: {status.get('message')}", run)
    elif run.code != 0:
        yield Finding(f"`check` says SUCCEEDED but {run.ending}.", run)


def _error(run: Recording) -> str:
    for _, error in run.traces("error"):
        return f"Its ERROR trace: {error.get('message')}"
    return run.said(300)


@check("C2", "`check` of each given config ends as expected")
def given(connector: Connector) -> Iterator[Finding]:
    """`connection` in acceptance-test-config.yml, or --invalid-config: succeed, failed (exit code 0 and a message),
    exception (an ERROR trace with a message)."""
    if not connector.settings.connection:
        raise Skipped("no further configs were given: --invalid-config FILE, or `connection` in the config file.")
    for case in connector.settings.connection:
        path = connector.file(case.config.name, case.config.read_text(encoding="utf-8"))  # where a container sees it
        run = connector.run("check", "--config", str(path), what=f"check of {case.config.name}")
        status = _status(run)
        said = (status or {}).get("status", "nothing")
        if case.status == "exception":
            errors = [error for _, error in run.traces("error")]
            if not any(error.get("message") for error in errors):
                yield Finding(f"`check` of {case.config.name} gives no ERROR trace with a message.", run)
        elif said != {"succeed": "SUCCEEDED", "failed": "FAILED"}[case.status]:
            yield Finding(f"`check` of {case.config.name} says {said}, not {case.status}. {_error(run)}", run)
        elif run.code != 0:
            yield Finding(f"`check` of {case.config.name} says {said} but {run.ending}.", run)
        elif case.status == "failed" and not (status or {}).get("message"):
            yield Finding(f"`check` of {case.config.name} says FAILED without a message.", run)


def wrong_configs(schema: dict[str, Any], config: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    """Configs that don't fit the specification, each in one way."""
    from jsonschema import Draft7Validator

    validator = Draft7Validator(schema)
    properties = schema.get("properties") or {}
    for name in config:
        if name not in properties:
            continue
        made: list[tuple[str, Any]] = [("of a wrong type", {"a": ["wrong", "type"]}), ("an empty string", "")]
        for what, value in [("missing", None), *made]:
            changed = copy.deepcopy(config)
            if value is None:
                del changed[name]
            else:
                changed[name] = value
            if not validator.is_valid(changed):
                yield f"`{name}` {what}", changed
        if "enum" in properties[name]:
            yield f"`{name}` with an unknown member", {**config, name: "no-such-member"}


@check("C3", "`check` of configs that don't fit the specification says whose turn it is")
def generated(connector: Connector) -> Iterator[Finding]:
    """Each required setting missing, of a wrong type, empty, an unknown member: FAILED with a message, or a
    config_error; never a system_error, a crash or a time-out."""
    most = 12
    cases = list(wrong_configs(connector.connection_specification, connector.config))
    for what, config in cases[:most]:
        run = connector.run("check", "--config", str(connector.file("config.json", config)), what=f"config: {what}")
        status = _status(run)
        errors = [error for _, error in run.traces("error")]
        if run.timed_out:
            yield Finding(f"`check` with {what} does not end.", run)
        elif status is not None and status.get("status") == "SUCCEEDED":
            # an empty text is often taken for a setting that is not set
            severity = Severity.WARNING if what.endswith("an empty string") else None
            yield Finding(f"`check` with {what} says SUCCEEDED.", run, severity=severity)
        elif status is not None and run.code == 0:
            if not status.get("message"):
                yield Finding(f"`check` with {what} says FAILED without a message.", run)
        elif status is None and not errors:
            yield Finding(f"`check` with {what} {run.ending} without a status or an ERROR trace.", run)
        elif status is None and errors[-1].get("failure_type") != "config_error":
            yield Finding(f"`check` with {what} is {kind_of(errors[-1])}, not a config_error.", run)


@check("C4", "A setting that it does not know is no error")
def unknown_setting(connector: Connector) -> Iterator[Finding]:
    """Configs of newer versions are read by older ones."""
    config = {**connector.config, "__unknown_setting__": True, "unknown_setting_of_another_version": {"a": 1}}
    run = connector.run("check", "--config", str(connector.file("config.json", config)), what="an unknown setting")
    usual, status = _status(connector.check_run), _status(run)
    if (usual or {}).get("status") == "SUCCEEDED" and (status or {}).get("status") != "SUCCEEDED":
        yield Finding(f"With an unknown setting `check` says {(status or {}).get('status', 'nothing')}.", run)


@check("C5", "`check` gives exactly one status, and no records or states")
def one_status(connector: Connector) -> Iterator[Finding]:
    """One CONNECTION_STATUS."""
    run = connector.check_run
    statuses = 0
    for line, message in run.messages():
        if message["type"] in ("RECORD", "STATE"):
            yield Finding.at(line, run, f"`check` gives a {message['type']}.")
        if message["type"] == "CONNECTION_STATUS":
            statuses += 1
            if statuses > 1:
                yield Finding.at(line, run, "`check` gives a second status.")


@check("C6", "`check` ends within a minute", Severity.WARNING)
def in_time(connector: Connector) -> Iterator[Finding]:
    """A person waits for it."""
    run = connector.check_run
    if run.timed_out or run.seconds > _SECONDS:
        yield Finding(f"`check` took {run.seconds:.0f} s.", run)
