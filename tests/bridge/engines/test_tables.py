"""Every engine: names, namespaces, overwrites, generations, nested tables, refused records, what a crash left."""

from __future__ import annotations

import json
from typing import Any

import pytest

from headwater.errors import DestinationError, SourceError
from headwater.protocol.catalog import CatalogStream, ConfiguredCatalog, ConfiguredStream
from headwater.protocol.messages import Records, StreamDescriptor
from tests.bridge.databases import Database
from tests.bridge.fakes import records, state, status
from tests.bridge.landing import records_of, stream

INT = {"type": "integer"}
TEXT = {"type": "string"}
PROPERTIES = {"id": INT, "v": TEXT}

FIELDS = [
    "id", "ID", "Id", "", " ", "a b", 'a"b', "a'b", "a.b", "a%b", "a%sb", "a?b", "a\\b", "a/b", "a~b", "$1", "%(data)s",
    "select", "_airbyte_raw_id", "_airbyte_meta", "_headwater_x", "xmin", "ctid", "rowid", "n", "j", "c0", "é", "É",
    "\U0001f600", "x" * 70 + "1", "x" * 70 + "2", "é" * 40, "1", "new", "old", "_headwater_place", "tab\there",
]  # fmt: skip


@pytest.mark.parametrize("declared", [True, False])
def test_any_name_of_a_field(db: Database, declared: bool) -> None:
    properties = dict.fromkeys(FIELDS, INT) if declared else {}
    mode: Any = "append_dedup" if declared else "append"
    catalog = stream(properties={**properties, "key": INT}, mode=mode, key=[["key"]])
    row = {name: number for number, name in enumerate(FIELDS)}
    db.land(catalog, {**row, "key": 1}, {"key": 2})
    db.land(catalog, {**row, "key": 3, "more": 1})
    first, second, third = db.records(order="key")
    own = {name for name in first if name.startswith("_airbyte_") and name.count("_") < 4 and "raw_id" not in name}
    found = {name: value for name, value in first.items() if type(value) is int and name not in own and name != "key"}
    assert sorted(found.values()) == list(range(len(FIELDS)))
    assert {name: third[name] for name in found} == found
    assert {second[name] for name in found} == {None}
    for plain in ("id", "a b", "a%b", "a?b", "select", "é", "1", "n"):
        assert found[plain] == FIELDS.index(plain)


NAMES = [
    "issues",
    "Issues",
    "",
    " ",
    'a"b',
    "a'b",
    "a?b%s",
    "pg_class",
    "sqlite_x",
    "select",
    "x" * 100,
    "x" * 101,
    "é",
]


def test_any_name_of_a_stream(db: Database) -> None:
    for space in (None, "pg_x", "main", "public", "y" * 100):
        streams = [
            ConfiguredStream(CatalogStream(name, {"properties": PROPERTIES}, namespace=space), "incremental", mode)
            for name in NAMES
            for mode in ("append",)
        ]
        catalog = ConfiguredCatalog(tuple(streams))
        script: list[Any] = []
        for number, one in enumerate(catalog.streams):
            script += [Records(one.descriptor, [json.dumps({"id": number}).encode()])]
        script += [message for one in catalog.streams for message in [_complete(one.descriptor)]]
        db.run(catalog, *script)
    tables = db.query("SELECT schema_name, table_name, namespace, stream FROM _headwater_tables")
    assert len(tables) == 5 * len(NAMES) and len({(schema, name) for schema, name, *_ in tables}) == len(tables)
    quoted = [
        ".".join('"' + part.replace('"', '""') + '"' for part in (schema, name) if part) for schema, name, *_ in tables
    ]
    found = db.query(" UNION ALL ".join(f"SELECT {at}, id FROM {table}" for at, table in enumerate(quoted)))
    assert sorted(found) == [(at, NAMES.index(of)) for at, (*_, of) in enumerate(tables)]


def _complete(stream: StreamDescriptor) -> Any:
    from headwater.protocol.messages import Status, StreamStatus

    return StreamStatus(stream, Status.COMPLETE)


def test_a_namespace_is_a_schema(db: Database) -> None:
    one = CatalogStream("issues", {"properties": PROPERTIES}, namespace="Shop")
    catalog = ConfiguredCatalog((ConfiguredStream(one, "incremental", "append"),))
    db.land(catalog, {"id": 1})
    name = '"Shop"."issues"' if db.typed else '"Shop__issues"'
    assert db.query(f"SELECT id FROM {name}") == [(1,)]


def test_a_table_of_somebody_else_is_left_alone(db: Database) -> None:
    db.query("CREATE TABLE issues (id INTEGER)")
    with pytest.raises(DestinationError, match="not made here"):
        db.land(stream(properties=PROPERTIES), {"id": 1})
    assert db.query("SELECT count(*) FROM issues") == [(0,)]


