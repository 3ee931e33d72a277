"""What a Singer catalog selects: streams, fields, and how they are to be read."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import msgspec

from headwater.protocol.catalog import Catalog, CatalogStream, ConfiguredCatalog, ConfiguredStream
from headwater.protocol.singer_catalog import MODES, Entry, always_read, by_tap_stream_id, entries, key_properties


@dataclass(frozen=True)
class Selected:
    """A stream that a Singer catalog selects.

    :ivar name: its name in messages.
    :ivar configured: how it is to be read; its schema has the selected fields only.
    :ivar keys: the key properties.
    :ivar dropped: fields inside of objects that are not selected: by name, None or those below it.
    """

    tap_stream_id: str
    name: str
    configured: ConfiguredStream
    keys: tuple[str, ...] = ()
    dropped: Mapping[str, Any] = field(default_factory=dict)

    @property
    def bookmarks(self) -> tuple[str, ...]:
        """The bookmark properties: the cursor, where it is read by one and it is at the top."""
        path = self.configured.cursor_field if self.configured.sync_mode == "incremental" else ()
        return path if len(path) == 1 else ()


@dataclass(frozen=True)
class Selection:
    """What a Singer catalog selects.

    :ivar remarks: what of it can't be had, for the log.
    """

    streams: tuple[Selected, ...]
    remarks: tuple[str, ...] = ()


def select(value: Any, offered: Catalog) -> Selection:
    """What a catalog selects of what a source offers. A stream that the source does not have is in it too: to
    say so is the source's part.

    :raises ConfigError: for what is no Singer catalog.
    """
    known = by_tap_stream_id(offered)
    remarks: list[str] = []
    streams = [
        _select(entry, known.get(entry.tap_stream_id) or known.get(entry.name), remarks)
        for entry in entries(value)
        if entry.is_selected
    ]
    return Selection(tuple(stream for stream in streams if stream is not None), tuple(remarks))


def _select(entry: Entry, offered: CatalogStream | None, remarks: list[str]) -> Selected | None:
    stream = offered or CatalogStream(entry.name)
    if not entry.schema.get("properties"):  # written by hand
        entry = Entry({**entry.raw, "schema": stream.json_schema})
    keys = key_properties(stream.primary_key) if entry.keys is None else entry.keys
    schema, dropped = entry.reduced(always_read(stream, keys))
    if entry.schema.get("properties") and not schema["properties"]:
        remarks.append(f"Stream {entry.tap_stream_id}: none of its fields is selected; it is not read.")
        return None
    cursor = stream.default_cursor_field
    if entry.replication_key and not stream.source_defined_cursor:
        cursor = entry.replication_key
    elif entry.replication_key not in ((), cursor) and cursor:
        remarks.append(f"Stream {entry.tap_stream_id}: its replication key is always {'.'.join(cursor)}.")
    modes = stream.supported_sync_modes
    mode = MODES.get(str(entry.method), "incremental")
    if mode not in modes:
        if entry.method is not None:
            remarks.append(f"Stream {entry.tap_stream_id} can't be read by the method {entry.method}.")
        mode = modes[0]
    configured = ConfiguredStream(
        replace(stream, json_schema=schema),
        sync_mode=mode,
        cursor_field=cursor,
        primary_key=tuple((key,) for key in keys) or stream.primary_key,
    )
    below = {name: fields for name, fields in dropped.items() if fields}
    return Selected(entry.tap_stream_id, entry.name, configured, tuple(keys), below)


def with_selection(value: Any, wanted: ConfiguredCatalog) -> dict[str, Any]:
    """A tap's own catalog with exactly these streams and top-level fields selected, in the metadata and, for older
    taps, in the schema.

    :raises ConfigError: for what is no Singer catalog.
    """
    by_name = {configured.descriptor: configured for configured in wanted.streams}
    streams = [_with_selection(entry, by_name.get(entry.stream().descriptor)) for entry in entries(value)]
    return {**value, "streams": streams}


def _with_selection(entry: Entry, wanted: ConfiguredStream | None) -> dict[str, Any]:
    metadata = {crumb: {**facts} for crumb, facts in entry.metadata.items()}
    root = metadata.setdefault((), {})
    root["selected"] = wanted is not None
    schema = {**entry.schema, "selected": wanted is not None}
    said: dict[str, str] = {}
    if wanted is not None:
        said = _replication(root, wanted)
        root.update({name.replace("_", "-"): value for name, value in said.items()})
        names = wanted.selected
        properties = dict(schema.get("properties") or {})
        for name, part in properties.items():
            chosen = names is None or name in names
            metadata.setdefault(("properties", name), {})["selected"] = chosen
            if isinstance(part, Mapping):
                properties[name] = {**part, "selected": chosen}
        schema["properties"] = properties
    listed = [{"breadcrumb": list(crumb), "metadata": facts} for crumb, facts in metadata.items()]
    return {**entry.raw, **said, "schema": schema, "metadata": listed}


def _replication(root: Mapping[str, Any], wanted: ConfiguredStream) -> dict[str, str]:
    """How to read the stream, as the metadata and, for Meltano's SDK, the entry itself say it. A tap of which it is
    not known how it reads incrementally is told nothing of that."""
    incremental = wanted.sync_mode == "incremental"
    said = {}
    if method := root.get("forced-replication-method"):
        said["replication_method"] = str(method)
    elif wanted.cursor_field or not incremental:
        said["replication_method"] = "INCREMENTAL" if incremental else "FULL_TABLE"
    if incremental and wanted.cursor_field:
        said["replication_key"] = ".".join(wanted.cursor_field)
    return said


_OBJECT = msgspec.json.Decoder(dict[str, msgspec.Raw])


def without(record: bytes | msgspec.Raw, fields: Mapping[str, Any]) -> bytes | msgspec.Raw:
    """A record without some fields; what stays is copied as it is written.

    :param fields: by name, None for the field or those below it.
    """
    try:
        found = _OBJECT.decode(record)
    except msgspec.DecodeError:  # null, or something else than the schema says
        return record
    for name, below in fields.items():
        if name in found:
            if below is None:
                del found[name]
            else:
                found[name] = msgspec.Raw(without(found[name], below))
    return msgspec.json.encode(found)
