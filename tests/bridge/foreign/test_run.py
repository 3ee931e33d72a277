"""Flows of somebody else's connectors: ``headwater run``."""

from __future__ import annotations

import json
import os
import signal
import sqlite3
import subprocess
import sys
import time
from contextlib import closing
from pathlib import Path

import pytest

from headwater.bridge.flow_file import load_flows
from headwater.errors import FlowError
from tests.bridge.foreign.commands import headwater, nasty, tap
from tests.bridge.foreign.landed import NASTY
from tests.bridge.runners.test_command import gone


def flow(folder: Path, source: str, streams: str = '["a"]') -> None:
    (folder / "flow.toml").write_text(
        f"""
[sources.theirs]
{source}
config = {{ token = "${{TOKEN}}" }}
[destinations.db]
target = "sqlite:///out.db"
[[flows]]
from = "theirs"
to = "db"
streams = {streams}
"""
    )


def ids(folder: Path, table: str = "a") -> list[int]:
    with closing(sqlite3.connect(folder / "out.db")) as connection:
        return [row[0] for row in connection.execute(f"SELECT id FROM {table} ORDER BY id")]


def test_a_flow_from_a_command(tmp_path: Path) -> None:
    flow(tmp_path, f"command = {nasty('well')!r}")
    done = headwater("run", "flow.toml", folder=tmp_path, TOKEN="s3cret-token")
    assert done.returncode == 0, done.stderr
    assert ids(tmp_path) == [1, 2, 3]
    shown = headwater("state", "show", "flow.toml", folder=tmp_path, TOKEN="s3cret-token")
    (state,) = json.loads(shown.stdout)["states"]
    assert (state["id"], state["unknown"]) == (3, {"kept": [True]})


def test_a_flow_from_a_tap(tmp_path: Path) -> None:
    flow(tmp_path, f"command = {tap('usual')!r}\nprotocol = 'singer'", '["orders"]')
    for last in (3, 6):
        done = headwater("run", "flow.toml", folder=tmp_path, TOKEN="s3cret-token")
        assert done.returncode == 0, done.stderr
        assert ids(tmp_path, "orders") == list(range(1, last + 1))


def test_a_config_that_the_connector_changes_is_used_by_the_next_run(tmp_path: Path) -> None:
    flow(tmp_path, f"command = {tap('rotates')!r}\nprotocol = 'singer'", '["orders"]')
    for _ in range(2):
        done = headwater("run", "flow.toml", folder=tmp_path, TOKEN="s3cret-0")
        assert done.returncode == 1  # it fails, after it has renewed its token
    kept = json.loads((tmp_path / ".headwater" / "config" / "theirs.json").read_text())
    assert kept["config"]["token"] == "renewed-4"  # by a discovery and a read in each run


def test_an_interrupted_run_ends_the_connector(tmp_path: Path) -> None:
    flow(tmp_path, f"command = {nasty('slow')!r}\nenvironment = {{ PIDS = {str(tmp_path / 'count')!r} }}")
    command = [sys.executable, "-m", "headwater", "run", "flow.toml", "--no-progress"]
    environ = {**os.environ, "TOKEN": "s3cret-token", "TMPDIR": str(tmp_path)}
    running = subprocess.Popen(command, cwd=tmp_path, env=environ, stderr=subprocess.DEVNULL)
    end = time.monotonic() + 200
    while time.monotonic() < end and not (tmp_path / "count").exists():
        time.sleep(0.05)
    running.send_signal(signal.SIGTERM)
    assert running.wait(200) == 143
    before = (tmp_path / "count").read_text()
    time.sleep(1)
    assert (tmp_path / "count").read_text() == before
    assert [path for path in tmp_path.glob("headwater-*/*") if path.name != ".lock"] == []


def _killed_run(folder: Path, way: str) -> Path:
    """A run that is killed once its connector has written a file, which is given."""
    written = folder / "written"
    flow(folder, f"command = {nasty(way)!r}\nenvironment = {{ PIDS = {str(written)!r} }}")
    command = [sys.executable, "-m", "headwater", "run", "flow.toml", "--no-progress"]
    environ = {**os.environ, "TOKEN": "s3cret-token", "TMPDIR": str(folder)}
    running = subprocess.Popen(command, cwd=folder, env=environ, stderr=subprocess.DEVNULL)
    end = time.monotonic() + 200
    while time.monotonic() < end and not (written.exists() and written.read_text()):
        time.sleep(0.05)
    running.kill()
    running.wait(200)
    return written


