"""From the options of the command line to a report."""

from __future__ import annotations

import argparse
import contextlib
import importlib.util
import os
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from headwater.acceptance import config_file
from headwater.acceptance.checks import Check, load
from headwater.acceptance.client_container import ClientFailed
from headwater.acceptance.connector import Connector
from headwater.acceptance.given import file_of, metadata_of, whole, yaml_of
from headwater.acceptance.image_room import ImageRoom
from headwater.acceptance.large import LARGE
from headwater.acceptance.reports.terminal import summary
from headwater.acceptance.results import Outcome, Report, Result
from headwater.acceptance.rooms import CommandRoom, Room, folder_room, package_room
from headwater.acceptance.settings import ConnectionCase, Settings
from headwater.acceptance.suite import chosen
from headwater.acceptance.suite import run as run_checks
from headwater.bridge.runners.command import variables
from headwater.errors import ConfigError


@dataclass(frozen=True)
class Request:
    """What one run of the suite is to do.

    :ivar others: further configurations, of which only some groups of checks are run: their names, their settings,
        the groups.
    :ivar keep: the folder in which recordings stay; None: they go with the run.
    :ivar notes: what a person should know of the connector's config file.
    """

    room: Room
    settings: Settings
    others: Sequence[tuple[str, Settings, tuple[str, ...]]] = ()
    only: Sequence[str] = ()
    skip: Sequence[str] = ()
    jobs: int = 2
    strict: bool = False
    keep: Path | None = None
    junit: Path | None = None
    json: Path | None = None
    html: Path | None = None
    notes: Sequence[str] = field(default_factory=list)

    @staticmethod
    def of(options: argparse.Namespace) -> Request:
        """From the command line's options.

        :raises ConfigError: they name no connector, or a file that is not there or is not what it must be.
        """
        lacking = [name for name in ("cryptography", "jsonschema", "yaml") if importlib.util.find_spec(name) is None]
        if lacking:
            raise ConfigError(
                f"{', '.join(lacking)} is not here. Install the extra: pip install 'headwater[acceptance]'."
            )
        base = _settings(options, in_folder(Path(options.folder)) if options.folder else Settings())
        path = _config_file(options)
        found = config_file.load(path, yaml_of(path), base) if path is not None else None
        main = whole(replace(found.main, lacking=found.lacking) if found is not None else base)
        return Request(
            _room(options),
            main,
            [(name, whole(one), groups) for name, one, groups in found.others] if found is not None else (),
            only=_words(options.only),
            skip=_words(options.skip),
            jobs=options.jobs or min(2, os.cpu_count() or 1),
            strict=options.strict,
            keep=_path(options.keep),
            junit=_path(options.junit),
            json=_path(options.json),
            html=_path(options.html),
            notes=found.notes if found is not None else (),
        )


def in_folder(folder: Path) -> Settings:
    """What a connector's folder says.

    :raises ConfigError: there is no such folder.
    """
    if not folder.is_dir():
        raise ConfigError(f"There is no folder {folder}.")
    metadata, baseline = folder / "metadata.yaml", folder / "acceptance-baseline"
    return Settings(
        folder=folder.resolve(),
        metadata=metadata_of(metadata) if metadata.is_file() else None,
        baseline=baseline.resolve() if baseline.is_dir() else None,
    )


def _config_file(options: argparse.Namespace) -> Path | None:
    if options.config_file:
        return file_of(options.config_file, "--config-file")
    path = Path(options.folder or ".") / config_file.NAME
    return path if options.folder and path.is_file() else None


def _room(options: argparse.Namespace) -> Room:
    given = [flag for flag, value in (("--command", options.connector), ("--package", options.package),
                                      ("--image", options.image)) if value]  # fmt: skip
    if len(given) > 1:
        raise ConfigError(f"{' and '.join(given)}: one of them is enough.")
    if options.connector:
        return CommandRoom.of(options.connector)
    if options.package:
        return package_room(options.package, options.executable)
    if options.image:
        return ImageRoom.of(options.image)
    if options.folder:
        return folder_room(Path(options.folder))
    raise ConfigError("Say which connector: --command COMMAND, --package REQUIREMENT, --image IMAGE or its FOLDER.")


def _path(text: str | None) -> Path | None:
    return Path(text).absolute() if text else None


def _words(text: str | None) -> list[str]:
    return [word.strip() for word in (text or "").split(",") if word.strip()]


