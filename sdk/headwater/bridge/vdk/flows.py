"""The engine of :mod:`data_flow` and :mod:`ingester`: from a source and a destination to a running sync."""

from __future__ import annotations

import logging
import threading
import traceback
from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vdk.plugin.data_sources.data_source import IDataSource  # type: ignore[import-untyped]

from headwater.bridge.sink import Sink
from headwater.bridge.start import tell_gone
from headwater.bridge.states.mirrored import MirroredSink
from headwater.bridge.sync import sync
from headwater.bridge.vdk.data_source import secrets_of
from headwater.bridge.vdk.destinations import Destination, Destinations, Resolved
from headwater.bridge.vdk.errors import DefinitionError
from headwater.bridge.vdk.foreign import kept_by, opened
from headwater.bridge.vdk.job import job_of
from headwater.bridge.vdk.kept import KeptConfig, Turns
from headwater.bridge.vdk.mapping import MappedSource, RoutedSink
from headwater.bridge.vdk.progress import JobProgress
from headwater.bridge.vdk.readable import SourceState, StreamReadable, configured
from headwater.bridge.vdk.runs import RETRY_SECONDS, Attempt, ErrorCallback, Errors, Runs, failures
from headwater.bridge.vdk.selection import Selection
from headwater.bridge.vdk.states import PropertiesStates, states_of
from headwater.errors import HeadwaterError, SourceError
from headwater.protocol.catalog import ConfiguredCatalog

if TYPE_CHECKING:
    from headwater.source import Source

log = logging.getLogger(__name__)


class Flows:
    """The flows of one job.

    :param job_input: the step's ``job_input``, or a stand-in that has ``send_object_for_ingestion``.
    :param retry_seconds: see :class:`~headwater.bridge.vdk.runs.Runs`.
    """

    def __init__(self, job_input: Any, *, retry_seconds: float = RETRY_SECONDS) -> None:
        self.states = states_of(job_input)
        self.runs = Runs(self.states, retry_seconds=retry_seconds)
        self.progress = JobProgress()
        self.turns = Turns()
        self.destinations = Destinations(job_input, job_of(job_input))

    def wait(self) -> None:
        """Wait for all syncs, as :meth:`Runs.wait` does."""
        try:
            self.runs.wait()
        finally:
            self.progress.close()

    def connector(
        self,
        id_: str,
        connector: type[Source],
        config: Mapping[str, Any],
        destination: Destination,
        selection: Selection,
        callback: ErrorCallback | None = None,
    ) -> None:
        """Start a sync of a connector's streams.

        :param id_: the source's id.
        :raises ConfigError: for a wrong setting, before anything runs.
        :raises DefinitionError: for a wrong destination, likewise.
        """
        connector.from_config(config)
        resolved = self.destinations.resolved(destination)
        store = None
        if not resolved.keeps_states or selection.states == "properties":
            store = PropertiesStates(self.states, self.states.claim(id_, destination.id))
        _can_keep(resolved, destination, selection)

        choice = selection.choice
        settings = KeptConfig(self.states, id_, config)
        keep = kept_by(connector, settings)
        known = set(secrets_of(connector, config))  # and those of what the source has made of it

        def changed(config: Mapping[str, Any]) -> None:
            known.update(secrets_of(connector, config))
            keep(config)

        def attempt(names: Collection[str] | None) -> Errors:
            with self.turns.of(id_, settings):
                return attempt_now(names)

        def attempt_now(names: Collection[str] | None) -> Errors:
            try:
                known.update(secrets_of(connector, settings.config))
                source: Any = opened(connector, settings)
                sink: Sink = resolved.sink(id_)
                catalog = choice.configured(source.discover(), sink.modes)
                if names is None:
                    choice.tell_added_again(catalog, f"Source {id_}")
                else:
                    left = tuple(stream for stream in catalog.streams if str(stream.descriptor) in names)
                    catalog = ConfiguredCatalog(left)
                source, sink = _mapped(source, sink, destination, _elsewhere(resolved, id_))
                if store is not None and resolved.keeps_states:
                    sink = MirroredSink(sink, store)
                sync(
                    self.runs.stoppable(source), catalog, sink, store,
                    batch_bytes=resolved.batch_bytes,
                    flush_seconds=FLUSH_SECONDS,
                    everything=selection.streams is None and names is None,
                    progress=self.progress.of(f"{id_} to {destination.id}" if destination.id else id_),
                    control=changed,
                )  # fmt: skip
            except Exception as error:  # noqa: BLE001 - told at the end of the job, with the other streams'
                return {name: _told(one, name) for name, one in failures(error, id_).items()}
            return {}

        self.runs.start(id_, attempt, callback=callback, secrets=known)

    def data_source(
        self,
        id_: str,
        source: IDataSource,
        destinations: Sequence[Destination],
        selection: Selection,
        callback: ErrorCallback | None = None,
        *,
        key: str | None = None,
        secrets: Collection[str] = (),
    ) -> None:
        """Connect a VDK data source, and start a sync of each of its streams.

        :param source: configured, not yet connected.
        :param destinations: every record goes to each, and a state counts when all have its records.
        :param key: of its states; claimed for the first destination where it is None.
        :raises DefinitionError: for a wrong destination or an unknown stream, before anything runs.
        """
        resolved = [self.destinations.resolved(one) for one in destinations]
        inside = any(one.keeps_states for one in resolved)
        if inside and len(resolved) > 1:
            raise DefinitionError(
                f"The source {id_!r} has several destinations, and one keeps the states itself: give each "
                "destination a flow of its own."
            )
        for one, destination in zip(resolved, destinations, strict=True):
            _can_keep(one, destination, selection)
        if inside and selection.states == "properties":
            raise DefinitionError(
                f"The source {id_!r} is a VDK data source; its states are kept by {destinations[0].method!r} itself. "
                'Leave `states` out, or say "destination".'
            )
        key = key or self.states.claim(id_, destinations[0].id)
        fresh = selection.sync_mode == "full_refresh"
        state = SourceState(self.states, key, fresh, _kept_inside(resolved[0], id_) if inside else None)
        source.connect(state)
        routes = [(one.map_function, one.table) for one in destinations]
        streams = [
            stream for stream in source.streams() if selection.streams is None or stream.name() in selection.streams
        ]
        names = [stream.name() for stream in streams]
        if missing := [name for name in selection.streams or () if name not in names]:
            there = ", ".join(str(stream.name()) for stream in source.streams())
            raise DefinitionError(
                f"The source {id_!r} has no stream {', '.join(map(repr, missing))}. It has: {there or 'none'}."
            )
        if selection.streams is None:
            tell_gone(self.states.entry(key).get("streams") or (), names)
        left = _Countdown(len(streams), state.keep)
        for stream in streams:
            said = selection.of(stream.name())
            readable = StreamReadable(id_, stream, routes, said.columns)
            attempt = self._one(id_, readable, configured(readable, fresh, said.mode or "append"), resolved, key)
            self.runs.start(id_, attempt, callback=callback, stream=stream, secrets=secrets, done=left)

    def _one(
        self,
        id_: str,
        source: StreamReadable,
        catalog: ConfiguredCatalog,
        destinations: Sequence[Resolved],
        key: str,
    ) -> Attempt:
        """The sync of one stream of a VDK data source."""
        name = str(catalog.streams[0].descriptor)
        flow = _flow_of(id_, name)
        store = PropertiesStates(self.states, key, bare=True)

        def attempt(names: Collection[str] | None) -> Errors:
            try:
                sinks = [one.sink(flow) for one in destinations]
                sync(
                    self.runs.stoppable(source),
                    catalog,
                    RoutedSink(sinks, _elsewhere(destinations[0], flow)),
                    store,
                    batch_bytes=min((one.batch_bytes for one in destinations if one.batch_bytes), default=None),
                    flush_seconds=FLUSH_SECONDS,
                    progress=self.progress.of(_flow_of(id_, name)),
                )
            except Exception as error:  # noqa: BLE001 - told at the end of the job, with the other streams'
                return {name: next(iter(failures(error, name).values()))}
            return {}

        return attempt


