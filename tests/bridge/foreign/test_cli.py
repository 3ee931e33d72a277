"""``headwater spec|check|discover|read`` and ``headwater run`` with somebody else's connector."""

from __future__ import annotations

import json
import os
import shlex
import signal
import sqlite3
import subprocess
import sys
import time
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from headwater.bridge.flow_file import load_flows
from headwater.errors import FlowError
from tests.bridge.foreign.landed import NASTY, configured
from tests.bridge.foreign.test_singer import TAP
from tests.bridge.runners.test_command import gone

PYTHON = shlex.quote(sys.executable)


BIG = """
import json
for n in range(300000):
    print(json.dumps({"type": "RECORD", "record": {"stream": "a", "data": {"id": n}, "emitted_at": 1}}))
"""


def nasty(way: str) -> str:
    return f"{PYTHON} {NASTY} {way}"


def tap(make: str) -> str:
    return f"{PYTHON} {TAP} {make}"


def headwater(*words: str, folder: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "headwater", *words]
    environ = {**os.environ, "TMPDIR": str(folder), **environment}
    return subprocess.run(command, cwd=folder, env=environ, capture_output=True, text=True, timeout=200, check=False)


def messages(done: subprocess.CompletedProcess[str]) -> list[dict[str, Any]]:
    return [json.loads(line) for line in done.stdout.split("\n") if line]


def records(done: subprocess.CompletedProcess[str]) -> list[int]:
    return [m["record"]["data"]["id"] for m in messages(done) if m["type"] == "RECORD"]


@pytest.fixture
def config(tmp_path: Path) -> str:
    (tmp_path / "config.json").write_text('{"token": "s3cret-token"}')
    return "config.json"


def test_spec(tmp_path: Path) -> None:
    done = headwater("spec", "--command", nasty("well"), folder=tmp_path)
    assert (done.returncode, json.loads(done.stdout)["new"]) == (0, 1)


def test_check(tmp_path: Path, config: str) -> None:
    done = headwater("check", "--command", nasty("well"), "--config", config, folder=tmp_path)
    assert (done.returncode, done.stdout) == (0, f"The settings of {Path(sys.executable).name} work.\n")
    done = headwater("check", "--command", nasty("refused"), "--config", config, folder=tmp_path)
    assert done.returncode == 2
    assert "not with ****" in done.stderr
    assert "Your turn" in done.stderr
    done = headwater("check", "--command", nasty("fail"), "--config", config, folder=tmp_path)
    assert done.returncode == 1
    assert "s3cret" not in done.stderr


def test_discover_and_read_what_was_chosen(tmp_path: Path, config: str) -> None:
    done = headwater("discover", "--command", nasty("well"), "--config", config, folder=tmp_path)
    assert [stream["name"] for stream in json.loads(done.stdout)["streams"]] == ["a", "b"]
    done = headwater("discover", "--configured", "--command", nasty("well"), "--config", config, folder=tmp_path)
    catalog = json.loads(done.stdout)
    (tmp_path / "catalog.json").write_text(json.dumps({"streams": catalog["streams"][:1]}))
    words = ("read", "--command", nasty("well"), "--config", config, "--catalog", "catalog.json")
    done = headwater(*words, folder=tmp_path)
    assert (done.returncode, records(done)) == (0, [1, 2, 3])
    (tmp_path / "printed.jsonl").write_text(done.stdout)
    (state,) = [m["state"] for m in messages(done) if m["type"] == "STATE"][-1:]
    (tmp_path / "state.json").write_text(json.dumps([state]))
    done = headwater(*words[:2], nasty("files"), *words[3:], "--state", "state.json", folder=tmp_path)
    (row,) = [m["record"]["data"] for m in messages(done) if m["type"] == "RECORD"]
    assert row == {"id": 1}  # what it was given is no field of the catalog
    (tmp_path / "every.json").write_text('{"streams": [{"stream": {"name": "a", "json_schema": {}}}]}')
    words = ("--command", nasty("files"), "--config", config, "--catalog", "every.json")
    for file in ("state.json", "printed.jsonl"):
        done = headwater("read", *words, "--state", file, folder=tmp_path)
        (given,) = [m["record"]["data"]["given"] for m in messages(done) if m["type"] == "RECORD"]
        assert given["--state"] == [state]


def test_read_ends_at_its_limit(tmp_path: Path, config: str) -> None:
    count = tmp_path / "count"
    words = ("read", "--command", nasty("slow"), "--config", config, "--stream", "a", "--limit", "7")
    done = headwater(*words, "--env", "PIDS", "--env", "OTHER=1", folder=tmp_path, PIDS=str(count))
    assert (done.returncode, records(done)) == (0, list(range(1, 8)))


