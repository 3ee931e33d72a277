"""A flow: which streams of a source go to which destination, and how."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from headwater.bridge.choice import default_mode, tell_added_again, with_choice
from headwater.bridge.sinks.options import SqlOptions
from headwater.errors import ConfigError, FlowError
from headwater.protocol.catalog import (
    Catalog,
    ConfiguredCatalog,
    ConfiguredStream,
    DestinationSyncMode,
    SyncMode,
)


@dataclass(frozen=True)
class StreamOptions:
    """What a flow says of one stream; None: nothing."""

    columns: tuple[str, ...] | None = None
    sync_mode: SyncMode | None = None
    mode: DestinationSyncMode | None = None
    primary_key: tuple[tuple[str, ...], ...] | None = None
    cursor_field: tuple[str, ...] | None = None


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
        """The flow's streams of a source's catalog.

        A stream is read incrementally where it can be and a cursor is known, the source's or the flow's, and
        deduplicated where it has a primary key and the destination can do it (``modes``), unless the flow says
        otherwise.

        :raises FlowError: for a stream or a column that the source does not have.
        """
        names = None if self.streams is None else list(self.streams)
        try:
            configured = catalog.configured(names, full_refresh=full_refresh)
        except ConfigError as error:
            raise FlowError(str(error)) from None
        streams = tuple(self._configure(stream, modes, full_refresh) for stream in configured.streams)
        tell_added_again((one for one in streams if self._mode(one) is None), f"Flow {self.name}")
        return ConfiguredCatalog(streams)

    def _mode(self, stream: ConfiguredStream) -> DestinationSyncMode | None:
        """The mode that the flow says for a stream."""
        return (self.streams or {}).get(stream.stream.name, StreamOptions()).mode or self.options.mode

    def _configure(self, stream: ConfiguredStream, modes: Collection[str], full_refresh: bool) -> ConfiguredStream:
        options = (self.streams or {}).get(stream.stream.name, StreamOptions())
        try:
            stream = with_choice(stream, options.primary_key, options.cursor_field)
        except ConfigError as error:
            raise FlowError(str(error), stream=stream.stream.name) from None
        mode = self._mode(stream)
        if mode is None:
            mode = default_mode(stream, modes)
        by_cursor = options.cursor_field is not None and "incremental" in stream.stream.supported_sync_modes
        default = "incremental" if by_cursor else stream.sync_mode
        sync_mode = options.sync_mode or self.options.sync_mode or default
        if full_refresh or (mode.startswith("overwrite") and options.sync_mode is None):
            sync_mode = "full_refresh"
        if sync_mode not in stream.stream.supported_sync_modes:
            if options.sync_mode or self.streams is not None or sync_mode == "full_refresh":
                raise FlowError(
                    f"Stream {stream.stream.name!r}: the source can't read it with "
                    f"{sync_mode!r}. It can: {listed(stream.stream.supported_sync_modes)}.",
                    stream=stream.stream.name,
                )
            sync_mode = stream.sync_mode
        chosen = replace(stream, destination_sync_mode=mode, sync_mode=sync_mode)
        if options.columns is None:
            return chosen
        try:
            return chosen.with_columns(options.columns)
        except ConfigError as error:
            raise FlowError(str(error), stream=stream.stream.name) from None


def listed(names: Iterable[str]) -> str:
    """Names for an error."""
    return ", ".join(map(repr, names))
