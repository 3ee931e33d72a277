"""The command line: commands, files, answers and exit codes, of real processes."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

from tests.connectors.process import TOY, Run, Toy, catalog, environment, execute


@pytest.fixture
def toy(tmp_path: Path) -> Toy:
    return Toy(tmp_path)


def only(run: Run, kind: str) -> Any:
    found = run.of(kind)
    assert len(found) == 1, run.stdout
    return found[0]


class TestSpec:
    def test_one_spec_and_nothing_else(self, toy: Toy) -> None:
        run = toy.run("spec")
        assert (run.code, run.stderr) == (0, b"")
        assert [m["type"] for m in run.messages if m["type"] != "LOG"] == ["SPEC"]
        assert only(run, "SPEC")["documentationUrl"] == "https://docs.test/toy"

    def test_is_fast_and_imports_neither_requests_nor_jsonschema(self, tmp_path: Path) -> None:
        script = tmp_path / "small.py"
        script.write_text(
            "import sys, atexit\n"
            "from headwater import Config, HttpSource, HttpStream\n"
            "class S(HttpStream):\n    name = 's'\n"
            "class Small(HttpSource):\n    name = 'small'\n    config: Config\n"
            "    def streams(self): return [S(self)]\n"
            "def say():\n"
            "    heavy = {'requests', 'urllib3', 'jsonschema', 'duckdb', 'sqlalchemy', 'asyncio'} & set(sys.modules)\n"
            "    open(sys.argv[0] + '.heavy', 'w').write(repr(sorted(heavy)))\n"
            "atexit.register(say)\n"
            "Small.main()\n"
        )
        environ = environment(PYTHONDONTWRITEBYTECODE=None, PYTHONPYCACHEPREFIX=str(tmp_path / "cache"))
        command = [TOY[0], str(script), "spec"]
        execute(command, env=environ)
        spent = []
        for _ in range(3):
            before = os.times()
            assert execute(command, env=environ).code == 0
            after = os.times()
            spent.append(after.children_user + after.children_system - before.children_user - before.children_system)
        assert (tmp_path / "small.py.heavy").read_text() == "[]"
        assert min(spent) < 0.3  # 0.1 on an idle core


class TestCheck:
    def test_good(self, toy: Toy) -> None:
        run = toy.run("check")
        assert (run.code, run.stderr) == (0, b"")
        assert only(run, "CONNECTION_STATUS") == {"status": "SUCCEEDED"}

    @pytest.mark.parametrize("how", ["config", "transient"])
    def test_no_is_an_answer(self, toy: Toy, how: str) -> None:
        run = toy.run("check", check=how)
        status = only(run, "CONNECTION_STATUS")
        assert (run.code, status["status"], run.of("ERROR")) == (0, "FAILED", [])
        assert "****" in status["message"]

    @pytest.mark.parametrize(
        ("settings", "named"),
        [({"token": None}, "token"), ({"token": 5}, "token"), ({"pages": "x"}, "pages"), ({"pages": -1}, "pages"),
         ({"login": {"kind": "login", "user": "me"}}, "login.password"), ({"login": {"kind": "nobody"}}, "login")],
    )  # fmt: skip
    def test_a_config_that_violates_the_spec(self, toy: Toy, settings: dict[str, Any], named: str) -> None:
        run = toy.run("check", **settings)
        status = only(run, "CONNECTION_STATUS")
        assert (run.code, status["status"]) == (0, "FAILED")
        assert f"`{named}" in status["message"]

    @pytest.mark.parametrize("how", ["bug", "exit"])
    def test_a_broken_connector(self, toy: Toy, how: str) -> None:
        run = toy.run("check", check=how)
        assert (run.code, only(run, "CONNECTION_STATUS")["status"]) == (1, "FAILED")
        assert only(run, "ERROR")["failure_type"] == "system_error"
        assert run.stderr == b""

    def test_says_nothing_of_streams(self, toy: Toy) -> None:
        run = toy.run("check", check="noise")
        assert only(run, "CONNECTION_STATUS") == {"status": "SUCCEEDED"}
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
        assert only(run, "ERROR")["failure_type"] == "config_error"


def failed(run: Run, *named: str, code: int = 1) -> None:
    """It failed for the user's sake, with one trace and a log line that name these."""
    assert run.code == code
    error = only(run, "ERROR")
    assert error["failure_type"] == "config_error"
    for name in named:
        assert name in error["message"]
    assert error["message"] in run.logged
    assert "stack_trace" not in error
    assert b"Traceback" not in run.stderr


