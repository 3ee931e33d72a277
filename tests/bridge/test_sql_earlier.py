"""Files that earlier versions wrote are gone on with: names, columns, keys, states and unsettled rows.

``earlier.sql`` is the dump of a file that Headwater 0.1.0's first SQLite destination wrote: one stream that is
deduplicated by a nested key, with a widened column, and one in a namespace whose last row no state covers.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from headwater.bridge import sync
from headwater.bridge.sinks.sqlite import SqliteSink
from headwater.protocol.catalog import CatalogStream, ConfiguredCatalog, ConfiguredStream
from headwater.protocol.messages import Records, State, Status, StreamDescriptor, StreamStatus
from tests.bridge.fakes import Scripted
from tests.bridge.landing import execute, query

PROPERTIES: dict[str, Any] = {
    "ID": {"type": "integer"},
    "id": {"type": "integer"},
    "num": {"type": "number"},
    "at": {"type": "string", "format": "date-time"},
    "day": {"type": "string", "format": "date"},
    "big": {"type": "number", "airbyte_type": "big_integer"},
    "blob": {"type": "string", "contentEncoding": "base64"},
    "user": {"type": "object"},
    "mixed": {"type": ["string", "integer"]},
    "wide": {"type": "integer"},
}
ISSUES, LOG = StreamDescriptor("issues"), StreamDescriptor("log", "ns")


def test_a_file_of_an_earlier_version(tmp_path: Path) -> None:
    db = tmp_path / "hub.db"
    execute(db, (Path(__file__).parent / "earlier.sql").read_text(encoding="utf-8"))
    before = query(db, "SELECT name, sql FROM sqlite_master WHERE name IN ('issues', 'ns__log') ORDER BY 1")
    catalog = ConfiguredCatalog(
        (
            ConfiguredStream(
                CatalogStream("issues", {"properties": PROPERTIES}), "incremental", "append_dedup", ("at",),
                (("user", "id"),),
            ),
            ConfiguredStream(
                CatalogStream("log", {"properties": {"n": {"type": "integer"}}}, namespace="ns"), "incremental"
            ),
        )
    )  # fmt: skip
    row = {"id": 20, "ID": -20, "num": 9.5, "user": {"id": 2}, "mixed": 7, "wide": "y", "later": [9], "blob": "AQ=="}
    rows = [{**row, "at": "2024-01-05T00:00:00Z"}, {**row, "user": {"id": 3}, "at": "2023-01-01T00:00:00Z"}]
    source = Scripted(
        Records(ISSUES, [json.dumps(one).encode() for one in rows], 3000),
        State.of_stream(ISSUES, {"at": 4}),
        Records(LOG, [b'{"n":2}', b'{"n":3}'], 3000),
        State.of_stream(LOG, {"at": 3}),
        StreamStatus(ISSUES, Status.COMPLETE),
        StreamStatus(LOG, Status.COMPLETE),
    )
    sync(source, catalog, SqliteSink(db, "hub_db"))
    assert [one.stream_state for one in source.started_from[0]] == [{"at": 3}, {"at": 1}]
    assert query(db, 'SELECT id, "ID_11d3633a", num, mixed, wide, later, blob FROM issues ORDER BY id') == [
        (1, -1, 0.5, "007", 1, "[1]", b"\0\xff"),
        (3, -3, 1.5, "007", 3, "[3]", b"\0\xff"),
        (20, -20, 9.5, 7, "y", "[9]", b"\1"),
    ]
    assert query(db, "SELECT n FROM ns__log ORDER BY n") == [(1,), (2,), (3,)]
    assert query(db, "SELECT name, sql FROM sqlite_master WHERE name IN ('issues', 'ns__log') ORDER BY 1") == before
    assert query(db, "SELECT count(*) FROM _headwater_unsettled") == [(0,)]
