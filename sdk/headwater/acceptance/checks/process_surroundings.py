"""A6 to A10: wrong command lines and files, other surroundings, start-up, what is left behind."""

from __future__ import annotations

import contextlib
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from headwater.acceptance.checks import check
from headwater.acceptance.connector import Connector
from headwater.acceptance.recording import Recording
from headwater.acceptance.results import Finding, Severity, Skipped

_SOON = 10.0
_CPU_SECONDS = 2.0


@check("A6", "A wrong command line ends soon with an exit code, and says how it is used")
def wrong_command_lines(connector: Connector) -> Iterator[Finding]:
    """An unknown command, no command, a missing flag: not 0, within 10 s, with an ERROR trace or a usage."""
    for arguments in (("no-such-command",), (), ("check",), ("read",)):
        run = connector.run(*arguments, what=f"wrong command line {' '.join(arguments)!r}", timeout=120)
        name = " ".join(arguments) or "(nothing)"
        if run.timed_out:
            yield Finding(f"`{name}` as a command line does not end.", run)
        elif run.code == 0:
            yield Finding(f"`{name}` as a command line exits with 0.", run)
        elif run.seconds > _SOON and run.cpu > _SOON:
            yield Finding(f"`{name}` as a command line takes {run.seconds:.0f} s to be refused.", run)
        elif not _told(run):
            yield Finding(f"`{name}` as a command line is refused without an ERROR trace or a usage.", run)


def _told(run: Recording) -> bool:
    return any(True for _ in run.traces("error")) or "usage" in run.said(20_000).lower() or _usage(run)


def _usage(run: Recording) -> bool:
    return any(b"usage" in line.raw.lower() for line in run.lines(whole=False))


@check("A7", "Files that are missing or no JSON end with a config_error and without their content")
def broken_files(connector: Connector) -> Iterator[Finding]:
    """A config, catalog or state that can't be read: not 0 with an ERROR trace, or a FAILED check; no leak."""
    canary = "canary-7d1f2e0c"
    broken = str(connector.file("broken.json", f'{{"password": "{canary}", '))
    missing = str(connector.folder / "there-is-no-such-file.json")
    for what, path in (("is missing", missing), ("is no JSON", broken)):
        run = connector.run("check", "--config", path, what=f"the config {what}")
        yield from _refused(run, f"`check` with a config that {what}", canary, check=True)
    try:
        config, catalog = str(connector.config_file), str(connector.file("catalog.json", connector.streams.json))
    except Skipped:
        return
    for flag, path, files in (
        ("--catalog", broken, ("--config", config, "--catalog", broken)),
        ("--state", broken, ("--config", config, "--catalog", catalog, "--state", broken)),
    ):
        run = connector.run("read", *files, what=f"{flag} {Path(path).name}")
        yield from _refused(run, f"`read` with a {flag} that is no JSON", canary)


def _refused(run: Recording, what: str, canary: str, check: bool = False) -> Iterator[Finding]:
    if canary.encode() in run.stdout.read_bytes() + run.stderr.read_bytes():
        yield Finding(f"{what}: the file's content is printed.", run)
    errors = [error for _, error in run.traces("error")]
    failed = [status for _, status in run.of("CONNECTION_STATUS", "connectionStatus") if status["status"] == "FAILED"]
    if run.timed_out:
        yield Finding(f"{what} does not end.", run)
    elif check and failed and run.code == 0:
        return
    elif run.code == 0:
        yield Finding(f"{what} exits with 0.", run)
    elif not errors:
        yield Finding(f"{what} {run.ending} without an ERROR trace.", run)
    elif all(error.get("failure_type") != "config_error" for error in errors):
        finding = Finding(f"{what} is {kind_of(errors[-1])}, not a config_error.", run)
        finding.severity = Severity.WARNING
        yield finding


def kind_of(error: Mapping[str, Any]) -> str:
    """What kind of failure an ERROR trace tells, in words."""
    kind = error.get("failure_type")
    return f"a {kind}" if kind else "an error without a `failure_type`"


@check("A8", "It works from any directory, without HOME, terminal and standard input")
def other_surroundings(connector: Connector) -> Iterator[Finding]:
    """From ``/``, with HOME unset and standard input closed, ``spec`` and ``check`` say the same."""
    if connector.room.container:
        raise Skipped("a container has surroundings of its own; group G looks at them.")
    prefix = ("sh", "-c", 'exec "$@" <&-', "sh")
    changes = {"HOME": None, "XDG_CACHE_HOME": None, "XDG_CONFIG_HOME": None}
    runs: list[tuple[Recording, tuple[str, ...]]] = [(connector.spec_run, ("spec",))]
    with contextlib.suppress(Skipped):
        runs.append((connector.check_run, ("check", "--config", str(connector.config_file))))
    for usual, arguments in runs:
        if usual.code != 0:
            continue
        run = connector.run(*arguments, what="from /", cwd=Path("/"), environment=changes, prefix=prefix)
        if run.code != 0:
            said = run.said(200) or "nothing on standard error"
            yield Finding(f"`{arguments[0]}` from / without HOME and standard input {run.ending}: {said}", run)
        elif _result(run) != _result(usual):
            yield Finding(f"`{arguments[0]}` from / without HOME and standard input says something else.", run)


def _result(run: Recording) -> object:
    for _, message in run.messages():
        if message["type"] == "SPEC":
            return message.get("spec")
        if message["type"] == "CONNECTION_STATUS":
            return message.get("connectionStatus", {}).get("status")
    return None


@check("A9", "`spec` takes at most two seconds of processor time", Severity.WARNING)
def starts_fast(connector: Connector) -> Iterator[Finding]:
    """The platform starts a connector for every command."""
    run = connector.spec_run
    if connector.room.container:
        raise Skipped("the processor time of a container is not seen from outside.")
    if run.cpu > _CPU_SECONDS:
        memory = run.peak / 1e6
        yield Finding(f"`spec` took {run.cpu:.1f} s of processor time and {memory:.0f} MB of memory.", run)


@check("A10", "No files are left behind outside of the temporary directory", Severity.WARNING)
def leaves_no_files(connector: Connector) -> Iterator[Finding]:
    """Neither in the working directory nor in HOME."""
    if connector.room.container:
        raise Skipped("a container's files end with it.")
    folder = Path(tempfile.mkdtemp(prefix="left-behind-", dir=connector.folder))  # which goes with the runs
    for part in ("work", "home"):
        (folder / part).mkdir()
    arguments = ("check", "--config", str(connector.config_file))
    environment: dict[str, str | None] = {"HOME": str(folder / "home"), "XDG_CACHE_HOME": None}
    run = connector.run(*arguments, what="files left behind", cwd=folder / "work", environment=environment)
    left = sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())
    if left:
        yield Finding(f"`check` left {len(left)} files behind: {', '.join(left[:5])}.", run)
