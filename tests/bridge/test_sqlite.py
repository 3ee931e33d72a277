"""The SQLite destination: no value changes on the way, no row is lost or doubled, failures name what to do."""

from __future__ import annotations

import base64
import json
import logging
import os
import sqlite3
import subprocess
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from headwater.bridge import sync
from headwater.bridge.sinks import sqlite as sqlite_module
from headwater.bridge.sinks.sqlite import SqliteSink
from headwater.errors import DestinationError, SourceError
from headwater.protocol.catalog import CatalogStream, ConfiguredCatalog, ConfiguredStream
from headwater.protocol.messages import Change, Records, State, Status, StreamDescriptor, StreamStatus
from tests.bridge.fakes import Scripted, global_state, records, state, status
from tests.needs import missing
from tests.other_user import as_nobody, folder_of_nobody


def stream(
    name: str = "issues",
    properties: dict[str, Any] | None = None,
    *,
    mode: Any = "append",
    key: Sequence[Sequence[str]] = (),
    cursor: Sequence[str] = (),
    namespace: str | None = None,
    sync_mode: Any = None,
    generation: int | None = None,
) -> ConfiguredCatalog:
    whole = "full_refresh" if mode.startswith("overwrite") else "incremental"
    return ConfiguredCatalog(
        (
            ConfiguredStream(
                CatalogStream(name, {"properties": properties or {}}, namespace=namespace),
                sync_mode or whole,
                mode,
                tuple(cursor),
                tuple(map(tuple, key)),
                generation_id=generation,
            ),
        )
    )


def both(*catalogs: ConfiguredCatalog) -> ConfiguredCatalog:
    return ConfiguredCatalog(tuple(s for catalog in catalogs for s in catalog.streams))


def land(path: Path, catalog: ConfiguredCatalog, *rows: Any, flow: str = "default", **options: Any) -> None:
    """One sync of these rows (dictionaries, or JSON as it is) of the catalog's first stream."""
    of = catalog.streams[0].descriptor
    data = [row if isinstance(row, bytes) else json.dumps(row).encode() for row in rows]
    script = [Records(of, data, 1234)] if data else []
    complete = [StreamStatus(s.descriptor, Status.COMPLETE) for s in catalog.streams]
    sync(Scripted(*script, *complete), catalog, SqliteSink(path, flow), **options)


def query(path: Path, sql: str) -> list[Any]:
    with closing(sqlite3.connect(path)) as connection:
        return connection.execute(sql).fetchall()


@pytest.fixture
def db(tmp_path: Path) -> Path:
    return tmp_path / "out.db"


TYPES = {
    "int": {"type": ["null", "integer"]},
    "num": {"type": "number"},
    "bool": {"type": "boolean"},
    "text": {"type": "string"},
    "at": {"type": "string", "format": "date-time"},
    "blob": {"type": "string", "contentEncoding": "base64"},
    "list": {"type": "array"},
    "obj": {"type": ["null", "object"]},
    "mixed": {"type": ["string", "integer"]},
    "any": {},
}


def test_types(db: Path) -> None:
    row = {
        "int": 2**63 - 1,
        "num": 1.5,
        "bool": True,
        "text": "a\0b 'ü' \U0001f600",
        "at": "2024-01-01T00:00:00.5Z",
        "blob": base64.b64encode(b"\0\xff").decode(),
        "list": [1, {"a": None}],
        "obj": {"b": 1},
        "mixed": "007",
        "any": {"c": [True]},
    }
    land(db, stream(properties=TYPES), row, dict.fromkeys(TYPES), {})
    names = ", ".join(f'"{name}"' for name in TYPES)
    got = query(db, f"SELECT {names} FROM issues")
    assert got[0] == (
        2**63 - 1, 1.5, 1, row["text"], row["at"], b"\0\xff", '[1, {"a": null}]', '{"b": 1}', "007", '{"c":[true]}',
    )  # fmt: skip
    assert got[1] == got[2] == (None,) * len(TYPES)
    declared = {name: kind for _, name, kind, *_ in query(db, "PRAGMA table_info(issues)")}
    assert [declared[name] for name in TYPES] == [
        "INTEGER", "REAL", "BOOLEAN", "TEXT", "TEXT", "BLOB", "JSON TEXT", "JSON TEXT", "", "",
    ]  # fmt: skip


