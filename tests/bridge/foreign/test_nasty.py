"""Connectors that misbehave: each gets its own clear error, what was safe stays, nothing hangs or leaks."""

from __future__ import annotations

import sys
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from headwater.bridge import Batch, sync
from headwater.bridge.foreign import CommandSource
from headwater.bridge.runners import CommandRunner
from headwater.bridge.sinks.memory import MemorySink
from headwater.bridge.states.memory import MemoryStates
from headwater.errors import ForeignError, HeadwaterError, IncompleteError
from headwater.protocol.catalog import ConfiguredCatalog
from headwater.protocol.messages import State, StreamDescriptor
from tests.bridge.foreign.landed import Landed, configured, leaves_nothing, nasty
from tests.pressure import settled, used

__all__ = ["leaves_nothing"]
pytestmark = pytest.mark.usefixtures("leaves_nothing")


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


def test_no_part_of_a_secret_is_left_where_a_line_is_cut(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("DEBUG")
    secret = "correct-horse-battery-staple"
    code = f"""
import sys
print("x" * 490 + {secret!r})
sys.stderr.write("y" * 4080 + {secret!r} + chr(10))
"""
    source = CommandSource({"password": secret}, runner=CommandRunner([sys.executable, "-c", code]))
    Landed(source)
    assert "x" * 480 in caplog.text
    assert "y" * 4000 in caplog.text
    assert "correct" not in caplog.text


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
    Landed(nasty("hang", silence=12)).failed(ForeignError, "nasty wrote nothing for 12 seconds, so it was ended")


def test_one_that_hangs_and_ignores_sigterm(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("headwater.bridge.runners.command.CommandProcess.stop.__defaults__", (0.5,), raising=False)
    Landed(nasty("hang_ignoring_sigterm", silence=12)).failed(ForeignError, "wrote nothing for 12 seconds")


def test_one_that_leaves_children_behind(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    pids = tmp_path / "pids"
    landed = Landed(nasty("fork", PIDS=str(pids)))
    assert landed.error is None
    assert landed.ids == [1, 2, 3]
    end = time.monotonic() + 60
    while time.monotonic() < end and _runs(int(pids.read_text())):
        time.sleep(0.05)
    assert not _runs(int(pids.read_text()))
    assert "nasty left 1 processes running, which are ended: python" in caplog.text


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


def test_exit_0_with_nothing_said_overwrites_nothing() -> None:
    source = CommandSource(runner=CommandRunner([sys.executable, "-c", ""], title="mute"))
    (stream,) = configured("a").streams
    catalog = ConfiguredCatalog((replace(stream, sync_mode="full_refresh", destination_sync_mode="overwrite"),))
    landed = Landed(source, catalog)
    assert isinstance(landed.error, IncompleteError)
    assert "mute ended with exit code 0, but said nothing of it" in str(landed.error)
    assert landed.sink.completed == []
    assert Landed(source, configured("a")).error is None  # with nothing new, an old connector may be silent


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
    killed = Landed(nasty("killed"))
    killed.failed(ForeignError, "SIGKILL", "out of memory")
    assert killed.error is not None and killed.error.failure_type == "transient_error", "it is not its author's turn"


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
    reached: list[int] = []

    class Enough(Exception):
        pass

    class Slow(MemorySink):
        def write(self, batch: Batch, covered: Sequence[State]) -> None:
            reached.append(settled(count))
            raise Enough

    with pytest.raises(HeadwaterError, match="Enough"):
        sync(nasty("slow", PIDS=str(count)), configured("a"), Slow(), MemoryStates(), batch_bytes=2**20)
    assert reached[0] < 20_000


def test_memory_does_not_grow_with_the_data() -> None:
    class Nothing(MemorySink):
        landed, peak = 0, 0

        def write(self, batch: Batch, covered: Sequence[State]) -> None:
            self.landed += len(batch)
            self.peak = max(self.peak, used())

    sink = Nothing()
    before = used()
    sync(nasty("many"), configured("a"), sink, MemoryStates(), batch_bytes=2**20)
    assert sink.landed == 300_000  # 180 MB
    assert sink.peak - before < 60 * 2**20