class TestUsage:
    @pytest.mark.parametrize(
        ("arguments", "named"),
        [([], "command"), (["write"], "write"), (["read"], "--config"), (["read", "--config", "x"], "--catalog"),
         (["check"], "--config"), (["spec", "--config", "x"], "--config"), (["spec", "--nope"], "--nope"),
         (["check", "--conf", "x"], "--conf"), (["discover", "--config"], "--config")],
    )  # fmt: skip
    def test_wrong(self, arguments: list[str], named: str) -> None:
        run = execute([*TOY, *arguments])
        failed(run, named, code=2)
        assert run.stderr.startswith(b"usage: source-toy")

    def test_help_and_version(self) -> None:
        for arguments in (["--help"], ["read", "--help"]):
            run = execute([*TOY, *arguments])
            assert (run.code, run.stderr) == (0, b"")
            assert b"usage: source-toy" in run.stdout
        run = execute([*TOY, "--version"])
        assert run.code == 0
        assert b"source-toy 0 (headwater " in run.stdout

    @pytest.mark.parametrize("place", [0, 1])
    def test_debug_before_or_after_the_command(self, toy: Toy, place: int) -> None:
        arguments = toy.arguments("read", "printing")
        arguments.insert(len(TOY) + place, "--debug")
        run = execute(arguments)
        assert "DEBUG debugging ****" in run.logged
        assert "DEBUG" not in toy.run("read", "printing").logged
        assert (
            "DEBUG debugging" in execute(toy.arguments("read", "printing"), env=environment(LOG_LEVEL="debug")).logged
        )


BAD_JSON = [
    "",
    "{",
    "nonsense",
    '{"a": }',
    "[1",
    "\ufeff{",
    "{}{}",
    '{"token": "a\nb"}',
    "[" * 100_000,
    "1" * 5000 + "x",
]


class TestFiles:
    @pytest.mark.parametrize("command", ["check", "discover", "read"])
    @pytest.mark.parametrize("text", [None, "", "{", "[]", '"x"', "5", "null"])
    def test_config(self, toy: Toy, command: str, text: str | None) -> None:
        arguments = toy.arguments(command, "numbers")
        config = toy.folder / "config.json"
        config.unlink() if text is None else config.write_text(text)
        run = execute(arguments)
        failed(run, str(config))
        assert len(run.of("CONNECTION_STATUS")) == (1 if command == "check" else 0)

    def test_unreadable(self, toy: Toy) -> None:
        arguments = toy.arguments("read", "numbers")
        config = toy.folder / "config.json"
        config.write_bytes(b'{"token": "\xff"}')
        failed(execute(arguments), str(config), "UTF-8")
        config.unlink()
        config.mkdir()
        failed(execute(arguments), str(config), "directory")

    @pytest.mark.parametrize("text", BAD_JSON)
    def test_not_json(self, toy: Toy, text: str) -> None:
        arguments = toy.arguments("read", "numbers")
        toy.file("catalog.json", text)
        failed(execute(arguments), "catalog.json")

    @pytest.mark.parametrize(
        ("value", "named"),
        [({}, "streams"), ([], "streams"), ({"streams": {}}, "streams"), ({"streams": [1]}, "streams"),
         ({"streams": [{}]}, "stream"), ({"streams": [{"stream": {}}]}, "name"),
         (catalog("x", mode="INVALID"), "sync_mode"), (catalog("x", "x"), "twice"),
         (catalog({"stream": {"name": 5}}), "name"),
         (catalog({"stream": {"name": "x", "json_schema": []}}), "json_schema"),
         (catalog({"stream": {"name": "x", "namespace": [1]}}), "namespace"),
         (catalog({"stream": {"name": "x"}, "cursor_field": "id"}), "cursor_field"),
         (catalog({"stream": {"name": "x"}, "primary_key": ["id"]}), "primary_key"),
         (catalog({"stream": {"name": "x"}, "generation_id": "1"}), "generation_id")],
    )  # fmt: skip
    def test_catalog(self, toy: Toy, value: Any, named: str) -> None:
        arguments = toy.arguments("read", "numbers")
        toy.file("catalog.json", value)
        failed(execute(arguments), "catalog.json", named)

    def test_a_catalog_of_no_streams(self, toy: Toy) -> None:
        run = toy.run("read")
        assert (run.code, run.of("ERROR"), run.of("RECORD")) == (0, [], [])

    @pytest.mark.parametrize(
        "state",
        ["x", "[", "5", '"x"', [5], [{"type": "STREAM"}], [{"type": "STREAM", "stream": {}}], [{"type": "OTHER"}],
         [{"type": "STREAM", "stream": {"stream_descriptor": {"name": 1}}}],
         [{"type": "STREAM", "stream": {"stream_descriptor": {"name": "numbers"}, "stream_state": []}}],
         [{"type": "GLOBAL", "global": []}], [{"type": "GLOBAL", "global": {"stream_states": {}}}]],
    )  # fmt: skip
    def test_wrong_state(self, toy: Toy, state: Any) -> None:
        run = toy.run("read", "numbers", state=state)
        failed(run, "state.json")
        assert run.of("STATUS") == []


