"""A flow: which streams of a source go to which destination, and how."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from headwater.bridge.choice import Choice, StreamOptions, listed
from headwater.bridge.sinks.options import SqlOptions
from headwater.errors import FlowError
from headwater.protocol.catalog import Catalog, ConfiguredCatalog


@dataclass(frozen=True)
class Flow:
    """One flow of a file.

    :ivar name: under which its states are kept: as given, or ``FROM_TO``.
    :ivar source: the source's id in the file; ``connector`` is its name in the registry.
    :ivar config: the source's settings, with the environment's values in them.
    :ivar url: the destination, as :func:`~headwater.bridge.sinks.open_sink` takes it.
    :ivar streams: by name; None: all streams of the source.
    :ivar foreign: what runs the connector, where it is somebody else's: see
        :func:`~headwater.bridge.foreign.opened.open_source`.
    :ivar sql: what it chooses of an SQL destination.
    :ivar state: the state file, for a destination that keeps no states itself.
    :ivar folder: the folder of the TOML file, from which relative paths start.
    """

    name: str
    source: str
    connector: str
    config: Mapping[str, Any] = field(repr=False)
    url: str = field(repr=False)
    streams: Mapping[str, StreamOptions] | None
    options: StreamOptions
    state: Path
    folder: Path
    foreign: Mapping[str, Any] | None = field(default=None, repr=False)
    sql: SqlOptions = field(default_factory=SqlOptions)

    def only(self, names: Collection[str]) -> Flow:
        """The same with these streams alone.

        :raises FlowError: for one that the flow does not have.
        """
        if self.streams is None:
            return replace(self, streams={name: StreamOptions() for name in names})
        missing = [name for name in names if name not in self.streams]
        if missing:
            raise FlowError(f"The flow has no stream {listed(missing)}. It has: {listed(self.streams)}.")
        return replace(self, streams={name: self.streams[name] for name in names})

    def configure(self, catalog: Catalog, modes: Collection[str], *, full_refresh: bool = False) -> ConfiguredCatalog:
        """The flow's streams of a source's catalog: see :meth:`~headwater.bridge.choice.Choice.configured`."""
        choice = Choice(self.streams, self.options)
        configured = choice.configured(catalog, modes, full_refresh=full_refresh)
        choice.tell_added_again(configured, f"Flow {self.name}")
        return configured
