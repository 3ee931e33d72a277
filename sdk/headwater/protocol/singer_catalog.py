"""Singer's catalogs: printing one, and reading one.

To Singer for a source that is run as a tap, and back for whoever reads taps. A stream keeps its name; one with a
namespace is ``namespace-name`` to Singer. What each side can't say is told in ``docs/singer.md``.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from headwater.errors import ConfigError, SourceError
from headwater.protocol.catalog import (
    Catalog,
    CatalogStream,
    SyncMode,
    with_properties,
)
from headwater.protocol.fields import FieldPath
from headwater.protocol.messages import StreamDescriptor

Crumb = tuple[str, ...]

MODES: Mapping[str, SyncMode] = {
    "FULL_TABLE": "full_refresh",
    "INCREMENTAL": "incremental",
    "LOG_BASED": "incremental",
}


def tap_stream_id(stream: StreamDescriptor) -> str:
    """A stream's name in Singer."""
    return f"{stream.namespace}-{stream.name}" if stream.namespace else stream.name


# --- the catalog that a tap prints ----------------------------------------------------------------------------


def catalog_to_singer(catalog: Catalog) -> dict[str, Any]:
    """What ``--discover`` prints.

    :raises SourceError: if two streams would have one name.
    """
    return {"streams": [_entry(stream) for stream in by_tap_stream_id(catalog).values()]}


def by_tap_stream_id(catalog: Catalog) -> dict[str, CatalogStream]:
    """The streams by their names in Singer.

    :raises SourceError: if two have the same.
    """
    found = {tap_stream_id(stream.descriptor): stream for stream in catalog.streams}
    if len(found) < len(catalog.streams):
        names = ", ".join(str(stream.descriptor) for stream in catalog.streams)
        raise SourceError(f"Two of these streams have the same name in Singer: {names}.")
    return found


def _entry(stream: CatalogStream) -> dict[str, Any]:
    name = tap_stream_id(stream.descriptor)
    schema = with_properties(stream.json_schema)
    keys = key_properties(stream.primary_key)
    root: dict[str, Any] = {"inclusion": "available", "selected-by-default": True, "table-key-properties": keys}
    cursor = ".".join(stream.default_cursor_field)
    if cursor and stream.source_defined_cursor:
        root["valid-replication-keys"] = [cursor]
    if len(stream.supported_sync_modes) == 1:
        incremental = "INCREMENTAL" if cursor or not stream.source_defined_cursor else "LOG_BASED"
        full = stream.supported_sync_modes == ("full_refresh",)
        root["forced-replication-method"] = "FULL_TABLE" if full else incremental
    entry: dict[str, Any] = {"tap_stream_id": name, "stream": name, "key_properties": keys, "schema": schema}
    if cursor and "incremental" in stream.supported_sync_modes:
        entry.update(replication_method="INCREMENTAL", replication_key=cursor)
    else:
        entry["replication_method"] = root.get("forced-replication-method", "FULL_TABLE")
    if stream.namespace:
        root["schema-name"] = stream.namespace
        entry["table_name"] = stream.name
    automatic = always_read(stream)
    entry["metadata"] = [{"breadcrumb": [], "metadata": root}] + [
        {
            "breadcrumb": list(crumb),
            "metadata": {
                "inclusion": "automatic" if crumb in automatic else "available",
                "selected-by-default": True,
            },
        }
        for crumb in _crumbs(schema, ())
    ]
    return entry


def key_properties(paths: Iterable[FieldPath]) -> list[str]:
    """Singer's keys are names at the top; with a part of the key elsewhere there is none."""
    paths = list(paths)
    return [path[0] for path in paths] if all(len(path) == 1 for path in paths) else []


def always_read(stream: CatalogStream, keys: Iterable[str] = ()) -> set[Crumb]:
    """Where the keys and the cursor are, and what leads there: it can't be deselected."""
    paths = (*stream.primary_key, stream.default_cursor_field, *((key,) for key in keys))
    crumbs = [tuple(part for name in path for part in ("properties", name)) for path in paths]
    return {crumb[:length] for crumb in crumbs for length in range(2, len(crumb) + 1, 2)}


def _crumbs(schema: Mapping[str, Any], at: Crumb) -> Iterator[Crumb]:
    properties = schema.get("properties")
    for name, part in properties.items() if isinstance(properties, Mapping) else ():
        here = (*at, "properties", name)
        yield here
        if isinstance(part, Mapping):
            yield from _crumbs(part, here)


# --- reading a catalog ----------------------------------------------------------------------------------------


