"""The base class of all connectors."""

from __future__ import annotations

import logging
import re
import typing
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Generator, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, Any, ClassVar, NoReturn

from headwater.config import Config
from headwater.discovery import discovered
from headwater.errors import ConfigError, HeadwaterError, IncompleteError, SkipSlice, SourceError, Stopped
from headwater.protocol.catalog import Catalog, ConfiguredCatalog, ConfiguredStream
from headwater.protocol.messages import (
    ErrorTrace,
    Message,
    Spec,
    State,
    Status,
    StreamDescriptor,
    StreamStatus,
)
from headwater.reader import StreamReader
from headwater.stream import Slice, Stream

if TYPE_CHECKING:
    from typing_extensions import Self

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
    :ivar config: its settings. Narrow the annotation in a subclass: that declares them.
    """

    name: ClassVar[str]
    documentation_url: ClassVar[str | None] = None
    config: Config

    def __init__(self, config: Config) -> None:
        self.config = config
        self._events: deque[Message] = deque()

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
            for partition in stream.partitions():
                with suppress(SkipSlice):
                    next(stream.pages(Slice(partition, start=stream.start())), None)
                return

    def discover(self) -> Catalog:
        """What can be read; the same streams in the same order at each call."""
        return Catalog(discovered(self._streams().values()))

    def emit(self, message: Message) -> None:
        """Say something in the middle of reading (a wait for a quota, a changed config). Whoever runs the
        source may replace this by its own writer; until then it comes with the next record."""
        self._events.append(message)

    def read(self, catalog: ConfiguredCatalog, state: Sequence[State] = ()) -> Iterator[Message]:
        """Read the configured streams, one after another, from where the states say.

        One stream's failure is told (an ErrorTrace, INCOMPLETE) and leaves the others running.

        :raises IncompleteError: at the end, when a stream failed.
        :raises ConfigError: before anything is read, for a state that is not this source's.
        """
        blobs = _stream_states(state)
        streams = self._streams()
        failed: dict[str, Exception] = {}
        for configured in catalog.streams:
            error = yield from self._read_stream(streams, configured, blobs.get(configured.descriptor))
            if error is not None:
                failed[str(configured.descriptor)] = error
        if failed:
            raise IncompleteError(failed)

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
                yield from StreamReader(stream, configured, blob, self._drain).messages()
                yield from self._drain()
            except (Exception, SystemExit) as error:  # noqa: BLE001 - whatever it is, the other streams go on
                failure = _exited(error) if isinstance(error, SystemExit) else error
                yield from self._drain()
                yield _trace(failure, name)
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


def _exited(error: SystemExit) -> SourceError:
    """``sys.exit`` in the middle of a stream: some library's idea of an error."""
    exited = SourceError(f"The connector called sys.exit({error.code!r}). This is a bug of the connector.")
    exited.__cause__ = error
    return exited


def _trace(error: Exception, stream: StreamDescriptor) -> ErrorTrace:
    """What a stream's failure is on the wire. A bug's own words may hold anything, so they go to where a
    developer looks."""
    import traceback

    stack = "".join(traceback.format_exception(error))
    stack = _without_queries(stack)
    if isinstance(error, HeadwaterError):
        internal = _without_queries(error.internal) if error.internal is not None else None
        return ErrorTrace(_without_queries(error.message), error.failure_type, stream, internal, stack)
    message = f"The connector failed in stream {stream}: {type(error).__name__}. This is a bug of the connector."
    internal = _without_queries(f"{type(error).__name__}: {error}")
    return ErrorTrace(message, "system_error", stream, internal, stack)


_URL = re.compile(r"""(\b[a-z][a-z0-9+.-]*://)(?:[^\s/?#@'"]*@)?([^\s?#'"<>]*)(?:[?#][^\s'"<>]*)?""", re.IGNORECASE)


def _without_queries(text: str) -> str:
    """The text with its URLs cut to host and path: user, password and query may be secrets, and the words of
    a library's error (requests', for one) hold the whole of them."""
    return _URL.sub(r"\1\2", text)


def _stream_states(states: Sequence[State]) -> dict[StreamDescriptor, Mapping[str, Any]]:
    """The state of each stream, from whatever form the states have."""
    blobs: dict[StreamDescriptor, Mapping[str, Any]] = {}
    for state in states:
        if state.type == "STREAM":
            entries = [state.raw.get("stream")]
        elif state.type == "GLOBAL":
            shared = state.raw.get("global")
            listed = shared.get("stream_states") if isinstance(shared, Mapping) else [None]
            entries = list(listed) if isinstance(listed, list) else [None] if listed else []
        else:  # the oldest form: {stream: state}
            data = state.raw.get("data") or {}
            if not isinstance(data, Mapping):
                raise ConfigError("state: `data` must be an object: a state for each stream.")
            entries = [{"stream_descriptor": {"name": k}, "stream_state": v} for k, v in data.items()]
        for entry in entries:
            descriptor = entry.get("stream_descriptor") if isinstance(entry, Mapping) else None
            if (
                not isinstance(entry, Mapping)
                or not isinstance(descriptor, Mapping)
                or not isinstance(descriptor.get("name"), str)
            ):
                raise ConfigError("state: an entry has no `stream_descriptor` with a `name`.")
            blob = entry.get("stream_state")
            if blob is not None and not isinstance(blob, Mapping):
                raise ConfigError(f"state: stream {descriptor['name']!r}: `stream_state` must be an object.")
            name = StreamDescriptor(descriptor["name"], descriptor.get("namespace") or None)
            blobs[name] = blob or {}
    return blobs
