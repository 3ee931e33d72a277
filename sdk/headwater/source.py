"""The base class of all connectors."""

from __future__ import annotations

import logging
import typing
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, Any, ClassVar, NoReturn

from headwater.config import Config
from headwater.discovery import discovered
from headwater.errors import ConfigError, IncompleteError, SkipSlice, SourceError, Stopped
from headwater.protocol.catalog import Catalog, ConfiguredCatalog, ConfiguredStream
from headwater.protocol.messages import (
    Message,
    Spec,
    State,
    Status,
    StreamDescriptor,
    StreamStatus,
)
from headwater.reader import StreamReader
from headwater.state import stream_states
from headwater.stream import Stream
from headwater.traces import exited, trace_of

if TYPE_CHECKING:
    from typing_extensions import Self

    from headwater.pool import Pool
    from headwater.rota import Reading

log = logging.getLogger("headwater")


class Source(ABC):
    """A connector: settings, and the streams that can be read with them.

    ::

        class AcmeSource(HttpSource):
            name = "acme"
            config: AcmeConfig

            def streams(self):
                return [Orders(self), Customers(self)]

    The class is also the connector's command line (:meth:`main`), its VDK data source and its Singer tap.

    :cvar name: by which users know it (``github``).
    :cvar documentation_url: where its documentation is, for ``spec``.
    :cvar concurrency: how many slices, of one stream or of several, are read at the same time, by a thread each.
        A setting named ``num_workers`` or ``concurrency``, where the config has one, goes first. 1: without
        threads, one stream after another.
    :ivar config: its settings. Narrow the annotation in a subclass: that declares them.
    """

    name: ClassVar[str]
    documentation_url: ClassVar[str | None] = None
    concurrency: int = 1
    config: Config

    def __init__(self, config: Config) -> None:
        self.config = config
        self._events: deque[Message] = deque()
        self._pool: Pool | None = None

    @classmethod
    def from_config(cls, value: Any) -> Self:
        """A source from a config file's content.

        :raises ConfigError: naming the setting that is missing or wrong.
        """
        return cls(cls.config_class().parse(value))

    @classmethod
    def config_class(cls) -> type[Config]:
        """The class that the annotation of ``config`` names."""
        found: type[Config] = typing.get_type_hints(cls)["config"]
        return found

    @classmethod
    def spec(cls) -> Spec:
        """Which settings the connector takes; needs neither a config nor a network."""
        raw: dict[str, Any] = {"connectionSpecification": cls.config_class().json_schema()}
        if cls.documentation_url:
            raw["documentationUrl"] = cls.documentation_url
        return Spec(raw)

    @abstractmethod
    def streams(self) -> Iterable[Stream]:
        """The streams, in a fixed order. Called for discover, check and read.

        A child adds to its parent's: ``[*super().streams(), Deployments(self)]``. Of two streams with one
        name, a subclass replaces its parent.
        """

    def check(self) -> None:
        """Prove that the settings work. Called by ``check``; must be quick and change nothing.

        Default: read the first page of the first stream. Raise ConfigError to say no.
        """
        for stream in self.streams():
            for slice in stream.from_start():
                with suppress(SkipSlice):
                    next(iter(stream.pages(slice)), None)
                return

    def discover(self) -> Catalog:
        """What can be read; the same streams in the same order at each call."""
        return Catalog(discovered(self._streams().values()))

    def emit(self, message: Message) -> None:
        """Say something in the middle of reading (a wait for a quota, a changed config). Whoever runs the
        source may replace this by its own writer; until then it comes with the next record. May be called in
        any thread."""
        self._events.append(message)
        if self._pool is not None:
            self._pool.wake()

    def read(self, catalog: ConfiguredCatalog, state: Sequence[State] = ()) -> Iterator[Message]:
        """Read the configured streams from where the states say: their slices several at a time
        (:attr:`concurrency`), or one stream after another.

        One stream's failure is told (an ErrorTrace, INCOMPLETE) and leaves the others running.

        :raises IncompleteError: at the end, when a stream failed.
        :raises ConfigError: before anything is read, for a state that is not this source's.
        """
        blobs = stream_states(state)
        streams = self._streams()
        failed: dict[str, Exception] = {}
        level = self._level(streams, catalog)
        if level > 1:
            yield from self._read_together(streams, catalog, blobs, failed, level)
        else:
            for configured in catalog.streams:
                error = yield from self._read_stream(streams, configured, blobs.get(configured.descriptor))
                if error is not None:
                    failed[str(configured.descriptor)] = error
        if failed:
            raise IncompleteError(failed)

    def _level(self, streams: Mapping[StreamDescriptor, Stream], catalog: ConfiguredCatalog) -> int:
        """How many slices are read at the same time."""
        if len(catalog.streams) < 2:
            found = [streams[each.descriptor] for each in catalog.streams if each.descriptor in streams]
            if all(stream.is_whole for stream in found):
                return 1  # there is one slice, and no need for a thread
        return self.level()

    def level(self) -> int:
        """How many slices may be read at the same time, where there are several."""
        settings = (getattr(self.config, name, None) for name in ("num_workers", "concurrency"))
        return next((value for value in settings if isinstance(value, int)), self.concurrency)

    def reader(
        self,
        stream: Stream,
        configured: ConfiguredStream,
        blob: Mapping[str, Any] | None,
        events: Callable[[], Iterable[Message]] = tuple,
    ) -> StreamReader:
        """What reads a stream in a sync; for a kind of sources that keeps states of its own.

        :param blob: its stored state; None for a first read.
        :param events: what the source has to say meanwhile.
        """
        return StreamReader(stream, configured, blob, events)

    def _read_together(
        self,
        streams: Mapping[StreamDescriptor, Stream],
        catalog: ConfiguredCatalog,
        blobs: Mapping[StreamDescriptor, Mapping[str, Any]],
        failed: dict[str, Exception],
        level: int,
    ) -> Iterator[Message]:
        from headwater.pool import Pool
        from headwater.rota import Reading

        def reading(configured: ConfiguredStream) -> Reading:
            name = configured.descriptor
            return Reading(name, lambda: self.reader(_stream_of(streams, name), configured, blobs.get(name)))

        def ending(reading: Reading) -> Generator[Message, None, Status]:
            error = yield from self._end(reading)
            if error is None:
                return Status.COMPLETE
            failed[str(reading.name)] = error
            return Status.INCOMPLETE

        self._pool = Pool(list(map(reading, catalog.streams)), level, events=self._drain, ending=ending)
        try:
            yield from self._pool.messages()
        finally:
            self._pool = None

    def _end(self, reading: Reading) -> Generator[Message, None, Exception | None]:
        """The last that a stream gives before its status; returns why it failed."""
        try:
            if reading.failure is not None:
                raise reading.failure
            if reading.reader is not None:
                reading.reader.complain()
                yield from reading.reader.last()
            yield from self._drain()
            return None
        except (Exception, SystemExit) as error:  # noqa: BLE001 - whatever it is, the other streams go on
            failure = exited(error) if isinstance(error, SystemExit) else error
            if reading.reader is not None:
                yield from reading.reader.safe()
            yield from self._drain()
            yield trace_of(failure, reading.name)
            return failure

    def _read_stream(
        self,
        streams: Mapping[StreamDescriptor, Stream],
        configured: ConfiguredStream,
        blob: Mapping[str, Any] | None,
    ) -> Generator[Message, None, Exception | None]:
        """From STARTED to COMPLETE or INCOMPLETE; returns why it failed."""
        name = configured.descriptor
        failure: Exception | None = None
        try:
            yield StreamStatus(name, Status.STARTED)
            try:
                stream = _stream_of(streams, name)
                yield from self.reader(stream, configured, blob, self._drain).messages()
                yield from self._drain()
            except (Exception, SystemExit) as error:
                if Stopped.is_behind(error):
                    raise Stopped from error
                failure = exited(error) if isinstance(error, SystemExit) else error
                yield from self._drain()
                yield trace_of(failure, name)
        except Stopped:
            yield StreamStatus(name, Status.INCOMPLETE)
            raise
        yield StreamStatus(name, Status.COMPLETE if failure is None else Status.INCOMPLETE)
        return failure

    def _streams(self) -> dict[StreamDescriptor, Stream]:
        """The streams by name; a refinement in its parent's place.

        :raises SourceError: if two unrelated streams have one name.
        """
        found: dict[StreamDescriptor, Stream] = {}
        for stream in self.streams():
            other = found.get(stream.descriptor)
            if other is None or isinstance(stream, type(other)):
                found[stream.descriptor] = stream
            elif not isinstance(other, type(stream)):
                _clash(self, stream, other)
        return found

    def _drain(self) -> Iterator[Message]:
        while self._events:
            yield self._events.popleft()

    @classmethod
    def main(cls, argv: Sequence[str] | None = None) -> NoReturn:
        """The connector's command line; a distribution names it as its console script."""
        from headwater.entrypoint import main

        main(cls, argv)

    @classmethod
    def tap_main(cls, argv: Sequence[str] | None = None) -> NoReturn:
        """The connector's command line as a Singer tap; a distribution names it as a second console script."""
        from headwater.tap import main

        main(cls, argv)


def _stream_of(streams: Mapping[StreamDescriptor, Stream], name: StreamDescriptor) -> Stream:
    stream = streams.get(name)
    if stream is None:
        known = ", ".join(map(str, streams)) or "none"
        raise ConfigError(
            f"The catalog names a stream {str(name)!r} that this source does not have. It has: {known}. "
            "Run `discover` again and remove it."
        )
    return stream


def _clash(source: Source, stream: Stream, other: Stream) -> NoReturn:
    raise SourceError(
        f"{type(source).__name__}.streams() gives two unrelated streams named {stream.name!r}: "
        f"{type(other).__qualname__} and {type(stream).__qualname__}. "
        "Give one another name, or make it a subclass of the one that it replaces.",
        stream=stream.name,
    )
