"""Everybody else's connectors in data jobs: the sources ``airbyte`` and ``singer-tap``."""

from __future__ import annotations

import json
import os
import sqlite3
import sys
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from tests.bridge.vdk.conftest import NEEDS_VDK

pytest.importorskip("vdk.plugin.data_sources", reason=NEEDS_VDK)

from headwater.bridge.vdk.foreign import FOREIGN, AirbyteConnector, SingerTap
from headwater.errors import ConfigError, FlowError

FOLDER = Path(__file__).parents[1] / "foreign"
STEP = """
from headwater.bridge.vdk.data_flow import DataFlowInput, DestinationDefinition, SourceDefinition
def run(job_input):
    source = SourceDefinition("theirs", {name!r}, {config!r})
    with DataFlowInput(job_input) as flow:
        flow.start(source, DestinationDefinition("db", "headwater-sqlite", {target!r}))
"""


@pytest.fixture
def my_tap(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """A tap that is a command on the search path."""
    script = tmp_path / "bin" / "tap-mine"
    script.parent.mkdir()
    script.write_text(f'#!/bin/sh\nexec {sys.executable} {FOLDER / "tap.py"} usual "$@"\n')
    script.chmod(0o755)
    monkeypatch.setenv("PATH", f"{script.parent}{os.pathsep}{os.environ['PATH']}")
    return script.name


def ids(database: Path, table: str) -> list[int]:
    with closing(sqlite3.connect(database)) as connection:
        return [row[0] for row in connection.execute(f"SELECT id FROM {table} ORDER BY id")]


def test_a_tap_with_the_settings_of_vdk_singer(run: Any, job: Any, my_tap: str, tmp_path: Path) -> None:
    target = tmp_path / "out.db"
    config = {"tap_name": my_tap, "tap_config": {"token": "s3cret-token"}, "tap_auto_discover_schema": True}
    directory = job(STEP.format(name="singer-tap", config=config, target=str(target)))
    for last in (3, 6):  # the state is kept, and given back
        result = run(directory)
        assert result.exit_code == 0, result.output
        assert ids(target, "orders") == list(range(1, last + 1))
    assert ids(target, "people") == [1, 2, 3]
    assert "s3cret" not in result.output


def test_a_connector_of_the_airbyte_protocol(run: Any, job: Any, tmp_path: Path) -> None:
    target = tmp_path / "out.db"
    command = [sys.executable, str(FOLDER / "nasty.py"), "fail"]
    config = {"command": command, "config": {"token": "s3cret-token"}}
    result = run(job(STEP.format(name="airbyte", config=config, target=str(target))))
    assert result.exit_code != 0
    assert "did not tell a catalog" in result.output
    assert "s3cret" not in result.output


def test_both_are_shown(vdk: Any) -> None:
    code, output = vdk("data-sources", "--list")
    assert code == 0
    assert all(name in output for name in FOREIGN)
    code, output = vdk("data-sources", "--config", "singer-tap")
    assert code == 0
    assert all(setting in output for setting in ("tap_name", "tap_config", "tap_auto_discover_schema", "package"))


def test_what_a_tap_s_name_means(my_tap: str) -> None:
    from headwater.bridge.runners import CommandRunner
    from headwater.bridge.runners.venv import VenvRunner

    assert isinstance(SingerTap.from_config({"tap_name": my_tap}).runner, CommandRunner)
    elsewhere = SingerTap.from_config({"tap_name": "tap-not-installed", "config": {"a": 1}, "tap_config": {"b": 2}})
    assert isinstance(elsewhere.runner, VenvRunner)
    assert elsewhere.config == {"a": 1, "b": 2}


@pytest.mark.parametrize(
    ("source", "settings", "kind", "said"),
    [
        (AirbyteConnector, {}, FlowError, "names none"),
        (AirbyteConnector, {"command": "x", "catalog": "y"}, FlowError, "'catalog'"),
        (AirbyteConnector, {"command": "x", "config": "y"}, ConfigError, "`config` must be a table"),
        (SingerTap, {"tap_name": "tap-x", "tap_config": []}, ConfigError, "`tap_config` must be a table"),
        (SingerTap, {"manifest": "x"}, FlowError, "'singer'"),
    ],
)
def test_settings_that_are_wrong(source: Any, settings: Any, kind: type[Exception], said: str) -> None:
    with pytest.raises(kind) as caught:
        source.from_config(settings)
    assert said in str(caught.value)


def test_in_a_job_of_vdk_data_sources_itself(run: Any, job: Any, tmp_path: Path) -> None:
    """Its own engine reads each stream by itself."""
    from headwater.bridge.vdk.data_source import data_source_class

    command = [sys.executable, str(FOLDER / "tap.py"), "usual"]
    source = data_source_class("singer-tap")()
    source.configure({"command": command, "config": {}})
    source.connect(None)
    streams = {stream.name(): [p.data for p in stream.read() if p.data] for stream in source.streams()}
    assert {name: [row["id"] for row in rows] for name, rows in streams.items()} == {
        "orders": [1, 2, 3],
        "people": [1, 2, 3],
    }
    assert json.dumps(source.secrets()) == "[]"


def test_a_config_that_the_connector_changes_is_kept_for_the_next_run(run: Any, job: Any, tmp_path: Path) -> None:
    def step(token: str) -> Path:
        command = [sys.executable, str(FOLDER / "tap.py"), "rotates"]
        config = {"command": command, "tap_config": {"token": token}}
        made: Path = job(STEP.format(name="singer-tap", config=config, target=str(tmp_path / "out.db")))
        return made

    def kept() -> Any:
        return run.states()["theirs"]["config"]["config"]["config"]["token"]

    assert run(step("s3cret-0")).exit_code != 0  # after it has renewed its token twice
    assert kept() == "renewed-2"
    assert run(step("s3cret-0")).exit_code != 0
    assert kept() == "renewed-4"
    run(step("s3cret-7"))  # another one is given
    assert kept() == "renewed-9"


def test_a_class_that_is_installed(run: Any, job: Any, installed: Path, tmp_path: Path) -> None:
    info = installed / "source_shop-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: source-shop\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[headwater.sources]\nshop = shop:Shop\n")
    (installed / "shop.py").write_text(SHOP)
    target = tmp_path / "out.db"
    result = run(job(STEP.format(name="shop", config={"pin": "s3cret-token"}, target=str(target))))
    assert result.exit_code == 0, result.output
    assert ids(target, "a") == [-3, -2, -1]
    assert "s3cret" not in result.output


SHOP = f"""
import sys
from headwater.bridge.foreign import CommandSource

class Shop(CommandSource):
    command = [sys.executable, {str(FOLDER / "nasty.py")!r}, "both"]
    settings = {{"type": "object", "properties": {{"pin": {{"type": "string", "airbyte_secret": True}}}}}}

    def transform(self, stream, record):
        return {{"id": -record["id"]}}
"""