STREAM_STATE = {
    "stream_descriptor": {"name": "numbers"},
    "stream_state": {"at": "2024-01-01T00:00:05Z"},
}
FORMS: dict[str, Any] = {
    "list": [{"type": "STREAM", "stream": STREAM_STATE, "unknown": 1}],
    "one": {"type": "STREAM", "stream": STREAM_STATE},
    "without a type": [{"stream": STREAM_STATE}],
    "messages": [{"type": "STATE", "state": {"type": "STREAM", "stream": STREAM_STATE}}],
    "message": {"type": "STATE", "state": {"type": "STREAM", "stream": STREAM_STATE}},
    "global": [{"type": "GLOBAL", "global": {"shared_state": {}, "stream_states": [STREAM_STATE]}}],
    "legacy": {"numbers": {"at": "2024-01-01T00:00:05Z"}, "other": {"x": 1}},
    "legacy list": [{"type": "LEGACY", "data": {"numbers": {"at": "2024-01-01T00:00:05Z"}}}],
    "others": [
        {"type": "STREAM", "stream": {"stream_descriptor": {"name": "gone"}, "stream_state": {"x": 1}}},
        {"type": "STREAM", "stream": STREAM_STATE},
    ],
}


class TestState:
    @pytest.mark.parametrize("form", FORMS)
    def test_forms(self, toy: Toy, form: str) -> None:
        run = toy.run("read", "numbers", state=FORMS[form])
        assert run.code == 0, run.logged
        assert [row["id"] for row in run.records("numbers")] == [5, 6, 7, 8]

    @pytest.mark.parametrize("state", ["", "  \n", {}, [], "null", [{}]])
    def test_none(self, toy: Toy, state: Any) -> None:
        run = toy.run("read", "numbers", state=state)
        assert (run.code, len(run.records("numbers"))) == (0, 9)

    def test_a_null_resets(self, toy: Toy) -> None:
        state = [{"type": "STREAM", "stream": {"stream_descriptor": {"name": "numbers"}, "stream_state": None}}]
        assert len(toy.run("read", "numbers", state=state).records("numbers")) == 9

    def test_goes_on_where_it_ended(self, toy: Toy) -> None:
        first = toy.run("read", "numbers", "parts")
        second = toy.run("read", "numbers", "parts", state=first.of("STATE"))
        assert second.code == 0
        assert [row["id"] for row in second.records("numbers")] == [8]
        assert [row["id"] for row in second.records("parts")] == [8, 8]
        assert second.states("numbers") == first.states("numbers")[-1:]


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
        assert "'nobody'" in only(run, "ERROR")["message"]

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
        assert only(run, "ERROR")["failure_type"] == "config_error"
        assert "`pages`" in only(run, "ERROR")["message"]


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
