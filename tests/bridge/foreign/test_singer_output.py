"""What taps say that is odd, and what is told of it; nothing of it is lost."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from headwater.errors import ForeignError
from headwater.protocol.catalog import ConfiguredCatalog
from tests.bridge.foreign import tap as script
from tests.bridge.foreign.taps import Run, no_folder_is_left, tap

__all__ = ["no_folder_is_left"]
pytestmark = pytest.mark.usefixtures("no_folder_is_left")


def test_a_tap_s_exit_code_counts(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO")
    run = Run()(tap("fails"))
    assert isinstance(run.error, ForeignError)
    assert "ended with exit code 1 before it had read these streams to their end: 'orders'" in str(run.error)
    assert "CRITICAL 500 for ****" in str(run.error)
    told = [(record.levelname, record.getMessage()) for record in caplog.records]
    assert [one for one in told if one[1] in ("so far", "500 for ****", "bye")] == [
        ("INFO", "so far"),
        ("CRITICAL", "500 for ****"),
        ("INFO", "bye"),
    ]
    assert "s3cret" not in str(run.error.internal)
    assert run.ids() == [1, 2]
    assert run.stored() == {"orders": {"id": 1}}
    assert run.sink.completed == []


def test_a_schema_that_changes_midway(caplog: pytest.LogCaptureFixture) -> None:
    run = Run()(tap("changes_schema"))
    assert run.sink.rows["orders"] == [{"id": 1}, {"id": 2, "extra": "x"}]
    assert "'orders': its schema changed midway: extra" in caplog.text


def test_versions_are_told(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO")
    run = Run()(tap("versions"), "people")
    assert run.sink.rows["people"] == [{"id": 1}]
    assert "records of other versions than 1 are void" in caplog.text


def test_an_empty_state_takes_nothing_back() -> None:
    assert Run()(tap("empty_states")).stored() == {"orders": {"id": 1}}


def test_a_state_with_more_than_bookmarks_is_one_for_all() -> None:
    run = Run()(tap("other_states"))
    (state,) = run.states.load()
    assert state.raw["global"]["shared_state"] == {"bookmarks": {"orders": {"id": 1}}, "more": 5}


def test_files_that_a_tap_writes_are_read(tmp_path: Path) -> None:
    run = Run()(tap("batches", {"folder": str(tmp_path)}))
    assert run.error is None
    assert run.ids() == [1, 2, 3, 4, 5]
    assert run.stored() == {"orders": {"id": 5}}


@pytest.mark.parametrize(
    ("make", "words"), [("parquet", "'parquet'"), ("lost_batch", "/nowhere/x.jsonl can't be read")]
)
def test_files_that_can_t_be_read(make: str, words: str) -> None:
    run = Run()(tap(make))
    assert isinstance(run.error, ForeignError)
    assert words in str(run.error)


def test_records_without_a_schema_and_of_other_streams(caplog: pytest.LogCaptureFixture) -> None:
    run = Run()(tap("no_schema"))
    assert run.error is None
    assert run.ids() == [1]
    assert "without a SCHEMA message" in caplog.text
    assert "stream 'other', which it does not offer" in caplog.text


def test_a_tap_that_says_nothing() -> None:
    run = Run()(tap("nothing", catalog=script.CATALOG))
    assert isinstance(run.error, ForeignError)
    assert "exit code 0, but it said nothing of these streams: 'orders'" in str(run.error)


def test_an_overwrite_never_empties_a_table_for_a_stream_of_which_nothing_was_said() -> None:
    run = Run()
    run.sink.rows["people"] = [{"id": 9}]
    source = tap("changes_schema")
    orders, people = source.discover().configured(["orders", "people"]).streams
    both = ConfiguredCatalog((orders, replace(people, destination_sync_mode="overwrite")))
    assert isinstance(run(source, catalog=both).error, ForeignError)
    assert run.ids("people") == [9]
    assert "people" not in run.sink.completed


def test_noise_and_values_that_json_does_not_allow(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO")
    run = Run()(tap("noise"))
    assert run.error is None
    assert run.sink.rows["orders"] == [{"id": 1, "note": "a\u2028b"}, {"id": 2, "price": None, "note": "\ufffd"}]
    assert "a banner" in caplog.text


def test_a_record_that_can_t_be_read_is_not_lost() -> None:
    run = Run()(tap("broken"))
    assert isinstance(run.error, ForeignError)
    assert "a record that can't be read" in str(run.error)


def test_a_last_line_that_is_cut_off() -> None:
    run = Run()(tap("cut"))
    assert isinstance(run.error, ForeignError)
    assert "its output is not whole" in str(run.error)
