"""Catalogs: what a source offers, and what of it a sync reads."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Literal, get_args

from headwater.errors import ConfigError
from headwater.protocol.fields import (
    FieldPath,
    choice_of,
    integer_of,
    kind_of,
    list_of,
    path_of,
    paths_of,
    stream_objects,
)
from headwater.protocol.messages import StreamDescriptor

SyncMode = Literal["full_refresh", "incremental"]
DestinationSyncMode = Literal["append", "overwrite", "append_dedup", "update", "soft_delete", "overwrite_dedup"]


@dataclass(frozen=True)
class CatalogStream:
    """One stream that a source offers (the protocol's AirbyteStream).

    :ivar json_schema: its records' JSON Schema, with ``properties`` at the top.
    :ivar default_cursor_field: a path of names.
    :ivar primary_key: paths of names; several make a composite key.
    :ivar primary_key_scope: fields within which the primary key is unique, where it is not by itself: a person
        is in several repositories. Not a field of the protocol; it goes before the primary key where this SDK
        configures a sync.
    :ivar extra: fields of the protocol that are not named here, kept as they came.
    """

    name: str
    json_schema: Mapping[str, Any] = field(default_factory=dict)
    supported_sync_modes: tuple[SyncMode, ...] = ("full_refresh",)
    namespace: str | None = None
    source_defined_cursor: bool = False
    default_cursor_field: FieldPath = ()
    primary_key: tuple[FieldPath, ...] = ()
    primary_key_scope: tuple[FieldPath, ...] = ()
    is_resumable: bool = False
    extra: Mapping[str, Any] = field(default_factory=dict)

    @property
    def descriptor(self) -> StreamDescriptor:
        """Name and namespace."""
        return StreamDescriptor(self.name, self.namespace)

    @property
    def is_incremental(self) -> bool:
        """Whether it can be read incrementally, and needs nobody who chooses a cursor or has no other way."""
        known = self.source_defined_cursor or bool(self.default_cursor_field)
        return "incremental" in self.supported_sync_modes and (known or "full_refresh" not in self.supported_sync_modes)

    def to_json(self) -> dict[str, Any]:
        """The protocol's form; what is unset is left out, and the order is always the same."""
        value: dict[str, Any] = {
            "name": self.name,
            "json_schema": with_properties(self.json_schema),
            "supported_sync_modes": list(self.supported_sync_modes),
        }
        if self.source_defined_cursor:
            value["source_defined_cursor"] = True
        if self.default_cursor_field:
            value["default_cursor_field"] = list(self.default_cursor_field)
        if self.primary_key:
            value["source_defined_primary_key"] = [list(path) for path in self.primary_key]
        if self.primary_key_scope:
            value["primary_key_scope"] = [list(path) for path in self.primary_key_scope]
        if self.namespace:
            value["namespace"] = self.namespace
        if self.is_resumable:
            value["is_resumable"] = True
        return {**value, **self.extra}

    @staticmethod
    def from_json(value: Mapping[str, Any], where: str = "catalog") -> CatalogStream:
        """Read the protocol's form.

        :raises ConfigError: naming the field that is missing or of a wrong type.
        """
        name = value.get("name")
        if not isinstance(name, str):
            raise ConfigError(f"{where}: a stream has no name. Every stream needs a string in `name`.")
        where = f"{where}, stream {name!r}"
        schema = value.get("json_schema")
        if schema is not None and not isinstance(schema, Mapping):
            raise ConfigError(f"{where}: `json_schema` must be an object, not {kind_of(schema)}.")
        namespace = value.get("namespace")
        if namespace is not None and not isinstance(namespace, str):
            raise ConfigError(f"{where}: `namespace` must be a string, not {kind_of(namespace)}.")
        modes = list_of(value, "supported_sync_modes", where) or ["full_refresh"]
        known = tuple(m for m in modes if m in get_args(SyncMode))
        return CatalogStream(
            name=name,
            json_schema=dict(schema or {}),
            supported_sync_modes=known or ("full_refresh",),
            namespace=namespace or None,
            source_defined_cursor=bool(value.get("source_defined_cursor")),
            default_cursor_field=path_of(value.get("default_cursor_field"), f"{where}: `default_cursor_field`"),
            primary_key=paths_of(value, "source_defined_primary_key", where),
            primary_key_scope=paths_of(value, "primary_key_scope", where),
            is_resumable=bool(value.get("is_resumable")),
            extra={k: v for k, v in value.items() if k not in _STREAM_FIELDS},
        )


@dataclass(frozen=True)
class Catalog:
    """All streams that a source offers."""

    streams: tuple[CatalogStream, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """The protocol's AirbyteCatalog."""
        return {"streams": [stream.to_json() for stream in self.streams]}

    @staticmethod
    def from_json(value: Any) -> Catalog:
        """Read an AirbyteCatalog; raises ConfigError naming what is wrong."""
        streams = stream_objects(value, "catalog")
        return Catalog(tuple(CatalogStream.from_json(stream) for stream in streams))

    def configured(self, names: Iterable[str] | None = None, *, full_refresh: bool = False) -> ConfiguredCatalog:
        """A sync of all streams, or of those named: incremental where a stream can, and it is known by which field.

        :param names: of the streams; with the namespace before it (``sales.orders``) where several have one name.
        :raises ConfigError: if a name is not in the catalog; it lists those that are.
        """
        chosen = list(self.streams)
        if names is not None:
            by_name = {stream.name: stream for stream in self.streams}
            by_name |= {str(stream.descriptor): stream for stream in self.streams}  # of several, the one that is meant
            names = list(names)
            missing = [name for name in names if name not in by_name]
            if missing:
                raise ConfigError(
                    f"No stream {', '.join(map(repr, missing))}. "
                    f"The source has: {', '.join(sorted(stream.name for stream in self.streams)) or 'none'}."
                )
            chosen = [by_name[name] for name in names]
        return ConfiguredCatalog(
            tuple(
                ConfiguredStream(
                    stream,
                    "incremental" if stream.is_incremental and not full_refresh else "full_refresh",
                    cursor_field=stream.default_cursor_field,
                    primary_key=(*stream.primary_key_scope, *stream.primary_key),
                )
                for stream in chosen
            )
        )


@dataclass(frozen=True)
class ConfiguredStream:
    """A stream as a sync reads it: which fields, how, and what becomes of it at the destination."""

    stream: CatalogStream
    sync_mode: SyncMode = "full_refresh"
    destination_sync_mode: DestinationSyncMode = "append"
    cursor_field: FieldPath = ()
    primary_key: tuple[FieldPath, ...] = ()
    generation_id: int | None = None
    minimum_generation_id: int | None = None
    sync_id: int | None = None
    extra: Mapping[str, Any] = field(default_factory=dict)

    @property
    def descriptor(self) -> StreamDescriptor:
        """Name and namespace."""
        return self.stream.descriptor

    @property
    def selected(self) -> frozenset[str] | None:
        """The top-level fields that the sync wants; None: all (the schema names none)."""
        properties = self.stream.json_schema.get("properties")
        return frozenset(properties) if properties else None

    def with_columns(self, columns: Iterable[str]) -> ConfiguredStream:
        """The same with only these top-level fields; keys and cursor are always kept.

        :raises ConfigError: if a column is not in the stream's schema.
        """
        properties = dict(self.stream.json_schema.get("properties") or {})
        wanted = list(columns)
        unknown = [name for name in wanted if name not in properties]
        if unknown:
            raise ConfigError(
                f"Stream {self.stream.name!r} has no column {', '.join(map(repr, unknown))}. "
                f"It has: {', '.join(properties)}."
            )
        keep = {*wanted, *self.cursor_field[:1], *(path[0] for path in self.primary_key if path)}
        schema = {
            **self.stream.json_schema,
            "properties": {name: value for name, value in properties.items() if name in keep},
        }
        return replace(self, stream=replace(self.stream, json_schema=schema))

    def to_json(self) -> dict[str, Any]:
        """The protocol's ConfiguredAirbyteStream."""
        value: dict[str, Any] = {
            "stream": self.stream.to_json(),
            "sync_mode": self.sync_mode,
            "destination_sync_mode": self.destination_sync_mode,
        }
        if self.cursor_field:
            value["cursor_field"] = list(self.cursor_field)
        if self.primary_key:
            value["primary_key"] = [list(path) for path in self.primary_key]
        for name in ("generation_id", "minimum_generation_id", "sync_id"):
            if (number := getattr(self, name)) is not None:
                value[name] = number
        return {**value, **self.extra}

    @staticmethod
    def from_json(value: Any) -> ConfiguredStream:
        """Read the protocol's form; raises ConfigError naming the field at fault."""
        if not isinstance(value, Mapping) or not isinstance(value.get("stream"), Mapping):
            raise ConfigError("configured catalog: every entry of `streams` needs an object in `stream`.")
        stream = CatalogStream.from_json(value["stream"], "configured catalog")
        where = f"configured catalog, stream {stream.name!r}"
        return ConfiguredStream(
            stream,
            sync_mode=choice_of(value, "sync_mode", "full_refresh", get_args(SyncMode), where),
            destination_sync_mode=choice_of(
                value, "destination_sync_mode", "append", get_args(DestinationSyncMode), where
            ),
            cursor_field=path_of(value.get("cursor_field"), f"{where}: `cursor_field`"),
            primary_key=paths_of(value, "primary_key", where),
            generation_id=integer_of(value, "generation_id", where),
            minimum_generation_id=integer_of(value, "minimum_generation_id", where),
            sync_id=integer_of(value, "sync_id", where),
            extra={k: v for k, v in value.items() if k not in _CONFIGURED_FIELDS},
        )


@dataclass(frozen=True)
class ConfiguredCatalog:
    """The streams of one sync, in order."""

    streams: tuple[ConfiguredStream, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """The protocol's ConfiguredAirbyteCatalog."""
        return {"streams": [stream.to_json() for stream in self.streams]}

    @staticmethod
    def from_json(value: Any) -> ConfiguredCatalog:
        """Read a ConfiguredAirbyteCatalog.

        :raises ConfigError: naming what is wrong; also for one stream named twice.
        """
        streams = tuple(ConfiguredStream.from_json(v) for v in stream_objects(value, "configured catalog"))
        seen: set[StreamDescriptor] = set()
        for stream in streams:
            if stream.descriptor in seen:
                raise ConfigError(f"configured catalog: stream {str(stream.descriptor)!r} is there twice.")
            seen.add(stream.descriptor)
        return ConfiguredCatalog(streams)


_STREAM_FIELDS = frozenset(
    (
        "name",
        "json_schema",
        "supported_sync_modes",
        "namespace",
        "source_defined_cursor",
        "default_cursor_field",
        "source_defined_primary_key",
        "primary_key_scope",
        "is_resumable",
    )
)
_CONFIGURED_FIELDS = frozenset(
    (
        "stream",
        "sync_mode",
        "destination_sync_mode",
        "cursor_field",
        "primary_key",
        "generation_id",
        "minimum_generation_id",
        "sync_id",
    )
)


def with_properties(schema: Mapping[str, Any]) -> dict[str, Any]:
    """The schema with ``type: object`` and ``properties``, which the platform can't do without."""
    return {"type": "object", "properties": {}, **schema}