def test_read_of_a_stream_that_is_not_there(tmp_path: Path) -> None:
    done = headwater("read", "--command", nasty("well"), "--stream", "zzz", folder=tmp_path)
    assert done.returncode == 2
    assert "'zzz'" in done.stderr


def test_a_read_whose_reader_is_gone_is_no_success(tmp_path: Path, config: str) -> None:
    (tmp_path / "big.py").write_text(BIG)
    (tmp_path / "catalog.json").write_text(json.dumps(configured("a").to_json()))
    words = ["read", "--command", f"{PYTHON} big.py", "--config", config, "--catalog", "catalog.json"]
    environ = {**os.environ, "TMPDIR": str(tmp_path)}
    command = [sys.executable, "-m", "headwater", *words]
    with subprocess.Popen(command, cwd=tmp_path, env=environ, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as read:
        assert read.stdout is not None
        assert read.stderr is not None
        assert b'"id": 0' in read.stdout.readline()
        read.stdout.close()
        assert (read.wait(200), read.stderr.read()) == (1, b"")


def test_a_failing_read_gives_what_came_before(tmp_path: Path, config: str) -> None:
    done = headwater("read", "--command", nasty("fail"), "--config", config, "--stream", "a", folder=tmp_path)
    assert done.returncode == 1
    assert "exit code 2 and did not tell a catalog" in done.stderr
    (tmp_path / "catalog.json").write_text('{"streams": [{"stream": {"name": "a", "json_schema": {}}}]}')
    words = ("--config", config, "--catalog", "catalog.json")
    done = headwater("read", "--command", nasty("fail"), *words, folder=tmp_path)
    assert (done.returncode, records(done)) == (1, [1, 2, 3])
    assert "exit code 3" in done.stderr
    assert "s3cret" not in done.stderr + done.stdout


def test_a_tap(tmp_path: Path, config: str) -> None:
    words = ("--command", tap("usual"), "--protocol", "singer", "--config", config)
    done = headwater("read", *words, "--stream", "orders", folder=tmp_path)
    assert (done.returncode, records(done)) == (0, [1, 2, 3])
    done = headwater("read", *words, "--no-discover", folder=tmp_path)
    assert done.returncode != 0  # this one reads nothing without a catalog
    (tmp_path / "mine.json").write_text(json.dumps({"streams": [{"tap_stream_id": "orders", "schema": {}}]}))
    done = headwater("discover", *words, "--singer-catalog", "mine.json", folder=tmp_path)
    assert [stream["name"] for stream in json.loads(done.stdout)["streams"]] == ["orders"]


def test_a_config_that_the_connector_changes(tmp_path: Path, config: str) -> None:
    words = ("check", "--command", nasty("control"), "--config", config)
    done = headwater(*words, folder=tmp_path)
    assert "--update-config" in done.stderr
    assert "renewed" not in (tmp_path / config).read_text()
    done = headwater(*words, "--update-config", folder=tmp_path)
    assert done.returncode == 0
    assert json.loads((tmp_path / config).read_text()) == {"token": "renewed"}
    assert (tmp_path / config).stat().st_mode & 0o077 == 0


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--command", "x", "--env", "NOT_THERE"], "no such environment variable"),
        (["--command", "x", "--env", "=1"], "--env: a variable has a name"),
        (["--command", "x", "--python", "3.11"], "'python', which 'command'"),
        (["--command", "/nowhere/x"], "is not there. Install it"),
        (["--command", "x 'y"], "can't be split into words: No closing quotation"),
        (["--command", " "], "The command is empty"),
        (["--manifest", "nowhere.yaml"], "nowhere.yaml"),
    ],
)
def test_wrong_usage(tmp_path: Path, words: list[str], said: str) -> None:
    done = headwater("spec", *words, folder=tmp_path)
    assert done.returncode == 2
    assert said in done.stderr


# --- headwater run -------------------------------------------------------------------------------------------


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


def test_a_read_that_is_asked_to_stop_says_so(tmp_path: Path, config: str) -> None:
    command = [sys.executable, "-m", "headwater", "read", "--command", nasty("slow"), "--config", config]
    environ = {**os.environ, "TOKEN": "s3cret-token", "TMPDIR": str(tmp_path), "PIDS": str(tmp_path / "count")}
    words = ["--env", "PIDS", "--stream", "a"]
    running = subprocess.Popen(
        [*command, *words], cwd=tmp_path, env=environ, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE
    )
    end = time.monotonic() + 200
    while time.monotonic() < end and not (tmp_path / "count").exists():
        time.sleep(0.05)
    running.send_signal(signal.SIGTERM)
    _, told = running.communicate(timeout=200)
    assert running.returncode == 143
    assert b"The read was asked to stop, after " in told and b"Traceback" not in told


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
