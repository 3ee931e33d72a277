"""H1 to H11: the files of a connector's folder."""

from __future__ import annotations

import importlib
import re
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any
from uuid import UUID

from headwater.acceptance.checks import check
from headwater.acceptance.connector import Connector
from headwater.acceptance.results import Finding, Severity, Skipped
from headwater.acceptance.streams import name_of, value_at

tomllib: Any = importlib.import_module("tomllib" if sys.version_info >= (3, 11) else "tomli")

_REQUIRED = ("name", "definitionId", "connectorType", "connectorSubtype", "dockerRepository", "dockerImageTag",
             "license", "documentationUrl", "githubIssueLabel", "releaseStage")  # fmt: skip
_MEMBERS = {
    "connectorType": ("source", "destination"),
    "connectorSubtype": ("api", "database", "datalake", "file", "custom", "message_queue", "unknown", "vectorstore"),
    "releaseStage": ("alpha", "beta", "generally_available", "custom"),
    "supportLevel": ("community", "certified", "archived"),
}
_OPTIONAL = {
    "icon", "connectorBuildOptions", "connectorTestSuitesOptions", "supportLevel", "allowedHosts", "suggestedStreams",
    "maxSecondsBetweenMessages", "protocolVersion", "releaseDate", "erdUrl", "externalDocumentationUrls", "tags",
    "registryOverrides", "registries", "releases", "remoteRegistries", "resourceRequirements", "ab_internal",
    "supportsRefreshes", "supportsFileTransfer", "supportsDataActivation", "connectorIPCOptions", "generated",
    "supportsDbt", "supportsNormalization", "normalizationConfig", "iconUrl", "sourceType",
}  # fmt: skip
_KINDS: dict[str, tuple[type, str]] = {
    "allowedHosts": (dict, "an object"), "allowedHosts.hosts": (list, "a list"),
    "suggestedStreams": (dict, "an object"), "suggestedStreams.streams": (list, "a list"),
    "releases": (dict, "an object"), "releases.breakingChanges": (dict, "an object"),
    "maxSecondsBetweenMessages": (int, "a number of seconds"),
}  # fmt: skip
_NO_METADATA = (
    "There is no metadata.yaml in {}. Airbyte's registry needs one, and the platform has from it which hosts may be "
    "asked and how long a silence may be; who runs the connector as a command or an image needs none. Write one "
    f'with `metadataSpecVersion: "1.0"` and, in `data`, {", ".join(_REQUIRED)}; or leave this out: --skip H1.'
)
_SEMVER = re.compile(r"^\d+\.\d+\.\d+(-[0-9A-Za-z.-]+)?$")
_PLAIN_HTTP = re.compile(rb"http://(?!json-schema\.org|localhost|127\.0\.0\.1|0\.0\.0\.0)[a-zA-Z0-9]")
_LEFT_OUT = {"secrets", "tests", "unit_tests", "integration_tests", "acceptance_tests", "node_modules", "build", "dist"}
_TEXT = {".py", ".yaml", ".yml", ".json", ".toml", ".js", ".ts", ".java", ".kt", ".go", ".rb"}


def _folder(connector: Connector) -> Path:
    folder = connector.settings.folder
    if folder is None:
        raise Skipped("no connector's folder was given: headwater acceptance FOLDER.")
    return folder


def _data(connector: Connector) -> Mapping[str, Any]:
    data = connector.settings.told(dict)
    if data is None:
        raise Skipped("there is no metadata.yaml with `data`: H1 tells of it." if connector.settings.folder else
                      "no metadata.yaml was given: --metadata FILE, or the connector's folder.")  # fmt: skip
    return data


def _project(connector: Connector) -> Mapping[str, Any]:
    path = _folder(connector) / "pyproject.toml"
    if not path.exists():
        raise Skipped("there is no pyproject.toml.")
    found = tomllib.loads(path.read_text(encoding="utf-8"))
    project = found.get("project") or (found.get("tool") or {}).get("poetry") or {}
    return project if isinstance(project, dict) else {}