def test_a_killed_run_takes_a_connector_that_writes_with_it(tmp_path: Path) -> None:
    written = _killed_run(tmp_path, "slow")
    end = time.monotonic() + 200
    before = ""
    while time.monotonic() < end and before != (before := written.read_text()):
        time.sleep(1)
    assert before == written.read_text()


def test_what_a_killed_run_left_is_removed_by_the_next(tmp_path: Path) -> None:
    """Its connector's files, and the connector too, which waits for something."""
    pid = int(_killed_run(tmp_path, "stuck").read_text())
    assert len([path for path in tmp_path.glob("headwater-*/*") if path.name != ".lock"]) == 1
    assert not gone(pid, seconds=0.5)
    assert headwater("spec", "--command", nasty("well"), folder=tmp_path).returncode == 0
    assert [path for path in tmp_path.glob("headwater-*/*") if path.name != ".lock"] == []
    assert gone(pid)


def test_a_trial_reads_stream_after_stream(tmp_path: Path) -> None:
    flow(tmp_path, f"command = {tap('usual')!r}\nprotocol = 'singer'", '["orders", "people"]')
    done = headwater("run", "flow.toml", "--limit", "2", folder=tmp_path, TOKEN="s3cret-token")
    assert done.returncode == 0, done.stderr
    assert (ids(tmp_path, "orders"), ids(tmp_path, "people")) == ([1, 2], [1, 2])


@pytest.mark.parametrize(
    ("source", "said"),
    [
        ('command = "x"\npackage = "y"', "one of package, command, manifest, image; it names package and command"),
        ('command = ""', "`command` must be a text or a list of texts"),
        ("command = 3", "`command` must be a text or a list of texts"),
        ("package = true", "`package` must be a text"),
        ('package = "x"\nmemory = "1g"', "has 'memory', which 'package' with the protocol 'airbyte' does not take"),
        ('package = "x"\nprotocol = "smoke"', "`protocol` is 'smoke'"),
        ('manifest = "x.yaml"\nprotocol = "singer"', "`protocol` is 'singer'"),
        ('package = "x"\ncatalog = "c.json"', "has 'catalog'"),
        ('image = "x"\ncpus = "two"', "`cpus` must be a number"),
        ('image = "x"\nmemory = ["x"]', "`memory` must be a size"),
        ('image = "x"\nmemory = "lots"', "`memory` must be a size"),
        ('image = "x"\nmemory = true', "`memory` must be a size"),
        ('package = "x"\nenvironment = { A = 1 }', "`environment` must be a table"),
        ('package = "${NOT_THERE}"', "'NOT_THERE' is not set"),
        ('other = "x"', "has no 'name'"),
    ],
)
def test_a_flow_s_source_that_is_wrong(tmp_path: Path, source: str, said: str) -> None:
    flow(tmp_path, source)
    with pytest.raises(FlowError) as caught:
        load_flows(tmp_path / "flow.toml", {"TOKEN": "x"})
    assert said in str(caught.value)
    assert "[sources.theirs]" in str(caught.value)


def test_paths_start_from_the_flow_s_file(tmp_path: Path) -> None:
    program = tmp_path / "flows" / "bin" / "my-source"
    program.parent.mkdir(parents=True)
    program.write_text(f'#!/bin/sh\nexec {sys.executable} {NASTY} well "$@"\n')
    program.chmod(0o755)
    flow(tmp_path / "flows", 'command = "./bin/my-source"')
    done = headwater("run", "flows/flow.toml", folder=tmp_path, TOKEN="s3cret-token")
    assert done.returncode == 0, done.stderr
    assert ids(tmp_path / "flows") == [1, 2, 3]


def test_a_tap_is_known_by_its_name(tmp_path: Path) -> None:
    flow(tmp_path, 'package = "tap-gitlab==0.5.1"\ncatalog = "c.json"')
    (found,) = load_flows(tmp_path / "flow.toml", {"TOKEN": "x"})
    assert found.connector == "tap-gitlab==0.5.1"