FLUSH_SECONDS = 5.0
"""How long a record waits for its batch to fill."""


class _Countdown:
    """Calls something once the last of several syncs ended, unless one of them failed."""

    def __init__(self, number: int, then: Callable[[], None]) -> None:
        self._left = number
        self._well = True
        self._then = then
        self._lock = threading.Lock()

    def __call__(self, well: bool) -> None:
        with self._lock:
            self._left -= 1
            self._well = self._well and well
            last = self._left == 0
        if last and self._well:
            self._then()


def _told(error: Exception, stream: str) -> Exception:
    """A connector's bug in words, without what hangs on the error, which VDK may write into the log."""
    if isinstance(error, HeadwaterError):
        return error
    frames = traceback.extract_tb(error.__traceback__)
    where = f" ({Path(frames[-1].filename).name}:{frames[-1].lineno})" if frames else ""
    return SourceError(f"Stream {stream!r}: {type(error).__name__}: {error}{where}", stream=stream)


def _elsewhere(destination: Resolved, flow: str) -> Callable[[str], Sink] | None:
    """How records get into another table of one of Headwater's own sinks; the others take any table."""
    if not destination.own:
        return None
    return lambda table: destination.sink(f"{flow} -> {table}")


def _mapped(
    source: Any, sink: Sink, destination: Destination, elsewhere: Callable[[str], Sink] | None
) -> tuple[Any, Sink]:
    """The two, with the flow's map function between them."""
    if destination.map_function is None:
        return source, sink
    return MappedSource(source, destination.map_function), RoutedSink([sink], elsewhere)


def _flow_of(source: str, stream: str) -> str:
    """The name of one stream's states where a destination keeps them."""
    return f"{source}/{stream}"


def _kept_inside(destination: Resolved, source: str) -> Callable[[str], Mapping[str, Any] | None]:
    """Reads the states of a VDK data source's streams from the destination."""

    def read(stream: str) -> Mapping[str, Any] | None:
        with closing(destination.sink(_flow_of(source, stream))) as sink:
            sink.open(ConfiguredCatalog())
            found = sink.states.load() if sink.states is not None else []
        return found[0].stream_state if found else None

    return read


def _can_keep(resolved: Resolved, destination: Destination, selection: Selection) -> None:
    if selection.states == "destination" and not resolved.keeps_states:
        raise DefinitionError(
            f"The destination {destination.id!r} can't keep states; Headwater's own SQL destinations can. "
            'Leave `states` out, or say "properties".'
        )
