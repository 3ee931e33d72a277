"""``DataSourceIngester`` with the surface of vdk-data-sources' own, on Headwater's engine."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from vdk.plugin.data_sources.data_source import (  # type: ignore[import-untyped]
    DataSourcePayload,
    IDataSource,
)

from headwater.bridge.vdk.data_source import ConnectorDataSource
from headwater.bridge.vdk.destinations import Destination
from headwater.bridge.vdk.errors import DefinitionError, classified
from headwater.bridge.vdk.flows import Flows
from headwater.bridge.vdk.runs import RETRY_SECONDS, ErrorCallback
from headwater.bridge.vdk.selection import Selection
from headwater.errors import HeadwaterError


@dataclass
class IngestDestination:
    """A destination of a data source's records.

    :ivar destination_table: of every record; else what the payload says, else the stream's name.
    :ivar method: an ingestion method, or None for ``INGEST_METHOD_DEFAULT``.
    :ivar target: for the method, or None for ``INGEST_TARGET_DEFAULT``.
    :ivar collection_id: for the method; the job's where it is None.
    :ivar map_function: called with each payload; None skips it.
    """

    destination_table: str | None = None
    method: str | None = None
    target: str | None = None
    collection_id: str | None = None
    map_function: Callable[[DataSourcePayload], DataSourcePayload | None] | None = None


class DataSourceIngester:
    """Reads VDK data sources into destinations; each of a source's streams in a thread.

    A source's states are kept under its id, once every destination acknowledged the records before them.

    :param job_input: a step's ``job_input``. A stand-in without the rest of VDK needs
        ``send_object_for_ingestion`` and, for states that last, ``get_all_properties`` and
        ``set_all_properties``.
    """

    def __init__(self, job_input: Any, *, retry_seconds: float = RETRY_SECONDS) -> None:
        self._flows = Flows(job_input, retry_seconds=retry_seconds)
        self._started: set[str] = set()

    def start_ingestion(
        self,
        data_source_id: str,
        data_source: IDataSource,
        destinations: Sequence[IngestDestination] | None = None,
        error_callback: ErrorCallback | None = None,
    ) -> None:
        """Start to read a source in the background.

        :param data_source: configured, not connected.
        :param destinations: each gets every record; the default method's where there are none.
        :raises ValueError: when the id is in use already.
        :raises DefinitionError: for an unknown method.
        """
        if data_source_id in self._started:
            raise DefinitionError(
                f"The data source {data_source_id!r} is being read already. Give all its destinations in one "
                "call, or give it another id."
            )
        to = [
            Destination(
                id=str(number),
                method=one.method,
                target=one.target,
                table=one.destination_table,
                collection_id=one.collection_id,
                map_function=one.map_function,
            )
            for number, one in enumerate(destinations or [IngestDestination()])
        ]
        secrets = data_source.secrets() if isinstance(data_source, ConnectorDataSource) else ()
        try:
            self._flows.data_source(
                data_source_id,
                data_source,
                to,
                Selection(),
                error_callback,
                key=data_source_id,
                secrets=secrets,
            )
        except HeadwaterError as error:
            raise classified(error) from error.__cause__
        self._started.add(data_source_id)

    def ingest_data_source(
        self,
        data_source_id: str,
        data_source: IDataSource,
        destination_table: str | None = None,
        method: str | None = None,
        target: str | None = None,
        collection_id: str | None = None,
        error_callback: ErrorCallback | None = None,
    ) -> None:
        """As :meth:`start_ingestion`, for one destination."""
        one = IngestDestination(destination_table, method, target, collection_id)
        self.start_ingestion(data_source_id, data_source, [one], error_callback)

    def terminate_and_wait_to_finish(self) -> None:
        """Wait until every stream was read and landed, or failed."""
        self._flows.wait()

    def raise_on_error(self) -> None:
        """Raise what went wrong so far.

        :raises DataSourcesAggregatedException: (VDK's) with every failed stream's error by its name.
        """
        self._flows.runs.raise_on_error()
