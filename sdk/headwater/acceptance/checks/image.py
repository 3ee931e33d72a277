"""G1 to G12: the image, and that the platform can run it."""

from __future__ import annotations

import json
import re
import shlex
import subprocess
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from headwater.acceptance.checks import check
from headwater.acceptance.checks.stopped import done_before
from headwater.acceptance.connector import Connector
from headwater.acceptance.engine import Act
from headwater.acceptance.image_room import ImageRoom
from headwater.acceptance.results import Finding, Severity, Skipped, records_are
from headwater.acceptance.rows import rows_of
from headwater.acceptance.secrets import SHORTEST, forms, values

_LARGE = 1_000_000_000
_LAYERS = 60
_SOON = 10.0
_PLATFORM = ("--user", "1000:1000", "--cap-drop", "ALL", "--security-opt", "no-new-privileges")
_SECRET = re.compile(r"(?i)\b[\w-]*(token|password|passwd|secret|api_?key)=(?!\$|\s|$)([^\s\"']{6,})")
# The output goes through named pipes, as on Kubernetes; the image's own ENTRYPOINT is not used there.
_POD = """
cd /source && mkfifo stdout stderr || exit 90
cat stdout & one=$!
cat stderr >&2 & two=$!
(set -e; eval "$AIRBYTE_ENTRYPOINT {arguments}") 2> stderr > stdout
code=$?
wait $one $two
exit $code
"""


def _room(connector: Connector) -> ImageRoom:
    if not isinstance(connector.room, ImageRoom):
        raise Skipped("no image was given: --image IMAGE.")
    return connector.room


def _inspected(connector: Connector) -> dict[str, Any]:
    return dict(json.loads(_docker("image", "inspect", _room(connector).image))[0])


def _docker(*words: str) -> str:
    done = subprocess.run(["docker", *words], capture_output=True, text=True, check=False)  # noqa: S603, S607
    if done.returncode:
        raise Skipped(f"docker {words[0]} failed: {done.stderr.strip()[-300:]}")
    return done.stdout


def _with(connector: Connector, *options: str, entrypoint: str | None = None) -> ImageRoom:
    words = (*options, "--entrypoint", entrypoint) if entrypoint else options
    return replace(_room(connector), options=words)


def _labels(connector: Connector) -> dict[str, str]:
    return dict(_inspected(connector)["Config"].get("Labels") or {})


def _variables(connector: Connector) -> dict[str, str]:
    pairs = _inspected(connector)["Config"].get("Env") or []
    return dict(pair.split("=", 1) for pair in pairs)


@check("G1", "The image has the labels io.airbyte.name and io.airbyte.version")
def labels(connector: Connector) -> Iterator[Finding]:
    """Registries and the platform read them."""
    found = _labels(connector)
    for name in ("io.airbyte.name", "io.airbyte.version"):
        if not found.get(name):
            yield Finding(f"The image has no label {name}.")


@check("G2", "AIRBYTE_ENTRYPOINT is the ENTRYPOINT, with an absolute path")
def entrypoint(connector: Connector) -> Iterator[Finding]:
    """On Kubernetes only the variable counts, elsewhere only the other."""
    said = _variables(connector).get("AIRBYTE_ENTRYPOINT")
    words = _inspected(connector)["Config"].get("Entrypoint") or []
    if not said:
        yield Finding("The image sets no AIRBYTE_ENTRYPOINT.")
    elif shlex.split(said) != list(words):
        yield Finding(f"AIRBYTE_ENTRYPOINT is {said!r}, the ENTRYPOINT {' '.join(words)!r}.")
    elif not said.startswith("/"):
        yield Finding(f"AIRBYTE_ENTRYPOINT {said!r} is no absolute path.")


@check("G3", "The image has a shell")
def shell(connector: Connector) -> Iterator[Finding]:
    """The platform starts connectors with `sh`."""
    room = _with(connector, entrypoint="sh")
    run = connector.run(
        "-c", "command -v cat && command -v mkfifo", room=room, what="a shell in the image", timeout=120
    )
    if run.code != 0:
        yield Finding(f"`sh` with `cat` and `mkfifo` in the image {run.ending}: {run.said(200)}", run)


def _gives_spec(connector: Connector, what: str, *options: str) -> Iterator[Finding]:
    run = connector.run("spec", room=_with(connector, *options), what=what, timeout=300)
    if run.code != 0 or not any(True for _ in run.of("SPEC", "spec")):
        yield Finding(f"{what[0].upper()}{what[1:]} `spec` {run.ending}: {run.said(300)}", run)


@check("G4", "It runs without rights: as user 1000, without capabilities, and is not made for root")
def without_rights(connector: Connector) -> Iterator[Finding]:
    """As the platform runs it."""
    user = str(_inspected(connector)["Config"].get("User") or "")
    if user.split(":")[0] in ("", "0", "root"):
        yield Finding("The image's USER is root.", severity=Severity.WARNING)
    yield from _gives_spec(connector, "as user 1000 without capabilities", *_PLATFORM)
    yield from _gives_spec(connector, "as a user that nobody knows", "--user", "23456:23456", "--cap-drop", "ALL")