class Entry:
    """One stream of a Singer catalog.

    :ivar tap_stream_id: its key in catalogs and states.
    :ivar name: its name in messages.
    :ivar raw: the entry as it came.
    :raises ConfigError: for what is no such entry.
    """

    def __init__(self, raw: Any) -> None:
        name = (raw.get("tap_stream_id") or raw.get("stream")) if isinstance(raw, Mapping) else None
        if not isinstance(name, str):
            raise ConfigError("catalog: every entry of `streams` needs a string in `tap_stream_id`.")
        self.raw: Mapping[str, Any] = raw
        self.tap_stream_id = name
        self.name = str(raw.get("stream_alias") or raw.get("stream") or name)
        schema, metadata = raw.get("schema") or {}, raw.get("metadata") or []
        if not isinstance(schema, Mapping) or not isinstance(schema.get("properties") or {}, Mapping):
            raise ConfigError(f"catalog, stream {name!r}: `schema` must be an object with an object in `properties`.")
        self.schema: Mapping[str, Any] = schema
        try:
            self.metadata: dict[Crumb, Mapping[str, Any]] = {
                tuple(m["breadcrumb"]): dict(m.get("metadata") or {}) for m in metadata
            }
        except (TypeError, ValueError, KeyError, AttributeError):
            raise ConfigError(
                f"catalog, stream {name!r}: `metadata` must be a list of objects with `breadcrumb` and `metadata`."
            ) from None

    @property
    def is_selected(self) -> bool:
        """Whether the stream is to be read: only if somebody says so."""
        return _wanted(self._about(()), {**self.raw, **self.schema}) or False

    @property
    def keys(self) -> list[str] | None:
        """The key properties; None where the entry says nothing."""
        said = (self._root("view-key-properties"), self._root("table-key-properties"), self.raw.get("key_properties"))
        lists = [keys for keys in said if isinstance(keys, list)]
        return next(([str(key) for key in keys] for keys in lists if keys), [] if lists else None)

    @property
    def method(self) -> Any:
        """The replication method, as the tap forces it or the user wants it."""
        return (
            self._root("forced-replication-method")
            or self._root("replication-method")
            or self.raw.get("replication_method")
        )

    @property
    def replication_key(self) -> FieldPath:
        """The cursor that the entry names."""
        name = self._root("replication-key") or self.raw.get("replication_key") or ""
        return self._path(str(name)) if name else ()

    def stream(self) -> CatalogStream:
        """What the entry, printed by a tap, offers."""
        keys = self._root("valid-replication-keys")
        valid = keys if isinstance(keys, list) else []
        forced = MODES.get(str(self._root("forced-replication-method")))
        cursor = self.replication_key or (self._path(str(valid[0])) if valid else ())
        modes: tuple[SyncMode, ...] = ("full_refresh", "incremental") if cursor else ("full_refresh",)
        namespace = self._root("schema-name") or None
        table = self.raw.get("table_name")
        schema, _ = self.reduced(())
        return CatalogStream(
            name=str(table) if namespace and table else self.name,
            namespace=namespace,
            json_schema=with_properties(schema),
            supported_sync_modes=(forced,) if forced else modes,
            source_defined_cursor=len(valid) == 1 or self._root("forced-replication-method") == "LOG_BASED",
            default_cursor_field=cursor,
            primary_key=tuple((key,) for key in self.keys or ()),
        )

    def reduced(self, always: Iterable[Crumb]) -> tuple[dict[str, Any], dict[str, Any]]:
        """The schema of what is selected, and the fields that are not: by name, None or those below it."""
        return self._reduced(self.schema, (), frozenset(always))

    def _reduced(
        self, schema: Mapping[str, Any], at: Crumb, always: frozenset[Crumb]
    ) -> tuple[dict[str, Any], dict[str, Any]]:
        kept = {key: value for key, value in schema.items() if key not in ("selected", "inclusion")}
        if not isinstance(schema.get("properties"), Mapping):
            return kept, {}
        properties: dict[str, Any] = {}
        dropped: dict[str, Any] = {}
        for name, part in schema["properties"].items():
            here = (*at, "properties", name)
            known = part if isinstance(part, Mapping) else {}
            if here not in always and _wanted(self._about(here), known) is False:
                dropped[name] = None
                continue
            properties[name], below = self._reduced(known, here, always) if known else (part, {})
            if below:
                dropped[name] = below
        kept["properties"] = properties
        if isinstance(kept.get("required"), list):  # of a record without the field no target would think well
            kept["required"] = [name for name in kept["required"] if name not in dropped or dropped[name]]
        return kept, dropped

    def _about(self, at: Crumb) -> Mapping[str, Any]:
        return self.metadata.get(at, {})

    def _root(self, name: str) -> Any:
        return self._about(()).get(name)

    def _path(self, name: str) -> FieldPath:
        """A dot leads into an object, unless the field is named so."""
        return (name,) if name in (self.schema.get("properties") or {}) else tuple(name.split("."))


def _wanted(facts: Mapping[str, Any], schema: Mapping[str, Any]) -> bool | None:
    """What the metadata, or in older catalogs the schema, says of a stream or a field; None: nothing."""
    inclusion = facts.get("inclusion") or schema.get("inclusion")
    if inclusion in ("automatic", "unsupported"):
        return bool(inclusion == "automatic")
    said = (facts.get("selected"), schema.get("selected"), facts.get("selected-by-default"))
    return next((value for value in said if isinstance(value, bool)), None)


def entries(value: Any) -> list[Entry]:
    """The streams of a Singer catalog.

    :raises ConfigError: for what is none, or one stream twice.
    """
    found = value.get("streams") if isinstance(value, Mapping) else None
    if not isinstance(found, list):
        raise ConfigError("catalog: an object with a list in `streams` is needed.")
    read = [Entry(raw) for raw in found]
    names = [entry.tap_stream_id for entry in read]
    if twice := [name for name in dict.fromkeys(names) if names.count(name) > 1]:
        raise ConfigError(f"catalog: stream {twice[0]!r} is there twice.")
    return read
