"""Connectors that misbehave: each gets its own clear error, what was safe stays, nothing hangs or leaks."""

from __future__ import annotations

import gc
import os
import resource
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from headwater.bridge import Batch, SyncResult, sync
from headwater.bridge.foreign import CommandSource, ForeignSource
from headwater.bridge.foreign.talk import secrets_by_name
from headwater.bridge.runners import CommandRunner
from headwater.bridge.sinks.memory import MemorySink
from headwater.bridge.states.memory import MemoryStates
from headwater.errors import ConfigError, ForeignError, HeadwaterError, IncompleteError
from headwater.protocol.catalog import CatalogStream, ConfiguredCatalog, ConfiguredStream
from headwater.protocol.messages import Records, State, StreamDescriptor

NASTY = Path(__file__).with_name("nasty.py")
CONFIG = {"token": "s3cret-token"}


@pytest.fixture(autouse=True)
def _leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """No private folder, no thread and no open file is left by any of it."""
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    gc.collect()
    before = set(os.listdir("/proc/self/fd"))
    yield
    assert [path for path in tmp_path.glob("headwater-*/*") if path.name != ".lock"] == []
    end = time.monotonic() + 20
    while time.monotonic() < end and any(t.name == "headwater-stderr" for t in threading.enumerate()):
        time.sleep(0.05)
    assert [t.name for t in threading.enumerate() if t.name == "headwater-stderr"] == []
    assert len(set(os.listdir("/proc/self/fd")) - before) <= 1  # the listing's own


def configured(*names: str) -> ConfiguredCatalog:
    """Streams of which all fields are wanted, read incrementally."""
    streams = [CatalogStream(name, {}, ("full_refresh", "incremental")) for name in names]
    return ConfiguredCatalog(tuple(ConfiguredStream(stream, "incremental") for stream in streams))


def nasty(way: str, silence: float = 60.0, **environment: str) -> ForeignSource:
    runner = CommandRunner([sys.executable, str(NASTY), way], silence=silence, environment=environment, title="nasty")
    return ForeignSource(CONFIG, runner=runner)


class Landed:
    """A sync of a nasty connector: what landed, which states are stored, what was raised."""

    def __init__(
        self, source: ForeignSource, catalog: ConfiguredCatalog | None = None, start: Sequence[State] = ()
    ) -> None:
        self.sink, self.states = MemorySink(), MemoryStates()
        self.states.store(start)
        self.error: HeadwaterError | None = None
        self.result: SyncResult | None = None
        self.configs: list[Any] = []
        try:
            catalog = catalog or configured("a")
            self.result = sync(source, catalog, self.sink, self.states, control=self.configs.append)
        except HeadwaterError as error:
            self.error = error

    @property
    def ids(self) -> list[int]:
        return [row["id"] for row in self.sink.rows.get("a", [])]

    @property
    def at(self) -> int | None:
        """The stored state."""
        found = [state.stream_state for state in self.states.load() if state.stream == StreamDescriptor("a")]
        return found[0]["at"] if found and found[0] else None

    def failed(self, kind: type[HeadwaterError], *words: str) -> None:
        assert isinstance(self.error, kind), self.error
        text = str(self.error)
        assert all(word in text for word in words), text
        assert "s3cret" not in text + str(self.error.internal)
        assert self.ids == [1, 2, 3]
        assert self.at == 2


def test_one_that_behaves() -> None:
    landed = Landed(nasty("well"))
    assert landed.error is None
    assert landed.ids == [1, 2, 3]
    (state,) = landed.states.load()
    assert state.raw["id"] == 3
    assert state.raw["unknown"] == {"kept": [True]}


