"""What a user chooses of a stream besides its columns: its key and its cursor."""

from __future__ import annotations

import logging
from collections.abc import Collection, Iterable
from dataclasses import replace

from headwater.errors import ConfigError
from headwater.protocol.catalog import ConfiguredStream, DestinationSyncMode
from headwater.protocol.fields import FieldPath

_LOG = logging.getLogger("headwater.bridge")


def default_mode(stream: ConfiguredStream, modes: Collection[str]) -> DestinationSyncMode:
    """How a stream's rows land where nobody says it.

    :param stream: with the key that it has or was given.
    :param modes: what the destination can do.
    """
    return "append_dedup" if stream.primary_key and "append_dedup" in modes else "append"


def tell_added_again(streams: Iterable[ConfiguredStream], flow: str) -> None:
    """Warn of streams whose rows each run adds again, though nobody asked for that.

    :param streams: those that land in :func:`default_mode`.
    :param flow: as the log calls it.
    """
    again = [
        repr(stream.stream.name)
        for stream in streams
        if stream.sync_mode == "full_refresh" and stream.destination_sync_mode == "append"
    ]
    if again:
        _LOG.warning(
            "%s: each run reads %s whole and adds all rows again, beside those of earlier runs. The mode 'overwrite' "
            "replaces them; with 'append' said, this is not told.",
            flow,
            ", ".join(again),
        )


def with_choice(
    stream: ConfiguredStream, primary_key: tuple[FieldPath, ...] | None, cursor_field: FieldPath | None
) -> ConfiguredStream:
    """The same stream with a user's own key and cursor, where they are given.

    :raises ConfigError: if one is of a column that is not in the stream's schema, where that names any. Rows without
        their key would be appended in every run.
    """
    properties = stream.stream.json_schema.get("properties") or {}
    chosen = [*(primary_key or ()), *([cursor_field] if cursor_field else [])]
    unknown = [path[0] for path in chosen if path and path[0] not in properties] if properties else []
    if unknown:
        raise ConfigError(
            f"Stream {stream.stream.name!r} has no column {', '.join(map(repr, unknown))} for its key or cursor. "
            f"It has: {', '.join(properties)}.",
            stream=stream.stream.name,
        )
    key = stream.primary_key if primary_key is None else primary_key
    return replace(stream, primary_key=key, cursor_field=stream.cursor_field if cursor_field is None else cursor_field)
