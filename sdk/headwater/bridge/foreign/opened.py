"""A connector from settings: what a flow's file, the command line and VDK say of it."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

from headwater.bridge.foreign.classes import AIRBYTE_CDK, manifest_options, manifest_variables
from headwater.bridge.foreign.launch import manifest_code
from headwater.bridge.foreign.source import ForeignSource
from headwater.bridge.runners.base import Runner, words
from headwater.bridge.runners.command import CommandRunner
from headwater.bridge.runners.venv import VenvRunner
from headwater.errors import ConfigError, FlowError

TEXT, TEXTS, NUMBER, FLAG, TABLE = "a text", "a list of texts", "a number", "true or false", "a table"
TEXT_OR_TEXTS = "a text or a list of texts"
TEXT_OR_TABLE = "a text or a table"
SIZE = "a size, such as '512m' or '2g', or a number of bytes"

_OF_ALL = {"protocol": TEXT, "environment": TABLE, "silence": NUMBER}
_OF_VENVS = {"python": TEXT, "requirements": TEXTS, "constraints": TEXTS}
KINDS: Mapping[str, Mapping[str, str]] = {
    "package": {"package": TEXT, "executable": TEXT, **_OF_VENVS},
    "command": {"command": TEXT_OR_TEXTS},
    "manifest": {"manifest": TEXT, "components": TEXT, "cdk": TEXT, **_OF_VENVS},
    "image": {
        "image": TEXT,
        "pull": TEXT,
        "network": TEXT,
        "memory": SIZE,
        "cpus": NUMBER,
        "mounts": TEXTS,
        "user": TEXT,
        "entrypoint": TEXT_OR_TEXTS,
        "read_only": FLAG,
        "writable_files": FLAG,
        "attach": FLAG,
    },
}
"""The settings of each kind of connector, by the one that names it, and what each must be."""

SINGER = {"catalog": TEXT_OR_TABLE, "discover": FLAG, "catalog_option": TEXT}
"""The settings of a tap, besides."""

_SIZE = re.compile(r"\d+(\.\d+)?([kmgt]?b?)", re.ASCII | re.IGNORECASE)  # as docker-py takes it

_CHECKS: Mapping[str, Callable[[Any], bool]] = {
    TEXT: lambda value: isinstance(value, str) and bool(value),
    TEXTS: lambda value: isinstance(value, list) and all(isinstance(part, str) for part in value),
    NUMBER: lambda value: isinstance(value, (int, float)) and not isinstance(value, bool) and value > 0,
    FLAG: lambda value: isinstance(value, bool),
    TABLE: lambda value: isinstance(value, Mapping) and all(isinstance(part, str) for part in value.values()),
    TEXT_OR_TEXTS: lambda value: bool(value) and (isinstance(value, str) or _CHECKS[TEXTS](value)),
    TEXT_OR_TABLE: lambda value: isinstance(value, (str, Mapping)),
    SIZE: lambda value: bool(_SIZE.fullmatch(value)) if isinstance(value, str) else type(value) is int and value > 0,
}


def kind_of(settings: Mapping[str, Any]) -> str | None:
    """Which of ``package``, ``command``, ``manifest`` and ``image`` the settings name; None: none of them."""
    return next((kind for kind in KINDS if kind in settings), None)


def open_source(
    settings: Mapping[str, Any],
    config: Mapping[str, Any],
    *,
    where: str = "the connector",
    base: str | os.PathLike[str] | None = None,
) -> ForeignSource:
    """The connector, with its own config; nothing is started or installed yet.

    :param where: of the settings, for errors.
    :param base: the folder that relative paths start from.
    :raises FlowError: naming the setting that is wrong.
    """
    kind = checked(settings, where)
    folder = Path(base or ".")
    protocol = settings.get("protocol") or _usual_protocol(settings)
    options: dict[str, Any] = {name: settings[name] for name in SINGER if name in settings}
    if isinstance(options.get("catalog"), str):
        options["catalog"] = str(folder / options["catalog"])
    try:
        if kind == "manifest":
            components = settings.get("components")
            options = manifest_options(folder / settings["manifest"], components and folder / components)
        return ForeignSource(config, runner=_RUNNERS[kind](settings, folder), protocol=protocol, options=options)
    except ConfigError as error:
        raise FlowError(f"{where}: {error}") from None


def checked(settings: Mapping[str, Any], where: str) -> str:
    """Which kind of connector the settings name.

    :raises FlowError: for one that is wrong, missing or unknown.
    """
    named = [kind for kind in KINDS if kind in settings]
    if len(named) != 1:
        raise FlowError(f"{where} must name one of {', '.join(KINDS)}; it names {' and '.join(named) or 'none'}.")
    (kind,) = named
    takes = {**KINDS[kind], **_OF_ALL}
    protocol = settings.get("protocol") or _usual_protocol(settings)
    if protocol not in ("airbyte", "singer") or (kind == "manifest" and protocol != "airbyte"):
        raise FlowError(f"{where}: `protocol` is {protocol!r}; it must be 'airbyte' or, but for a manifest, 'singer'.")
    if protocol == "singer":
        takes = {**takes, **SINGER}
    for name, value in settings.items():
        if name not in takes:
            raise FlowError(
                f"{where} has {name!r}, which {kind!r} with the protocol {protocol!r} does not take. It takes: "
                f"{', '.join(takes)}."
            )
        if not _CHECKS[takes[name]](value):
            raise FlowError(f"{where}: `{name}` must be {takes[name]}.")
    return kind


def _usual_protocol(settings: Mapping[str, Any]) -> str:
    """Taps are named so."""
    name = settings.get("package") or settings.get("command") or settings.get("image") or ""
    first = name[0] if isinstance(name, list) and name else name
    program = os.path.basename(str(first).split()[0]) if str(first).strip() else ""
    known = program.removeprefix("meltanolabs-").removeprefix("pipelinewise-")
    return "singer" if known.startswith("tap-") else "airbyte"


def _some(settings: Mapping[str, Any], names: Iterable[str]) -> dict[str, Any]:
    return {name: settings[name] for name in names if name in settings}


def _beside(text: str, base: Path) -> str:
    """A path that begins with a dot starts from the folder of the settings."""
    return str(base.absolute() / text) if text.startswith(("./", "../")) else text


def _command(settings: Mapping[str, Any], base: Path) -> Runner:
    command = words(settings["command"])
    command[:1] = [_beside(first, base) for first in command[:1]]
    return CommandRunner(command, **_some(settings, ("environment", "silence")))


def _package(settings: Mapping[str, Any], base: Path) -> Runner:
    more = _some(settings, ("executable", "python", "constraints", "environment", "silence"))
    requirements = [_beside(text, base) for text in settings.get("requirements", ())]
    return VenvRunner(_beside(settings["package"], base), more=requirements, **more)


def _manifest(settings: Mapping[str, Any], base: Path) -> Runner:
    more = _some(settings, ("python", "constraints", "silence"))
    variables = {**manifest_variables(settings.get("components")), **settings.get("environment", {})}
    return VenvRunner(
        settings.get("cdk", AIRBYTE_CDK),
        more=settings.get("requirements", ()),
        code=manifest_code(),
        environment=variables,
        title=settings["manifest"],
        **more,
    )


def _image(settings: Mapping[str, Any], base: Path) -> Runner:
    from headwater.bridge.runners.docker import DockerRunner

    names = (
        "pull", "network", "memory", "cpus", "user", "entrypoint", "read_only", "attach", "environment", "silence",
    )  # fmt: skip
    rewrites = (settings.get("protocol") or _usual_protocol(settings)) == "singer"
    files = {"writable_files": settings.get("writable_files", rewrites)}
    mounts = [str(base.absolute() / text) if text.startswith(".") else text for text in settings.get("mounts", ())]
    return DockerRunner(settings["image"], mounts=mounts, **files, **_some(settings, names))


_RUNNERS: Mapping[str, Callable[[Mapping[str, Any], Path], Runner]] = {
    "package": _package,
    "command": _command,
    "manifest": _manifest,
    "image": _image,
}
