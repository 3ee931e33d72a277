"""What a tap says while it reads, as messages of the Airbyte protocol."""

from __future__ import annotations

import gzip
import time
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from pathlib import Path
from typing import IO, Any, cast
from urllib.parse import unquote, urlsplit

import msgspec

from headwater.bridge.foreign.singer_discovery import Offer
from headwater.bridge.foreign.talk import Talk, config_of
from headwater.bridge.runners.base import Exit
from headwater.errors import ForeignError
from headwater.protocol.catalog import ConfiguredCatalog
from headwater.protocol.lines import Lines, decoded, parsed
from headwater.protocol.messages import (
    Control,
    Level,
    Log,
    Message,
    Records,
    State,
    Status,
    StreamDescriptor,
    StreamStatus,
)
from headwater.protocol.singer import (
    ActivateVersion,
    Batch,
    Schema,
    SingerMessage,
    StateValue,
    states_from_singer,
)
from headwater.protocol.values import encode_rows

_LOOK = 1.0  # seconds between looks at the config, which a tap may rewrite
_USAGE = ("unrecognized arguments: --catalog", "No such option: --catalog", "no such option: --catalog")
_RAWS = msgspec.json.Decoder(list[msgspec.Raw])


class Reading:
    """One read of a tap.

    :ivar by_id: the configured streams by ``tap_stream_id``.
    :ivar config: the tap's, as it left it.
    """

    def __init__(self, offer: Offer, catalog: ConfiguredCatalog, config: Mapping[str, Any]) -> None:
        self._offer = offer
        self._catalog = catalog
        self.config = config
        wanted = {stream.descriptor for stream in catalog.streams}
        self.by_id: dict[str, StreamDescriptor] = {}
        self._by_name: dict[str, StreamDescriptor] = {}
        offered = offer.catalog().streams
        for entry, stream in zip(offer.entries, offered, strict=True):
            if stream.descriptor in wanted:
                self.by_id[entry.tap_stream_id] = stream.descriptor
                self._by_name[entry.tap_stream_id] = stream.descriptor
                self._by_name.setdefault(entry.name, stream.descriptor)
        self._known = {name for entry in offer.entries for name in (entry.name, entry.tap_stream_id)}
        self._missing = wanted - set(self.by_id.values())
        self._schemas: dict[str, Schema] = {}
        self._begun: set[StreamDescriptor] = set()
        self._left_out: dict[str, int] = {}
        self._told: dict[StreamDescriptor | None, Any] = {}
        self._versions: dict[str, int] = {}
        self._anything = False
        self._looked = time.monotonic()

    def usable(self, states: Sequence[State]) -> Generator[Message, None, Sequence[State]]:
        """The states to go on from.

        A tap that takes no catalog moves its state on also for streams that nobody wanted then. A stream that is
        wanted for the first time would lose what came before, so it is all read again.
        """
        whole = [state for state in states if state.type == "GLOBAL"]
        if not (self._offer.learned and whole):
            return states
        parts = (whole[-1].raw.get("global") or {}).get("stream_states") or []
        before = {part["stream_descriptor"]["name"] for part in parts}
        new = [
            stream.stream.name
            for stream in self._catalog.streams
            if stream.sync_mode == "incremental" and stream.stream.name not in before
        ]
        if not new:
            return states
        yield Log(
            Level.WARN,
            f"The tap's state is one for all its streams, and {', '.join(map(repr, new))} was not read before: "
            "everything is read from the beginning, so that nothing of it is lost.",
        )
        return []

    def run(self, talk: Talk[SingerMessage], *, may_try_again: bool) -> Generator[Message, None, bool]:
        """The tap's messages; True when it did not understand how its catalog was given.

        :raises ForeignError: when it failed.
        """
        try:
            for message in talk.messages():
                # before it is given on, as whoever has enough by then asks for no more
                if time.monotonic() - self._looked >= _LOOK or self._is_first(message):
                    yield from self._config_changes(talk)
                yield from self._take(message)
            end = talk.exit()
        except Exception:
            yield from self._config_changes(talk)
            raise
        yield from self._config_changes(talk)
        misunderstood = end.code == 0 or any(words in end.stderr for words in _USAGE)
        if may_try_again and not self._anything and misunderstood:
            return True
        yield from self._end(talk, end)
        return False

    def _is_first(self, message: SingerMessage | Log) -> bool:
        """Whether they are a stream's first records: by then a tap has renewed what it needs."""
        return isinstance(message, Records) and self._by_name.get(message.stream.name) not in {None, *self._begun}

    def _config_changes(self, talk: Talk[SingerMessage]) -> Iterator[Message]:
        self._looked = time.monotonic()
        changed = config_of(talk, self.config)
        if changed is not None:
            self.config = changed
            yield Control(changed)

    def _take(self, message: SingerMessage | Log) -> Iterator[Message]:
        if isinstance(message, Log):
            yield message
            return
        self._anything = True
        if isinstance(message, Records):
            yield from self._records(message)
        elif isinstance(message, StateValue):
            yield from self._state(message.value)
        elif isinstance(message, Schema):
            yield from self._schema(message)
        elif isinstance(message, ActivateVersion):
            yield from self._version(message)
        else:
            yield from self._batch(message)

    def _records(self, records: Records) -> Iterator[Message]:
        name = records.stream.name
        stream = self._by_name.get(name)
        if stream is None:
            if not self._left_out and name not in self._known:
                yield Log(Level.WARN, f"The tap sends records of stream {name!r}, which it does not offer: left out.")
            self._left_out[name] = self._left_out.get(name, 0) + len(records)
            return
        if stream not in self._begun:
            if name not in self._schemas:
                yield Log(Level.WARN, f"Stream {name!r}: the tap sends records without a SCHEMA message.")
                yield StreamStatus(stream, Status.STARTED)
            self._begun.add(stream)
            yield StreamStatus(stream, Status.RUNNING)
        records.stream = stream
        yield records

    def _schema(self, schema: Schema) -> Iterator[Message]:
        before, self._schemas[schema.stream] = self._schemas.get(schema.stream), schema
        stream = self._by_name.get(schema.stream)
        if stream is None:
            return
        if before is None:
            if stream not in self._begun:
                yield StreamStatus(stream, Status.STARTED)
        elif before.schema != schema.schema:
            old, new = (part.schema.get("properties") or {} for part in (before, schema))
            changed = sorted(name for name in {*old, *new} if old.get(name) != new.get(name))
            yield Log(Level.WARN, f"Stream {schema.stream!r}: its schema changed midway: {', '.join(changed)}.")

    def _state(self, value: Any) -> Iterator[Message]:
        bare = isinstance(value, Mapping) and value.keys() <= {"bookmarks", "currently_syncing"}
        if not value or (bare and not value.get("bookmarks")):
            return  # an empty one would take back what is safe
        for state in states_from_singer(value, self.by_id):
            key = state.stream
            now = state.raw if key is None else state.stream_state
            if self._told.get(key) != now:
                if key is None:
                    self._told.clear()
                self._told[key] = now
                yield state

    def _version(self, message: ActivateVersion) -> Iterator[Message]:
        before = self._versions.get(message.stream)
        self._versions[message.stream] = message.version
        stream = self._by_name.get(message.stream)
        configured = next((s for s in self._catalog.streams if s.descriptor == stream), None)
        if configured is None or configured.destination_sync_mode.startswith("overwrite"):
            return
        if before not in (None, message.version) or configured.sync_mode == "full_refresh":
            yield Log(
                Level.INFO,
                f"Stream {message.stream!r}: the tap says that records of other versions than {message.version} are "
                "void. They stay; read the stream with the mode overwrite to have them replaced.",
            )

    def _batch(self, batch: Batch) -> Iterator[Message]:
        if batch.stream not in self._by_name:
            return
        kind, compression = batch.encoding.get("format"), batch.encoding.get("compression") or "none"
        if kind != "jsonl" or compression not in ("gzip", "none"):
            raise ForeignError(
                f"Stream {batch.stream!r}: the tap writes files of the format {kind!r} (compression {compression!r}), "
                "which can't be read. Set the tap's batch_config to jsonl with gzip or none, or leave it out.",
                stream=batch.stream,
            )
        for url in batch.manifest:
            for records in _records_of_file(url, batch.stream, compressed=compression == "gzip"):
                yield from self._records(records)

    def _end(self, talk: Talk[SingerMessage], end: Exit) -> Iterator[Message]:
        """The tap has ended: its exit code alone says whether its streams are complete.

        :raises ForeignError: when they are not.
        """
        for name, count in self._left_out.items():
            yield Log(Level.INFO, f"{count} records of stream {name!r}, which is not selected, were left out.")
        streams = [stream.descriptor for stream in self._catalog.streams]
        well = end.code == 0 and not talk.cut and self._anything
        silent = [stream for stream in self._catalog.streams if well and not self._was_told(stream.descriptor)]
        for stream in silent:
            if not stream.destination_sync_mode.startswith("overwrite"):
                yield Log(Level.WARN, f"Stream {str(stream.descriptor)!r}: the tap ended well, but told nothing of it.")
        left = {s.descriptor for s in silent if s.destination_sync_mode.startswith("overwrite")} | self._missing
        for descriptor in streams:
            complete = well and descriptor not in left
            yield StreamStatus(descriptor, Status.COMPLETE if complete else Status.INCOMPLETE)
        names = ", ".join(map(repr, map(str, left or streams)))
        if end.code != 0:
            raise talk.ended_badly(end, f" before it had read these streams to their end: {names}")
        if talk.cut:
            raise talk.ended_badly(end, ", but its output is not whole")
        if not self._anything or left:
            raise talk.ended_badly(end, f", but it said nothing of these streams: {names}")

    def _was_told(self, stream: StreamDescriptor) -> bool:
        return stream in self._begun or any(self._by_name.get(name) == stream for name in self._schemas)


