"""What a flow is made of: a source, a destination, and what happens in between.

The classes have the names, the order of fields and the defaults of VDK's own
(``vdk.plugin.data_sources.mapping.definitions``), so a job written for those runs after changing the import.
The fields that VDK does not have come last.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from headwater.bridge.sinks.options import CHOICES, SqlOptions
from headwater.bridge.vdk.errors import DefinitionError

if TYPE_CHECKING:
    from vdk.plugin.data_sources.data_source import DataSourcePayload  # type: ignore[import-untyped]

MODES = ("append", "append_dedup", "overwrite")
SYNC_MODES = ("incremental", "full_refresh")
STATES = ("destination", "properties")

MapFunction = Callable[["DataSourcePayload"], "DataSourcePayload | None"]


@dataclass
class SourceDefinition:
    """A source as the job uses it.

    :ivar id: the job's own name for it; its states are kept under this id.
    :ivar name: the source's name in ``vdk data-sources --list``.
    :ivar config: its settings, as ``vdk data-sources --config NAME`` lists them.
    """

    id: str
    name: str
    config: dict[str, Any] = field(default_factory=dict, repr=False)


@dataclass
class DestinationDefinition:
    """A destination as the job uses it.

    :ivar id: the job's own name for it.
    :ivar method: an ingestion method; where it is None ``INGEST_METHOD_DEFAULT``, and without that ``headwater`` for a
        target that is a URL of its.
    :ivar target: what the method wants as a target (mostly a file or an address); ``INGEST_TARGET_DEFAULT``
        where it is None.
    """

    id: str
    method: str | None = None
    target: str | None = None


@dataclass
class StreamDefinition:
    """How one stream of a flow is read, where it differs from the flow.

    :ivar columns: the top-level fields that travel; all where it is None. Keys and cursor always do.
    :ivar sync_mode: ``incremental`` or ``full_refresh``.
    :ivar mode: ``append``, ``append_dedup`` or ``overwrite``.
    :ivar primary_key: what identifies a record, where the source does not say it: columns, or paths of names.
    :ivar cursor_field: the column (or path of names) that says how far the stream was read, where the source
        leaves that to the user.
    """

    columns: list[str] | None = None
    sync_mode: str | None = None
    mode: str | None = None
    primary_key: list[str | list[str]] | None = None
    cursor_field: str | list[str] | None = None

    def __post_init__(self) -> None:
        _one_of("sync_mode", self.sync_mode, SYNC_MODES)
        _one_of("mode", self.mode, MODES)

    @property
    def key_paths(self) -> tuple[tuple[str, ...], ...] | None:
        """``primary_key`` as paths."""
        if self.primary_key is None:
            return None
        return tuple((part,) if isinstance(part, str) else tuple(part) for part in self.primary_key)

    @property
    def cursor_path(self) -> tuple[str, ...] | None:
        """``cursor_field`` as a path."""
        cursor = self.cursor_field
        return (cursor,) if isinstance(cursor, str) else None if cursor is None else tuple(cursor)


StreamsOfFlow = Iterable[str | Mapping[str, Any]] | Mapping[str, StreamDefinition | Mapping[str, Any]]


@dataclass
class DataFlowMappingDefinition:
    """One flow: what is read from a source goes to a destination.

    :ivar map_function: called with each payload (data, metadata, state, destination_table); what it returns
        is what lands, and None skips the record. It may change the destination table.
    :ivar streams: the streams to read, as a list of names or of tables with a name, or as a mapping from names to
        :class:`StreamDefinition`; all streams where it is None.
    :ivar sync_mode: for every stream that does not say otherwise; incremental where a stream can.
    :ivar mode: likewise; where nobody says anything, ``append_dedup`` for a stream with a primary key in a
        destination that can do it, else ``append``.
    :ivar states: where they are kept: ``destination`` (in one that can, which is the default) or ``properties``.
        In a destination that keeps states they are kept in any case; the job's properties then get a copy.
    :ivar misfits: of Headwater's own SQL destinations: see :class:`~headwater.bridge.sinks.options.SqlOptions`.
    :ivar refused: likewise.
    :ivar nested: likewise.
    :raises DefinitionError: when a mode or the shape of ``streams`` is wrong.
    """

    from_source: SourceDefinition
    to_destination: DestinationDefinition
    map_function: MapFunction | None = None
    streams: StreamsOfFlow | None = None
    sync_mode: str | None = None
    mode: str | None = None
    states: str | None = None
    misfits: str | None = None
    refused: str | None = None
    nested: str | None = None

    def __post_init__(self) -> None:
        _one_of("sync_mode", self.sync_mode, SYNC_MODES)
        _one_of("mode", self.mode, MODES)
        _one_of("states", self.states, STATES)
        for name, allowed in CHOICES.items():
            _one_of(name, getattr(self, name), allowed)
        if self.streams is not None:
            self.streams = _streams(self.streams)

    @property
    def options(self) -> SqlOptions:
        """What the flow chooses of an SQL destination of Headwater's."""
        chosen: dict[str, Any] = {name: value for name in CHOICES if (value := getattr(self, name)) is not None}
        return SqlOptions(**chosen)


@dataclass
class Definitions:
    """Everything a configuration file defines.

    :ivar sources: by id.
    :ivar destinations: by id.
    :ivar flows: in the order written.
    """

    sources: dict[str, SourceDefinition]
    destinations: dict[str, DestinationDefinition]
    flows: list[DataFlowMappingDefinition]


def stream_definitions(flow: Any) -> dict[str, StreamDefinition] | None:
    """The flow's streams by name; None for all. VDK's own definition has none."""
    found = getattr(flow, "streams", None)
    return None if found is None else _streams(found)


def _streams(value: Any) -> dict[str, StreamDefinition]:
    if isinstance(value, Mapping):
        return {str(name): _stream(str(name), given) for name, given in value.items()}
    found: dict[str, StreamDefinition] = {}
    for entry in [None] if isinstance(value, str) else value:
        table = {"name": entry} if isinstance(entry, str) else entry
        if not isinstance(table, Mapping) or not isinstance(name := table.get("name"), str):
            raise DefinitionError(
                "A flow's `streams` must be a list of names or of tables with a `name`, or a mapping from names to "
                "what is special of each."
            )
        if name in found:
            raise DefinitionError(f"Stream {name!r} of a flow is named twice. Say all of it in one place.")
        found[name] = _stream(name, {key: table[key] for key in table if key != "name"})
    return found


def _stream(name: str, value: Any) -> StreamDefinition:
    if isinstance(value, StreamDefinition):
        return value
    known = set(StreamDefinition.__dataclass_fields__)
    if not isinstance(value, Mapping) or not set(value) <= known:
        raise DefinitionError(
            f"Stream {name!r} of a flow takes {', '.join(sorted(known))}; it was given {_keys(value)}."
        )
    for list_ in ("columns", "primary_key"):
        if not isinstance(value.get(list_, []), (list, tuple)):
            raise DefinitionError(f"Stream {name!r} of a flow: `{list_}` must be a list of names.")
    return StreamDefinition(**value)


def _keys(value: Any) -> str:
    return ", ".join(map(str, value)) if isinstance(value, Mapping) else f"a {type(value).__name__}"


def _one_of(name: str, value: str | None, allowed: tuple[str, ...]) -> None:
    if value is not None and value not in allowed:
        raise DefinitionError(f"`{name}` is {value!r}; it must be one of {', '.join(allowed)}.")