def test_the_columns_of_our_own(db: Path) -> None:
    of = StreamDescriptor("issues")
    change = Change("x", "NULLED", "SOURCE_SERIALIZATION_ERROR")
    source = Scripted(
        Records(of, [b'{"x":1}', b'{"x":null}'], 1_700_000_000_001, {1: [change]}),
        Records(of, [b'{"x":2}'], 1_700_000_000_002),
        status("issues"),
    )
    sync(source, stream(properties={"x": {"type": "integer"}}), SqliteSink(db))
    got = query(db, "SELECT _airbyte_extracted_at, _airbyte_generation_id, _airbyte_meta FROM issues")
    assert [row[0] for row in got] == [1_700_000_000_001] * 2 + [1_700_000_000_002]
    assert {row[1] for row in got} == {0}
    assert [json.loads(row[2])["changes"] for row in got] == [
        [],
        [{"field": "x", "change": "NULLED", "reason": "SOURCE_SERIALIZATION_ERROR"}],
        [],
    ]
    assert query(db, "SELECT count(DISTINCT _airbyte_raw_id) FROM issues") == [(3,)]


@pytest.mark.parametrize(
    ("kind", "first", "odd", "kept"),
    [
        ("integer", 7, 2**70, str(2**70)),
        ("integer", 7, "007", "007"),
        ("integer", 7, 1.5, 1.5),
        ("integer", 7, {"a": 1}, '{"a":1}'),
        ("integer", 2**62 + 1, "x", "x"),
        ("number", 0.1, 2**60 + 1, 2**60 + 1),
        ("number", 0.1, "0.10", "0.10"),
        ("boolean", True, "1.0", "1.0"),
        ("string", "5", 5, 5),
        ("string", "5.0", 0.1 + 0.2, 0.1 + 0.2),
        ("string", "true", True, 1),
    ],
)
def test_a_value_that_is_not_of_its_type_widens_the_column_and_stays(
    db: Path, kind: str, first: Any, odd: Any, kept: Any
) -> None:
    catalog = stream(properties={"v": {"type": kind}, "w": {"type": "string"}})
    land(db, catalog, {"v": first})
    land(db, catalog, {"v": odd}, {"v": first})
    land(db, catalog, {"v": first})
    got = [row[0] for row in query(db, "SELECT v FROM issues ORDER BY rowid")]
    assert got == [first, kept, first, first]
    assert list(map(type, got))[1] is type(kept)


def test_widening_a_column_keeps_views_indexes_and_triggers(db: Path) -> None:
    catalog = stream(properties={"v": {"type": "integer"}, "w": {"type": "string"}}, mode="append_dedup", key=[["v"]])
    land(db, catalog, {"v": 1})
    with closing(sqlite3.connect(db)) as connection:
        connection.executescript("""
            CREATE VIEW mine AS SELECT v FROM issues; CREATE INDEX quick ON issues (w);
            CREATE TRIGGER odd BEFORE INSERT ON issues WHEN NEW.w = 'odd' BEGIN SELECT RAISE(IGNORE); END;""")
    land(db, catalog, {"v": "x"}, {"v": 1, "w": "y"}, {"v": 3, "w": "odd"})
    assert query(db, "SELECT v FROM mine") == [(1,), ("x",)]
    assert [name for _, name, *_ in query(db, "PRAGMA table_info(issues)")][-2:] == ["v", "w"]
    assert query(db, "SELECT count(*) FROM sqlite_master WHERE name IN ('quick', 'odd')") == [(2,)]


def test_what_is_not_quite_json(db: Path) -> None:
    land(
        db,
        stream(properties={"id": {"type": "integer"}, "t": {"type": "string"}, "n": {"type": "number"}}),
        b'{"id":1,"t":"a\\ud83d","n":1}',
        b'{"id":2,"t":"b","n":NaN}',
        b'{"id":3,"t":"c","n":1e400}',
        b'{"id":4.0,"t":"\\u0000","n":2}',
        b'{"id":5,"id":6,"t":"double"}',
    )
    got = query(db, "SELECT id, t, n, _airbyte_meta FROM issues")
    assert [row[:3] for row in got] == [
        (1, "a\ufffd", 1), (2, "b", None), (3, "c", "1e400"), (4, "\0", 2), (6, "double", None),
    ]  # fmt: skip
    assert [len(json.loads(row[3])["changes"]) for row in got] == [1, 1, 1, 0, 0]


@pytest.mark.parametrize("line", [b"[1]", b"{", b'"x"', b"\xff"])
def test_what_is_no_record_is_refused(db: Path, line: bytes) -> None:
    with pytest.raises(DestinationError, match=r"Stream 'issues'.*can't be read") as caught:
        land(db, stream(), b'{"id":1}', line)
    assert caught.value.stream == "issues"
    assert query(db, "SELECT * FROM issues") == []