def _records_of_file(url: str, stream: str, *, compressed: bool) -> Iterator[Records]:
    """The records of a file that a BATCH message names, one a line.

    :raises ForeignError: when it can't be read.
    """
    parts = urlsplit(url)
    if parts.scheme not in ("", "file"):
        raise ForeignError(
            f"Stream {stream!r}: {parts.scheme} files of a tap can't be read; only local ones.", stream=stream
        )
    path = Path(unquote(parts.path) if parts.scheme else url)
    opener = cast(Callable[..., IO[bytes]], gzip.open if compressed else open)
    lines = Lines()
    try:
        with opener(path, "rb") as file:
            while chunk := file.read(2**20):
                yield from _records_of_block(lines.feed(chunk), stream)
            yield from _records_of_block(lines.rest(), stream)
    except (OSError, EOFError) as error:
        raise ForeignError(
            f"Stream {stream!r}: the tap's file {path} can't be read ({error}).", stream=stream
        ) from None


def _records_of_block(block: bytes, stream: str) -> Iterator[Records]:
    for found in decoded(block, _RAWS) if block.strip() else ():
        if not isinstance(found, bytes):
            yield Records(StreamDescriptor(stream), found[0])
        elif found.strip():
            try:
                rows, changes = encode_rows([parsed(found)])
            except ValueError as error:
                raise ForeignError(f"Stream {stream!r}: a line of the tap's file is not JSON ({error}).") from None
            yield Records(StreamDescriptor(stream), rows, changes=changes)
