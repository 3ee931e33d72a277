"""Connectors by name: every installed distribution that declares one.

A connector's pyproject.toml says ``[project.entry-points."headwater.sources"]`` and
``github = "source_github:GithubSource"``.
"""

from __future__ import annotations

from importlib.metadata import EntryPoint, entry_points
from typing import TYPE_CHECKING

from headwater.errors import ConfigError, SourceError

if TYPE_CHECKING:
    from headwater.source import Source

GROUP = "headwater.sources"


def names() -> list[str]:
    """The names of all installed connectors, sorted."""
    return sorted({entry.name for entry in entry_points(group=GROUP)})


def find(name: str) -> type[Source]:
    """The connector of this name; ``source-`` in front of it is ignored.

    :raises ConfigError: when none is installed, or when two distributions claim the name.
    :raises SourceError: when what is installed can't be imported, or is no class.
    """
    found: dict[str, EntryPoint] = {}
    for entry in entry_points(group=GROUP):
        if entry.name == name.removeprefix("source-"):
            found[entry.value] = entry
    if not found:
        raise ConfigError(
            f"No connector {name!r} is installed. Installed: {', '.join(names()) or 'none'}. "
            "Install its distribution (source-NAME) into this environment."
        )
    if len(found) > 1:
        of = ", ".join(f"{entry.value} of {entry.dist.name if entry.dist else '?'}" for entry in found.values())
        raise ConfigError(f"Two connectors are named {name!r}: {of}. Uninstall one.")
    entry = next(iter(found.values()))
    try:
        source: type[Source] = entry.load()
    except Exception as error:
        raise SourceError(
            f"Connector {name!r} can't be loaded from {entry.value!r} ({type(error).__name__}: {error}). "
            "Install its distribution anew, or tell its author."
        ) from error
    if not isinstance(source, type):
        raise SourceError(f"Connector {name!r} must be a class; {entry.value!r} is a {type(source).__name__}.")
    return source
