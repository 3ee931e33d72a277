"""Headwater's own sinks as ingestion methods of VDK.

In a flow such a method is used as the sink it is: batches are committed together with the states. For
everything else in a job (``send_object_for_ingestion``) it is an ``IIngesterPlugin`` like any other.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from typing import Any

from vdk.api.plugin.plugin_input import IIngesterPlugin  # type: ignore[import-untyped]

from headwater.bridge.sink import Batch, Sink
from headwater.bridge.sinks import open_sink
from headwater.bridge.sinks.options import SqlOptions
from headwater.bridge.vdk.errors import DefinitionError
from headwater.errors import DestinationError, FlowError
from headwater.protocol.catalog import CatalogStream, ConfiguredCatalog, ConfiguredStream
from headwater.protocol.messages import Records
from headwater.protocol.values import encode_rows

_APPENDING = threading.Lock()


@dataclass(frozen=True)
class Kind:
    """One of Headwater's sinks, or all of them.

    :ivar method: its name as an ingestion method.
    :ivar scheme: of its URL; empty: any.
    :ivar what: what a target is, for the message when there is none.
    """

    method: str
    scheme: str
    what: str

    def url(self, target: str | None) -> str:
        """The target as a URL: as it is, or made of a path.

        :raises DefinitionError: when there is none, or it is of another kind.
        """
        scheme, found, _ = (target or "").partition("://")
        if not target or (not found and self.scheme in ("", "postgresql")):
            raise DefinitionError(
                f"The ingestion method {self.method!r} needs a target: {self.what}. "
                "Set `target`, or INGEST_TARGET_DEFAULT."
            )
        if not found:
            return f"{self.scheme}:///{target}"
        if self.scheme and scheme.removesuffix("ql") != self.scheme.removesuffix("ql"):
            raise DefinitionError(
                f"The ingestion method {self.method!r} writes to {self.what}, not to {scheme}://. Use the method "
                f"'headwater' for a target of any kind."
            )
        return str(target)

    def sink(self, target: str | None, flow: str, options: SqlOptions | None = None) -> Sink:
        """A sink for a target, not opened yet.

        :param flow: tells the states of several flows apart.
        :raises DefinitionError: for a target that none can be made of, or options that it does not have.
        """
        try:
            return open_sink(self.url(target), flow=flow, options=options)
        except FlowError as error:
            raise DefinitionError(f"The ingestion method {self.method!r}: {error}") from None


OWN: tuple[Kind, ...] = (
    Kind("headwater", "", "a URL, such as sqlite:///FILE or postgresql://USER:PASSWORD@HOST/DATABASE"),
    Kind("headwater-sqlite", "sqlite", "the database file"),
    Kind("headwater-duckdb", "duckdb", "the database file"),
    Kind("headwater-postgres", "postgresql", "a URL, postgresql://USER:PASSWORD@HOST/DATABASE"),
    Kind("headwater-jsonl", "jsonl", "a directory, which gets a file for each stream"),
)
SQLITE = OWN[1]


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
        stream = ConfiguredStream(CatalogStream(destination_table, schema_of(payload)), "incremental")
        data, changes = encode_rows(payload)
        records = Records(stream.descriptor, data, changes=changes)
        # A flow of its own, named after the job, which is the first part of vdk-core's collection id.
        flow = f"{(collection_id or '').split('|')[0]}/ingestion"
        with closing(self.kind.sink(target, flow)) as sink:
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


def schema_of(rows: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """What JSON can't tell of Python values: which fields are bytes (base64 in JSON), dates, times or decimals."""
    properties: dict[str, Any] = {}
    for name in dict.fromkeys(name for row in rows for name in row):
        kinds = {type(row.get(name)) for row in rows} - {type(None)}
        kind = kinds.pop() if len(kinds) == 1 else None
        if kind is datetime:
            zoned = {row[name].tzinfo is not None for row in rows if row.get(name) is not None}
            said = {} if zoned == {True} else {"airbyte_type": "timestamp_without_timezone"}
            if len(zoned) == 1:
                properties[name] = {"type": "string", "format": "date-time", **said}
        elif kind in _SCHEMAS:
            properties[name] = _SCHEMAS[kind]
    return {"properties": properties} if properties else {}


_SCHEMAS: Mapping[Any, Mapping[str, Any]] = {
    **{kind: {"type": "string", "contentEncoding": "base64"} for kind in (bytes, bytearray, memoryview)},
    date: {"type": "string", "format": "date"},
    Decimal: {"type": "number", "airbyte_type": "big_number"},
}


def own_factories() -> Mapping[str, Callable[[], OwnIngester]]:
    """Headwater's methods by name, as a plugin registers them."""
    return {kind.method: _factory(kind) for kind in OWN}


def _factory(kind: Kind) -> Callable[[], OwnIngester]:
    return lambda: OwnIngester(kind)
