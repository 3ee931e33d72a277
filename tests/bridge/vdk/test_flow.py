"""Flows in a data job, within this process: VDK's test runner loads the named plugins and no entry points."""

from __future__ import annotations

import sqlite3
from typing import Any

import pytest

from tests.bridge.vdk.conftest import NEEDS_VDK

pytest.importorskip("vdk.plugin.test_utils", reason=NEEDS_VDK)

from vdk.plugin.data_sources import plugin_entry
from vdk.plugin.test_utils.util_funcs import cli_assert_equal
from vdk.plugin.test_utils.util_plugins import IngestIntoMemoryPlugin

from headwater.bridge.vdk import plugin
from tests.bridge.vdk.numbers_source import row

IMPORTS = """
from headwater.bridge.vdk.data_flow import DataFlowInput
from headwater.bridge.vdk.definitions import *
from headwater.bridge.vdk.errors import DefinitionError
def source(**config): return SourceDefinition("s", "numbers", {"names": ["ones"], **config})
memory = DestinationDefinition("m", "memory")
"""
START = (
    IMPORTS
    + """
def run(job_input):
    with DataFlowInput(job_input) as flow:
        flow.start(DataFlowMappingDefinition(source(), memory))
"""
)
AUTO = """
def auto(**config): return SourceDefinition("auto", "auto-generated-data", config)
"""


def flow_of(definition: str, more: str = "") -> str:
    return (
        f"{IMPORTS}{AUTO}{more}\n"
        f"def run(job_input):\n    with DataFlowInput(job_input) as flow:\n        {definition}\n"
    )


def rows(memory: IngestIntoMemoryPlugin, table: str | None = None) -> list[dict[str, Any]]:
    return [row for call in memory.payloads if table in (None, call.destination_table) for row in call.payload]


def ids(memory: IngestIntoMemoryPlugin, table: str | None = None) -> list[int]:
    return [row["id"] for row in rows(memory, table)]


@pytest.mark.parametrize("plugins", [(), (plugin,), (plugin_entry,), (plugin_entry, plugin), (plugin, plugin_entry)])
def test_a_connector_lands_whatever_plugins_were_loaded(job: Any, run: Any, plugins: Any) -> None:
    memory = IngestIntoMemoryPlugin()
    cli_assert_equal(0, run(job(START), memory, *plugins))
    assert rows(memory) == [row(n) for n in range(1, 6)]
    assert {call.destination_table for call in memory.payloads} == {"ones"}
    assert all(call.collection_id.startswith("a-job|") for call in memory.payloads)


def test_a_second_run_goes_on_where_the_first_ended(job: Any, run: Any) -> None:
    memory = IngestIntoMemoryPlugin()
    cli_assert_equal(0, run(job(START), memory))
    cli_assert_equal(0, run(job(START.replace("source()", "source(count=8)")), memory))
    assert sorted(set(ids(memory))) == [*range(1, 9)]
    assert set(run.states()) == {"s"}
    assert run.states()["s"]["destination"] == "m"
    assert set(run.states()["s"]["streams"]) == {"ones"}


@pytest.mark.parametrize("loaded", [(plugin,), (plugin_entry,)])
def test_a_data_source_of_vdk_goes_through_the_same_flow(job: Any, run: Any, loaded: Any) -> None:
    memory = IngestIntoMemoryPlugin()
    step = flow_of("flow.start(DataFlowMappingDefinition(auto(num_records=3, num_streams=2), memory))")
    for _ in range(2):
        cli_assert_equal(0, run(job(step), memory, *loaded))
    for stream in ("stream_0", "stream_1"):
        assert ids(memory, stream) == [1, 2, 3, 4, 5, 6]
    assert run.states()["auto"]["streams"] == {"stream_0": {"last_id": 6}, "stream_1": {"last_id": 6}}


def test_states_that_vdk_itself_has_kept_go_on(job: Any, run: Any) -> None:
    memory = IngestIntoMemoryPlugin()
    theirs = flow_of("flow.start(DataFlowMappingDefinition(auto(num_records=2), memory))").replace(
        "headwater.bridge.vdk.data_flow", "vdk.plugin.data_sources.mapping.data_flow"
    )
    ours = theirs.replace("vdk.plugin.data_sources.mapping.data_flow", "headwater.bridge.vdk.data_flow")
    for step in (theirs, ours, theirs, ours):
        cli_assert_equal(0, run(job(step), memory, plugin_entry))
    assert sorted(ids(memory)) == [*range(1, 9)]