@pytest.mark.parametrize("mode", ["overwrite", "overwrite_dedup"])
def test_overwrite_shows_nothing_until_it_is_complete(db: Database, mode: Any) -> None:
    catalog = stream(properties=PROPERTIES, mode=mode, key=[["id"]])
    db.land(catalog, {"id": 1}, {"id": 2})
    seen: list[Any] = []

    def look() -> None:
        if db.kind != "duckdb":  # whose file nobody else can open meanwhile
            seen.append(db.values("id"))

    rows = records_of(catalog, {"id": 3}, {"id": 3, "more": True})
    with pytest.raises(SourceError):
        db.run(catalog, rows, look, SourceError("died"), batch_bytes=1)
    assert db.values("id") == [1, 2]
    db.run(catalog, rows, look, status("issues"), batch_bytes=1)
    assert db.values("id") == ([3] if mode == "overwrite_dedup" else [3, 3])
    assert all(ids == [1, 2] for ids in seen)
    assert set(db.values("_airbyte_generation_id")) == {2}
    db.land(catalog)
    assert db.values("id") == []


def test_what_users_hung_on_a_table_outlives_an_overwrite(db: Database) -> None:
    catalog = stream(properties=PROPERTIES, mode="overwrite")
    db.land(catalog, {"id": 1, "v": "a"})
    db.query("CREATE INDEX by_v ON issues (v)")
    db.query("CREATE VIEW seen AS SELECT id FROM issues")
    db.land(catalog, {"id": 2, "v": "b", "more": 1})
    assert db.query("SELECT id FROM seen") == [(2,)]
    listed = {
        "sqlite": "SELECT name FROM sqlite_master WHERE type = 'index' AND name = 'by_v'",
        "duckdb": "SELECT index_name FROM duckdb_indexes()",
        "postgres": "SELECT indexname FROM pg_indexes WHERE tablename = 'issues'",
    }
    assert db.query(listed[db.kind]) == [("by_v",)]
    assert db.values("more") == [1]


@pytest.mark.parametrize("mode", ["append", "append_dedup"])
def test_a_new_generation_takes_the_place_of_the_old(db: Database, mode: Any) -> None:
    def run(generation: int, minimum: int, *script: Any) -> None:
        catalog = stream(properties=PROPERTIES, mode=mode, key=[["id"]], generation=generation, minimum=minimum)
        db.run(catalog, *script)

    run(1, 0, records("issues", 1, 2), state("issues", 2), status("issues"))
    with pytest.raises(SourceError):
        run(2, 2, records("issues", 3), state("issues", 3), SourceError("died"))
    assert db.values("id") == [1, 2]
    run(2, 2, records("issues", 4), state("issues", 4), status("issues"))
    assert db.values("id", "_airbyte_generation_id") == [(3, 2), (4, 2)]
    run(3, 0, records("issues", 5), status("issues"))
    assert db.values("id", "_airbyte_generation_id") == [(3, 2), (4, 2), (5, 3)]


def test_a_refresh_whose_table_is_gone_begins_anew(db: Database) -> None:
    def run(*script: Any) -> list[Any]:
        source = db.run(stream(properties=PROPERTIES, generation=2, minimum=2), *script)
        return [one.stream_state for one in source.started_from[0]]

    db.land(stream(properties=PROPERTIES, generation=1), {"id": 1})
    with pytest.raises(SourceError):
        run(records("issues", 2), state("issues", 2), SourceError("died"))
    db.query("DROP TABLE _headwater_new_issues")
    assert run(records("issues", 2, 3), state("issues", 3), status("issues")) == []
    assert db.values("id") == [2, 3]


def test_long_names_with_the_same_beginning_are_written_beside_their_tables(db: Database) -> None:
    names = ["é" * 70 + end for end in ("", "x", "y")]
    catalogs = [stream(name, PROPERTIES, mode="overwrite") for name in names]
    both = ConfiguredCatalog(tuple(one for catalog in catalogs for one in catalog.streams))
    for count in (1, 2):
        rows = [records_of(catalog, *[{"id": at}] * count) for at, catalog in enumerate(catalogs)]
        db.run(both, *rows, *map(status, names))
    tables = dict(db.query("SELECT stream, table_name FROM _headwater_tables"))
    assert [db.values("id", table=tables[name]) for name in names] == [[at, at] for at in range(3)]


