"""Where states are kept: never half, never by two, never taken for none."""

from __future__ import annotations

import json
import multiprocessing
import os
from pathlib import Path
from typing import Any

import pytest

from headwater.bridge.sinks.sqlite import SqliteSink
from headwater.bridge.states.file import FileStates
from headwater.bridge.states.memory import MemoryStates
from headwater.bridge.states.mirrored import MirroredSink
from headwater.bridge.states.store import without
from headwater.errors import StateError
from headwater.protocol.catalog import ConfiguredCatalog
from headwater.protocol.messages import State, StreamDescriptor
from tests.bridge.fakes import global_state, state


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "folder" / "states.json"


@pytest.fixture(params=["memory", "file", "sqlite"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Any:
    if request.param == "memory":
        yield MemoryStates()
    elif request.param == "file":
        with FileStates(tmp_path / "states.json") as states:
            yield states
    else:
        sink = SqliteSink(tmp_path / "states.db")
        sink.open(ConfiguredCatalog())
        yield sink.states
        sink.close()


def test_the_newest_of_each_stream(store: Any) -> None:
    assert store.load() == []
    other = State.of_stream(StreamDescriptor("a", "x"), {"at": 9})
    store.store([state("a", 1), state("b", 1), other])
    store.store([state("a", 2)])
    assert sorted(map(repr, store.load())) == sorted(map(repr, [state("b", 1), other, state("a", 2)]))


@pytest.mark.parametrize("kind", ["GLOBAL", "LEGACY"])
def test_a_global_state_replaces_all_and_a_later_stream_state_replaces_it(store: Any, kind: str) -> None:
    store.store([state("a", 1)])
    store.store([global_state(1, kind), global_state(2, kind)])
    assert store.load() == [global_state(2, kind)]
    store.store([state("a", 3)])
    assert store.load() == [state("a", 3)]


@pytest.mark.parametrize(
    ("found", "copied", "told", "kept"),
    [
        ([state("a", 2)], [state("a", 1)], "They replace the others of the same streams.", [state("a", 2)]),
        ([state("a", 2)], [state("a", 1), state("b", 1)], "It has none of 'b': each", [state("b", 1), state("a", 2)]),
        ([], [state("b", 1)], "It has none of 'b': each", [state("b", 1)]),
        ([], [global_state(1)], "It has none of all streams: each", [global_state(1)]),
        ([state("a", 2)], [global_state(1)], "They replace the others of the same streams.", [state("a", 2)]),
    ],
)
def test_what_becomes_of_a_host_s_states_is_told(
    found: list[State],
    copied: list[State],
    told: str,
    kept: list[State],
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
) -> None:
    sink, host = SqliteSink(tmp_path / "states.db"), MemoryStates(copied)
    sink.open(ConfiguredCatalog())
    try:
        assert sink.states is not None
        sink.states.store(found)
        states = MirroredSink(sink, host).states
        assert states.load() == found
        assert host.load() == kept
        (record,) = caplog.records
        assert told in record.getMessage()
        assert ("stays, unused, until" in record.getMessage()) is (len(kept) > len(found))
        assert ("They replace" in record.getMessage()) is bool(found)
    finally:
        sink.close()


def test_replace(store: Any) -> None:
    store.store([state("a", 1), state("b", 1)])
    store.replace([state("b", 1)])
    assert store.load() == [state("b", 1)]
    store.replace([])
    assert store.load() == []


def test_without_takes_a_global_state_apart() -> None:
    both = [global_state(1, "GLOBAL", "a", "b"), global_state(1, "LEGACY"), state("a", 1), state("b", 1)]
    left = without(both, [StreamDescriptor("a")])
    assert left == [global_state(1, "GLOBAL", "b"), global_state(1, "LEGACY"), state("b", 1)]


def test_the_file_is_what_the_protocol_calls_a_state_file(path: Path) -> None:
    odd = State({**state("a", 1).raw, "unknown": {"x": 1}})
    with FileStates(path) as states:
        states.store([odd, state("b", 2)])
    assert json.loads(path.read_text()) == [odd.raw, state("b", 2).raw]
    assert path.stat().st_mode & 0o777 == 0o600
    with FileStates(path) as states:
        assert states.load() == [odd, state("b", 2)]
    assert sorted(p.name for p in path.parent.iterdir()) == ["states.json", "states.json.lock"]


def test_a_bare_object_is_a_legacy_state(path: Path) -> None:
    path.parent.mkdir()
    path.write_text('{"at": 1}')
    with FileStates(path) as states:
        assert states.load() == [global_state(1, "LEGACY")]


@pytest.mark.parametrize(
    "content",
    ["", "[", "[1]", "7", '[{"type":"STREAM"}]', '[{"type":"STREAM","stream":{"stream_descriptor":{}}}]', "\xff[]"],
)
def test_a_damaged_file_is_never_a_first_run(path: Path, content: str) -> None:
    path.parent.mkdir()
    path.write_bytes(content.encode("latin-1"))
    with FileStates(path) as states, pytest.raises(StateError, match=r"damaged.*[Rr]estore.*delete") as caught:
        states.load()
    assert str(path) in str(caught.value)
    with FileStates(path) as states, pytest.raises(StateError):
        states.store([state("a", 1)])
    assert path.read_bytes() == content.encode("latin-1")


def test_a_failing_disk_leaves_the_old_states(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(handle: int) -> None:
        raise OSError(28, "No space left on device")

    with FileStates(path) as states:
        states.store([state("a", 1)])
        monkeypatch.setattr(os, "fsync", full)
        with pytest.raises(StateError, match="No space left"):
            states.store([state("a", 2)])
        monkeypatch.undo()
        assert states.load() == [state("a", 1)]
    with FileStates(path) as states:
        assert states.load() == [state("a", 1)]
    assert not [p for p in path.parent.iterdir() if p.name.startswith(".")]


def _hold(path: Path, held: Any, done: Any) -> None:
    states = FileStates(path)
    states.load()
    held.set()
    done.wait(200)
    os.kill(os.getpid(), 9)


def test_two_syncs_on_one_file(path: Path) -> None:
    context = multiprocessing.get_context("spawn")
    held, done = context.Event(), context.Event()
    process = context.Process(target=_hold, args=(path, held, done))
    process.start()
    try:
        assert held.wait(200)
        for use in (lambda s: s.load(), lambda s: s.store([state("a", 1)])):
            with FileStates(path) as states, pytest.raises(StateError, match="Another sync is using") as caught:
                use(states)
            assert str(path) in str(caught.value)
    finally:
        done.set()
        process.join(200)
    with FileStates(path) as states:  # whoever is killed lets go
        assert states.load() == []
    with FileStates(path) as states:
        assert states.load() == []


def test_a_folder_that_cannot_be_made(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with FileStates(tmp_path / "file" / "states.json") as states, pytest.raises(StateError, match="folder"):
        states.load()
