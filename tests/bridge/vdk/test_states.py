"""States in job properties, and properties in a file."""

from __future__ import annotations

import copy
import json
import os
import threading
from pathlib import Path
from typing import Any

import pytest

from tests.bridge.vdk.conftest import NEEDS_VDK

pytest.importorskip("vdk.plugin.data_sources", reason=NEEDS_VDK)

from headwater.bridge.vdk.properties import FilePropertiesServiceClient
from headwater.bridge.vdk.states import KEY, JobStates, PropertiesStates, states_of
from headwater.errors import StateError
from headwater.protocol.messages import State, StreamDescriptor


class Properties:
    def __init__(self, **properties: Any) -> None:
        self.kept = properties
        self.writes = 0
        self.broken = False

    def get_all_properties(self) -> dict[str, Any]:
        return self.kept  # vdk-core gives its cache, not a copy

    def set_all_properties(self, properties: dict[str, Any]) -> None:
        if self.broken:
            raise ConnectionError("gone")
        self.writes += 1
        self.kept = copy.deepcopy(properties)


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def of(name: str, blob: dict[str, Any], namespace: str | None = None) -> State:
    return State.of_stream(StreamDescriptor(name, namespace), blob)


def test_the_layout_is_vdks() -> None:
    properties = Properties(other=1)
    job = JobStates(properties)
    PropertiesStates(job, "src").store([of("a", {"n": 1}), of("b", {"n": 2}, "ns")])
    job.flush()
    kept = properties.kept[KEY]["src"]["streams"]
    assert kept["a"] == {"n": 1}
    assert kept["ns.b"]["stream"]["stream_descriptor"] == {"name": "b", "namespace": "ns"}
    assert properties.kept["other"] == 1


STATES = [
    [State.of_stream(StreamDescriptor("a"), {"n": 1})],
    [of("a", {"n": 1}, "ns"), of("a", {"n": 2})],
    [State({"type": "STREAM", "stream": {"stream_descriptor": {"name": "a"}, "stream_state": {}}, "id": 7})],
    [State({"type": "STREAM", "stream": {"stream_descriptor": {"name": "a"}, "stream_state": None}})],
    [of("a", {"type": "GLOBAL", "mine": True})],
    [State({"type": "GLOBAL", "global": {"shared_state": {"lsn": 1}, "stream_states": []}, "x": [1]})],
    [State({"data": {"legacy": 1}})],
]


@pytest.mark.parametrize("states", STATES)
def test_what_is_stored_is_loaded_again(states: list[State]) -> None:
    properties = Properties()
    job = JobStates(properties)
    PropertiesStates(job, "src").store(states)
    job.flush()
    properties.kept = json.loads(json.dumps(properties.kept))
    loaded = PropertiesStates(JobStates(properties), "src").load()
    assert [state.raw for state in loaded] == [state.raw for state in states]


def test_a_global_state_replaces_all_and_a_later_stream_state_replaces_it() -> None:
    store = PropertiesStates(JobStates(Properties()), "src")
    whole = State({"type": "GLOBAL", "global": {}})
    store.store([of("a", {"n": 1}), whole])
    assert store.load() == [whole]
    store.store([of("b", {"n": 2})])
    assert store.load() == [of("b", {"n": 2})]


def test_a_record_count_is_not_worth_keeping() -> None:
    properties = Properties()
    job = JobStates(properties)
    PropertiesStates(job, "s").store([State.of_stream(StreamDescriptor("a"), {"n": 1}, record_count=5)])
    job.flush()
    assert properties.kept[KEY]["s"]["streams"] == {"a": {"n": 1}}


def test_writes_are_seldom_and_the_last_is_never_forgotten() -> None:
    clock, properties = Clock(), Properties()
    job = JobStates(properties, seconds=5, clock=clock)
    store = PropertiesStates(job, "src")
    for number in range(100):
        clock.now = number / 10
        store.store([of("a", {"n": number})])
    assert properties.writes == 2
    job.flush()
    job.flush()
    assert properties.writes == 3
    assert properties.kept[KEY]["src"]["streams"]["a"] == {"n": 99}


def test_a_failed_write_is_told_and_tried_again() -> None:
    properties = Properties()
    properties.broken = True
    job = JobStates(properties)
    store = PropertiesStates(job, "src")
    with pytest.raises(StateError, match="gone"):
        store.store([of("a", {"n": 1})])
    properties.broken = False
    job.flush()
    assert properties.kept[KEY]["src"]["streams"] == {"a": {"n": 1}}


@pytest.mark.parametrize("kept", [{KEY: []}, {KEY: {"src": "x"}}])
def test_what_is_not_a_state_is_no_first_run(kept: dict[str, Any]) -> None:
    with pytest.raises(StateError, match="object"):
        PropertiesStates(JobStates(Properties(**kept)), "src").load()


def test_a_destination_that_comes_later_starts_at_the_beginning() -> None:
    properties = Properties(**{KEY: {"src": {"streams": {"a": {"n": 1}}}}})  # as VDK has left it
    job = JobStates(properties)
    assert job.claim("src", "first") == "src"
    assert PropertiesStates(job, "src").load() == [of("a", {"n": 1})]
    other = job.claim("src", "second")
    assert PropertiesStates(job, other).load() == []
    job.flush()
    again = JobStates(properties)
    assert (again.claim("src", "second"), again.claim("src", "first")) == (other, "src")


def test_flows_side_by_side_lose_no_update() -> None:
    properties = Properties()
    job = JobStates(properties, seconds=0)

    def work(source: int) -> None:
        for number in range(50):
            PropertiesStates(job, f"s{source % 3}").store([of(f"t{source}", {"n": number})])

    threads = [threading.Thread(target=work, args=(n,)) for n in range(9)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    job.flush()
    found = properties.kept[KEY]
    assert {name: blob for entry in found.values() for name, blob in entry["streams"].items()} == {
        f"t{n}": {"n": 49} for n in range(9)
    }


def test_one_job_input_has_one_store() -> None:
    properties = Properties()
    assert states_of(properties) is states_of(properties)


def test_a_file_keeps_properties(tmp_path: Path) -> None:
    client = FilePropertiesServiceClient(tmp_path / "deep" / "p.json")
    assert client.read_properties("j", "t") == {}
    client.write_properties("j", "t", {"a": [1, {"b": None}]})
    assert client.read_properties("j", "t") == {"a": [1, {"b": None}]}
    assert os.listdir(tmp_path / "deep") == ["p.json"]


def test_a_failed_write_leaves_the_old_file(tmp_path: Path) -> None:
    client = FilePropertiesServiceClient(tmp_path / "p.json")
    client.write_properties("j", "t", {"a": 1})
    with pytest.raises(StateError, match=r"p\.json"):
        client.write_properties("j", "t", {"a": object()})
    assert client.read_properties("j", "t") == {"a": 1}
    assert os.listdir(tmp_path) == ["p.json"]


@pytest.mark.parametrize("content", [b"", b"[]", b'{"a":', b"\xff"])
def test_a_damaged_file_is_no_first_run(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "p.json").write_bytes(content)
    with pytest.raises(StateError, match=r"p\.json"):
        FilePropertiesServiceClient(tmp_path / "p.json").read_properties("j", "t")
