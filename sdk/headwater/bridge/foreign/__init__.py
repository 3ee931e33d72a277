"""Everybody else's connectors as sources: any runner, any protocol."""

from headwater.bridge.foreign.classes import CommandSource
from headwater.bridge.foreign.docker import DockerSource
from headwater.bridge.foreign.source import ForeignSource

__all__ = ["CommandSource", "DockerSource", "ForeignSource"]
