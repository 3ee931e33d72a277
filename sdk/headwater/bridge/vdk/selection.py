"""What of a source a flow reads, and how that lands."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from headwater.bridge.choice import Choice, StreamOptions
from headwater.bridge.vdk.definitions import StreamDefinition

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

    @property
    def choice(self) -> Choice:
        """The same as every flow says it."""
        streams = None if self.streams is None else {name: _options(said) for name, said in self.streams.items()}
        return Choice(streams, _options(StreamDefinition(sync_mode=self.sync_mode, mode=self.mode)))


def _options(said: StreamDefinition) -> StreamOptions:
    modes: Any = {"sync_mode": said.sync_mode, "mode": said.mode}  # the definition has looked at them
    columns = None if said.columns is None else tuple(said.columns)
    return StreamOptions(columns, primary_key=said.key_paths, cursor_field=said.cursor_path, **modes)
