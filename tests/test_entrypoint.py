"""The commands: their answers and exit codes, of real processes."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.connectors.process import TOY, Toy, catalog, environment, execute


@pytest.fixture
def toy(tmp_path: Path) -> Toy:
    return Toy(tmp_path)


COUNTING = """
import atexit, sys
calls = 0
def count(*_):
    global calls
    calls += 1
def tell():
    sys.setprofile(None)
    open(sys.argv[0] + ".told", "w").write(" ".join([str(calls), *sys.modules]))
atexit.register(tell)
sys.setprofile(count)
"""


class TestSpec:
    def test_one_spec_and_nothing_else(self, toy: Toy) -> None:
        run = toy.run("spec")
        assert (run.code, run.stderr) == (0, b"")
        assert [m["type"] for m in run.messages if m["type"] != "LOG"] == ["SPEC"]
        assert run.only("SPEC")["documentationUrl"] == "https://docs.test/toy"

    def test_takes_less_work_than_to_import_requests_and_imports_nothing_like_it(self, tmp_path: Path) -> None:
        """Work in calls of functions: a time would be the machine's."""
        environ = environment(PYTHONPYCACHEPREFIX=str(tmp_path / "cache"))
        connector = (
            "from headwater import Config, HttpSource, HttpStream\n"
            "class S(HttpStream):\n    name = 's'\n"
            "class Small(HttpSource):\n    name = 'small'\n    config: Config\n"
            "    def streams(self): return [S(self)]\n"
            "Small.main()\n"
        )
        calls = {}
        for name, code in (("small", connector), ("other", "import requests\n")):
            script = tmp_path / f"{name}.py"
            script.write_text(COUNTING + code)
            for _ in range(2):  # the first one compiles
                assert execute([TOY[0], str(script), "spec"], env=environ).code == 0
            calls[name], *modules = (tmp_path / f"{name}.py.told").read_text().split()
            heavy = {"requests", "urllib3", "jsonschema", "duckdb", "sqlalchemy", "asyncio"} & set(modules)
            assert bool(heavy) is (name == "other"), heavy
        assert int(calls["small"]) < int(calls["other"])


class TestCheck:
    def test_good(self, toy: Toy) -> None:
        run = toy.run("check")
        assert (run.code, run.stderr) == (0, b"")
        assert run.only("CONNECTION_STATUS") == {"status": "SUCCEEDED"}

    @pytest.mark.parametrize("how", ["config", "transient"])
    def test_no_is_an_answer(self, toy: Toy, how: str) -> None:
        run = toy.run("check", check=how)
        status = run.only("CONNECTION_STATUS")
        assert (run.code, status["status"], run.of("ERROR")) == (0, "FAILED", [])
        assert "****" in status["message"]

    @pytest.mark.parametrize(
        ("settings", "named"),
        [({"token": None}, "token"), ({"token": 5}, "token"), ({"pages": "x"}, "pages"), ({"pages": -1}, "pages"),
         ({"login": {"kind": "login", "user": "me"}}, "login.password"), ({"login": {"kind": "nobody"}}, "login")],
    )  # fmt: skip
    def test_a_config_that_violates_the_spec(self, toy: Toy, settings: dict[str, Any], named: str) -> None:
        run = toy.run("check", **settings)
        status = run.only("CONNECTION_STATUS")
        assert (run.code, status["status"]) == (0, "FAILED")
        assert f"`{named}" in status["message"]

    @pytest.mark.parametrize("how", ["bug", "exit"])
    def test_a_broken_connector(self, toy: Toy, how: str) -> None:
        run = toy.run("check", check=how)
        assert (run.code, run.only("CONNECTION_STATUS")["status"]) == (1, "FAILED")
        assert run.only("ERROR")["failure_type"] == "system_error"
        assert run.stderr == b""

    def test_says_nothing_of_streams(self, toy: Toy) -> None:
        run = toy.run("check", check="noise")
        assert run.only("CONNECTION_STATUS") == {"status": "SUCCEEDED"}
        assert {m["type"] for m in run.messages} == {"LOG", "CONNECTION_STATUS", "CONTROL"}


class TestDiscover:
    def test_same_bytes_each_time(self, toy: Toy) -> None:
        runs = [execute(toy.arguments("discover"), env=environment(PYTHONHASHSEED=seed)) for seed in ("1", "2")]
        assert [run.code for run in runs] == [0, 0]
        catalogs = [[line for line in run.lines if b'"CATALOG"' in line] for run in runs]
        assert catalogs[0] == catalogs[1]
        assert len(catalogs[0]) == 1

    def test_a_config_that_violates_the_spec(self, toy: Toy) -> None:
        run = toy.run("discover", token=None)
        assert (run.code, run.of("CATALOG")) == (1, [])
        assert run.only("ERROR")["failure_type"] == "config_error"


