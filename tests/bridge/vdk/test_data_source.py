"""Connectors under the unmodified vdk-data-sources plugin."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from tests.bridge.vdk.conftest import NEEDS_VDK

pytest.importorskip("vdk.plugin.test_utils", reason=NEEDS_VDK)

from vdk.plugin.data_sources.state import (
    DataSourceStateFactory,
    InMemoryDataSourceStateStorage,
)
from vdk.plugin.test_utils.util_funcs import cli_assert_equal
from vdk.plugin.test_utils.util_plugins import IngestIntoMemoryPlugin

from headwater import registry
from headwater.bridge.vdk import plugin
from headwater.bridge.vdk.data_source import ConnectorDataSource, data_source_class
from headwater.bridge.vdk.ingester import DataSourceIngester
from headwater.errors import ConfigError
from headwater.protocol.catalog import Catalog, CatalogStream, ConfiguredCatalog
from headwater.protocol.messages import Records, Spec, State, Status, StreamStatus
from tests.bridge.vdk.numbers_source import row
from tests.bridge.vdk.test_flow import flow_of, ids, rows
from tests.bridge.vdk.test_ingester import JobInput

THEIRS = {
    "headwater.bridge.vdk.data_flow": "vdk.plugin.data_sources.mapping.data_flow",
    "headwater.bridge.vdk.definitions": "vdk.plugin.data_sources.mapping.definitions",
}


def theirs(step: str) -> str:
    for ours, vdks in THEIRS.items():
        step = step.replace(ours, vdks)
    return step


def test_vdk_reads_a_connector_and_goes_on_where_it_was(job: Any, run: Any) -> None:
    memory = IngestIntoMemoryPlugin()
    step = flow_of("flow.start(DataFlowMappingDefinition(source(count=N, names=[f's{i}' for i in range(12)]), memory))")
    cli_assert_equal(0, run(job(theirs(step.replace("N,", "3,"))), memory, plugin))
    cli_assert_equal(0, run(job(theirs(step.replace("N,", "6,"))), memory, plugin))
    for number in range(12):
        assert sorted(set(ids(memory, f"s{number}"))) == [1, 2, 3, 4, 5, 6]
    assert row(6) in rows(memory, "s0")


def test_from_vdks_flow_to_ours_and_back(job: Any, run: Any) -> None:
    memory = IngestIntoMemoryPlugin()
    for number in (3, 6, 9, 12):
        step = flow_of(f"flow.start(DataFlowMappingDefinition(source(count={number}), memory))")
        memory.payloads.clear()
        cli_assert_equal(0, run(job(step if number % 2 else theirs(step)), memory, plugin))
        assert set(ids(memory)) <= set(range(number - 3, number + 1))


def connected(config: dict[str, Any], state: Any = None) -> ConnectorDataSource:
    source = data_source_class("numbers")()
    source.configure(config)
    source.connect(state or new_state())
    return source


def new_state() -> Any:
    return DataSourceStateFactory(InMemoryDataSourceStateStorage()).get_data_source_state("id")


def test_a_state_rides_on_the_last_record_that_it_covers(installed: Path) -> None:
    source = connected({"count": 3, "page": 2})
    assert [stream.name() for stream in source.streams()] == ["ones", "twos"]
    payloads = list(source.streams()[0].read())
    assert [p.data["id"] for p in payloads if p.data] == [1, 2, 3]
    assert next(p.data and p.data["id"] for p in payloads if p.state) == 2
    assert payloads[-1].state
    first = payloads[0]
    assert first.destination_table == "ones"
    assert first.metadata["stream"] == "ones" and first.metadata["namespace"] is None
    assert isinstance(first.metadata["emitted_at"], datetime)
    source.disconnect()
    assert source.streams() == []


def test_a_failure_is_raised_without_secrets(installed: Path) -> None:
    config = {"api_key": "hunter2", "fail": {"ones": "broken", "twos": "config"}}
    source = connected(config)
    read: list[Any] = []
    with pytest.raises(Exception) as caught:
        for payload in source.streams()[0].read():
            read.append(payload)
    error: BaseException | None = caught.value
    while error is not None:
        assert "hunter2" not in f"{error!r}{error}"
        error = error.__cause__
    assert len(read) == 2
    with pytest.raises(ConfigError, match="no permission"):
        list(source.streams()[1].read())


def test_a_wrong_setting_is_told_on_connecting(installed: Path) -> None:
    with pytest.raises(ConfigError, match="count"):
        connected({"count": "many"})


def test_our_ingester_reads_it_too(installed: Path) -> None:
    job = JobInput()
    for count in (3, 5):
        source = data_source_class("numbers")()
        source.configure({"count": count, "names": ["ones"]})
        ingester = DataSourceIngester(job)
        ingester.start_ingestion("id", source)
        ingester.terminate_and_wait_to_finish()
        ingester.raise_on_error()
    assert sorted({sent[2]["id"] for sent in job.sent}) == [1, 2, 3, 4, 5]
    assert len(job.sent) <= 6


@pytest.fixture
def factory_of(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Makes a class an installed connector."""

    def make(name: str, connector: Any) -> None:
        monkeypatch.setattr(registry, "names", lambda: [name])
        monkeypatch.setattr(registry, "find", lambda wanted: connector)

    return make


