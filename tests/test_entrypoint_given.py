"""What the command line is given: arguments, files and states, right ones and wrong ones, of real processes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.connectors.process import TOY, Run, Toy, catalog, environment, execute


@pytest.fixture
def toy(tmp_path: Path) -> Toy:
    return Toy(tmp_path)


def failed(run: Run, *named: str, code: int = 1) -> None:
    """It failed for the user's sake, with one trace and a log line that name these."""
    assert run.code == code
    error = run.only("ERROR")
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
         ({"type": "CATALOG", "catalog": {"streams": []}}, "discover --configured"),
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