def test_keys_that_the_schema_does_not_have(db: Path) -> None:
    land(
        db,
        stream(properties={"id": {"type": "integer"}}),
        {"id": 1, "a": 1, "b": None},
        {"c": [1], "d": "x", "b": True},
    )
    land(db, stream(), {"id": 2, "a": 2, "d": "y"})
    assert query(db, "SELECT id, a, b, c, d FROM issues") == [
        (1, 1, None, None, None), (None, None, 1, "[1]", "x"), (2, 2, None, None, "y"),
    ]  # fmt: skip


def test_a_schema_that_grows(db: Path) -> None:
    land(db, stream(properties={"a": {"type": "integer"}}), {"a": 1})
    land(db, stream(properties={"b": {"type": "string"}, "a": {"type": "integer"}}), {"a": 2, "b": "x"})
    assert query(db, "SELECT a, b FROM issues") == [(1, None), (2, "x")]


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


KEYED = {"id": {"type": "integer"}, "v": {"type": "string"}, "at": {"type": "string", "format": "date-time"}}


def test_dedup_the_last_wins(db: Path) -> None:
    catalog = stream(properties=KEYED, mode="append_dedup", key=[["id"]])
    land(db, catalog, {"id": 1, "v": "a"}, {"id": 2, "v": "b", "at": "x"}, {"id": 1, "v": "c"})
    land(db, catalog, {"id": 2, "v": "d", "extra": 1})
    assert query(db, "SELECT id, v, at, extra FROM issues ORDER BY id") == [(1, "c", None, None), (2, "d", None, 1)]


def test_dedup_the_newest_by_cursor_wins(db: Path) -> None:
    catalog = stream(properties=KEYED, mode="append_dedup", key=[["id"]], cursor=["at"])
    second = "2024-01-01T00:00:0"
    land(db, catalog, {"id": 1, "v": "new", "at": second + "1.5Z"}, {"id": 1, "v": "old", "at": second + "1Z"})
    land(db, catalog, {"id": 2, "v": "a", "at": second + "1+00:00"}, {"id": 2, "v": "b", "at": second + "1Z"})
    land(db, catalog, {"id": 3, "v": "a"}, {"id": 3, "v": "b", "at": second + "1Z"}, {"id": 3, "v": "c"})
    land(db, catalog, {"id": 4, "v": "a"}, {"id": 4, "v": "b"})
    assert query(db, "SELECT id, v FROM issues ORDER BY id") == [(1, "new"), (2, "b"), (3, "b"), (4, "b")]


def test_dedup_by_a_composite_and_nested_key(db: Path, caplog: pytest.LogCaptureFixture) -> None:
    properties = {"org": {"type": "object"}, "n": {"type": "integer"}, "v": {"type": "string"}}
    catalog = stream(properties=properties, mode="append_dedup", key=[["org", "it's"], ["n"]], cursor=["org", "at"])
    land(
        db,
        catalog,
        {"org": {"it's": 1, "at": 5}, "n": 1, "v": "a"},
        {"org": {"it's": 1, "at": 4}, "n": 1, "v": "older"},
        {"org": {"it's": 1, "at": 6}, "n": 1, "v": "b"},
        {"org": {"it's": 2}, "n": 1, "v": "c"},
    )
    assert query(db, "SELECT v FROM issues") == [("b",), ("c",)]
    with caplog.at_level(logging.WARNING):
        land(
            db, catalog, {"org": {}, "n": 1, "v": "d"}, {"org": None, "n": 1, "v": "e"}, {"n": 2}, {"org": {"it's": 9}}
        )
    assert query(db, "SELECT count(*) FROM issues") == [(6,)]
    assert "'issues': 4 rows have null in their primary key" in caplog.text


@pytest.mark.parametrize("name", ['a"b', '"', "a\\b", "a\nb", "a.b", '\\"'])
def test_dedup_by_a_nested_key_with_any_name(db: Path, name: str) -> None:
    properties = {"org": {"type": "object"}, "v": {"type": "string"}}
    catalog = stream(properties=properties, mode="append_dedup", key=[["org", name]], cursor=["org", name])
    land(db, catalog, {"org": {name: 1}, "v": "a"}, {"org": {name: 2}, "v": "b"})
    land(db, catalog, {"org": {name: 1}, "v": "c"})
    assert query(db, "SELECT v FROM issues ORDER BY v") == [("b",), ("c",)]


