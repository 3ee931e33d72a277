"""What of a source a flow reads, and how that lands."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace

from headwater.bridge.choice import default_mode, with_choice
from headwater.bridge.vdk.definitions import StreamDefinition
from headwater.bridge.vdk.errors import DefinitionError
from headwater.protocol.catalog import Catalog, ConfiguredCatalog

Streams = Mapping[str, StreamDefinition] | None


@dataclass(frozen=True)
class Selection:
    """What of a source is read, and how it lands.

    :ivar streams: by name; all where it is None.
    :ivar sync_mode: for every stream that does not say otherwise.
    :ivar mode: likewise.
    :ivar states: where the flow wants its states: ``destination``, ``properties`` or None.
    """

    streams: Streams = None
    sync_mode: str | None = None
    mode: str | None = None
    states: str | None = None

    def of(self, name: str) -> StreamDefinition:
        """What holds for one stream."""
        own = (self.streams or {}).get(name) or StreamDefinition()
        return replace(own, sync_mode=own.sync_mode or self.sync_mode, mode=own.mode or self.mode)


def chosen(
    catalog: Catalog, selection: Selection, only: Collection[str] | None, modes: Collection[str]
) -> ConfiguredCatalog:
    """The streams of a flow, as it wants them: where it says nothing, ``append_dedup`` for a stream with a
    primary key in a destination that can do it, else ``append``.

    :param only: full names of the streams to read again; None for all.
    :param modes: what the destination can do.
    :raises ConfigError: for a stream or a column that is not there; it lists those that are.
    :raises DefinitionError: for incremental where a stream can't.
    """
    streams = []
    for found in catalog.configured(selection.streams).streams:
        stream = found
        said = selection.of(stream.stream.name)
        if only is not None and str(stream.descriptor) not in only:
            continue
        if said.sync_mode == "incremental" and "incremental" not in stream.stream.supported_sync_modes:
            raise DefinitionError(
                f"Stream {stream.stream.name!r} can't be read incrementally; it can: "
                f"{', '.join(stream.stream.supported_sync_modes)}.",
                stream=stream.stream.name,
            )
        sync_mode = said.sync_mode
        if sync_mode is None and said.mode == "overwrite":
            sync_mode = "full_refresh"
        elif sync_mode is None and said.cursor_path is not None and "incremental" in stream.stream.supported_sync_modes:
            sync_mode = "incremental"  # what else would the cursor be for
        if sync_mode is not None:
            stream = replace(stream, sync_mode=sync_mode)  # type: ignore[arg-type]
        stream = with_choice(stream, said.key_paths, said.cursor_path)
        mode = said.mode or default_mode(stream, modes)
        stream = replace(stream, destination_sync_mode=mode)  # type: ignore[arg-type]
        streams.append(stream if said.columns is None else stream.with_columns(said.columns))
    return ConfiguredCatalog(tuple(streams))
