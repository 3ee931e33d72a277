"""Taps of every make: what they offer, what of it lands, which states are kept, and their configs."""

from __future__ import annotations

import json
import sys
from contextlib import closing
from pathlib import Path
from typing import Any, cast

import pytest

from headwater.bridge.foreign import CommandSource
from headwater.errors import ConfigError, ForeignError
from headwater.protocol.catalog import ConfiguredCatalog
from headwater.protocol.messages import Control, Records, State
from tests.bridge.foreign import tap as script
from tests.bridge.foreign.taps import CONFIG, TAP, Run, no_folder_is_left, tap

__all__ = ["no_folder_is_left"]
pytestmark = pytest.mark.usefixtures("no_folder_is_left")


def test_what_a_tap_offers() -> None:
    orders, people = tap("usual").discover().streams
    assert orders.supported_sync_modes == ("full_refresh", "incremental")
    assert orders.default_cursor_field == ("at",)
    assert orders.source_defined_cursor
    assert orders.primary_key == (("id",),)
    assert orders.json_schema["properties"]["price"] == {"type": ["null", "number"]}
    assert people.supported_sync_modes == ("full_refresh",)


def test_bookmarks_are_stored_by_stream_and_given_back() -> None:
    run = Run()
    assert run(tap("usual"), "orders", "people").error is None
    assert (run.ids(), run.ids("people")) == ([1, 2, 3], [1, 2, 3])
    assert run.stored() == {"orders": {"id": 3}, "people": {"id": 3}}
    assert run(tap("usual"), "orders", "people").error is None
    assert (run.ids(), run.ids("people")) == ([1, 2, 3, 4, 5, 6], [1, 2, 3, 1, 2, 3])
    assert run.stored()["orders"] == {"id": 6}


def test_one_process_for_all_streams(tmp_path: Path) -> None:
    runs = tmp_path / "runs"
    source = tap("usual", runs=runs)
    Run()(source, "orders", "people")
    assert len(runs.read_text().splitlines()) == 2  # discovery, and the read
    assert "s3cret" not in runs.read_text()


def test_decimals_and_times_travel_as_they_are() -> None:
    source = tap("usual")
    messages = source.read(source.discover().configured(["orders"]))
    (batch,) = [message for message in messages if isinstance(message, Records)]
    assert b"1.10000000000000000001" in bytes(batch.data[0])
    assert batch.emitted_at == 1_714_521_600_500


def test_fields_that_are_not_selected_are_left_out() -> None:
    source = tap("usual")
    stream = source.discover().configured(["orders"]).streams[0].with_columns(["price"])
    run = Run()(source, catalog=ConfiguredCatalog((stream,)))
    assert set(run.sink.rows["orders"][0]) == {"id", "at", "price"}


@pytest.mark.parametrize("make", ["legacy", "silent_without_properties"])
def test_taps_that_want_properties_are_found_out(make: str, tmp_path: Path) -> None:
    runs = tmp_path / "runs"
    assert Run()(tap(make, runs=runs)).ids() == [1, 2, 3]
    assert [("--properties" in line, "--catalog" in line) for line in runs.read_text().splitlines()] == [
        (False, False),
        (False, True),
        (True, False),
    ]
    runs.unlink()
    assert Run()(tap(make, runs=runs, catalog_option="--properties")).ids() == [1, 2, 3]
    assert len(runs.read_text().splitlines()) == 2


@pytest.mark.parametrize("make", ["ignores_discover", "refuses_discover", "usage_without_discover"])
def test_streams_of_a_tap_without_discovery_are_learned(make: str) -> None:
    run = Run()
    assert run(tap(make)).error is None
    assert (run.ids(), run.ids("people")) == ([1], [])
    (state,) = run.states.load()
    assert state.raw["global"]["shared_state"] == {"last": 1}
    assert run(tap(make)).ids() == [1, 2]


def test_a_usage_that_is_told_for_another_reason_is_a_failure() -> None:
    run = Run()
    assert "the following arguments are required: -c" in str(run(tap("misses_an_option")).error)
    assert run.ids() == []


def test_a_tap_that_is_known_to_have_no_discovery(tmp_path: Path) -> None:
    runs = tmp_path / "runs"
    assert Run()(tap("ignores_discover", runs=runs, discover=False)).ids() == [1]
    assert not any("--discover" in line for line in runs.read_text().splitlines())


