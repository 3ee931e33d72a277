"""Flows from a TOML file, in the form that VDK's data-sources plugin documents, and a little more.

::

    [sources.hub]                       # the id is the job's own
    name = "github"
    config = { token = "${GITHUB_TOKEN}", repositories = ["vmware/versatile-data-kit"] }

    [destinations.db]
    method = "headwater-sqlite"
    target = "hub.db"

    [[flows]]
    from = "hub"
    to = "db"
    mode = "append_dedup"               # from here on: not in VDK
    [flows.streams.issues]
    columns = ["number", "title"]
    [flows.streams.commits]

``streams = ["issues", "commits"]`` says the same where a stream needs nothing of its own. ``${NAME}`` in a
config or a target stands for an environment variable, ``$${`` for ``${``.
"""

from __future__ import annotations

import importlib
import os
import re
import sys
from collections.abc import Iterable, Mapping
from typing import Any

from headwater.bridge.sinks.options import CHOICES
from headwater.bridge.vdk.definitions import (
    DataFlowMappingDefinition,
    Definitions,
    DestinationDefinition,
    SourceDefinition,
)
from headwater.bridge.vdk.errors import DefinitionError

tomllib: Any = importlib.import_module("tomllib" if sys.version_info >= (3, 11) else "tomli")

_REFERENCE = re.compile(r"\$\$\{|\$\{([^}]*)\}")
_SETTINGS = ("sync_mode", "mode", "states", *CHOICES)
_FLOW = ("from", "to", "streams", *_SETTINGS)


def load_config(file_path: str | os.PathLike[str]) -> Definitions:
    """The definitions in a TOML file.

    :raises DefinitionError: when the file can't be read or is wrong; it names the file and the place.
    """
    try:
        with open(file_path, "rb") as file:
            data = tomllib.load(file)
    except OSError as error:
        raise DefinitionError(f"{os.fspath(file_path)} can't be read: {error.strerror}.") from None
    except tomllib.TOMLDecodeError as error:
        raise DefinitionError(f"{os.fspath(file_path)} is not TOML: {error}.") from None
    return definitions_from_dict(data)


def definitions_from_dict(data: Mapping[str, Any]) -> Definitions:
    """The definitions in what a TOML file parses to.

    :raises DefinitionError: (a ValueError, as in VDK) when a flow names an id that is not defined, listing
        those that are, or when an entry has something missing, wrong or unknown.
    """
    sources = {
        id_: SourceDefinition(id=id_, **_resolved(_entry(value, where, ("name",), ("config",)), where))
        for id_, value in _section(data, "sources").items()
        for where in (f"[sources.{id_}]",)
    }
    destinations = {
        id_: DestinationDefinition(id=id_, **_resolved(_entry(value, where, (), ("method", "target")), where))
        for id_, value in _section(data, "destinations").items()
        for where in (f"[destinations.{id_}]",)
    }
    flows = []
    for number, flow in enumerate(data.get("flows", []), start=1):
        where = f"flow {number}"
        _entry(flow, where, ("from", "to"), _FLOW[2:])
        flows.append(
            DataFlowMappingDefinition(
                from_source=_defined(sources, flow["from"], "source", where),
                to_destination=_defined(destinations, flow["to"], "destination", where),
                streams=flow.get("streams"),
                **{name: flow[name] for name in _SETTINGS if name in flow},
            )
        )
    return Definitions(sources=sources, destinations=destinations, flows=flows)


def _resolved(value: Any, where: str) -> Any:
    """The value with environment variables in place of their names."""
    if isinstance(value, Mapping):
        return {key: _resolved(item, f"{where}, {key}") for key, item in value.items()}
    if isinstance(value, list):
        return [_resolved(item, where) for item in value]
    return _REFERENCE.sub(lambda found: _variable(found[1], where), value) if isinstance(value, str) else value


def _variable(name: str | None, where: str) -> str:
    if name is None:
        return "${"
    if name not in os.environ:
        raise DefinitionError(f"{where}: the environment variable {name!r} is not set. Set it, then run again.")
    return os.environ[name]


def _section(data: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    section = data.get(name, {})
    if not isinstance(section, Mapping):
        raise DefinitionError(f"`{name}` must be made of tables such as [{name}.ID].")
    return section


def _entry(value: Any, where: str, needed: Iterable[str], optional: Iterable[str]) -> dict[str, Any]:
    if not isinstance(value, Mapping):
        raise DefinitionError(f"{where} must be a table.")
    missing = [name for name in needed if name not in value]
    unknown = [name for name in value if name not in (*needed, *optional)]
    if missing:
        raise DefinitionError(f"{where} has no {', '.join(map(repr, missing))}.")
    if unknown:
        raise DefinitionError(
            f"{where} has {', '.join(map(repr, unknown))}, which is not known here. "
            f"It takes: {', '.join((*needed, *optional))}."
        )
    return dict(value)


def _defined(known: Mapping[str, Any], id_: Any, kind: str, where: str) -> Any:
    if id_ not in known:
        raise DefinitionError(
            f"The {kind} {id_!r} of {where} is not defined. Add a table [{kind}s.{id_}]. "
            f"Defined are: {', '.join(known) or 'none'}."
        )
    return known[id_]