class GlobalSource:
    """A source with one state for all of its streams."""

    name = "global"

    @classmethod
    def from_config(cls, config: Any) -> GlobalSource:
        return cls()

    @classmethod
    def spec(cls) -> Spec:
        return Spec({"connectionSpecification": {}})

    def discover(self) -> Catalog:
        return Catalog(tuple(CatalogStream(name, {}, ("incremental",)) for name in ("a", "b")))

    def read(self, catalog: ConfiguredCatalog, state: Any = ()) -> Iterator[Any]:
        start = state[0].raw["global"]["shared_state"]["n"] if state else 0
        for stream in catalog.streams:
            for number in range(start + 1, start + 3):
                yield Records(stream.descriptor, [b'{"n":%d}' % number])
            yield StreamStatus(stream.descriptor, Status.COMPLETE)
        yield State({"type": "GLOBAL", "global": {"shared_state": {"n": start + 2}, "stream_states": []}})


def test_a_state_of_all_streams_is_kept_for_each_reader_of_one() -> None:
    cls = type("Source", (ConnectorDataSource,), {"connector": GlobalSource})
    state = new_state()
    state.update_others("airbyte", {"type": "GLOBAL", "global": {"shared_state": {"n": 10}, "stream_states": []}})
    seen = []
    for _ in range(2):
        source = cls()
        source.configure({})
        source.connect(state)
        for stream in source.streams():
            for payload in stream.read():
                seen.append((stream.name(), payload.data["n"]))
                if payload.state:
                    state.update_stream(stream.name(), payload.state)
    assert seen == [
        *[("a", 11), ("a", 12), ("b", 11), ("b", 12)],
        *[("a", 13), ("a", 14), ("b", 13), ("b", 14)],
    ]


def test_a_state_of_all_streams_in_our_own_flow(run: Any, job: Any, factory_of: Any) -> None:
    factory_of("global", GlobalSource)
    memory = IngestIntoMemoryPlugin()
    step = flow_of("flow.start(SourceDefinition('g', 'global'), memory)")
    for _ in range(2):
        cli_assert_equal(0, run(job(step), memory))
    assert [(call.destination_table, [r["n"] for r in call.payload]) for call in memory.payloads] == [
        ("a", [1, 2]),
        ("b", [1, 2]),
        ("a", [3, 4]),
        ("b", [3, 4]),
    ]
    assert run.states()["g"]["others"]["airbyte"]["global"]["shared_state"] == {"n": 4}