@pytest.mark.parametrize("mode", ["append", "append_dedup"])
def test_rows_after_the_last_state_are_read_again_and_not_doubled(db: Database, mode: Any) -> None:
    catalog = stream(properties=PROPERTIES, mode=mode, key=[["id"]])
    with pytest.raises(SourceError):
        db.run(catalog, records("issues", 1), state("issues", 1), records("issues", 2, 3), SourceError("died"))
    assert db.values("id") == [1, 2, 3]
    again = db.run(catalog, records("issues", 2, 3, 4), state("issues", 4), status("issues"))
    assert [one.stream_state for one in again.started_from[0]] == [{"at": 1}]
    assert db.values("id") == [1, 2, 3, 4]
    assert db.query("SELECT * FROM _headwater_unsettled") == []


def test_rows_are_removed_and_their_table_altered_at_once(db: Database) -> None:
    catalog = stream(properties={"id": INT, "v": INT})
    with pytest.raises(SourceError):
        db.run(catalog, records("issues", 1), state("issues", 1), records("issues", 2), SourceError("died"))
    db.run(catalog, records_of(catalog, {"id": 2, "v": "text", "new": 1}), state("issues", 2), status("issues"))
    assert db.values("id", "v", "new") == [(1, None, None), (2, "text", 1)]


def test_the_earlier_of_two_syncs_of_one_flow_stops(db: Database) -> None:
    catalog = stream(properties=PROPERTIES)

    def another() -> None:
        db.run(catalog, records("issues", 1, 2), state("issues", 2), status("issues"))

    with pytest.raises(DestinationError, match="Another sync of the flow"):
        db.run(catalog, records("issues", 1), another, records("issues", 2), status("issues"), batch_bytes=1)
    assert db.values("id") == [1, 2]


def test_several_flows_side_by_side(db: Database) -> None:
    def inner() -> None:
        db.run(stream("b", PROPERTIES), records("b", 1), state("b", 1), status("b"), flow="two")

    db.run(stream("a", PROPERTIES), records("a", 1), inner, records("a", 2), state("a", 2), status("a"), batch_bytes=1)
    assert db.values("id", table="a") == [1, 2] and db.values("id", table="b") == [1]
    flows = db.query("SELECT flow, stream FROM _headwater_state ORDER BY flow")
    assert flows == [("default", "a"), ("two", "b")]


def test_refused_records_are_kept_apart(db: Database) -> None:
    catalog = stream(properties=PROPERTIES)
    db.land(catalog, {"id": 1, "v": "a"})
    db.query("CREATE UNIQUE INDEX one_v ON issues (v)")
    rows = [{"id": 2, "v": "b"}, {"id": 3, "v": "a"}, b"[1]", b"{not json", {"id": 4, "v": "c"}, {"id": 5, "v": "b"}]
    with pytest.raises(DestinationError, match="refused"):
        db.land(catalog, *rows)
    assert db.values("id") == [1]
    result = db.land(catalog, *rows, refused="table")
    assert db.values("id") == [1, 2, 4] and result.streams[catalog.streams[0].descriptor].refused == 3 + 1
    kept = db.query("SELECT stream, record, reason FROM _headwater_refused ORDER BY record")
    assert [record for _, record, _ in kept] == sorted(["[1]", "{not json", json.dumps(rows[1]), json.dumps(rows[5])])
    assert all(reason for *_, reason in kept) and {name for name, *_ in kept} == {"issues"}


def test_nested_data_as_tables(db: Database) -> None:
    label = {"type": "object", "properties": {"name": TEXT, "marks": {"type": "array", "items": INT}}}
    user = {"type": "object", "properties": {"name": TEXT}}
    properties = {"id": INT, "user": user, "labels": {"type": "array", "items": label}}
    catalog = stream(properties=properties, mode="append_dedup", key=[["id"]])
    row = {"id": 1, "user": {"name": "ann"}, "labels": [{"name": "a", "marks": [1, 2]}, {"name": "b"}, {}]}
    db.land(catalog, row, {"id": 2}, nested="tables")
    db.land(catalog, {**row, "labels": [{"name": "c", "marks": [3]}]}, nested="tables")
    assert db.values("id", "user__name") == [(1, "ann"), (2, None)]
    (raw, _) = db.values("_airbyte_raw_id")
    labels = db.values("name", "_airbyte_parent_id", "_airbyte_index", table="issues__labels", order="name")
    assert labels == [("c", raw, 0)]
    assert db.values("value", table="issues__labels__marks", order="value") == [3]


def test_states_keep_what_nobody_knows_of(db: Database) -> None:
    catalog = stream(properties=PROPERTIES)
    raw = {
        "type": "STREAM",
        "stream": {"stream_descriptor": {"name": "issues"}, "stream_state": {"t": "\0\u2028é"}},
        "id": 7,
    }
    from headwater.protocol.messages import State

    db.run(catalog, records("issues", 1), State(raw), status("issues"))
    again = db.run(catalog, status("issues"))
    assert [one.raw for one in again.started_from[0]] == [raw]
