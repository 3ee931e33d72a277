"""Everybody else's connectors as sources: any runner, any protocol."""

from headwater.bridge.foreign.classes import CdkSource, CommandSource, ManifestSource, VenvSource
from headwater.bridge.foreign.docker import DockerSource
from headwater.bridge.foreign.opened import open_source
from headwater.bridge.foreign.source import ForeignSource

__all__ = [
    "CdkSource",
    "CommandSource",
    "DockerSource",
    "ForeignSource",
    "ManifestSource",
    "VenvSource",
    "open_source",
]
