"""Syncs that run side by side in a job, what becomes of their failures, and how they end."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from typing import Any

from vdk.plugin.data_sources.data_source import (  # type: ignore[import-untyped]
    DataSourceError,
    DataSourcesAggregatedException,
    IDataSourceStream,
    RetryDataSourceStream,
    StopDataSourceStream,
)

from headwater.bridge.sync import close_quietly
from headwater.bridge.vdk.errors import classified, classified_together, without_secrets
from headwater.bridge.vdk.states import JobStates
from headwater.errors import IncompleteError, Stopped
from headwater.protocol.catalog import Catalog, ConfiguredCatalog
from headwater.protocol.messages import Message, State
from headwater.protocol.readable import Readable

log = logging.getLogger(__name__)

WORKERS = 8
RETRIES = 3
RETRY_SECONDS = 1.0

Errors = dict[str, Exception]
ErrorCallback = Callable[[DataSourceError], Any]
Attempt = Callable[["Collection[str] | None"], Errors]
"""Reads the named streams, or all where None is given; gives each failed stream's error by its name."""


class Runs:
    """The syncs of one job, each in a thread; at most :data:`WORKERS` at a time, as in vdk-data-sources.

    :param retry_seconds: the wait before the first retry; it doubles with every other.
    """

    def __init__(self, states: JobStates, *, retry_seconds: float = RETRY_SECONDS) -> None:
        self.states = states
        self._retry_seconds = retry_seconds
        self._slots = threading.BoundedSemaphore(WORKERS)
        self._threads: list[threading.Thread] = []
        self._stop = threading.Event()
        self._lock = threading.Lock()
        self._errors: Errors = {}

    def start(
        self,
        source: str,
        attempt: Attempt,
        *,
        callback: ErrorCallback | None = None,
        stream: IDataSourceStream | None = None,
        secrets: Collection[str] = (),
        done: Callable[[bool], None] | None = None,
    ) -> None:
        """Run a sync in the background.

        :param source: the source's id, under which an error of no single stream is told.
        :param callback: asked about every failed stream; what it raises decides: StopDataSourceStream (or
            nothing) settles the failure, RetryDataSourceStream has the stream read again, at most
            :data:`RETRIES` times.
        :param stream: for the callback, where there is one.
        :param secrets: what no error and no log line may show; may grow while it runs.
        :param done: called at the end, with whether all went well.
        """

        def run() -> None:
            errors: Errors = {}
            with self._slots:
                try:
                    errors = self._supervised(source, attempt, callback, stream, secrets)
                    if done is not None:
                        done(not errors and not self._stop.is_set())
                except Stopped:
                    log.warning("Source %r: its read was ended.", source)
                except Exception as error:  # noqa: BLE001 - told with the others
                    errors[source] = classified(error)
            with self._lock:
                for name, failure in errors.items():
                    self._errors[name if name not in self._errors else f"{source}.{name}"] = failure

        # A daemon, so that an interrupted job does not wait for a source that is silent.
        thread = threading.Thread(target=run, name=f"headwater-{source}", daemon=True)
        self._threads.append(thread)
        thread.start()

    def stoppable(self, source: Readable) -> Readable:
        """The source, whose read ends when the job is interrupted."""
        return _Stoppable(source, self._stop)

    def stop(self) -> None:
        """End every sync after the message it is at."""
        self._stop.set()

    def wait(self) -> None:
        """Wait for all syncs, and write the states that were not written yet.

        :raises KeyboardInterrupt: when the job is interrupted meanwhile; the syncs are ended, what is safe is
            kept.
        """
        try:
            for thread in self._threads:
                thread.join()
        except BaseException:
            self.stop()
            for thread in self._threads:
                thread.join(timeout=5)
            raise
        finally:
            try:
                self.states.flush()
            except Exception as error:  # noqa: BLE001 - told with the others
                self._errors["states"] = classified(error)

    def raise_on_error(self) -> None:
        """Raise what went wrong, once.

        :raises DataSourcesAggregatedException: with every failed stream's error by the stream's name.
        """
        with self._lock:
            errors, self._errors = self._errors, {}
        if errors:
            together = DataSourcesAggregatedException(errors)
            classified_together(together, errors)
            raise together

    def _supervised(
        self,
        source: str,
        attempt: Attempt,
        callback: ErrorCallback | None,
        stream: IDataSourceStream | None,
        secrets: Collection[str],
    ) -> Errors:
        failed: Errors = {}
        streams: set[str] | None = None
        for number in range(RETRIES + 1):
            again: set[str] = set()
            for name, error in attempt(streams).items():
                clean = without_secrets(error, secrets)
                log.warning("Source %r, stream %r failed: %s", source, name, clean)
                verdict = _verdict(error, callback, stream or _Stream(name))
                if verdict is RetryDataSourceStream and number < RETRIES:
                    again.add(name)
                elif verdict is not StopDataSourceStream and isinstance(clean, Exception):
                    failed[name] = classified(clean)
            if not again or self._stop.wait(self._retry_seconds * 2**number):
                break
            streams = again
            if source in again:  # an error of no single stream: everything is read again, and told anew
                streams = None
                failed.clear()
            log.info("Source %r: reading %s again.", source, ", ".join(sorted(again)))
        return failed


def failures(error: Exception, default: str) -> Errors:
    """Each failed stream's error that an exception stands for; under ``default`` what is of no stream."""
    if isinstance(error, IncompleteError):
        return {name or default: one for name, one in error.errors.items()}
    return {getattr(error, "stream", None) or default: error}


class _Stream(IDataSourceStream):  # type: ignore[misc]
    """A connector's stream, as an error callback sees it."""

    def __init__(self, name: str) -> None:
        self._name = name

    def name(self) -> str:
        return self._name

    def read(self) -> Iterator[Any]:
        return iter(())


class _Stoppable:
    """A source that looks, at each message, whether the job was interrupted."""

    def __init__(self, source: Readable, stop: threading.Event) -> None:
        self.name = source.name
        self._source = source
        self._stop = stop

    def check(self) -> None:
        self._source.check()

    def discover(self) -> Catalog:
        return self._source.discover()

    def read(self, catalog: ConfiguredCatalog, state: Sequence[State] = ()) -> Iterator[Message]:
        messages = self._source.read(catalog, state)
        try:
            for message in messages:
                if self._stop.is_set():
                    raise Stopped("The job was interrupted.")
                yield message
        finally:  # at once, not when nobody holds it any more: it may have a process
            close_quietly(messages)


def _verdict(error: Exception, callback: ErrorCallback | None, stream: IDataSourceStream) -> Any:
    """What to do about a failure: RetryDataSourceStream, StopDataSourceStream, or None: tell it."""
    if isinstance(error, (RetryDataSourceStream, StopDataSourceStream)):
        return type(error)
    if callback is None:
        return None
    try:
        callback(DataSourceError(data_stream=stream, exception=error))
    except (StopDataSourceStream, RetryDataSourceStream) as verdict:
        return type(verdict)
    except Exception as own:  # noqa: BLE001 - as in VDK, the first failure is the one told
        log.warning("The error callback failed on stream %r: %s", stream.name(), type(own).__name__)
        return None
    return StopDataSourceStream


def named(errors: Mapping[str, BaseException]) -> str:
    """Failures in one line for the log."""
    return "; ".join(f"{name}: {error}" for name, error in errors.items())
