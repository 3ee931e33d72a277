"""The SQLite destination: a table for any name of a stream, a column for any of a field."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from headwater.bridge import sync
from headwater.bridge.sinks.sqlite import SqliteSink
from headwater.errors import DestinationError
from headwater.protocol.catalog import ConfiguredCatalog
from headwater.protocol.messages import Records, Status, StreamStatus
from tests.bridge.fakes import Scripted
from tests.bridge.sqlite.landing import both, land, query, stream

NAMES = [
    "id", "ID", "Id", "select", 'a"b', "a b", "", "rowid", "ünï",
    "_airbyte_raw_id", "_AIRBYTE_META", "x\0y", "a.b", "a\\b", "[x]", "?1", ":x", "--",
]  # fmt: skip


def test_any_name_of_a_field(db: Path) -> None:
    properties = {name: {"type": "integer"} for name in NAMES}
    row = {name: i for i, name in enumerate(NAMES)}
    land(db, stream(properties=properties), row)
    land(db, stream(properties=dict(reversed(properties.items()))), row)  # in another order, the same columns
    land(db, stream(), row)
    own = ("_airbyte_raw_id", "_airbyte_extracted_at", "_airbyte_generation_id", "_airbyte_meta")
    columns = [name for _, name, *_ in query(db, "PRAGMA table_info(issues)") if name not in own]
    assert len(columns) == len(NAMES)
    quoted = ", ".join('"' + c.replace('"', '""') + '"' for c in columns)
    got = query(db, f"SELECT {quoted} FROM issues")
    assert got[0] == got[1] == got[2] and sorted(got[0]) == list(range(len(NAMES)))
    assert columns[0] == "id" and columns[3] == "select"


STREAMS = [
    ("issues", None), ("Issues", None), ("ISSUES", "x"), ("issues", "x"), ("x__issues", None), ("order", None),
    ('a"b', None), ("sqlite_master", None), ("_headwater_state", None), ("", None), ("b__c", "a"), ("c", "a__b"),
    ("s\0t", None), ("ünï", "ö"),
]  # fmt: skip


def test_any_name_of_a_stream(db: Path) -> None:
    catalog = both(*(stream(name, namespace=namespace) for name, namespace in STREAMS))
    of = [s.descriptor for s in catalog.streams]
    script: list[Any] = [Records(d, [json.dumps({"n": i}).encode()]) for i, d in enumerate(of)]
    ends = [StreamStatus(d, Status.COMPLETE) for d in of]
    for order in (of, of[::-1]):
        chosen = ConfiguredCatalog(tuple(s for d in order for s in catalog.streams if s.descriptor == d))
        sync(Scripted(*script, *ends), chosen, SqliteSink(db))
    tables = query(db, "SELECT table_name, namespace, stream FROM _headwater_tables")
    assert len(tables) == len(STREAMS)
    for table, namespace, name in tables:
        quoted = table.replace('"', '""')
        assert query(db, f'SELECT DISTINCT n, count(*) FROM "{quoted}"') == [
            (STREAMS.index((name, namespace or None)), 2)
        ]
    names = {(name, namespace or None): table for table, namespace, name in tables}
    assert names["issues", None] == "issues" and names["issues", "x"] != names["ISSUES", "x"]


def test_a_table_of_somebody_else_is_left_alone(db: Path) -> None:
    with closing(sqlite3.connect(db)) as connection:
        connection.execute("CREATE TABLE issues (id)")
    with pytest.raises(DestinationError, match=r"'issues'.*not made here.*another file"):
        land(db, stream(), {"id": 1})
    assert query(db, "SELECT * FROM issues") == []