@check("H1", "metadata.yaml has its fields")
def metadata(connector: Connector) -> Iterator[Finding]:
    """The required ones, of the right kind; unknown ones are refused by Airbyte's registry. Without the file a warning:
    only who publishes there needs it."""
    found, data = connector.settings.metadata, connector.settings.told(dict)
    if found is None:
        yield Finding(_NO_METADATA.format(_folder(connector).name), severity=Severity.WARNING)
        return
    if data is None:
        yield Finding("metadata.yaml has no `data`, an object with all that it says.")
        return
    if str(found.get("metadataSpecVersion")) != "1.0":
        yield Finding(f"`metadataSpecVersion` is {found.get('metadataSpecVersion')!r}, not 1.0.")
    for name in _REQUIRED:
        if not data.get(name):
            yield Finding(f"metadata.yaml: `{name}` is missing.")
    for name, members in _MEMBERS.items():
        if data.get(name) is not None and data[name] not in members:
            yield Finding(f"metadata.yaml: `{name}` is {data[name]!r}; it must be one of {', '.join(members)}.")
    try:
        UUID(str(data.get("definitionId")))
    except ValueError:
        yield Finding(f"metadata.yaml: `definitionId` {data.get('definitionId')!r} is no UUID.")
    for path, (kind, word) in _KINDS.items():
        value = value_at(data, path.split("."))
        if value is not None and (not isinstance(value, kind) or isinstance(value, bool)):
            yield Finding(f"metadata.yaml: `{path}` is {value!r}; it must be {word}.")
    for name in sorted(data.keys() - _OPTIONAL - set(_REQUIRED)):
        yield Finding(f"metadata.yaml: `{name}` is unknown.")


@check("H2", "It says how it is used", Severity.WARNING)
def documentation(connector: Connector) -> Iterator[Finding]:
    """A README.md, a page in docs/, or a documentation URL in its spec and metadata."""
    folder = _folder(connector)
    pages = [folder / "README.md", *folder.glob("docs/*.md")]
    if not any(page.exists() for page in pages) and not _data(connector).get("documentationUrl"):
        yield Finding("There is no README.md, no docs/*.md and no `documentationUrl`.")
    url = connector.spec.get("documentationUrl")
    if not url:
        yield Finding("The specification has no `documentationUrl`.", connector.spec_run)


@check("H3", "The changelog has this version", Severity.WARNING)
def changelog(connector: Connector) -> Iterator[Finding]:
    """Where there is a changelog: CHANGELOG.md, or a heading of that name in README.md or docs/."""
    folder = _folder(connector)
    version = str(_data(connector).get("dockerImageTag"))
    for page in (folder / "CHANGELOG.md", folder / "README.md", *folder.glob("docs/*.md")):
        if not page.exists():
            continue
        text = page.read_text(encoding="utf-8", errors="replace")
        _, found, log = ("", "#", text) if page.name == "CHANGELOG.md" else _after_heading(text)
        if found:
            if version not in log:
                yield Finding(f"{page.name}: the changelog has no entry for {version}.")
            return
    raise Skipped("there is no changelog.")


def _after_heading(text: str) -> tuple[str, str, str]:
    match = re.search(r"^#+\s*changelog\b", text, re.IGNORECASE | re.MULTILINE)
    return ("", match.group(), text[match.end() :]) if match else (text, "", "")


@check("H4", "The icon that is named is there", Severity.WARNING)
def icon(connector: Connector) -> Iterator[Finding]:
    """An SVG in the connector's folder."""
    folder, name = _folder(connector), _data(connector).get("icon")
    path = folder / str(name or "icon.svg")
    if name is None and not path.exists():
        raise Skipped("metadata.yaml names no icon.")
    if not path.exists():
        yield Finding(f"There is no {name}.")
    elif b"<svg" not in path.read_bytes():
        yield Finding(f"{path.name} is no SVG.")


