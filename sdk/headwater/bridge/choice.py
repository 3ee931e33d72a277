"""What a flow reads of a source, and how: the same wherever the flow is written."""

from __future__ import annotations

import logging
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field, replace

from headwater.errors import ConfigError, FlowError
from headwater.protocol.catalog import (
    Catalog,
    ConfiguredCatalog,
    ConfiguredStream,
    DestinationSyncMode,
    SyncMode,
)
from headwater.protocol.fields import FieldPath

_LOG = logging.getLogger("headwater.bridge")


@dataclass(frozen=True)
class StreamOptions:
    """What a flow says of one stream; None: nothing."""

    columns: tuple[str, ...] | None = None
    sync_mode: SyncMode | None = None
    mode: DestinationSyncMode | None = None
    primary_key: tuple[FieldPath, ...] | None = None
    cursor_field: FieldPath | None = None


@dataclass(frozen=True)
class Choice:
    """What a flow chooses of a source.

    :ivar streams: by name, with the namespace before it (``sales.orders``) where several have one name; None: all
        streams of the source.
    :ivar options: sync mode and mode of every stream that does not say otherwise.
    """

    streams: Mapping[str, StreamOptions] | None = None
    options: StreamOptions = field(default_factory=StreamOptions)

    def configured(self, catalog: Catalog, modes: Collection[str], *, full_refresh: bool = False) -> ConfiguredCatalog:
        """The flow's streams of a source's catalog.

        A stream is read incrementally where it can be and a cursor is known, the source's or the flow's, and
        deduplicated where it has a primary key and the destination can do it, unless the flow says otherwise.
        ``overwrite`` reads it whole.

        :param modes: what the destination can do.
        :param full_refresh: read all streams whole, whatever the flow says.
        :raises FlowError: for a stream or a column that the source does not have, or a stream that the source can't
            read in the way it is to be read.
        """
        try:
            found = catalog.configured(self.streams)
            return ConfiguredCatalog(tuple(self._chosen(stream, modes, full_refresh) for stream in found.streams))
        except ConfigError as error:
            raise FlowError(error.message, stream=error.stream) from None

    def tell_added_again(self, catalog: ConfiguredCatalog, flow: str) -> None:
        """Warn of streams whose rows each run adds again, though nobody asked for that.

        :param catalog: the flow's, as :meth:`configured` makes it.
        :param flow: as the log calls it.
        """
        again = [
            str(stream.descriptor)
            for stream in catalog.streams
            if stream.sync_mode == "full_refresh"
            and stream.destination_sync_mode == "append"
            and (self._own(stream).mode or self.options.mode) is None
        ]
        if again:
            _LOG.warning(
                "%s: each run reads %s whole and adds all rows again, beside those of earlier runs. The mode "
                "'overwrite' replaces them; with 'append' said, this is not told.",
                flow,
                listed(again),
            )

    def _own(self, stream: ConfiguredStream) -> StreamOptions:
        streams = self.streams or {}
        return streams.get(str(stream.descriptor)) or streams.get(stream.stream.name) or StreamOptions()

    def _chosen(self, stream: ConfiguredStream, modes: Collection[str], full_refresh: bool) -> ConfiguredStream:
        own = self._own(stream)
        stream = _with_key_and_cursor(stream, own)
        mode = own.mode or self.options.mode
        if mode is None:
            mode = "append_dedup" if stream.primary_key and "append_dedup" in modes else "append"
        sync_mode = "full_refresh" if full_refresh else self._sync_mode(stream, own, mode)
        if sync_mode not in stream.stream.supported_sync_modes:
            raise FlowError(
                f"Stream {stream.stream.name!r}: the source can't read it with {sync_mode!r}. "
                f"It can: {listed(stream.stream.supported_sync_modes)}.",
                stream=stream.stream.name,
            )
        stream = replace(stream, destination_sync_mode=mode, sync_mode=sync_mode)
        return stream if own.columns is None else stream.with_columns(own.columns)

    def _sync_mode(self, stream: ConfiguredStream, own: StreamOptions, mode: str) -> SyncMode:
        if own.sync_mode is not None:
            return own.sync_mode
        if mode.startswith("overwrite"):
            return "full_refresh"
        can = "incremental" in stream.stream.supported_sync_modes
        if self.options.sync_mode == "incremental" and self.streams is None and not can:
            return stream.sync_mode  # said of all streams, it is meant for those that can
        by_cursor = own.cursor_field is not None and can  # what else would the cursor be for
        return self.options.sync_mode or ("incremental" if by_cursor else stream.sync_mode)


def _with_key_and_cursor(stream: ConfiguredStream, own: StreamOptions) -> ConfiguredStream:
    """The same stream with the flow's own key and cursor, where they are given.

    One that is not in the stream's schema, where that names any, is an error: rows without their key would be appended
    in every run.
    """
    properties = stream.stream.json_schema.get("properties") or {}
    paths = [*(own.primary_key or ()), *([own.cursor_field] if own.cursor_field else [])]
    unknown = [path[0] for path in paths if path and path[0] not in properties] if properties else []
    if unknown:
        raise FlowError(
            f"Stream {stream.stream.name!r} has no column {listed(unknown)} for its key or cursor. "
            f"It has: {', '.join(properties)}.",
            stream=stream.stream.name,
        )
    return replace(
        stream,
        primary_key=stream.primary_key if own.primary_key is None else own.primary_key,
        cursor_field=stream.cursor_field if own.cursor_field is None else own.cursor_field,
    )


def listed(names: Iterable[str]) -> str:
    """Names for an error."""
    return ", ".join(map(repr, names))