def test_a_nested_key_that_can_not_be_looked_up_is_told(db: Path) -> None:
    catalog = stream(properties={"org": {"type": "object"}}, mode="append_dedup", key=[["org", 'a".b']])
    try:
        land(db, catalog, {"org": {'a".b': 1}}, {"org": {'a".b': 1}})
    except DestinationError as error:  # what older versions of SQLite can't
        assert "can't look up the nested key 'a\".b'" in str(error)
    else:
        assert query(db, "SELECT count(*) FROM issues") == [(1,)]


def test_dedup_when_the_key_column_is_widened(db: Path) -> None:
    catalog = stream(properties=KEYED, mode="append_dedup", key=[["id"]])
    land(db, catalog, {"id": 1, "v": "a"}, {"id": 2**70, "v": "b"})
    land(db, catalog, {"id": 1, "v": "c"}, {"id": 2**70, "v": "d"}, {"id": "1", "v": "e"})
    assert query(db, "SELECT id, v FROM issues ORDER BY v") == [(1, "c"), (str(2**70), "d"), ("1", "e")]


def test_changing_between_append_and_dedup(db: Path) -> None:
    append, dedup = (stream(properties=KEYED, mode=mode, key=[["id"]]) for mode in ("append", "append_dedup"))
    land(db, dedup, {"id": 1})
    land(db, append, {"id": 1})
    with pytest.raises(DestinationError, match=r"several rows with one primary key.*overwrite"):
        land(db, dedup, {"id": 2})
    assert query(db, "SELECT count(*) FROM issues") == [(2,)]


@pytest.mark.parametrize("mode", ["overwrite", "overwrite_dedup"])
def test_overwrite_replaces_when_complete(db: Path, mode: str) -> None:
    catalog = stream(properties=KEYED, mode=mode, key=[["id"]])
    land(db, catalog, {"id": 1, "v": "a"}, {"id": 1, "v": "b"})
    assert query(db, "SELECT count(*) FROM issues") == [(2 if mode == "overwrite" else 1,)]
    with closing(sqlite3.connect(db)) as connection:
        connection.execute("CREATE INDEX mine ON issues (v)")
        connection.execute("CREATE VIEW seen AS SELECT id, v FROM issues")
    with pytest.raises(SourceError):
        sync(Scripted(records("issues", 7), SourceError("died")), catalog, SqliteSink(db))
    assert query(db, "SELECT max(id) FROM issues") == [(1,)]
    land(db, catalog, {"id": 3, "v": "c"})
    assert query(db, "SELECT * FROM seen") == [(3, "c")]
    assert query(db, "SELECT _airbyte_generation_id FROM issues") == [(2,)]
    assert query(db, "SELECT count(*) FROM sqlite_master WHERE name = 'mine'") == [(1,)]
    assert query(db, "SELECT name FROM sqlite_master WHERE name LIKE '_headwater_new%'") == []
    land(db, catalog)
    assert query(db, "SELECT count(*) FROM issues") == [(0,)]


def test_a_trial_of_overwrite_leaves_the_old_rows(db: Path) -> None:
    catalog = stream(properties=KEYED, mode="overwrite")
    land(db, catalog, {"id": 1})
    land(db, catalog, {"id": 2}, {"id": 3}, limit=1)
    assert query(db, "SELECT id FROM issues") == [(1,)]


def test_states_are_in_the_file_by_flow(db: Path) -> None:
    catalog = stream()
    script = [records("issues", 1), state("issues", 1), status("issues")]
    sync(Scripted(*script), catalog, SqliteSink(db, "a"))
    source = Scripted(status("issues"))
    sync(source, catalog, SqliteSink(db, "b"))
    assert source.started_from == [[]]
    sync(source, catalog, SqliteSink(db, "a"))
    assert source.started_from[1] == [state("issues", 1)]


def test_unknown_fields_of_a_state_stay(db: Path) -> None:
    odd = State({**state("issues", 1).raw, "id": 7, "destinationStats": {"x": [2**70]}})
    sync(Scripted(odd, status("issues")), stream(), SqliteSink(db))
    source = Scripted(status("issues"))
    sync(source, stream(), SqliteSink(db))
    assert source.started_from == [[odd]]


