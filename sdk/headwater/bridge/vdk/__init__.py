"""Headwater inside a VDK data job: the only package that imports ``vdk``.

What a job's step imports is found here too; the modules have the names of vdk-data-sources.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from headwater.bridge.vdk.data_flow import DataFlowInput as DataFlowInput
    from headwater.bridge.vdk.definitions import DataFlowMappingDefinition as DataFlowMappingDefinition
    from headwater.bridge.vdk.definitions import Definitions as Definitions
    from headwater.bridge.vdk.definitions import DestinationDefinition as DestinationDefinition
    from headwater.bridge.vdk.definitions import SourceDefinition as SourceDefinition
    from headwater.bridge.vdk.toml_parser import load_config as load_config

# VDK imports the plugin at the start of every command, and this package with it: it stays light.
_WHERE = {
    "DataFlowInput": "data_flow",
    "DataFlowMappingDefinition": "definitions",
    "Definitions": "definitions",
    "DestinationDefinition": "definitions",
    "SourceDefinition": "definitions",
    "load_config": "toml_parser",
}


def __getattr__(name: str) -> Any:
    if name not in _WHERE:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_WHERE[name]}"), name)
