"""Catalogs as the connector wrote them, and configured ones made of them. Raw JSON: nothing of it is lost."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

_CHANGED = re.compile(r"(last_)?(updated?|modified|changed?)(_(at|on|time|date))?", re.IGNORECASE)


def full_name(name: Any, namespace: Any = None) -> str:
    """A stream's name with its namespace, if it has one."""
    return f"{namespace}.{name}" if namespace else str(name)


def name_of(descriptor: Any) -> str:
    """The full name that a stream descriptor, or a stream of a catalog, says."""
    found = descriptor if isinstance(descriptor, Mapping) else {}
    return full_name(found.get("name"), found.get("namespace"))


def state_names(state: Mapping[str, Any]) -> tuple[str, ...]:
    """The streams that a state message is about; none in particular: ()."""
    if isinstance(state.get("stream"), Mapping):
        return (name_of(state["stream"].get("stream_descriptor")),)
    if isinstance(state.get("global"), Mapping):
        streams = state["global"].get("stream_states")
        return tuple(name_of(one.get("stream_descriptor")) for one in streams or () if isinstance(one, Mapping))
    return ()


@dataclass(frozen=True)
class Stream:
    """One configured stream.

    :ivar json: its entry in the configured catalog.
    """

    json: dict[str, Any]

    @property
    def stream(self) -> dict[str, Any]:
        """As the connector's catalog has it."""
        found: dict[str, Any] = self.json["stream"]
        return found

    @property
    def name(self) -> str:
        """The full name."""
        return name_of(self.stream)

    @property
    def incremental(self) -> bool:
        """Whether it is read incrementally."""
        return self.json.get("sync_mode") == "incremental"

    @property
    def properties(self) -> dict[str, Any]:
        """The fields of its JSON Schema, by name."""
        found = self.schema.get("properties")
        return found if isinstance(found, dict) else {}

    @property
    def schema(self) -> dict[str, Any]:
        """Its JSON Schema."""
        found = self.stream.get("json_schema")
        return found if isinstance(found, dict) else {}

    @property
    def primary_key(self) -> list[list[str]]:
        """Paths of names, with those within which the key is unique."""
        scope = self.stream.get("primary_key_scope") or []
        key = self.stream.get("source_defined_primary_key") or []
        return [path for path in [*scope, *key] if isinstance(path, list)] if key else []

    @property
    def cursor(self) -> list[str]:
        """The path of the cursor; [] if none is known."""
        found = self.json.get("cursor_field") or self.stream.get("default_cursor_field") or []
        return found if isinstance(found, list) else [found]


class Configured(Mapping[str, Stream]):
    """A configured catalog, by the streams' full names.

    :param json: as ``--catalog`` takes it.
    """

    def __init__(self, json: dict[str, Any]) -> None:
        self.json = json
        self._streams = {name_of(entry["stream"]): Stream(entry) for entry in json["streams"]}

    def __getitem__(self, name: str) -> Stream:
        return self._streams[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._streams)

    def __len__(self) -> int:
        return len(self._streams)

    def only(self, names: Iterable[str]) -> Configured:
        """These streams alone, in this order."""
        return Configured({"streams": [self._streams[name].json for name in names]})


def configured(catalog: Mapping[str, Any], *, incremental: bool = True, but: Iterable[str] = ()) -> Configured:
    """A configured catalog of all that a catalog offers.

    :param incremental: where a stream can be; False: all in full.
    :param but: without these.
    """
    entries = []
    for stream in catalog.get("streams", ()):
        if not isinstance(stream, dict) or {stream.get("name"), name_of(stream)} & set(but):
            continue
        modes = stream.get("supported_sync_modes") or ["full_refresh"]
        cursor = stream.get("default_cursor_field") or []
        if not cursor and not stream.get("source_defined_cursor"):
            cursor = _chosen(stream)
        knows = bool(cursor or stream.get("source_defined_cursor"))
        mode = "incremental" if "incremental" in modes and incremental and knows else "full_refresh"
        if mode not in modes and len(modes) == 1:
            mode = modes[0]
        entry: dict[str, Any] = {"stream": stream, "sync_mode": mode, "destination_sync_mode": "append"}
        if mode == "incremental" and cursor:
            entry["cursor_field"] = cursor
        if stream.get("source_defined_primary_key"):
            entry["primary_key"] = stream["source_defined_primary_key"]
        entries.append(entry)
    return Configured({"streams": entries})


def _chosen(stream: Mapping[str, Any]) -> list[str]:
    """A cursor for a stream that leaves the choice to its user: the field whose name says when a record changed."""
    properties = (stream.get("json_schema") or {}).get("properties")
    for name in properties if isinstance(properties, dict) else ():
        if _CHANGED.fullmatch(name):
            return [name]
    return []


def value_at(data: Any, path: Iterable[str]) -> Any:
    """What is at a path of names; None if nothing is."""
    for name in path:
        if not isinstance(data, Mapping):
            return None
        data = data.get(name)
    return data