def _settings(options: argparse.Namespace, base: Settings) -> Settings:
    """What the options say, on top of what the config file said."""
    changes: dict[str, Any] = {
        "seed": options.seed, "trials": options.trials, "noise": options.allow_noise, "update": options.update,
        "timeout": options.timeout, "patience": options.patience,
    }  # fmt: skip
    for name in ("config", "catalog", "expected_records", "baseline", "trust"):
        value = getattr(options, name)
        if value:
            path = Path(value).absolute()
            if name in ("config", "catalog", "trust") and not path.is_file():
                raise ConfigError(f"--{name}: there is no file {value}.")
            changes["configured_catalog" if name == "catalog" else name] = path
    if options.metadata:
        changes["metadata"] = metadata_of(file_of(options.metadata, "--metadata"))
    invalid = [ConnectionCase(file_of(one, "--invalid-config"), "failed") for one in options.invalid_config or ()]
    if invalid:
        changes["connection"] = [*base.connection, *invalid]
    if options.empty_stream:
        changes["empty_streams"] = {**base.empty_streams, **dict.fromkeys(options.empty_stream, "--empty-stream")}
    if options.ignore_field:
        changes["ignored_fields"] = _ignored(options.ignore_field, base)
    if options.consumer:
        changes["consumer"] = CommandRoom.of(options.consumer, "--consumer").command
    if options.env:
        changes["environment"] = {**base.environment, **variables(options.env)}
    return replace(base, **changes)


def _ignored(given: Sequence[str], base: Settings) -> dict[str, list[str]]:
    found = {stream: list(paths) for stream, paths in base.ignored_fields.items()}
    for one in given:
        stream, colon, path = one.partition(":")
        if not colon:
            raise ConfigError(f"--ignore-field {one}: it must be STREAM:PATH.")
        found.setdefault(stream, []).append(path)
    return found


def listing() -> Iterator[str]:
    """The checks, a line each."""
    for id, check in load().items():
        kind = "" if check.severity.value == "error" else " (warning)"
        yield f"{id:<4} {check.title}{kind}"


def run(
    request: Request,
    tell: Callable[[Result], None],
    say: Callable[[str], object],
    reproduce: Callable[[str], str],
) -> int:
    """Run the suite and write its reports; gives the exit code."""
    checks, lean = chosen(request.only, request.skip), LARGE if request.keep is None else None

    def checked(settings: Settings, some: Sequence[Check], part: Path, where: str | None = None) -> Report:
        connector = Connector(request.room, settings, part)
        return _closed(
            connector, lambda: run_checks(connector, some, tell, request.jobs, reproduce, where, lean), where
        )

    with _folder(request.keep, request.room.container) as folder:
        report = checked(request.settings, checks, folder)
        for number, (name, settings, groups) in enumerate(request.others, 1):
            part = folder / f"{number}-{name.replace('.json', '')}"  # two may have one name, in two folders
            part.mkdir(exist_ok=True)
            report.add(checked(settings, [one for one in checks if one.id[0] in groups], part, name))
        report.notes, report.kept = request.notes, request.keep is not None
        for line in summary(report):
            say(line)
        _write(report, request)
    return _code(report, request.strict)


def _closed(connector: Connector, run: Callable[[], Report], where: str | None) -> Report:
    """What was found, and whether the source could be emptied after it."""
    try:
        found = run()
    except BaseException:  # an interrupt, say, which is to be told before what went wrong after it
        with contextlib.suppress(ClientFailed):
            connector.close()
        raise
    try:
        connector.close()
    except ClientFailed as failed:
        reason = found.mask(str(failed))
        found.results.append(
            Result("teardown", "The source is emptied again", Outcome.BROKEN, reason=reason, where=where)
        )
    return found


def _code(report: Report, strict: bool) -> int:
    return 1 if strict and report.of(Outcome.WARNED) else report.code


def _write(report: Report, request: Request) -> None:
    if request.junit or request.json or request.html:
        from headwater.acceptance.reports import junit, page, plain

        for path, write in ((request.junit, junit.write), (request.json, plain.write), (request.html, page.write)):
            if path is not None:
                path.parent.mkdir(parents=True, exist_ok=True)
                write(report, path)


@contextlib.contextmanager
def _folder(keep: Path | None, container: bool) -> Iterator[Path]:
    """For the runs. A container's user may look into it; nobody else of this machine may look into what is above."""
    if keep is not None:
        keep.mkdir(mode=0o700, parents=True, exist_ok=True)
        yield _open_to_containers(keep) if container else keep
        return
    with tempfile.TemporaryDirectory(prefix="headwater-acceptance-") as name:
        yield _open_to_containers(Path(name))


def _open_to_containers(outer: Path) -> Path:
    folder = outer / "runs"
    folder.mkdir(exist_ok=True)
    folder.chmod(0o755)
    return folder
