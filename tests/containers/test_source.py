"""A connector in an image, as a class: asked, read, changed, landed."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from headwater.bridge import Batch, sync
from headwater.bridge.foreign import DockerSource, open_source
from headwater.bridge.runners import DockerRunner
from headwater.bridge.runners.docker_engine import OWNER, owner
from headwater.bridge.sinks.memory import MemorySink
from headwater.bridge.states.memory import MemoryStates
from headwater.errors import ConfigError, ForeignError, HeadwaterError
from headwater.protocol.catalog import CatalogStream, ConfiguredCatalog, ConfiguredStream
from headwater.protocol.messages import State, StreamDescriptor
from tests.pressure import settled, used

if TYPE_CHECKING:
    from docker import DockerClient

A = CatalogStream("a", {}, ("full_refresh", "incremental"))
CATALOG = ConfiguredCatalog((ConfiguredStream(A, "incremental"),))
NASTY = Path(__file__).parents[1] / "bridge" / "foreign"


@pytest.fixture
def nasty(base: str, nothing_left: None) -> Any:
    """Makes a class of the misbehaving connector in a container."""

    def make(way: str, **more: Any) -> type[DockerSource]:
        facts = {
            "image": base,
            "entrypoint": ("python3", "/kit/nasty.py", way),
            "mounts": (f"{NASTY}:/kit:ro",),
            "environment": {"PYTHONDONTWRITEBYTECODE": "1"},
            **more,
        }
        return type("Nasty", (DockerSource,), facts)

    return make


def landed(source: DockerSource) -> tuple[list[int], Any, HeadwaterError | None]:
    """The rows' ids, the state, and the error of a sync."""
    sink, states = MemorySink(), MemoryStates()
    error = None
    try:
        sync(source, CATALOG, sink, states)
    except HeadwaterError as failed:
        error = failed
    found = [state.stream_state for state in states.load() if state.stream == StreamDescriptor("a")]
    return [row["id"] for row in sink.rows.get("a", [])], found[0] if found else None, error


def test_the_four_commands(nasty: Any) -> None:
    source = nasty("well").from_config({"token": "s3cret-token"})
    assert source.spec().raw["new"] == 1
    source.check()
    assert [stream.name for stream in source.discover().streams] == ["a", "b"]
    assert landed(source) == ([1, 2, 3], {"at": 3}, None)
    with pytest.raises(ConfigError, match="not with"):
        nasty("refused").from_config({}).check()


def test_a_subclass_changes_records(nasty: Any) -> None:
    def transform(self: object, stream: StreamDescriptor, record: dict[str, Any]) -> Mapping[str, Any] | None:
        return None if record["id"] == 2 else {**record, "id": record["id"] * 10}

    source = type("Changed", (nasty("well"),), {"transform": transform})
    assert landed(source.from_config({}))[0] == [10, 30]


def test_what_it_is_given_is_in_files_and_nowhere_else(nasty: Any) -> None:
    source = nasty("files").from_config({"token": "s3cret-token"})
    sink = MemorySink()
    sync(source, CATALOG, sink, MemoryStates())
    (row,) = sink.rows["a"]
    assert row["given"]["--config"] == {"token": "s3cret-token"}
    assert "s3cret" not in str(row["argv"]) + str(row["environ"])


@pytest.mark.parametrize(
    ("way", "options", "words"),
    [
        ("killed", {}, "SIGKILL"),
        ("fail", {}, "exit code 3"),
        ("hang", {"silence": 15}, "wrote nothing for 15 seconds"),
        ("cut", {}, ""),
        ("incomplete", {}, ""),
    ],
)
def test_one_that_fails_is_told_and_what_was_safe_stays(
    nasty: Any, way: str, options: dict[str, Any], words: str
) -> None:
    rows, state, error = landed(nasty(way, **options).from_config({"token": "s3cret-token"}))
    assert rows == [1, 2, 3]
    assert state == {"at": 2}
    assert words in str(error)
    assert error is not None
    assert "s3cret" not in str(error)


def test_a_destination_that_sleeps_holds_the_container_up(nasty: Any, client: DockerClient, tmp_path: Path) -> None:
    """Neither our memory nor the engine's disk grows meanwhile."""
    count = tmp_path / "count"
    count.mkdir()
    count.chmod(0o777)
    facts = {"PYTHONDONTWRITEBYTECODE": "1", "PIDS": "/count/written"}
    mounts = (f"{NASTY}:/kit:ro", f"{count}:/count")
    seen: dict[str, int] = {}

    class Enough(Exception):
        pass

    class Slow(MemorySink):
        def write(self, batch: Batch, covered: Sequence[State]) -> None:
            before = used()
            seen["written"] = 1000 * settled(count / "written")
            seen["grown"] = used() - before
            (container,) = client.api.containers(filters={"label": f"{OWNER}={owner()}"})
            logs = Path(client.info()["DockerRootDir"]) / "containers" / container["Id"]
            seen["logged"] = sum(path.stat().st_size for path in logs.rglob("*") if path.is_file())
            raise Enough

    with pytest.raises(HeadwaterError, match="Enough"):
        source = nasty("slow", environment=facts, mounts=mounts).from_config({})
        sync(source, CATALOG, Slow(), MemoryStates(), batch_bytes=2**20)
    assert 2**20 < seen["written"] < 20 * 2**20
    assert seen["grown"] < 20 * 2**20
    assert seen["logged"] < 2**20


def test_a_tap_in_an_image_may_rewrite_its_config(base: str, nothing_left: None) -> None:
    class Tap(DockerSource):
        protocol = "singer"
        image = base
        entrypoint = ("python3", "/kit/tap.py", "rotates")
        mounts = (f"{NASTY}:/kit:ro",)

    source = Tap({"token": "s3cret-0"})
    kept: list[Any] = []
    source.keep = kept.append
    assert [stream.name for stream in source.discover().streams] == ["orders", "people"]
    assert kept == [{"token": "renewed-1"}]


def test_a_tap_is_read_as_a_flow_says(base: str, nothing_left: None) -> None:
    settings = {"image": base, "entrypoint": ["python3", "/kit/tap.py", "usual"], "mounts": [f"{NASTY}:/kit:ro"]}
    source = open_source({**settings, "protocol": "singer"}, {"token": "s3cret"})
    sink = MemorySink()
    sync(source, source.discover().configured(["orders"]), sink, MemoryStates())
    assert [row["id"] for row in sink.rows["orders"]] == [1, 2, 3]


def test_a_link_in_the_place_of_a_file_is_not_followed(base: str, nothing_left: None) -> None:
    code = "import os\nos.remove('/headwater/a'); os.symlink('/etc/passwd', '/headwater/a'); print('done')"
    runner = DockerRunner(base, entrypoint=["python3", "-c", code], writable_files=True, user=f"{os.getuid()}")
    with closing(runner.start([], {"a": b""})) as process:
        assert process.read() == b"done\n"
        with pytest.raises(ForeignError, match="can't be read any more"):
            process.file("a")


def test_an_image_must_be_named() -> None:
    with pytest.raises(ConfigError, match="No image is named"):
        DockerSource.from_config({}).check()