@check("H5", "The license is the same wherever it is named")
def license(connector: Connector) -> Iterator[Finding]:
    """In metadata.yaml and pyproject.toml."""
    said = str(_data(connector).get("license"))
    given = _project(connector).get("license")
    other = given.get("text") if isinstance(given, dict) else given
    if other and str(other).lower() != said.lower():
        yield Finding(f"`license` is {said} in metadata.yaml and {other} in pyproject.toml.")


@check("H6", "The version is the same wherever it is named, as major.minor.patch")
def version(connector: Connector) -> Iterator[Finding]:
    """In metadata.yaml and pyproject.toml."""
    said = str(_data(connector).get("dockerImageTag"))
    if not _SEMVER.match(said):
        yield Finding(f"`dockerImageTag` {said!r} is no version such as 1.2.3.")
    other = _project(connector).get("version")
    if other and str(other) != said:
        yield Finding(f"The version is {said} in metadata.yaml and {other} in pyproject.toml.")


@check("H7", "Nothing is asked for over plain HTTP")
def plain_http(connector: Connector) -> Iterator[Finding]:
    """No http:// in its files, but for schemas' names and this machine; `# ignore-https-check` exempts a line."""
    folder = _folder(connector)
    for path in sorted(folder.rglob("*")):
        parts = path.relative_to(folder).parts
        if (
            path.suffix not in _TEXT
            or not path.is_file()
            or any(part in _LEFT_OUT or part.startswith(".") for part in parts)
        ):
            continue
        for number, line in enumerate(path.read_bytes().split(b"\n"), 1):
            if _PLAIN_HTTP.search(line) and b"ignore-https-check" not in line:
                yield Finding(f"{path.relative_to(folder)}:{number} has http://.")


@check("H8", "acceptance-test-config.yml is complete for its strictness")
def strictness(connector: Connector) -> Iterator[Finding]:
    """With `test_strictness_level: high` every suite is configured or bypassed with a reason."""
    if connector.settings.lacking is None:
        raise Skipped("there is no acceptance-test-config.yml.")
    for what in connector.settings.lacking:
        yield Finding(f"acceptance-test-config.yml: {what}.")


@check("H9", "Breaking changes tell what is to be done")
def breaking_changes(connector: Connector) -> Iterator[Finding]:
    """Each has a message and a deadline, and a version that is a major one."""
    _data(connector)
    for name, change in (connector.settings.told(dict, "releases", "breakingChanges") or {}).items():
        lacking = [word for word in ("message", "upgradeDeadline") if not value_at(change, [word])]
        if lacking:
            yield Finding(f"metadata.yaml: the breaking change {name} has no {' and no '.join(lacking)}.")
        if not _SEMVER.match(str(name)):
            yield Finding(f"metadata.yaml: the breaking change {name} is no version.")


@check("H10", "The hosts that it talks to are named", Severity.WARNING)
def allowed_hosts(connector: Connector) -> Iterator[Finding]:
    """`allowedHosts` in metadata.yaml."""
    if "allowedHosts" not in _data(connector):
        yield Finding("metadata.yaml has no `allowedHosts`.")


@check("H11", "Suggested streams are streams")
def suggested_streams(connector: Connector) -> Iterator[Finding]:
    """`suggestedStreams` of metadata.yaml are in the catalog."""
    _data(connector)
    suggested = connector.settings.told(list, "suggestedStreams", "streams")
    if not suggested:
        raise Skipped("metadata.yaml suggests no streams.")
    names = {name_of(stream) for stream in connector.catalog["streams"]} | {
        stream.get("name") for stream in connector.catalog["streams"]
    }
    for name in suggested:
        if name not in names:
            yield Finding(f"metadata.yaml suggests the stream {name!r}, which there is not.")
