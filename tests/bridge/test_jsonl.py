"""JSON Lines files: whole lines, on disk, under safe names."""

from __future__ import annotations

import errno
import json
import os
from pathlib import Path
from typing import Any

import pytest

from headwater.bridge import sync
from headwater.bridge.sinks import open_sink
from headwater.bridge.sinks.jsonl import JsonlSink
from headwater.bridge.sinks.memory import MemorySink
from headwater.bridge.sinks.sqlite import SqliteSink
from headwater.bridge.states.memory import MemoryStates
from headwater.errors import DestinationConfigError, DestinationError, FlowError, SourceError
from headwater.protocol.catalog import CatalogStream, ConfiguredCatalog, ConfiguredStream
from headwater.protocol.messages import Records, Status, StreamDescriptor, StreamStatus
from tests.bridge.fakes import Scripted, configured, records, state, status


def land(folder: Path, *script: Any, mode: str = "append") -> None:
    sync_mode = "full_refresh" if mode == "overwrite" else "incremental"
    sync(Scripted(*script), configured("issues", mode=mode, sync_mode=sync_mode), JsonlSink(folder), MemoryStates())


def ids(path: Path) -> list[int]:
    return [json.loads(line)["id"] for line in path.read_bytes().splitlines()]


def test_records_are_appended_as_they_came(tmp_path: Path) -> None:
    raw = Records(StreamDescriptor("issues"), [b'{"id": 1.0 ,"x":"\\u2028"}', b'{"id":2}'])
    land(tmp_path / "new" / "out", raw, status("issues"))
    land(tmp_path / "new" / "out", records("issues", 3), status("issues"))
    path = tmp_path / "new" / "out" / "issues.jsonl"
    assert path.read_bytes() == b'{"id": 1.0 ,"x":"\\u2028"}\n{"id":2}\n{"id": 3}\n'


@pytest.mark.parametrize("cut", [b"", b'{"id":7', b'{"id":7}', b"x" * 200_000])
@pytest.mark.parametrize("before", [b"", b'{"id":0}\n'])
def test_a_cut_last_line_is_removed(tmp_path: Path, before: bytes, cut: bytes) -> None:
    path = tmp_path / "issues.jsonl"
    path.write_bytes(before + cut)
    land(tmp_path, records("issues", 1), status("issues"))
    assert path.read_bytes() == before + b'{"id": 1}\n'


def test_a_full_disk_takes_nothing_of_the_batch(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    land(tmp_path, records("issues", 1), status("issues"))
    real, calls = os.fsync, []

    def full(handle: int) -> None:
        calls.append(handle)
        if len(calls) == 3:  # the file's and the folder's at the start came first
            raise OSError(errno.ENOSPC, "No space left on device")
        real(handle)

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(DestinationError, match=r"issues\.jsonl.*No space left.*Make room") as caught:
        land(tmp_path, records("issues", 2), state("issues", 2), status("issues"))
    assert caught.value.stream == "issues"
    assert ids(tmp_path / "issues.jsonl") == [1]


def test_overwrite(tmp_path: Path) -> None:
    path = tmp_path / "issues.jsonl"
    land(tmp_path, records("issues", 1), status("issues"), mode="overwrite")
    with pytest.raises(SourceError):
        land(tmp_path, records("issues", 2), SourceError("died"), mode="overwrite")
    assert ids(path) == [1]
    land(tmp_path, records("issues", 3), status("issues"), mode="overwrite")
    assert ids(path) == [3]
    land(tmp_path, status("issues"), mode="overwrite")
    assert ids(path) == []
    assert [p.name for p in tmp_path.iterdir()] == ["issues.jsonl"]


def test_names(tmp_path: Path) -> None:
    names = [
        ("issues", None), ("Issues", None), ("../../etc/passwd", None), ("a/b", None), ("a\\b", None), ("", None),
        (".", None), ("a\0b", None), ("x" * 300, None), ("x" * 301, None), ("b", "a"), ("a__b", None),
        ("_b", "a"), ("b", "a_"), ("con", None), ("ünï", None), ("new.jsonl.new", None),
    ]  # fmt: skip
    of = [StreamDescriptor(name, namespace) for name, namespace in names]
    catalog = ConfiguredCatalog(tuple(ConfiguredStream(CatalogStream(d.name, {}, namespace=d.namespace)) for d in of))
    script: list[Any] = [Records(d, [b'{"id":%d}' % i]) for i, d in enumerate(of)]
    script += [StreamStatus(d, Status.COMPLETE) for d in of]
    sync(Scripted(*script), catalog, JsonlSink(tmp_path / "out"), MemoryStates())
    files = list((tmp_path / "out").iterdir())
    assert [p.name for p in tmp_path.iterdir()] == ["out"]
    assert len({p.name.lower() for p in files}) == len(names)
    assert sorted(i for p in files for i in ids(p)) == list(range(len(names)))
    assert {"issues.jsonl", "a__b.jsonl"} <= {p.name for p in files}


def test_a_folder_that_is_a_file(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    (tmp_path / "out").write_text("")
    with pytest.raises(DestinationConfigError, match=r"out can't be written .*must be a folder"):
        land(tmp_path / "out", status("issues"))
    assert not caplog.records, "it is told once"


def test_open_sink(tmp_path: Path) -> None:
    sink = open_sink("sqlite:///x.db", flow="f", base=tmp_path)
    assert isinstance(sink, SqliteSink) and sink.path == str(tmp_path / "x.db") and sink.flow == "f"
    absolute = open_sink("jsonl:////data/out", base=tmp_path)
    assert isinstance(absolute, JsonlSink) and absolute.folder == Path("/data/out")
    assert isinstance(open_sink("memory://"), MemorySink)


@pytest.mark.parametrize("url", ["sqlite://", "sqlite:///", "out.db", "oracle://me:secret@host/db", "", "sqlite:x"])
def test_open_sink_says_what_it_knows_and_no_secret(url: str) -> None:
    with pytest.raises(FlowError, match="sqlite:///FILE") as caught:
        open_sink(url)
    assert "secret" not in str(caught.value)


def test_a_disk_that_is_full_midway_leaves_the_file_as_it_was(tmp_path: Path) -> None:
    import resource

    land(tmp_path, records("issues", 1), status("issues"))
    path = tmp_path / "issues.jsonl"
    before = path.read_bytes()
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (len(before) + 50, hard))  # what Python is told of as an error
    try:
        with pytest.raises(DestinationError, match="can't be written"):
            land(tmp_path, records("issues", *range(50)), status("issues"))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert path.read_bytes() == before
