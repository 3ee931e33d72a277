"""Any VDK ingestion method as a destination of the bridge.

The method's plugin is called directly (``IIngesterPlugin.ingest_payload``), not through vdk-core's queues: a
queue takes everything and acknowledges nothing, while the plugin's return says that the records are there.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from typing import Any, Protocol

from vdk.api.plugin.plugin_input import IIngesterPlugin  # type: ignore[import-untyped]
from vdk.internal.core import errors as vdk_errors  # type: ignore[import-untyped]

from headwater.bridge.sink import Batch
from headwater.bridge.states.store import StateStore
from headwater.bridge.vdk.errors import resolvable_by
from headwater.bridge.vdk.job import POSTPROCESS, PREPROCESS, Job
from headwater.bridge.vdk.methods import bytes_of, facts, flat, plain_name, renamed
from headwater.bridge.vdk.tables import Tables, tables_of
from headwater.errors import DestinationError
from headwater.protocol.catalog import ConfiguredCatalog, ConfiguredStream, DestinationSyncMode
from headwater.protocol.messages import State

Row = dict[str, Any]

APPEND: frozenset[DestinationSyncMode] = frozenset({"append"})


class Poster(Protocol):
    """A sink that also takes rows for a table of any name."""

    def post(self, stream: ConfiguredStream, table: str, rows: list[Row]) -> None:
        """Land the rows in the table, or raise DestinationError."""


class IngestionSink:
    """One ingestion method of a job, with one target.

    It can only append, which is all that the plugin interface offers. Each call of the plugin gets at most as
    many records as suit the method (``methods.py``), and a batch counts once all its calls returned.

    :param method: a name that :meth:`Job.method` gave.
    :param target: the target, or None for what the method itself has as default.
    :param collection_id: for the plugin; the job's where it is None.
    """

    modes = APPEND

    def __init__(self, job: Job, method: str, target: str | None, collection_id: str | None = None) -> None:
        self._job = job
        self._method = method
        self._target = target
        self._collection_id = collection_id or job.collection_id
        self._ingester = job.ingester(method)
        self._facts = facts(self._ingester)
        self._before = job.sequence(PREPROCESS)
        self._after = job.sequence(POSTPROCESS)
        kind = self._facts.tables
        self._tables: Tables | None = tables_of(kind, job, target) if kind else None
        self._names: Mapping[Any, str] = {}

    def open(self, catalog: ConfiguredCatalog) -> None:
        """Decide the tables' names; see ``Sink``. The method itself creates what it needs."""
        self._names = table_names(catalog)

    def write(self, batch: Batch, covered: Sequence[State]) -> None:
        """Hand the batch to the method; see ``Sink``."""
        table = self._names.get(batch.stream.descriptor, batch.stream.stream.name)
        self.post(batch.stream, table, list(batch.rows()))

    def post(self, stream: ConfiguredStream, table: str, rows: list[Row]) -> None:
        """Hand rows to the method, in as many calls as suit it.

        :raises DestinationError: when a call, or a pre- or post-processor, failed.
        """
        size = self._facts.rows
        # The published methods open a connection a call and fail when two write at a time.
        with nullcontext() if self._facts.parallel else self._job.lock(self._method):
            for start in range(0, len(rows), size):
                name, payload = self._suited(stream, table, rows[start : start + size])
                self._ingest(stream, name, payload)

    def complete(self, stream: ConfiguredStream, covered: Sequence[State]) -> None:
        """Nothing to do: appended records are there already; see ``Sink``."""

    @property
    def states(self) -> StateStore | None:
        """None: a method keeps no states."""
        return None

    def close(self) -> None:
        """Nothing to do: the plugin belongs to the job; see ``Sink``."""

    def _suited(self, stream: ConfiguredStream, table: str, rows: list[Row]) -> tuple[str, list[Row]]:
        """The rows as this method can take them, and the table's name."""
        known = self._facts
        declared: dict[str, Any] = dict(stream.stream.json_schema.get("properties") or {})
        if known.reserved is not None:
            keys = dict.fromkeys(declared) | dict.fromkeys(key for row in rows for key in row)
            to = renamed(keys, known.reserved, table)
            table = plain_name(table, known.reserved)
            declared = {to[key]: schema for key, schema in declared.items()}
            rows = [{to[key]: value for key, value in row.items()} for row in rows]
        if known.flat:
            rows = [{key: flat(value) for key, value in row.items()} for row in rows]
        if known.same_keys:
            if self._tables is not None:
                columns = list(self._prepared(stream, table, declared, rows))
            else:
                columns = list(dict.fromkeys(declared) | dict.fromkeys(key for row in rows for key in row))
            rows = [{column: row.get(column) for column in columns} for row in rows]
            if self._tables is not None and (binary := self._tables.binary(table)):
                rows = [
                    {key: bytes_of(value) if key in binary else value for key, value in row.items()} for row in rows
                ]
        return table, rows

    def _prepared(
        self, stream: ConfiguredStream, table: str, declared: Mapping[str, Any], rows: list[Row]
    ) -> Sequence[str]:
        assert self._tables is not None
        try:
            return list(self._tables.columns(table, declared, rows))
        except Exception as error:
            raise self._error(stream, f"table {table!r} could not be prepared", error) from error

    def _ingest(self, stream: ConfiguredStream, table: str, payload: list[Row]) -> None:
        """Pre-processors, the method, post-processors: with the arguments that vdk-core gives them."""
        metadata: Any = None
        failure: DestinationError | None = None
        refused: Exception | None = None
        doing = "a pre-processor failed"
        call: dict[str, Any] = {
            "destination_table": table,
            "target": self._target,
            "collection_id": self._collection_id,
        }
        try:
            for plugin in self._before:
                payload, metadata = plugin.pre_ingest_process(
                    payload=payload, **call, metadata=metadata, method=self._method
                )
            call = _updated(call, metadata)
            doing = f"the ingestion method {self._method!r} refused {len(payload)} records for {table!r}"
            metadata = self._ingester.ingest_payload(payload=payload, **call, metadata=metadata)
        except Exception as error:  # noqa: BLE001 - raised below, after the post-processors saw it
            refused = error
            failure = self._error(stream, doing, error, user=doing.startswith("a pre"))
        for plugin in self._after:
            try:
                metadata = plugin.post_ingest_process(
                    payload=payload,
                    **call,
                    metadata=metadata,
                    exception=refused,
                    method=self._method,
                )
            except Exception as error:  # noqa: BLE001 - as vdk-core: the rest of the sequence is left out
                refused = refused or error
                failure = failure or self._error(stream, "a post-processor failed", error, user=True)
                break
        if failure is not None:
            raise failure from refused

    def _error(self, stream: ConfiguredStream, what: str, error: Exception, user: bool = False) -> DestinationError:
        made = DestinationError(
            f"Stream {str(stream.descriptor)!r}: {what}: {type(error).__name__}: {str(error).strip()}",
            stream=str(stream.descriptor),
        )
        # As vdk-core: what a processor does is the job's own; what VDK has classified stays so.
        by = vdk_errors.ResolvableBy.USER_ERROR if user else resolvable_by(error)
        if by is not None:
            vdk_errors.set_exception_resolvable_by(made, by)
        return made


