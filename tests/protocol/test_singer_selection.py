"""Singer's selection: which streams and fields are read, and what is left out of them."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from headwater.protocol.catalog import Catalog, CatalogStream
from headwater.protocol.singer_catalog import catalog_to_singer
from headwater.protocol.singer_selection import select, without
from tests.protocol.singer_strategies import names, objects, written

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
