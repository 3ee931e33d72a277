"""Headwater's own sinks as ingestion methods of VDK.

In a flow such a method is used as the sink it is: batches are committed together with the states. For
everything else in a job (``send_object_for_ingestion``) it is an ``IIngesterPlugin`` like any other.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from contextlib import closing
from dataclasses import dataclass
from typing import Any

from vdk.api.plugin.plugin_input import IIngesterPlugin  # type: ignore[import-untyped]

from headwater.bridge.sink import Batch, Sink
from headwater.bridge.vdk.errors import DefinitionError
from headwater.errors import DestinationError
from headwater.protocol.catalog import CatalogStream, ConfiguredCatalog, ConfiguredStream
from headwater.protocol.messages import Records
from headwater.protocol.values import encode_rows

_APPENDING = threading.Lock()


def _sqlite(target: str, flow: str) -> Sink:
    from headwater.bridge.sinks.sqlite import SqliteSink

    return SqliteSink(target, flow)


def _jsonl(target: str, flow: str) -> Sink:
    from headwater.bridge.sinks.jsonl import JsonlSink

    return JsonlSink(target)


@dataclass(frozen=True)
class Kind:
    """One of Headwater's sinks.

    :ivar method: its name as an ingestion method.
    :ivar what: what a target is, for the message when there is none.
    :ivar keeps_states: it keeps the states in the destination itself.
    :ivar sink: makes one for a target; the flow's name tells the states of several flows apart.
    """

    method: str
    what: str
    keeps_states: bool
    sink: Callable[[str, str], Sink]

    def target(self, target: str | None) -> str:
        """The target.

        :raises DefinitionError: when there is none.
        """
        if not target:
            raise DefinitionError(
                f"The ingestion method {self.method!r} needs a target: {self.what}. "
                "Set `target`, or INGEST_TARGET_DEFAULT."
            )
        return str(target)


OWN: tuple[Kind, ...] = (
    Kind("headwater-sqlite", "the database file", True, _sqlite),
    Kind("headwater-jsonl", "a directory, which gets a file for each stream", False, _jsonl),
)


class OwnIngester(IIngesterPlugin):  # type: ignore[misc]
    """A Headwater sink behind VDK's plugin interface.

    :param kind: which one.
    """

    def __init__(self, kind: Kind) -> None:
        self.kind = kind

    def ingest_payload(
        self,
        payload: list[dict[str, Any]],
        destination_table: str | None = None,
        target: str | None = None,
        collection_id: str | None = None,
        metadata: Any = None,
    ) -> Any:
        """Append the payload to a table, in one transaction where the sink has such.

        :raises DefinitionError: when there is no target.
        :raises DestinationError: when the table has no name, or the sink refused the payload.
        """
        if not destination_table:
            raise DestinationError(f"The method {self.kind.method!r} needs a destination table.")
        stream = ConfiguredStream(CatalogStream(destination_table), "incremental")
        data, changes = encode_rows(payload)
        records = Records(stream.descriptor, data, changes=changes)
        path = self.kind.target(target)
        # A flow of its own, named after the job, which is the first part of vdk-core's collection id.
        flow = f"{(collection_id or '').split('|')[0]}/ingestion"
        with closing(self.kind.sink(path, flow)) as sink:
            append(sink, stream, records)
        return metadata


def append(sink: Sink, stream: ConfiguredStream, records: Records) -> None:
    """Land records that no state covers, for good: what a crash cuts off is sent again by who sent it.

    :param sink: not opened yet.
    """
    with _APPENDING:  # vdk-core posts from ten threads, and flows that run side by side may share a table
        sink.open(ConfiguredCatalog((stream,)))
        sink.write(Batch(stream, [records], records.size), ())
        sink.complete(stream, ())


def own_factories() -> Mapping[str, Callable[[], OwnIngester]]:
    """Headwater's methods by name, as a plugin registers them."""
    return {kind.method: _factory(kind) for kind in OWN}


def _factory(kind: Kind) -> Callable[[], OwnIngester]:
    return lambda: OwnIngester(kind)
