"""From a destination as a job names it to a sink."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from headwater.bridge.sink import Sink
from headwater.bridge.sinks.options import SqlOptions
from headwater.bridge.vdk.errors import DefinitionError
from headwater.bridge.vdk.job import Job
from headwater.bridge.vdk.mapping import Map
from headwater.bridge.vdk.own import OwnIngester
from headwater.bridge.vdk.sink import IngestionSink, JobInputSink

DEFAULT_BATCH_BYTES = 500 * 1024


@dataclass(frozen=True)
class Destination:
    """Where records go.

    :ivar id: the job's name for it.
    :ivar method: an ingestion method, or None for the default.
    :ivar target: for the method, or None for the default.
    :ivar table: of every record, whatever a payload says.
    :ivar collection_id: for the method; the job's where it is None.
    :ivar options: for one of Headwater's own SQL destinations.
    """

    id: str
    method: str | None = None
    target: str | None = None
    table: str | None = None
    collection_id: str | None = None
    map_function: Map | None = None
    options: SqlOptions = SqlOptions()  # noqa: RUF009 - frozen


@dataclass(frozen=True)
class Resolved:
    """A destination whose method was found.

    :ivar sink: makes a sink for one sync. One that keeps states keeps them under the name that it is given (a
        source's id; with the stream, where the source's streams are synced one by one) and the job's.
    :ivar own: it is one of Headwater's sinks.
    :ivar keeps_states: its sinks keep the states themselves.
    :ivar batch_bytes: JSON bytes of one batch; None: as the sink likes them.
    """

    sink: Callable[[str], Sink]
    own: bool
    keeps_states: bool
    batch_bytes: int | None


class Destinations:
    """The destinations of one job.

    :param job: None where ``job_input`` is a mock; then everything is sent for ingestion through it.
    """

    def __init__(self, job_input: Any, job: Job | None) -> None:
        self._job_input = job_input
        self._job = job

    def resolved(self, destination: Destination) -> Resolved:
        """Find the method.

        :raises DefinitionError: when there is none of that name, or it lacks what it needs.
        """
        job = self._job
        if job is None:
            to = (destination.method, destination.target, destination.collection_id)
            return Resolved(lambda _: JobInputSink(self._job_input, *to), False, False, DEFAULT_BATCH_BYTES)
        method = job.method(destination.method, destination.target)
        target = job.target(destination.target)
        ingester = job.ingester(method)
        if isinstance(ingester, OwnIngester):
            own, options = ingester.kind, destination.options

            def sink(flow: str) -> Sink:
                # Two jobs may name a source alike and share a file: the flow's name holds the job's.
                return own.sink(target, f"{job.name}/{flow}", options)

            return Resolved(sink, True, sink("").states is not None, None)
        if destination.options != SqlOptions():
            raise DefinitionError(
                f"The options {', '.join(destination.options.chosen())} are for Headwater's own SQL destinations; "
                f"the method {method!r} has none of them."
            )
        size = job.setting("INGESTER_PAYLOAD_SIZE_BYTES_THRESHOLD") or DEFAULT_BATCH_BYTES
        return Resolved(
            lambda _: IngestionSink(job, method, target, destination.collection_id), False, False, int(size)
        )
