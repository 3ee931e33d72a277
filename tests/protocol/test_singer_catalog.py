"""Singer's catalog: what goes there comes back, and what others wrote is understood."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from headwater.errors import ConfigError, SourceError
from headwater.protocol.catalog import Catalog, CatalogStream, ConfiguredCatalog
from headwater.protocol.singer_catalog import catalog_to_singer, entries
from headwater.protocol.singer_selection import select, with_selection
from tests.protocol.singer_strategies import catalogs, written


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