@pytest.mark.parametrize("mode", ["append", "append_dedup"])
def test_rows_after_the_last_state_stay_until_they_are_read_again(db: Path, mode: str) -> None:
    catalog = stream(properties=KEYED, mode=mode, key=[["id"]])
    keyless = Records(StreamDescriptor("issues"), [b'{"v":"no key"}'])
    source = Scripted(records("issues", 1), state("issues", 1), records("issues", 2, 3), keyless, SourceError("died"))
    with pytest.raises(SourceError):
        sync(source, catalog, SqliteSink(db))
    assert query(db, "SELECT id FROM issues ORDER BY rowid") == [(1,), (2,), (3,), (None,)]
    sync(Scripted(records("issues", 2, 3, 4), keyless, status("issues")), catalog, SqliteSink(db))
    assert query(db, "SELECT id FROM issues ORDER BY rowid") == [(1,), (2,), (3,), (4,), (None,)]
    sync(Scripted(records("issues", 5), status("issues")), catalog, SqliteSink(db))
    assert query(db, "SELECT count(*) FROM issues") == [(6,)]  # a complete stream's rows are never removed
    assert query(db, "SELECT * FROM _headwater_unsettled") == []


def test_rows_of_a_stream_read_whole_are_removed_only_when_it_was_not_complete(db: Path) -> None:
    catalog = stream(sync_mode="full_refresh")
    with pytest.raises(SourceError):
        sync(Scripted(records("issues", 1), state("issues", 1), SourceError("x")), catalog, SqliteSink(db))
    for _ in range(2):
        sync(Scripted(records("issues", 1, 2), state("issues", 2), status("issues")), catalog, SqliteSink(db))
    assert query(db, "SELECT id FROM issues") == [(1,), (2,), (1,), (2,)]


def test_global_states_settle_all_streams(db: Path) -> None:
    catalog = both(stream("a"), stream("b"))
    source = Scripted(records("a", 1), records("b", 1), global_state(1), records("a", 2), SourceError("died"))
    with pytest.raises(SourceError):
        sync(source, catalog, SqliteSink(db))
    sync(Scripted(records("a", 2), records("b", 2), status("a"), status("b")), catalog, SqliteSink(db))
    for table in "ab":
        assert query(db, f"SELECT id FROM {table}") == [(1,), (2,)]


def test_a_state_repeated_before_anything_is_read_settles_nothing(db: Path) -> None:
    with pytest.raises(SourceError):
        sync(Scripted(state("issues", 0), records("issues", 1), SourceError("died")), stream(), SqliteSink(db))
    sync(
        Scripted(state("issues", 0), records("issues", 1), state("issues", 1), status("issues")),
        stream(),
        SqliteSink(db),
    )
    assert query(db, "SELECT id FROM issues") == [(1,)]


@pytest.mark.parametrize("kind", ["GLOBAL", "LEGACY"])
def test_a_complete_stream_is_read_again_where_its_global_state_never_came(db: Path, kind: str) -> None:
    catalog = both(stream("a"), stream("b"))
    first = [global_state(0, kind), records("a", 1), status("a"), records("b", 1)]
    with pytest.raises(SourceError):
        sync(Scripted(*first, SourceError("died")), catalog, SqliteSink(db))
    sync(Scripted(*first, status("b"), global_state(1, kind)), catalog, SqliteSink(db))
    for table in "ab":
        assert query(db, f"SELECT id FROM {table}") == [(1,)]
    sync(Scripted(records("a", 2), status("a"), status("b")), catalog, SqliteSink(db))
    assert query(db, "SELECT id FROM a") == [(1,), (2,)]
    sync(Scripted(records("a", 3), status("a"), status("b")), catalog, SqliteSink(db))
    assert query(db, "SELECT id FROM a") == [(1,), (2,), (3,)]


def test_the_earlier_of_two_syncs_of_one_flow_stops(db: Path) -> None:
    catalog = stream()

    def other() -> None:
        sync(Scripted(records("issues", 1, 2), state("issues", 2), status("issues")), catalog, SqliteSink(db))

    source = Scripted(records("issues", 1), state("issues", 1), other, records("issues", 2), status("issues"))
    with pytest.raises(DestinationError, match="Another sync of the flow 'default'"):
        sync(source, catalog, SqliteSink(db))
    assert query(db, "SELECT id FROM issues") == [(1,), (2,)]


def test_another_program_holds_the_database(db: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sqlite_module, "BUSY_SECONDS", 0.05)
    land(db, stream(), {"id": 1})
    with closing(sqlite3.connect(db, isolation_level=None)) as connection:
        connection.execute("BEGIN IMMEDIATE")
        with pytest.raises(DestinationError, match=r"locked.*end it"):
            land(db, stream(), {"id": 2})