@check("G5", "`spec` needs no network")
def without_network(connector: Connector) -> Iterator[Finding]:
    """In a container with `--network none`."""
    yield from _gives_spec(connector, "without a network", "--network", "none")


@check("G6", "It runs where only /tmp can be written to")
def read_only(connector: Connector) -> Iterator[Finding]:
    """`spec`, and `check` if there is a config."""
    options = ("--read-only", "--tmpfs", "/tmp")  # noqa: S108 - in the container
    yield from _gives_spec(connector, "with files that can't be changed", *options)
    if connector.settings.config is None:
        return
    run = connector.run(
        "check", "--config", str(connector.config_file), room=_with(connector, *options), what="check, read-only"
    )
    if run.code != connector.check_run.code:
        yield Finding(f"With files that can't be changed `check` {run.ending}: {run.said(300)}", run)


@check("G7", "It reads as the platform starts it: through AIRBYTE_ENTRYPOINT, from /source, into named pipes")
def as_platform(connector: Connector) -> Iterator[Finding]:
    """The same records as otherwise come."""
    connector.needs_success()
    if not _variables(connector).get("AIRBYTE_ENTRYPOINT"):
        raise Skipped("the image sets no AIRBYTE_ENTRYPOINT: G2 tells of it.")
    catalog = connector.file("catalog.json", connector.streams.json)
    arguments = shlex.join(["read", "--config", str(connector.config_file), "--catalog", str(catalog)])
    source = connector.folder / "source"
    source.mkdir(exist_ok=True)
    source.chmod(0o777)
    options = (*_PLATFORM, "-v", f"{source}:/source", "--workdir", "/source")
    room = _with(connector, *options, entrypoint="sh")
    run = connector.run("-c", _POD.replace("{arguments}", arguments), room=room, what="as the platform reads")
    if run.code != 0:
        yield Finding(f"Started as the platform does, the read {run.ending}: {run.said(300)}", run)
        return
    found = rows_of(run, connector.streams)
    for name, rows in connector.rows.items():
        gone = rows.keys.missing(found[name].keys).count
        if gone:
            yield Finding(f"{name}: {records_are(gone)} missing, started as the platform does.", run, stream=name)


@check("G8", "The image is for amd64", Severity.WARNING)
def architecture(connector: Connector) -> Iterator[Finding]:
    """What Airbyte requires of every image; others besides it are welcome."""
    found = _inspected(connector).get("Architecture")
    if found != "amd64":
        yield Finding(f"The image is for {found}.")


@check("G9", "The image is below 1 GB, and of at most 60 layers", Severity.WARNING)
def size(connector: Connector) -> Iterator[Finding]:
    """It is fetched to every machine that runs it."""
    found = _inspected(connector)
    if found["Size"] > _LARGE:
        yield Finding(f"The image is of {found['Size'] / 1e9:.2f} GB.")
    layers = len(found["RootFS"].get("Layers") or ())
    if layers > _LAYERS:
        yield Finding(f"The image has {layers} layers.")


@check("G10", "There are no secrets in the image's history and variables")
def history(connector: Connector) -> Iterator[Finding]:
    """Neither those of the config nor anything like TOKEN=..."""
    text = _docker("history", "--no-trunc", "--format", "{{.CreatedBy}}", _room(connector).image)
    text += "\n".join(f"{name}={value}" for name, value in _variables(connector).items())
    for match in _SECRET.finditer(text):
        yield Finding(f"A variable or build argument looks like a secret: {match.group(0).split('=')[0]}=...")
    try:
        secrets = list(values(connector.connection_specification, connector.config))
    except Skipped:
        return
    for secret in secrets:
        if len(secret) >= SHORTEST and any(form.decode("utf-8", "replace") in text for form in forms(secret).values()):
            yield Finding("A secret of the config is in the image's history or variables.")


@check("G11", "A signal to the container ends the connector")
def signals(connector: Connector) -> Iterator[Finding]:
    """The first process of the container hears SIGTERM, or passes it on: an entrypoint script needs `exec`."""
    _room(connector)
    act = Act("term", connector.succeeded.size // 3)
    run = connector.read(connector.streams, act=act, tight=True, what="SIGTERM to the container")
    if run.acted is None or done_before(connector, run):
        raise Skipped("it was done before it could be signalled: a config that reads more is needed.")
    seconds = run.seconds - run.acted
    if run.timed_out or seconds > _SOON or run.code == 137:
        yield Finding(f"After SIGTERM the container goes on for {seconds:.0f} s.", run)
    elif run.code == 0:
        yield Finding("After SIGTERM the container goes on, and exits with 0.", run)


@check("G12", "The version is the same in the image and in metadata.yaml")
def version(connector: Connector) -> Iterator[Finding]:
    """And so is the name."""
    found = _labels(connector)
    data = connector.settings.told(dict)
    if data is None:
        raise Skipped("no metadata.yaml was given: --metadata FILE, or the connector's folder.")
    for label, field in (("io.airbyte.version", "dockerImageTag"), ("io.airbyte.name", "dockerRepository")):
        if found.get(label) != str(data.get(field)):
            yield Finding(f"{label} is {found.get(label)!r}, `{field}` {data.get(field)!r}.")