def test_a_stream_that_is_new_to_a_state_for_all_loses_nothing(caplog: pytest.LogCaptureFixture) -> None:
    run = Run()
    run(tap("ignores_discover"))
    run(tap("ignores_discover"))
    assert run.ids() == [1, 2]
    run(tap("ignores_discover"), "orders", "people")
    assert run.ids("people") == [1]  # from the beginning, not from 3
    assert "'people' was not read before" in caplog.text


def test_the_user_s_own_catalog(tmp_path: Path) -> None:
    path, runs = tmp_path / "mine.json", tmp_path / "runs"
    path.write_text(json.dumps(script.CATALOG))
    assert Run()(tap("usual", runs=runs, catalog=str(path))).ids() == [1, 2, 3]
    assert len(runs.read_text().splitlines()) == 1
    assert Run()(tap("usual", catalog=script.CATALOG)).ids() == [1, 2, 3]
    for wrong in ("/nowhere", 5):
        with pytest.raises(ConfigError, match="Singer catalog"):
            tap("usual", catalog=wrong).discover()
    with pytest.raises(ConfigError, match="catalog_option is '--x'"):
        tap("usual", catalog_option="--x").check()


def test_check() -> None:
    tap("usual").check()
    tap("ignores_discover").check()
    with pytest.raises(ConfigError, match=r"exit code 1 .* CRITICAL 401 for \*\*\*\*"):
        tap("fails_discover").check()
    with pytest.raises(ConfigError, match="told no streams"):
        tap("nothing").check()


def test_spec_from_about_where_there_is_such() -> None:
    properties = tap("about").spec().raw["connectionSpecification"]["properties"]
    assert properties == {"token": {"type": "string", "airbyte_secret": True}}
    assert tap("usual").spec().raw["connectionSpecification"]["additionalProperties"]


def test_a_config_that_the_tap_rewrites_is_kept_even_if_it_fails() -> None:
    source = tap("rotates", {"token": "s3cret-0"})
    kept: list[Any] = []
    source.keep = kept.append
    catalog = source.discover().configured(["orders"])
    assert source.config == {"token": "renewed-1"}
    messages = []
    with pytest.raises(ForeignError):
        messages += [message for message in source.read(catalog) if isinstance(message, Control)]
    assert kept == [{"token": "renewed-1"}, {"token": "renewed-2"}]


def test_a_config_that_the_tap_rewrites_is_for_its_very_next_run(tmp_path: Path) -> None:
    config = {"token": "s3cret-0", "used": str(tmp_path / "used")}
    run = Run()
    assert run(tap("renews_once", config)).error is None  # discovery, --catalog, --properties
    assert run.ids() == [1, 2, 3]

    source = tap("renews_once", {**config, "used": str(tmp_path / "used2"), "mute": True})
    assert [stream.name for stream in source.discover().streams] == ["orders", "people"]  # discovery, a run
    assert source.config["token"] == "renewed-2"


def test_a_config_that_the_tap_rewrites_is_kept_where_it_is_ended_early() -> None:
    source = tap("renews_and_waits")
    source.check()  # the first record is enough
    assert source.config == {"token": "renewed-1"}

    offered = [tap_entry for tap_entry in script.CATALOG["streams"] if tap_entry["stream"] == "orders"]
    source = tap("renews_and_waits", catalog={"streams": offered})
    with closing(cast(Any, source.read(source.discover().configured(["orders"])))) as messages:
        next(message for message in messages if isinstance(message, Records))  # a trial of one record
    assert source.config == {"token": "renewed-1"}


def test_a_tap_as_a_class() -> None:
    class Shop(CommandSource):
        protocol = "singer"
        command = [sys.executable, str(TAP), "usual"]

        def transform(self, stream: Any, record: dict[str, Any]) -> dict[str, Any] | None:
            return {"id": -record["id"]}

    assert Run()(Shop(CONFIG)).ids() == [-1, -2, -3]


def test_states_of_a_flow_are_those_of_its_streams() -> None:
    """A bookmark of a stream that is no longer wanted is not given to the tap, and not lost either."""
    run = Run()
    run(tap("usual"), "orders", "people")
    run(tap("usual"), "orders")
    assert run.stored() == {"orders": {"id": 6}, "people": {"id": 3}}
    assert all(isinstance(state, State) for state in run.states.load())