def test_a_full_disk(db: Path) -> None:
    class Small(SqliteSink):
        def connect(self) -> None:
            super().connect()
            self.engine.rows("PRAGMA max_page_count = 40")

    big = Records(StreamDescriptor("issues"), [json.dumps({"t": "x" * 1000}).encode()] * 300)
    source = Scripted(records("issues", 1), state("issues", 1), big, state("issues", 2), status("issues"))
    with pytest.raises(DestinationError, match=r"full.*Make room") as caught:
        sync(source, stream(), Small(db), batch_bytes=100_000)
    assert caught.value.stream == "issues"
    assert query(db, "SELECT id FROM issues") == [(1,)]
    assert json.loads(query(db, "SELECT state FROM _headwater_state")[0][0])["stream"]["stream_state"] == {"at": 1}


def test_a_file_system_without_room(tmp_path: Path) -> None:
    if os.geteuid() != 0:
        missing("a small file system: run as root")
    small = tmp_path / "small"
    small.mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(small)], check=False).returncode:
        missing("a small file system: run where tmpfs may be mounted")
    try:
        db, catalog = small / "out.db", stream()
        sync(Scripted(records("issues", 1), state("issues", 1), status("issues")), catalog, SqliteSink(db))
        big = Records(StreamDescriptor("issues"), [json.dumps({"t": "x" * 10_000}).encode()] * 300)
        with pytest.raises(DestinationError, match=r"(full|disk I/O).*[Mm]ake room|look at the system"):
            sync(Scripted(big, state("issues", 9), status("issues")), catalog, SqliteSink(db))
        assert query(db, "SELECT id FROM issues") == [(1,)]
        again = Scripted(records("issues", 2), state("issues", 2), status("issues"))
        sync(again, catalog, SqliteSink(db))
        assert [one.stream_state for one in again.started_from[0]] == [{"at": 1}]
        assert query(db, "SELECT id FROM issues") == [(1,), (2,)]
    finally:
        subprocess.run(["umount", str(small)], check=True)


def test_what_is_no_database_and_no_folder(db: Path) -> None:
    db.write_text("hello, this is a text of some length, not a database\n" * 40)
    with pytest.raises(DestinationError, match=r"not a database.*another file"):
        land(db, stream(), {"id": 1})
    with pytest.raises(DestinationError, match=r"unable to open.*folder"):
        land(db.parent / "none" / "x.db", stream(), {"id": 1})
    with pytest.raises(DestinationError, match=str(db.parent)):
        land(db.parent, stream(), {"id": 1})


def test_a_read_only_file() -> None:
    with folder_of_nobody() as folder:
        db = folder / "x.db"

        def work() -> None:
            land(db, stream(), {"id": 1})
            db.chmod(0o400)
            with pytest.raises(DestinationError, match=r"readonly|read-only"):
                land(db, stream(), {"id": 1})

        assert as_nobody(work) == ""


JSON_VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**70), 2**70)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=2), inner, max_size=2),
    max_leaves=4,
)


@settings(max_examples=150, deadline=None)
@given(
    rows=st.lists(st.dictionaries(st.sampled_from("aAbc"), JSON_VALUES), max_size=6),
    types=st.fixed_dictionaries(
        {name: st.sampled_from([*TYPES.values()][:5]) for name in "ab"},
    ),
    cut=st.integers(0, 6),
)
def test_no_value_changes(tmp_path_factory: Any, rows: list[Any], types: Any, cut: int) -> None:
    """Whatever the schema says and whatever comes: every scalar is found again as it came."""
    db = tmp_path_factory.mktemp("x") / "out.db"
    for part in (rows[:cut], rows[cut:]):
        land(db, stream(properties=types), *part)
    columns = {name: i for i, (_, name, *_) in enumerate(query(db, "PRAGMA table_info(issues)"))}
    got = query(db, "SELECT * FROM issues ORDER BY rowid")
    assert len(got) == len(rows)
    of = {name: next((c for c in columns if c == name), None) for name in "abc"}
    for row, record in zip(got, rows, strict=True):
        for name, column in of.items():
            value = record.get(name)
            if column is None:
                assert value is None or name.lower() == "a"
                continue
            if name == "a" and "A" in columns and value is None:
                continue
            found = row[columns[column]]
            if isinstance(value, (dict, list)) or (isinstance(found, str) and value != found and value is not None):
                assert json.loads(found) == value
            else:
                assert found == value