class JobInputSink:
    """The public ingestion interface of a job as a destination, where there is no plugin to call.

    ``send_object_for_ingestion`` queues and returns, so a batch counts when it is queued. It is the last
    resort, for a ``job_input`` that is a mock.
    """

    modes = APPEND

    def __init__(
        self, job_input: Any, method: str | None, target: str | None, collection_id: str | None = None
    ) -> None:
        self._send = job_input.send_object_for_ingestion
        self._to = {"method": method, "target": target, "collection_id": collection_id}
        self._names: Mapping[Any, str] = {}

    def open(self, catalog: ConfiguredCatalog) -> None:
        """Decide the tables' names; see ``Sink``."""
        self._names = table_names(catalog)

    def write(self, batch: Batch, covered: Sequence[State]) -> None:
        """Queue the batch; see ``Sink``."""
        table = self._names.get(batch.stream.descriptor, batch.stream.stream.name)
        self.post(batch.stream, table, list(batch.rows()))

    def post(self, stream: ConfiguredStream, table: str, rows: list[Row]) -> None:
        """Queue the rows.

        :raises DestinationError: when queueing failed.
        """
        try:
            for row in rows:
                self._send(payload=row, destination_table=table, **self._to)
        except Exception as error:
            raise DestinationError(
                f"Stream {str(stream.descriptor)!r}: sending for ingestion failed: {error}",
                stream=str(stream.descriptor),
            ) from error

    def complete(self, stream: ConfiguredStream, covered: Sequence[State]) -> None:
        """Nothing to do; see ``Sink``."""

    @property
    def states(self) -> StateStore | None:
        """None: a method keeps no states."""
        return None

    def close(self) -> None:
        """Nothing to do; see ``Sink``."""


def table_names(catalog: ConfiguredCatalog) -> dict[Any, str]:
    """Each stream's table: its name, with its namespace before it where two streams share the name."""
    names = [stream.stream.name for stream in catalog.streams]
    return {
        stream.descriptor: str(stream.descriptor).replace(".", "_")
        if names.count(stream.stream.name) > 1
        else stream.stream.name
        for stream in catalog.streams
    }


def _updated(call: dict[str, Any], metadata: Any) -> dict[str, Any]:
    """The call's arguments as pre-processors changed them, which they do through the metadata."""
    changed = metadata.pop(IIngesterPlugin.UPDATED_DYNAMIC_PARAMS, None) if metadata else None
    return {key: (changed or {}).get(key) or value for key, value in call.items()}