def test_noise_between_messages_goes_to_the_log(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("DEBUG")
    landed = Landed(nasty("noise"))
    assert landed.error is None
    assert landed.ids == [1, 2, 3]
    assert landed.at == 3
    assert "Downloading: 100%" in caplog.text
    assert "hello" in caplog.text


def test_a_flood_of_noise_is_counted_instead(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("DEBUG")
    landed = Landed(nasty("flood_of_noise"))
    assert landed.error is None
    assert landed.at == 3
    assert "(199900 more lines that are no messages are left out)" in caplog.text
    assert len(caplog.records) < 300


@pytest.mark.parametrize("way", ["crlf", "separators", "values", "huge"])
def test_lines_of_every_kind_are_read(way: str) -> None:
    landed = Landed(nasty(way))
    assert landed.error is None
    assert landed.ids == [1, 2, 3, 4]
    assert landed.at == 4
    row = landed.sink.rows["a"][-1]
    if way == "separators":
        assert row["text"] == "a\u2028b\u2029c\x85d"
    if way == "values":
        assert (row["x"], row["y"], row["z"]) == (None, "\ufffd", "\ufffd")
    if way == "huge":
        assert len(row["text"]) == 64 * 2**20


def test_a_line_without_end() -> None:
    Landed(nasty("endless_line")).failed(ForeignError, "a line of more than 256 MiB")


def test_a_last_line_that_is_cut_off() -> None:
    Landed(nasty("cut")).failed(ForeignError, "ended with exit code 0, but its output is not whole", "cut off")


def test_a_last_line_that_is_cut_off_by_a_kill() -> None:
    Landed(nasty("cut_and_fail")).failed(ForeignError, "SIGKILL", "Its last line was cut off")


def test_a_last_line_without_its_end_is_whole() -> None:
    landed = Landed(nasty("no_last_newline"))
    assert landed.error is None
    assert landed.at == 3


def test_a_flood_on_standard_error(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("DEBUG")
    landed = Landed(nasty("flood_on_stderr"))
    assert landed.error is None
    assert landed.at == 3
    assert "warning 0" in caplog.text
    assert "lines of standard error are left out" in caplog.text


def test_one_that_hangs() -> None:
    Landed(nasty("hang", silence=8)).failed(ForeignError, "nasty wrote nothing for 8 seconds, so it was ended")


def test_one_that_hangs_and_ignores_sigterm(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("headwater.bridge.runners.command.CommandProcess.stop.__defaults__", (0.5,), raising=False)
    Landed(nasty("hang_ignoring_sigterm", silence=8)).failed(ForeignError, "wrote nothing for 8 seconds")


def test_one_that_leaves_children_behind(tmp_path: Path) -> None:
    pids = tmp_path / "pids"
    landed = Landed(nasty("fork", PIDS=str(pids)))
    assert landed.error is None
    assert landed.ids == [1, 2, 3]
    end = time.monotonic() + 20
    while time.monotonic() < end and _runs(int(pids.read_text())):
        time.sleep(0.05)
    assert not _runs(int(pids.read_text()))


def _runs(pid: int) -> bool:
    with suppress(FileNotFoundError):
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    return False


@pytest.mark.parametrize("way", ["incomplete", "never_complete"])
def test_exit_0_with_an_incomplete_stream(way: str) -> None:
    landed = Landed(nasty(way))
    landed.failed(IncompleteError, "Stream 'a' is incomplete", "exit code 0", "never COMPLETE")


def test_exit_0_with_a_stream_of_which_nothing_was_said() -> None:
    landed = Landed(nasty("half_told"), configured("a", "b"))
    assert isinstance(landed.error, IncompleteError)
    assert list(landed.error.errors) == ["b"]
    assert landed.at == 3


def test_exit_1_after_complete() -> None:
    landed = Landed(nasty("fail_late"))
    assert isinstance(landed.error, ForeignError)
    assert "exit code 1 after it had said that all streams are complete" in str(landed.error)
    assert "Traceback: it broke with ****" in str(landed.error)
    assert landed.ids == [1, 2, 3]
    assert landed.at == 3


def test_exit_with_its_last_words_but_without_secrets() -> None:
    Landed(nasty("fail")).failed(ForeignError, "exit code 3", "'a'", "CRITICAL the API said no to ****")


def test_killed() -> None:
    Landed(nasty("killed")).failed(ForeignError, "SIGKILL", "out of memory")


def test_an_error_that_was_told_says_whose_turn_it_is() -> None:
    landed = Landed(nasty("told_error"))
    landed.failed(IncompleteError, "The token **** is wrong.")
    assert landed.error is not None
    assert landed.error.failure_type == "config_error"


def test_an_error_that_was_told_counts_with_exit_0_too() -> None:
    landed = Landed(nasty("told_error_and_zero"))
    assert isinstance(landed.error, IncompleteError)
    assert "It is broken." in str(landed.error)


def test_one_that_never_writes_a_state(caplog: pytest.LogCaptureFixture) -> None:
    landed = Landed(nasty("no_state"))
    assert landed.error is None
    assert landed.ids == [1, 2]
    assert landed.states.load() == []
    assert "gave records but no state, so the next run reads them again" in caplog.text


def test_an_old_one_without_statuses_and_with_a_legacy_state() -> None:
    landed = Landed(nasty("old"))
    assert landed.error is None
    assert [state.raw for state in landed.states.load()] == [{"data": {"at": 2}}]


def test_a_record_that_can_t_be_read_is_not_lost() -> None:
    Landed(nasty("broken_record")).failed(ForeignError, "a record that can't be read")


def test_a_state_that_can_t_be_read_is_passed_over() -> None:
    landed = Landed(nasty("broken_state"))
    assert landed.error is None
    assert landed.at == 3


def test_records_of_a_stream_that_was_not_asked_for() -> None:
    Landed(nasty("unknown_stream")).failed(ForeignError, "'zzz', which was not asked for")


def test_records_after_complete() -> None:
    landed = Landed(nasty("after_complete"))
    assert isinstance(landed.error, ForeignError)
    assert "after it had said that the stream is complete" in str(landed.error)
    assert landed.ids == [1, 2, 3]


def test_a_config_that_the_connector_changes() -> None:
    source = nasty("control")
    kept: list[Any] = []
    source.keep = kept.append
    landed = Landed(source)
    assert landed.error is None
    assert landed.configs == kept == [{"token": "renewed"}]
    assert source.config == {"token": "renewed"}
    source.check()
    assert len(kept) == 2


@pytest.mark.parametrize("state", ['{"type":"STREAM"}', '{"type":"STREAM","stream":{"stream_descriptor":{}}}'])
def test_a_state_of_a_wrong_shape_is_passed_over(state: str) -> None:
    landed = Landed(nasty("odd_state", STATE=state))
    assert landed.error is None
    assert landed.at == 3


def test_estimates_reach_the_result() -> None:
    landed = Landed(nasty("estimates"))
    assert landed.result is not None
    estimate = landed.result.streams[StreamDescriptor("a")].estimate
    assert estimate is not None
    assert estimate.rows == 30


def test_a_slow_destination_holds_the_connector_up(tmp_path: Path) -> None:
    count = tmp_path / "count"

    class Enough(Exception):
        pass

    class Slow(MemorySink):
        def write(self, batch: Batch, covered: Sequence[State]) -> None:
            time.sleep(2)
            before = int(count.read_text())
            time.sleep(2)
            assert int(count.read_text()) - before < 300
            raise Enough

    with pytest.raises(HeadwaterError, match="Enough"):
        sync(nasty("slow", PIDS=str(count)), configured("a"), Slow(), MemoryStates(), batch_bytes=2**20)
    assert int(count.read_text()) < 20_000


def _resident() -> int:
    """Bytes of memory that this process uses now."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize()


def test_memory_does_not_grow_with_the_data() -> None:
    class Nothing(MemorySink):
        landed, peak = 0, 0

        def write(self, batch: Batch, covered: Sequence[State]) -> None:
            self.landed += len(batch)
            self.peak = max(self.peak, _resident())

    sink = Nothing()
    before = _resident()
    sync(nasty("many"), configured("a"), sink, MemoryStates(), batch_bytes=2**20)
    assert sink.landed == 300_000  # 180 MB
    assert sink.peak - before < 60 * 2**20


# --- the other commands --------------------------------------------------------------------------------------


def test_spec_check_and_discover() -> None:
    source = nasty("well")
    assert source.spec().raw["new"] == 1
    source.check()
    catalog = source.discover()
    assert [stream.name for stream in catalog.streams] == ["a", "b"]
    assert catalog.streams[0].extra == {"new": 2}


def test_check_says_no_in_the_connector_s_words() -> None:
    with pytest.raises(ConfigError, match=r"not with \*\*\*\*"):
        nasty("refused").check()


@pytest.mark.parametrize("command", ["spec", "check", "discover"])
@pytest.mark.parametrize(
    ("way", "kind", "words"),
    [
        ("nothing", ForeignError, "ended with exit code 0 and did not tell"),
        ("fail", ForeignError, r"exit code 2 and did not tell .* CRITICAL no \*\*\*\* here"),
        ("told_error", ConfigError, r"The token \*\*\*\* is wrong"),
    ],
)
def test_no_answer(command: str, way: str, kind: type[Exception], words: str) -> None:
    with pytest.raises(kind, match=words):
        getattr(nasty(way), command)()


def test_a_hanging_check() -> None:
    with pytest.raises(ForeignError, match="wrote nothing for 2 seconds"):
        nasty("hang", silence=2).check()


def test_a_catalog_that_is_wrong() -> None:
    with pytest.raises(ForeignError, match=r"offers something wrong: .*no name"):
        nasty("bad_catalog").discover()


# --- what the connector is given ---------------------------------------------------------------------------------


def test_config_catalog_and_state_are_files_and_nothing_else() -> None:
    start = [
        State({"type": "STREAM", "stream": {"stream_descriptor": {"name": "a"}, "stream_state": {"at": 1}}, "id": 5})
    ]
    landed = Landed(nasty("files"), start=start)
    (row,) = landed.sink.rows["a"]
    assert row["given"]["--config"] == CONFIG
    assert row["given"]["--state"] == [state.raw for state in start]
    (stream,) = row["given"]["--catalog"]["streams"]
    assert (stream["generation_id"], stream["minimum_generation_id"], stream["sync_mode"]) == (0, 0, "incremental")
    assert "s3cret" not in str(row["argv"]) + str(row["environ"])


@pytest.mark.parametrize(
    ("state", "given"),
    [
        ({"type": "LEGACY", "data": {"at": 1}, "id": 2}, {"at": 1}),
        ({"data": {"at": 1}}, {"at": 1}),
        ({"type": "GLOBAL", "global": {"shared_state": {"at": 1}, "stream_states": [], "new": 1}, "id": 2}, None),
    ],
)
def test_states_of_every_type_are_given_back(state: Any, given: Any) -> None:
    landed = Landed(nasty("files"), start=[State(state)])
    assert landed.sink.rows["a"][0]["given"]["--state"] == (given or [state])


def test_without_states_there_is_no_state_file() -> None:
    assert "--state" not in Landed(nasty("files")).sink.rows["a"][0]["argv"]


def test_fields_that_are_not_selected_do_not_arrive() -> None:
    source = nasty("separators")
    stream = source.discover().configured(["a"]).streams[0]
    every = [m for m in source.read(ConfiguredCatalog((stream,))) if isinstance(m, Records)]
    assert "text" in every[-1].rows()[-1]
    some = ConfiguredCatalog((stream.with_columns(["id"]),))
    read = [m for m in source.read(some) if isinstance(m, Records)]
    assert [row for m in read for row in m.rows()] == [{"id": 1}, {"id": 2}, {"id": 3}, {"id": 4}]


def test_a_class_with_a_transform() -> None:
    class Shop(CommandSource):
        command = [sys.executable, str(NASTY), "well"]

        def transform(self, stream: StreamDescriptor, record: dict[str, Any]) -> dict[str, Any] | None:
            return None if record["id"] == 2 else {**record, "shop": str(stream)}

    landed = Landed(Shop.from_config(CONFIG))
    assert landed.error is None
    assert landed.sink.rows["a"] == [{"id": 1, "shop": "a"}, {"id": 3, "shop": "a"}]


def test_a_source_without_a_runner() -> None:
    with pytest.raises(ConfigError, match="give it a runner"):
        ForeignSource({}).check()


def test_an_unknown_protocol() -> None:
    source: Callable[[], Any] = ForeignSource({}, runner=CommandRunner("true"), protocol="smoke").check
    with pytest.raises(ConfigError, match="'smoke' is not known"):
        source()


def test_what_counts_as_a_secret_for_want_of_a_spec() -> None:
    config = {
        "access_token": "aaaa",
        "options": [{"ApiKey": {"x": "bbbb"}}, {"primary_keys": ["project_id"], "author": "somebody"}],
        "url": "postgres://me:cccc@host/db",
        "password": "abc",
        "port_key": 1234,
    }
    assert list(secrets_by_name(config)) == ["aaaa", "bbbb", "cccc"]
