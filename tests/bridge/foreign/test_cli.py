"""``headwater spec|check|discover|read`` with somebody else's connector."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.bridge.foreign.commands import BIG, PYTHON, headwater, messages, nasty, records, tap
from tests.bridge.foreign.landed import configured


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
