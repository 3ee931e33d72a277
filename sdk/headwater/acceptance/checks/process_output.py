"""A1 to A5: what a connector's process writes, and how it ends."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import NoReturn

from headwater.acceptance.checks import check
from headwater.acceptance.connector import Connector
from headwater.acceptance.recording import Recording, decoded
from headwater.acceptance.results import Finding, Severity, Skipped
from headwater.acceptance.shapes import faults


def _plain(connector: Connector) -> Iterator[Recording]:
    """The runs whose output is looked at line by line: one of each command."""
    yield connector.spec_run
    for name in ("check_run", "discover_run", "first"):
        try:
            yield getattr(connector, name)
        except Skipped:
            continue


@check("A1", "Every line of standard output is one JSON message")
def lines_are_messages(connector: Connector) -> Iterator[Finding]:
    """Anything else is data to whoever reads it. With ``--allow-noise`` a warning."""
    severity = Severity.WARNING if connector.settings.noise else None
    for recording in _plain(connector):
        for line in recording.lines():
            if decoded(line.raw) is None and not _two(line.raw):
                finding = Finding.at(line, recording, f"`{recording.arguments[0]}` wrote a line that is no message.")
                finding.severity = severity
                yield finding


@check("A2", "Messages have the protocol's types and fields")
def messages_have_their_fields(connector: Connector) -> Iterator[Finding]:
    """Required fields are there, whole numbers are whole, enumerations have no other members."""
    for recording in _plain(connector):
        for line, message in recording.messages():
            for fault in faults(message):
                yield Finding.at(line, recording, f"{message['type']}: {fault}.")


@check("A3", "Messages are single lines of valid UTF-8 and strict JSON")
def lines_are_strict(connector: Connector) -> Iterator[Finding]:
    """One message a line, ended by a line feed; no NaN, no lone surrogates, no byte order mark, no name twice."""
    for recording in _plain(connector):
        for line in recording.lines(whole=False):
            fault = strictness(line.raw)
            if fault:
                yield Finding.at(line, recording, f"`{recording.arguments[0]}`: {fault}.")


def strictness(raw: bytes) -> str | None:
    """Why a line is not what any reader takes; None if it is."""
    if not raw.endswith(b"\n"):
        return "the last line has no line feed"
    if raw.startswith(b"\xef\xbb\xbf"):
        return "the line begins with a byte order mark"
    if raw.endswith(b"\r\n"):
        return "the line ends with a carriage return"
    try:
        text = raw.decode("utf-8")
    except UnicodeDecodeError as error:
        return f"the line is not UTF-8 ({error.reason} at byte {error.start})"
    if not text.startswith("{"):
        return None  # A1's
    if _two(raw):
        return "there are two messages on one line"
    try:
        value = json.loads(text, parse_constant=_refused, object_pairs_hook=_once)
        json.dumps(value, ensure_ascii=False).encode("utf-8") if "\\ud" in text or "\\uD" in text else None
    except UnicodeEncodeError:
        return "a string holds a lone surrogate, which is no Unicode"
    except _Not as error:
        return str(error)
    except (ValueError, RecursionError):
        return None  # A1's
    return None


class _Not(Exception):
    """Something that JSON does not have."""


def _refused(token: str) -> NoReturn:
    raise _Not(f"{token} is not JSON")


def _once(pairs: list[tuple[str, object]]) -> dict[str, object]:
    found = dict(pairs)
    if len(found) < len(pairs):
        names = [name for name, _ in pairs]
        raise _Not(f"an object has the name {next(name for name in names if names.count(name) > 1)!r} twice")
    return found


def _two(raw: bytes) -> bool:
    """Whether a line holds several messages."""
    if b'}{"type"' not in raw and b'} {"type"' not in raw:
        return False
    try:
        text = raw.decode("utf-8", "replace")
        value, end = json.JSONDecoder().raw_decode(text)
    except ValueError:
        return False
    return isinstance(value, dict) and text[end:].strip() != ""


@check("A4", "The exit code is 0 on success, and not 0 with an ERROR trace on failure")
def exit_codes(connector: Connector) -> Iterator[Finding]:
    """An exit code of 0 tells the platform that every stream is complete."""
    for recording in [*_plain(connector), *_failing(connector)]:
        if recording.timed_out:
            yield Finding(f"`{recording.arguments[0]}` {recording.ending}.", recording)
            continue
        errors = [line for line, _ in recording.traces("error")]
        incomplete = [
            line for line, status in recording.traces("stream_status") if status.get("status") == "INCOMPLETE"
        ]
        failed = recording.code != 0
        if failed and not errors:
            said = f" Its standard error: {recording.said(200)}" if recording.said() else ""
            yield Finding(f"`{recording.arguments[0]}` {recording.ending} without an ERROR trace.{said}", recording)
        if not failed and (errors or incomplete):
            line = (errors or incomplete)[0]
            yield Finding.at(line, recording, f"`{recording.arguments[0]}` exited with 0 after a failure.")


def _failing(connector: Connector) -> Iterator[Recording]:
    """Runs in which a stream can't be read."""
    try:
        yield connector.unknown_stream
    except Skipped:
        return


@check("A5", "Standard error has no traceback after a success", Severity.WARNING)
def quiet_on_success(connector: Connector) -> Iterator[Finding]:
    """A traceback of a run that succeeded is a bug that nobody sees."""
    for recording in _plain(connector):
        if recording.code != 0:
            continue
        with recording.stderr.open("rb") as file:
            for raw in file:
                if raw.startswith((b"Traceback (most recent call last)", b"Exception in thread", b"panic:")):
                    text = raw.decode("utf-8", "backslashreplace").strip()
                    yield Finding(f"`{recording.arguments[0]}` succeeded with `{text}` on standard error.", recording)
                    break
