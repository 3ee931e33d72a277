"""What an image needs to know of a connector: what is installed, what is run, what is said of it."""

from __future__ import annotations

import importlib
import re
import sys
import zipfile
from collections.abc import Iterable, Mapping
from configparser import ConfigParser
from dataclasses import dataclass, field
from email.parser import HeaderParser
from pathlib import Path
from typing import Any

from headwater.errors import ConfigError

tomllib: Any = importlib.import_module("tomllib" if sys.version_info >= (3, 11) else "tomli")


@dataclass(frozen=True)
class Connector:
    """A connector that is to be an image.

    :ivar distribution: the Python package's name, as pip installs it.
    :ivar version: of it.
    :ivar program: the console script that is run.
    :ivar repository: the image's name without a tag.
    :ivar facts: the image's labels.
    """

    distribution: str
    version: str
    program: str
    repository: str
    facts: Mapping[str, str] = field(default_factory=dict)

    @property
    def tag(self) -> str:
        """The image's name, with the version."""
        return f"{self.repository}:{self.version.replace('+', '-')}"

    @property
    def labels(self) -> dict[str, str]:
        """Airbyte's own two, and those of the Open Container Initiative."""
        own = {"io.airbyte.name": self.repository, "io.airbyte.version": self.version}
        return {**own, "org.opencontainers.image.version": self.version, **self.facts}

    @classmethod
    def of_folder(cls, folder: Path) -> Connector:
        """From its pyproject.toml, and its metadata.yaml where there is one.

        :raises ConfigError: where one of them is missing, broken or does not fit the other.
        """
        project = _project(folder / "pyproject.toml")
        name, version, program = project["name"], project["version"], _program(project["scripts"], folder.name)
        metadata = _metadata(folder / "metadata.yaml")
        if metadata.get("dockerImageTag", version) != version:
            raise ConfigError(
                f"{folder / 'metadata.yaml'} says dockerImageTag {metadata['dockerImageTag']}, but pyproject.toml says "
                f"version {version}. They must be one."
            )
        known = {
            "org.opencontainers.image.title": metadata.get("name"),
            "org.opencontainers.image.description": project.get("description"),
            "org.opencontainers.image.licenses": metadata.get("license"),
            "org.opencontainers.image.documentation": metadata.get("documentationUrl"),
        }
        facts = {label: str(value) for label, value in known.items() if value}
        return cls(name, version, program, str(metadata.get("dockerRepository") or folder.name), facts)

    @classmethod
    def of_wheel(cls, wheel: Path) -> Connector:
        """From what a wheel says of itself.

        :raises ConfigError: where it has no program.
        """
        said = wheel_metadata(wheel)
        name, version = str(said["Name"]), str(said["Version"])
        with zipfile.ZipFile(wheel) as archive:
            found = [path for path in archive.namelist() if path.endswith(".dist-info/entry_points.txt")]
            scripts = ConfigParser(delimiters=("=",))
            scripts.optionxform = str  # type: ignore[assignment,method-assign]
            scripts.read_string(archive.read(found[0]).decode() if found else "")
        programs = list(scripts["console_scripts"]) if scripts.has_section("console_scripts") else []
        known = {"org.opencontainers.image.title": name, "org.opencontainers.image.licenses": said.get("License")}
        facts = {label: str(value) for label, value in known.items() if value and "\n" not in str(value)}
        return cls(name, version, _program(programs, name.removeprefix("airbyte-")), name.lower(), facts)


def wheel_metadata(wheel: Path) -> Any:
    """The METADATA of a wheel, as a message with headers."""
    with zipfile.ZipFile(wheel) as archive:
        (path,) = [path for path in archive.namelist() if re.fullmatch(r"[^/]*\.dist-info/METADATA", path)]
        return HeaderParser().parsestr(archive.read(path).decode())


def _project(path: Path) -> dict[str, Any]:
    """Name, version, description and scripts, whether pip's standard or Poetry has them."""
    try:
        found = tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise ConfigError(f"{path} is not there. A connector's folder has its Python project in it.") from None
    except (OSError, tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path} can't be read: {error}.") from None
    poetry = found.get("tool", {}).get("poetry", {})
    project = {**poetry, **found.get("project", {})}
    for name in ("name", "version"):
        if not isinstance(project.get(name), str):
            raise ConfigError(f"{path} has no {name!r} in [project].")
    scripts = found.get("project", {}).get("scripts") or poetry.get("scripts") or {}
    return {**project, "scripts": list(scripts)}


def _program(scripts: Iterable[str], wanted: str) -> str:
    """The connector's of several scripts: the one with its name, or a source's."""
    scripts = list(scripts)
    for found in (
        [name for name in scripts if name == wanted],
        [name for name in scripts if name.startswith(("source-", "destination-"))],
        scripts,
    ):
        if len(found) == 1:
            return found[0]
    raise ConfigError(
        f"Which program is the connector? {wanted} has {', '.join(scripts) or 'none'}. Name one of them {wanted!r} in "
        "[project.scripts]."
    )


def _metadata(path: Path) -> Mapping[str, Any]:
    if not path.exists():
        return {}
    try:
        import yaml
    except ImportError:
        raise ConfigError("Images need PyYAML. Install the extra: pip install 'headwater[docker]'.") from None
    try:
        found = yaml.safe_load(path.read_text(encoding="utf-8"))["data"]
        if not isinstance(found, Mapping):
            raise TypeError("no table")
    except (OSError, yaml.YAMLError, KeyError, TypeError) as error:
        why = f"{type(error).__name__}: {error}"
        raise ConfigError(f"{path} can't be read ({why}). It must be YAML with a table `data`.") from None
    return found