def test_vdk_own_definitions_and_source_and_destination_are_taken(job: Any, run: Any) -> None:
    memory = IngestIntoMemoryPlugin()
    step = flow_of("flow.start(source(), memory)").replace(
        "headwater.bridge.vdk.definitions", "vdk.plugin.data_sources.mapping.definitions"
    )
    cli_assert_equal(0, run(job(step), memory))
    assert ids(memory) == [1, 2, 3, 4, 5]


@pytest.mark.parametrize("which", ["source(names=['stream_0'])", "auto(num_records=5)"])
def test_a_map_function_changes_drops_and_sends_elsewhere(job: Any, run: Any, which: str) -> None:
    memory = IngestIntoMemoryPlugin()
    step = flow_of(
        f"flow.start(DataFlowMappingDefinition({which}, memory, change))",
        """
from dataclasses import replace
def change(payload):
    assert payload.destination_table == "stream_0"
    if payload.data["id"] == 2:
        return None
    payload.data["new"] = sorted(payload.metadata)
    if payload.data["id"] > 3:
        return replace(payload, destination_table="high")
    return payload
""",
    )
    cli_assert_equal(0, run(job(step), memory, plugin_entry))
    assert ids(memory, "stream_0") == [1, 3]
    assert ids(memory, "high") == [4, 5]
    about = ["emitted_at", "namespace", "stream"] if which.startswith("source") else []
    assert all(r["new"] == about and not any("\0" in key for key in r) for r in rows(memory))


def test_a_toml_file_with_streams_and_columns(job: Any, run: Any) -> None:
    memory = IngestIntoMemoryPlugin()
    directory = job(
        """
        import os
        from headwater.bridge.vdk import toml_parser
        from headwater.bridge.vdk.data_flow import DataFlowInput
        def run(job_input):
            with DataFlowInput(job_input) as flow:
                flow.start_flows(
                    toml_parser.load_config(os.path.join(job_input.get_job_directory(), "flows.toml")))
        """,
        flows_toml="""
        [sources.n]
        name = "numbers"
        config = { count = 3, names = ["ones", "twos", "threes"] }
        [destinations.m]
        method = "memory"
        [[flows]]
        from = "n"
        to = "m"
        [flows.streams.twos]
        columns = ["even"]
        [flows.streams.threes]
        sync_mode = "full_refresh"
        """,
    )
    for _ in range(2):
        cli_assert_equal(0, run(directory, memory))
    assert rows(memory, "ones") == []
    assert rows(memory, "twos")[:3] == [{"id": n, "even": n % 2 == 0} for n in (1, 2, 3)]
    assert ids(memory, "threes") == [1, 2, 3, 1, 2, 3]


def test_one_source_to_two_destinations(job: Any, run: Any) -> None:
    first, second = IngestIntoMemoryPlugin(), IngestIntoMemoryPlugin("other")
    one = "flow.start(source(), memory)"
    both = one + "; flow.start(source(), DestinationDefinition('o', 'other'))"
    cli_assert_equal(0, run(job(flow_of(one)), first, second))
    cli_assert_equal(0, run(job(flow_of(both)), first, second))
    cli_assert_equal(0, run(job(flow_of(both.replace("source()", "source(count=7)"))), first, second))
    assert sorted(set(ids(first))) == sorted(set(ids(second))) == [*range(1, 8)]
    assert set(run.states()) == {"s", "s -> o"}
    assert run.states()["s"]["destination"] == "m"


@pytest.mark.parametrize("which", ["source(count=50, page=7)", "auto(num_records=50)"])
def test_headwater_sqlite_takes_records_for_other_tables(job: Any, run: Any, tmp_path: Any, which: str) -> None:
    file = tmp_path / "x.db"
    step = flow_of(
        f"flow.start(DataFlowMappingDefinition({which}, to, route))",
        f"""
from dataclasses import replace
to = DestinationDefinition("d", "headwater-sqlite", {str(file)!r})
def route(payload):
    return replace(payload, destination_table="all") if payload.data["id"] <= 50 else payload
""",
    )
    cli_assert_equal(0, run(job(step), plugin_entry))
    more = step.replace("count=50", "count=60")
    cli_assert_equal(0, run(job(more), plugin_entry))
    with sqlite3.connect(file) as database:
        all_ids = sorted(n for (n,) in database.execute('SELECT id FROM "all"'))
        name = "ones" if which.startswith("source") else "stream_0"
        own = [n for (n,) in database.execute(f"SELECT id FROM {name} ORDER BY id")]
        left = database.execute("SELECT count(*) FROM _headwater_unsettled").fetchone()
    assert all_ids == [*range(1, 51)]
    assert own == ([*range(51, 61)] if name == "ones" else [*range(51, 101)])
    assert left == (0,)
    assert run.states() is None or "streams" not in run.states().get("auto", {})
