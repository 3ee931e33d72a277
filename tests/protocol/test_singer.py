"""Singer's codec: what goes to Singer comes back, and what others wrote is understood."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from headwater.errors import ConfigError, ForeignError, SourceError
from headwater.protocol.catalog import Catalog, CatalogStream, ConfiguredCatalog
from headwater.protocol.messages import Records, State, StreamDescriptor
from headwater.protocol.singer import (
    ActivateVersion,
    Batch,
    Bookmarks,
    Schema,
    StateValue,
    decode,
    encode,
    settings_from_singer,
    settings_to_singer,
    state_to_singer,
    states_from_singer,
)
from headwater.protocol.singer_catalog import catalog_to_singer, entries, tap_stream_id
from headwater.protocol.singer_selection import select, with_selection, without

names = st.text(st.characters(codec="utf-8"), min_size=1, max_size=8)
plain = names.filter(lambda name: "." not in name)
scalars = (
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**64 - 1)
    | names
    | st.floats(allow_nan=False, allow_infinity=False)
)
values = st.recursive(
    scalars, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(names, inner, max_size=3), max_leaves=6
)
objects = st.dictionaries(names, values, max_size=4)
types = st.sampled_from(["string", "integer", ["null", "string"], ["null", "object"]])
fields = st.recursive(
    st.builds(lambda kind: {"type": kind}, types),
    lambda inner: st.builds(
        lambda p: {"type": "object", "properties": p}, st.dictionaries(plain, inner, min_size=1, max_size=3)
    ),
    max_leaves=5,
)


@st.composite
def catalog_streams(draw: st.DrawFn) -> CatalogStream:
    """A stream that Singer can say all of."""
    properties = draw(st.dictionaries(plain, fields, min_size=1, max_size=4))
    keys = draw(st.lists(st.sampled_from(sorted(properties)), unique=True, max_size=2))
    cursor = draw(st.none() | st.sampled_from(sorted(properties)))
    modes: Any = (
        ("full_refresh",)
        if cursor is None
        else draw(st.sampled_from([("full_refresh", "incremental"), ("incremental",)]))
    )
    return CatalogStream(
        name=draw(plain),
        namespace=draw(st.none() | plain),
        json_schema={"type": "object", "properties": properties},
        supported_sync_modes=modes,
        source_defined_cursor=cursor is not None and draw(st.booleans()),
        default_cursor_field=(cursor,) if cursor is not None else (),
        primary_key=tuple((key,) for key in keys),
    )


catalogs = st.lists(catalog_streams(), max_size=3, unique_by=lambda s: tap_stream_id(s.descriptor)).map(
    lambda streams: Catalog(tuple(streams))
)


def written(value: Any) -> Any:
    """As it is read back from a file."""
    return json.loads(json.dumps(value))


class TestCatalog:
    @given(catalogs)
    @settings(max_examples=30, deadline=None)
    def test_comes_back(self, catalog: Catalog) -> None:
        assert tuple(entry.stream() for entry in entries(written(catalog_to_singer(catalog)))) == catalog.streams

    @given(catalogs)
    @settings(max_examples=30, deadline=None)
    def test_as_it_is_printed_it_selects_everything(self, catalog: Catalog) -> None:
        selection = select(written(catalog_to_singer(catalog)), catalog)
        assert ConfiguredCatalog(tuple(s.configured for s in selection.streams)) == catalog.configured()
        assert not selection.remarks

    @given(catalogs, st.data())
    @settings(max_examples=30, deadline=None)
    def test_a_selection_comes_back(self, catalog: Catalog, data: st.DataObject) -> None:
        wanted = []
        for configured in catalog.configured(full_refresh=data.draw(st.booleans())).streams:
            if "full_refresh" not in configured.stream.supported_sync_modes:
                configured = replace(configured, sync_mode="incremental")
            columns = sorted(configured.stream.json_schema["properties"])
            chosen = data.draw(st.lists(st.sampled_from(columns), min_size=1, unique=True))
            if data.draw(st.booleans()):
                wanted.append(configured.with_columns(chosen))
        catalog_file = written(with_selection(catalog_to_singer(catalog), ConfiguredCatalog(tuple(wanted))))
        read = tuple(s.configured for s in select(catalog_file, catalog).streams)
        # the mask of fields that were chosen is the same; a schema's fields may have been marked
        assert [(c.descriptor, c.selected, c.sync_mode, c.cursor_field) for c in read] == [
            (c.descriptor, c.selected, c.sync_mode, c.cursor_field) for c in wanted
        ]

    def test_what_is_printed(self) -> None:
        stream = CatalogStream(
            "issues",
            {"properties": {"id": {}, "at": {}, "user": {"properties": {"login": {}}}}},
            ("full_refresh", "incremental"),
            source_defined_cursor=True, default_cursor_field=("at",), primary_key=(("id",),),
        )  # fmt: skip
        whole = CatalogStream("tags", {"properties": {"a": {"properties": {"b": {}}}}}, primary_key=(("a", "b"),))
        issues, tags = catalog_to_singer(Catalog((stream, whole)))["streams"]
        facts = {tuple(m["breadcrumb"]): m["metadata"] for m in issues["metadata"]}
        assert (issues["tap_stream_id"], issues["stream"], issues["key_properties"]) == ("issues", "issues", ["id"])
        assert (issues["replication_method"], issues["replication_key"]) == ("INCREMENTAL", "at")
        assert facts[()] == {
            "inclusion": "available", "selected-by-default": True, "table-key-properties": ["id"],
            "valid-replication-keys": ["at"],
        }  # fmt: skip
        assert {crumb[1::2]: found["inclusion"] for crumb, found in facts.items() if crumb} == {
            ("id",): "automatic", ("at",): "automatic", ("user",): "available", ("user", "login"): "available",
        }  # fmt: skip
        facts = {tuple(m["breadcrumb"]): m["metadata"] for m in tags["metadata"]}
        assert facts[()]["forced-replication-method"] == "FULL_TABLE"
        assert facts[()]["table-key-properties"] == tags["key_properties"] == []  # Singer has no such keys
        assert facts["properties", "a", "properties", "b"]["inclusion"] == "automatic"

    def test_two_streams_of_one_name(self) -> None:
        with pytest.raises(SourceError, match="a-b"):
            catalog_to_singer(Catalog((CatalogStream("b", namespace="a"), CatalogStream("a-b"))))

    def test_of_a_database(self) -> None:
        entry = {
            "tap_stream_id": "db-public-t",
            "stream": "t",
            "table_name": "t",
            "schema": {"properties": {"id": {}, "x": {}}},
            "metadata": [
                {"breadcrumb": [], "metadata": {"schema-name": "public", "view-key-properties": ["id"]}},
                {"breadcrumb": ["properties", "x"], "metadata": {"inclusion": "unsupported"}},
            ],
        }
        (read,) = entries({"streams": [entry]})
        assert read.stream() == CatalogStream(
            "t", {"type": "object", "properties": {"id": {}}}, namespace="public", primary_key=(("id",),)
        )

    @pytest.mark.parametrize(
        "value",
        [
            None,
            [],
            5,
            {},
            {"streams": {}},
            {"streams": [5]},
            {"streams": [{}]},
            {"streams": [{"tap_stream_id": "a", "schema": 5}]},
            {"streams": [{"tap_stream_id": "a", "schema": {"properties": []}}] * 2},
            {"streams": [{"tap_stream_id": "a", "metadata": 5}]},
            {"streams": [{"tap_stream_id": "a", "metadata": [{}]}]},
            {"streams": [{"tap_stream_id": "a", "metadata": [{"breadcrumb": [{}], "metadata": {}}]}]},
            {"streams": [{"tap_stream_id": "a", "schema": {"properties": [1]}}]},
        ],
    )
    def test_what_is_none(self, value: Any) -> None:
        with pytest.raises(ConfigError, match="catalog"):
            entries(value)


OFFERED = Catalog(
    (
        CatalogStream(
            "s",
            {"type": "object", "required": ["id", "a"], "properties": {
                "id": {}, "at": {}, "a": {}, "o": {"type": "object", "properties": {"x": {}, "y": {}, "z": {}}}}},
            ("full_refresh", "incremental"),
            source_defined_cursor=True, default_cursor_field=("at",), primary_key=(("id",),),
        ),
    )
)  # fmt: skip


def changed(root: dict[str, Any], **of: dict[str, Any]) -> dict[str, Any]:
    """The catalog of OFFERED with this metadata of the stream and of fields (``o__x`` inside of ``o``)."""
    value = written(catalog_to_singer(OFFERED))
    for facts in value["streams"][0]["metadata"]:
        path = "__".join(facts["breadcrumb"][1::2])
        facts["metadata"].update(root if not path else of.get(path, {}))
    return value  # type: ignore[no-any-return]


class TestSelection:
    def test_fields(self) -> None:
        value = changed({"selected": True}, a={"selected": False}, o__y={"selected": False}, id={"selected": False})
        (chosen,) = select(value, OFFERED).streams
        schema = chosen.configured.stream.json_schema
        assert set(schema["properties"]) == {"id", "at", "o"}
        assert (set(schema["properties"]["o"]["properties"]), schema["required"]) == ({"x", "z"}, ["id"])
        assert chosen.dropped == {"o": {"y": None}}

    def test_below_what_is_deselected_nothing_is_selected(self) -> None:
        (chosen,) = select(changed({}, o={"selected": False}, o__x={"selected": True}), OFFERED).streams
        assert "o" not in chosen.configured.stream.json_schema["properties"]
        assert chosen.dropped == {}

    @pytest.mark.parametrize(
        ("root", "read"),
        [
            ({}, True),
            ({"selected": True}, True),
            ({"selected": False}, False),
            ({"selected-by-default": False}, False),
            ({"selected-by-default": None}, False),
            ({"selected-by-default": False, "selected": True}, True),
            ({"inclusion": "unsupported", "selected": True}, False),
            ({"inclusion": "automatic", "selected": False}, True),
        ],
    )
    def test_streams(self, root: dict[str, Any], read: bool) -> None:
        assert bool(select(changed(root), OFFERED).streams) is read

    def test_selected_in_the_schema(self) -> None:
        properties = {
            "id": {"selected": False, "inclusion": "automatic"},
            "a": {"selected": False},
            "o": {"selected": True},
            "selected": {"type": "boolean"},
        }
        entry = {"stream": "s", "schema": {"selected": True, "type": "object", "properties": properties}}
        (chosen,) = select({"streams": [entry]}, OFFERED).streams
        assert chosen.configured.stream.json_schema == {
            "type": "object", "properties": {"id": {}, "o": {}, "selected": {"type": "boolean"}},
        }  # fmt: skip
        assert not select({"streams": [{**entry, "schema": {"properties": properties}}]}, OFFERED).streams

    def test_without_a_schema_all_fields(self) -> None:
        entry = {"tap_stream_id": "s", "metadata": [{"breadcrumb": [], "metadata": {"selected": True}}]}
        (chosen,) = select({"streams": [entry]}, OFFERED).streams
        assert chosen.configured.stream.json_schema["properties"].keys() == {"id", "at", "a", "o"}

    @pytest.mark.parametrize(
        ("root", "mode", "remarks"),
        [({}, "incremental", 0), ({"replication-method": "FULL_TABLE"}, "full_refresh", 0),
         ({"replication-method": "INCREMENTAL", "replication-key": "at"}, "incremental", 0),
         ({"replication-key": "a"}, "incremental", 1),
         ({"replication-method": "FULL_TABLE", "forced-replication-method": "INCREMENTAL"}, "incremental", 0)],
    )  # fmt: skip
    def test_methods(self, root: dict[str, Any], mode: str, remarks: int) -> None:
        selection = select(changed(root), OFFERED)
        assert (selection.streams[0].configured.sync_mode, len(selection.remarks)) == (mode, remarks)
        assert selection.streams[0].configured.cursor_field == ("at",)
        assert selection.streams[0].bookmarks == (("at",) if mode == "incremental" else ())

    def test_other_keys(self) -> None:
        value = changed({"table-key-properties": ["a"]}, a={"selected": False})
        (chosen,) = select(value, OFFERED).streams
        assert chosen.keys == ("a",)
        assert "a" in chosen.configured.stream.json_schema["properties"]

    def test_of_no_field(self) -> None:
        offered = Catalog((CatalogStream("s", {"properties": {"a": {}}}),))
        value = written(catalog_to_singer(offered))
        value["streams"][0]["metadata"][1]["metadata"]["selected"] = False
        selection = select(value, offered)
        assert (selection.streams, len(selection.remarks)) == ((), 1)


paths = st.recursive(st.none(), lambda inner: st.dictionaries(names, inner, min_size=1, max_size=3), max_leaves=4)


def dropped(value: Any, tree: Any) -> Any:
    if not isinstance(value, dict):
        return value
    return {
        key: dropped(part, tree[key]) if isinstance(tree.get(key), dict) else part
        for key, part in value.items()
        if tree.get(key, ...) is not None
    }


@given(objects, st.dictionaries(names, paths, max_size=3), st.data())
@settings(max_examples=60, deadline=None)
def test_fields_are_left_out_at_any_depth(row: dict[str, Any], tree: dict[str, Any], data: st.DataObject) -> None:
    if row:  # random names hardly ever meet
        tree = {**tree, data.draw(st.sampled_from(sorted(row))): data.draw(paths)}
    assert json.loads(bytes(without(json.dumps(row).encode(), tree))) == json.loads(json.dumps(dropped(row, tree)))


def test_what_stays_is_copied_as_it_is_written() -> None:
    raw = b'{"a": {"x": 1, "y": 1.10, "z": 12345678901234567890123}, "b": 1e400}'
    assert without(raw, {"a": {"x": None}}) == b'{"a":{"y":1.10,"z":12345678901234567890123},"b":1e400}'


class TestMessages:
    @given(plain, st.lists(objects, min_size=1, max_size=4), st.integers(0, 2**42))
    @settings(max_examples=30, deadline=None)
    def test_records_come_back(self, name: str, rows: list[dict[str, Any]], at: int) -> None:
        lines = encode(Records(StreamDescriptor(name), [msgspec.json.encode(row) for row in rows], at)).split(b"\n")
        assert lines.pop() == b""
        back = [decode(line) for line in lines]
        assert all(isinstance(r, Records) and (r.stream.name, r.emitted_at) == (name, at) for r in back)
        assert [r.rows()[0] for r in back if isinstance(r, Records)] == rows

    @given(
        st.builds(Schema, names, objects, st.lists(names).map(tuple), st.lists(names).map(tuple))
        | st.builds(StateValue, values)
    )
    @settings(max_examples=30, deadline=None)
    def test_others_come_back(self, message: Schema | StateValue) -> None:
        line = encode(message)
        assert line.count(b"\n") == 1
        assert decode(line) == message

    def test_records_are_not_touched(self) -> None:
        raw = b'{"n":  1.10, "big": 12345678901234567890123, "\\u0061": null}'
        lines = encode(Records(StreamDescriptor("s", "n"), [raw, b"{}"], 1_700_000_000_123)).splitlines()
        assert lines[0] == (
            b'{"type":"RECORD","stream":"n-s","record":' + raw + b',"time_extracted":"2023-11-14T22:13:20.123000Z"}'
        )
        assert bytes(decode(lines[0]).data[0]) == raw  # type: ignore[union-attr]

    def test_of_other_taps(self) -> None:
        assert decode(b'{"type":"schema","stream":"s","schema":{"x":1e400},"key_properties":"id"}') == Schema(
            "s", {"x": float("inf")}, ("id",)
        )
        assert decode(b'{"type":"ACTIVATE_VERSION","stream":"s","version":5}') == ActivateVersion("s", 5)
        batch = decode(b'{"type":"BATCH","stream":"s","encoding":{"format":"jsonl"},"manifest":["file:///a"]}')
        assert batch == Batch("s", {"format": "jsonl"}, ("file:///a",))
        assert decode(b'{"type":"NEW"}') is None
        read = decode(b'{"type":"RECORD","stream":"s","record":{},"time_extracted":"yesterday","version":3}')
        assert isinstance(read, Records)
        assert read.emitted_at > 1_700_000_000_000

    @pytest.mark.parametrize(
        "line",
        [
            b"",
            b"no",
            b"[]",
            b"{}",
            b'{"type":5}',
            b'{"type":"RECORD"}',
            b'{"type":"RECORD","stream":"s"}',
            b'{"type":"RECORD","stream":"s","record":5}',
            b'{"type":"STATE"}',
            b'{"type":"SCHEMA","stream":"s","schema":[1]}',
            b'{"type":"ACTIVATE_VERSION","stream":"s"}',
            b'{"type":"SCHEMA","stream":"s"}',
            b'\xff{"type":"STATE"}',
        ],
    )
    def test_none(self, line: bytes) -> None:
        with pytest.raises(ForeignError, match="Singer"):
            decode(line)


blobs = st.dictionaries(names, values, min_size=1, max_size=3).filter(
    lambda blob: not {"replication_key_value", "partitions"} & blob.keys()
)
partitions = st.lists(
    st.builds(
        lambda p, v: {"partition": p, "cursor": {"updated_at": v}}, st.dictionaries(names, names, max_size=2), names
    ),
    max_size=4,
)
stream_blobs = blobs | st.builds(lambda states: {"states": states}, partitions)


class TestBookmarks:
    @given(st.dictionaries(plain, stream_blobs, max_size=4), st.dictionaries(names, values, max_size=2))
    @settings(max_examples=30, deadline=None)
    def test_states_come_back_exactly(self, by_name: dict[str, Any], others: dict[str, Any]) -> None:
        others = {key: value for key, value in others.items() if key not in ("bookmarks", "type", "singer_state")}
        streams = [StreamDescriptor(name) for name in by_name]
        first = Bookmarks({**others, "bookmarks": {"gone": 5}, "currently_syncing": "x"}, streams)
        for stream in streams:
            first.update(stream, by_name[stream.name])
        message = decode(first.encode())
        assert isinstance(message, StateValue)
        stored = message.value
        assert stored == {**others, "bookmarks": {"gone": 5, **by_name}}
        again = Bookmarks(stored, streams)
        assert again.states() == [State.of_stream(stream, by_name[stream.name]) for stream in streams]
        assert json.loads(again.encode())["value"] == stored

    @pytest.mark.parametrize(
        "value",
        [{"bookmarks": {"s": {"at": 1}}}, {"singer_state": {"bookmarks": {"s": {"at": 1}}}},
         {"type": "STATE", "value": {"bookmarks": {"s": {"at": 1}}}},
         {"bookmarks": {"s": {"replication_key": "at", "replication_key_value": 1, "progress_markers": {"x": 9}}}}],
    )  # fmt: skip
    def test_wrappings(self, value: Any) -> None:
        stream = StreamDescriptor("s")
        assert Bookmarks(value, [stream]).states() == [State.of_stream(stream, {"at": 1})]

    def test_partitions_of_meltanos_sdk(self) -> None:
        stream = StreamDescriptor("s")
        done = {"context": {"r": "a"}, "replication_key": "at", "replication_key_value": 1}
        unsafe = {"context": {"r": "b"}, "progress_markers": {"replication_key": "at", "replication_key_value": 5}}
        mark = {"partitions": [done, unsafe]}
        assert Bookmarks({"bookmarks": {"s": mark}}, [stream]).states() == [
            State.of_stream(stream, {"states": [{"partition": {"r": "a"}, "cursor": {"at": 1}}]})
        ]

    @pytest.mark.parametrize("value", [[], 5, "x", {"bookmarks": []}, {"bookmarks": 5}, [{"type": "STREAM"}]])
    def test_what_is_none(self, value: Any) -> None:
        with pytest.raises(ConfigError, match="state"):
            Bookmarks(value)

    def test_a_bookmark_that_is_none(self) -> None:
        with pytest.raises(ConfigError, match="'s'"):
            Bookmarks({"bookmarks": {"s": 5}}, [StreamDescriptor("s")]).states()
        assert (
            Bookmarks({"bookmarks": {"s": {}, "t": None}}, [StreamDescriptor("s"), StreamDescriptor("t")]).states()
            == []
        )

    def test_foreign(self) -> None:
        assert Bookmarks({"issues": {"since": 5}}).is_foreign
        assert not Bookmarks({}).is_foreign
        assert not Bookmarks(None).is_foreign

    @given(st.dictionaries(plain, blobs, max_size=3), st.booleans())
    @settings(max_examples=30, deadline=None)
    def test_a_taps_state_comes_back(self, marks: dict[str, Any], odd: bool) -> None:
        value = {"bookmarks": marks, **({"extra": [1]} if odd else {})}
        streams = {name: StreamDescriptor(name, "ns") for name in marks}
        states = states_from_singer(value, streams)
        assert {state.type for state in states} <= ({"GLOBAL"} if odd else {"STREAM"})
        assert state_to_singer(states, streams) == value


def test_settings_come_back() -> None:
    schema = {
        "properties": {"secret": {"type": "string", "airbyte_secret": True}, "x": {"oneOf": [{"airbyte_secret": True}]}}
    }
    assert settings_to_singer(schema)["properties"]["secret"] == {"type": "string", "secret": True}
    assert settings_from_singer(settings_to_singer(schema)) == schema
