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
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from headwater.bridge.flow_tables import defined, resolved, section, table_with
from headwater.bridge.sinks import anchored, is_url
from headwater.bridge.sinks.options import CHOICES
from headwater.bridge.vdk.definitions import (
    DataFlowMappingDefinition,
    Definitions,
    DestinationDefinition,
    SourceDefinition,
)
from headwater.bridge.vdk.errors import DefinitionError
from headwater.errors import FlowError

tomllib: Any = importlib.import_module("tomllib" if sys.version_info >= (3, 11) else "tomli")

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
    try:
        return definitions_from_dict(data, Path(file_path).parent)
    except DefinitionError as error:
        raise DefinitionError(f"{os.fspath(file_path)}: {error}") from None


def definitions_from_dict(data: Mapping[str, Any], folder: str | os.PathLike[str] = "") -> Definitions:
    """The definitions in what a TOML file parses to.

    :param folder: from which the relative paths of targets start that are URLs of Headwater's; default: the current.
    :raises DefinitionError: (a ValueError, as in VDK) when a flow names an id that is not defined, listing
        those that are, or when an entry has something missing, wrong or unknown.
    """
    try:
        return _definitions(data, folder)
    except FlowError as error:
        raise DefinitionError(str(error)) from None


def _definitions(data: Mapping[str, Any], folder: str | os.PathLike[str]) -> Definitions:
    sources = {
        id_: SourceDefinition(id=id_, **resolved(table_with(value, where, ("name",), ("config",)), os.environ, where))
        for id_, value in section(data, "sources").items()
        for where in (f"[sources.{id_}]",)
    }
    destinations = {
        id_: DestinationDefinition(
            id=id_, **resolved(table_with(value, where, (), ("method", "target")), os.environ, where)
        )
        for id_, value in section(data, "destinations").items()
        for where in (f"[destinations.{id_}]",)
    }
    for destination in destinations.values():
        ours = (destination.method or "headwater").lower().startswith("headwater")
        if ours and is_url(destination.target or ""):
            destination.target = anchored(str(destination.target), folder)
    flows = []
    for number, flow in enumerate(data.get("flows", []), start=1):
        where = f"flow {number}"
        table_with(flow, where, ("from", "to"), _FLOW[2:])
        flows.append(
            DataFlowMappingDefinition(
                from_source=defined(sources, flow["from"], "source", where),
                to_destination=defined(destinations, flow["to"], "destination", where),
                streams=flow.get("streams"),
                **{name: flow[name] for name in _SETTINGS if name in flow},
            )
        )
    return Definitions(sources=sources, destinations=destinations, flows=flows)
