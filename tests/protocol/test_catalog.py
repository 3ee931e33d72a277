"""Catalogs are read kindly, refused with a reason, and written the same each time."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headwater.errors import ConfigError
from headwater.protocol.catalog import Catalog, CatalogStream, ConfiguredCatalog, ConfiguredStream

name = st.text(max_size=8)
path = st.lists(name, min_size=1, max_size=3).map(tuple)
extra = st.dictionaries(st.sampled_from(["is_file_based", "new", "include_files"]), st.booleans(), max_size=2)
streams = st.builds(
    CatalogStream,
    name=name,
    json_schema=st.just({"type": "object", "properties": {"id": {}, "at": {}, "x": {}}}),
    supported_sync_modes=st.sampled_from([("full_refresh",), ("full_refresh", "incremental"), ("incremental",)]),
    namespace=st.none() | name.filter(bool),
    source_defined_cursor=st.booleans(),
    default_cursor_field=st.just(()) | path,
    primary_key=st.lists(path, max_size=2).map(tuple),
    is_resumable=st.booleans(),
    extra=extra,
)
configured = st.builds(
    ConfiguredStream,
    stream=streams,
    sync_mode=st.sampled_from(["full_refresh", "incremental"]),
    destination_sync_mode=st.sampled_from(["append", "overwrite", "append_dedup"]),
    cursor_field=st.just(()) | path,
    primary_key=st.lists(path, max_size=2).map(tuple),
    generation_id=st.none() | st.integers(0, 2**62),
    minimum_generation_id=st.none() | st.integers(0, 2**62),
    sync_id=st.none() | st.integers(0, 2**62),
    extra=extra,
)


def wire(value: Any) -> Any:
    return json.loads(json.dumps(value))


@given(st.lists(streams, max_size=3))
def test_a_catalog_comes_back(given_streams: list[CatalogStream]) -> None:
    catalog = Catalog(tuple(given_streams))
    assert Catalog.from_json(wire(catalog.to_json())) == catalog
    assert json.dumps(catalog.to_json()) == json.dumps(Catalog.from_json(wire(catalog.to_json())).to_json())


@given(st.lists(configured, max_size=3, unique_by=lambda entry: entry.descriptor))
def test_a_configured_catalog_comes_back(entries: list[ConfiguredStream]) -> None:
    catalog = ConfiguredCatalog(tuple(entries))
    assert ConfiguredCatalog.from_json(wire(catalog.to_json())) == catalog


anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=3),
    lambda inner: st.lists(inner, max_size=3)
    | st.dictionaries(
        st.sampled_from(["streams", "stream", "name", "json_schema", "sync_mode", "cursor_field", "primary_key",
                         "namespace", "supported_sync_modes", "properties", "sync_id", "extra"]),
        inner, max_size=4,
    ),
    max_leaves=12,
)  # fmt: skip


@given(anything | st.fixed_dictionaries({"streams": st.lists(st.fixed_dictionaries({"stream": anything}) | anything)}))
def test_anything_else_is_refused_with_a_reason(value: Any) -> None:
    for kind in (Catalog, ConfiguredCatalog):
        try:
            read: Any = kind.from_json(value)
        except ConfigError as error:
            assert "catalog" in error.message
        else:
            again: Any = kind.from_json(wire(read.to_json()))  # what it adds, such as `properties`, stays
            assert again.to_json() == read.to_json()


class TestConfigured:
    issues = CatalogStream(
        "issues",
        {"properties": {"id": {}, "at": {}, "title": {}, "body": {}}},
        ("full_refresh", "incremental"),
        default_cursor_field=("at",),
        primary_key=(("id",),),
    )
    catalog = Catalog((issues, CatalogStream("users")))

    def test_is_incremental_where_it_can(self) -> None:
        modes = {stream.stream.name: stream.sync_mode for stream in self.catalog.configured().streams}
        assert modes == {"issues": "incremental", "users": "full_refresh"}
        assert {s.sync_mode for s in self.catalog.configured(full_refresh=True).streams} == {"full_refresh"}

    def test_is_whole_where_nobody_names_a_cursor(self) -> None:
        both: Any = ("full_refresh", "incremental")
        table = CatalogStream("table", supported_sync_modes=both)
        log = CatalogStream("log", supported_sync_modes=both, source_defined_cursor=True)
        feed = CatalogStream("feed", supported_sync_modes=("incremental",))
        modes = [entry.sync_mode for entry in Catalog((table, log, feed)).configured().streams]
        assert modes == ["full_refresh", "incremental", "incremental"]

    def test_of_one_name_in_several_namespaces_the_full_one_chooses(self) -> None:
        catalog = Catalog((CatalogStream("t", namespace="a"), CatalogStream("t", namespace="b")))
        assert [entry.stream.namespace for entry in catalog.configured(["a.t"]).streams] == ["a"]

    def test_names_what_there_is(self) -> None:
        with pytest.raises(ConfigError, match=r"'nope'.*issues, users"):
            self.catalog.configured(["users", "nope"])

    def test_columns_keep_key_and_cursor(self) -> None:
        (entry,) = self.catalog.configured(["issues"]).streams
        assert entry.with_columns(["title"]).selected == {"id", "at", "title"}
        with pytest.raises(ConfigError, match="'nope'"):
            entry.with_columns(["nope"])

    def test_without_properties_all_fields_are_wanted(self) -> None:
        (entry,) = self.catalog.configured(["users"]).streams
        assert entry.selected is None