class TestRead:
    def test_field_selection(self, toy: Toy) -> None:
        entry = {"stream": {"name": "numbers", "json_schema": {"type": "object", "properties": {"id": {}}}}}
        arguments = toy.arguments("read")
        toy.file("catalog.json", catalog(entry))
        run = execute(arguments)
        assert run.records("numbers")[:2] == [{"id": 0}, {"id": 1}]
        assert run.states("numbers")[-1] == {"at": "2024-01-01T00:00:08Z"}

    def test_failures_leave_the_others_running(self, toy: Toy) -> None:
        streams = ["broken", "numbers", "denied", "nobody", "flaky", "exits", "full"]
        run = toy.run("read", *streams)
        assert run.code == 1
        assert run.statuses("numbers") == run.statuses("full") == ["STARTED", "RUNNING", "COMPLETE"]
        failures = {e["stream_descriptor"]["name"]: e["failure_type"] for e in run.of("ERROR")}
        assert failures == {
            "broken": "system_error", "denied": "config_error", "nobody": "config_error",
            "flaky": "transient_error", "exits": "system_error",
        }  # fmt: skip
        for name in failures:
            assert run.statuses(name)[-1] == "INCOMPLETE"
            assert "COMPLETE" not in run.statuses(name)
        assert len(run.of("ERROR")) == 5
        assert run.states("broken") == [{"at": "2024-01-01T00:00:02Z"}]
        assert b"Traceback" not in run.stderr

    def test_an_unknown_stream_alone(self, toy: Toy) -> None:
        run = toy.run("read", "nobody")
        assert (run.code, run.statuses("nobody")) == (1, ["STARTED", "INCOMPLETE"])
        assert "'nobody'" in run.only("ERROR")["message"]

    def test_empty_streams(self, toy: Toy) -> None:
        run = toy.run("read", "empty", "empty_full", "skipped")
        assert (run.code, run.of("RECORD")) == (0, [])
        for name in ("empty", "empty_full", "skipped"):
            assert run.statuses(name) == ["STARTED", "COMPLETE"]
            assert len(run.states(name)) == 1
            assert run.states(name)[0]

    def test_rate_limits_are_told_at_once(self, toy: Toy) -> None:
        run = toy.run("read", "limited")
        limited = run.of("STATUS")[1]
        assert limited["status"] == "RUNNING"
        assert limited["reasons"] == [{"type": "RATE_LIMITED", "rate_limited": {"quota_reset": 12345}}]
        assert run.statuses("limited") == ["STARTED", "RUNNING", "RUNNING", "COMPLETE"]

    def test_json_of_an_api_passes_untouched(self, toy: Toy) -> None:
        run = toy.run("read", "ready", token="abc")
        assert b'"data":{"id": 1,  "text": "abc", "null": null, "big": 12345678901234567890123},' in run.stdout
        assert run.records("ready")[1:] == [{"id": 2}]
        assert run.of("STATE")[-1]["sourceStats"] == {"recordCount": 2.0}

    def test_a_wrong_config(self, toy: Toy) -> None:
        run = toy.run("read", "numbers", pages="many")
        assert (run.code, run.of("STATUS")) == (1, [])
        assert run.only("ERROR")["failure_type"] == "config_error"
        assert "`pages`" in run.only("ERROR")["message"]


class TestControl:
    def test_the_whole_config_is_told_and_kept(self, toy: Toy) -> None:
        run = toy.run("read", "rotating", folder=str(toy.folder), pages=2)
        assert run.code == 0, run.logged
        first, second = (control["connectorConfig"]["config"] for control in run.of("CONTROL"))
        assert first == {"token": "rotated-token-1", "folder": str(toy.folder), "pages": 2}
        assert second == {**first, "login": {"kind": "login", "user": "me", "password": "rotated-pass-2"}}
        assert "now ****" in run.logged
        assert "and ****" in run.logged
        for secret in (toy.config["token"], "rotated-token-1", "rotated-pass-2"):
            assert secret not in run.logged

    def test_in_order(self, toy: Toy) -> None:
        kinds = [message["type"] for message in toy.run("read", "rotating").messages if message["type"] != "LOG"]
        assert kinds == ["TRACE", "TRACE", *["RECORD"] * 3, "CONTROL", *["RECORD"] * 3, "CONTROL", "STATE", "TRACE"]


class TestInProcess:
    """``launch`` in somebody else's process gives everything back."""

    def test_descriptors_logging_and_signals(self, toy: Toy) -> None:
        script = toy.folder / "inside.py"
        script.write_text(
            "import json, logging, os, signal, sys, threading\n"
            "from headwater.entrypoint import launch\n"
            "from tests.connectors.toy import ToySource\n"
            "def seen():\n"
            "    return [os.fstat(1).st_ino, os.fstat(2).st_ino, sys.stdout, sys.stderr, logging.root.handlers,\n"
            "            logging.root.level, signal.getsignal(signal.SIGTERM), signal.getsignal(signal.SIGINT),\n"
            "            threading.excepthook, sys.unraisablehook, threading.active_count(),\n"
            "            len(os.listdir('/proc/self/fd')), signal.getsignal(signal.SIGURG)]\n"
            "before = seen()\n"
            "codes = [launch(ToySource, sys.argv[1:]), launch(ToySource, ['spec']), launch(ToySource, ['nope'])]\n"
            "print('codes', codes, flush=True)\n"
            "print('same', [a == b for a, b in zip(before, seen())], flush=True)\n"
        )
        run = execute([TOY[0], str(script), *toy.arguments("read", "numbers")[len(TOY) :]])
        assert b"codes [0, 0, 2]\n" in run.stdout
        assert b"False" not in run.stdout
        assert run.stderr.startswith(b"usage:")
        lines = [json.loads(line) for line in run.stdout.splitlines() if line.startswith(b"{")]
        assert len([line for line in lines if line["type"] == "RECORD"]) == 9
