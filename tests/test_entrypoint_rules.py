"""The rules R1 to R23 that a source must obey, over one recorded read of the toy, and another that fails."""

from __future__ import annotations

import json
import time
from itertools import pairwise
from typing import Any

import pytest

from tests.connectors.process import Run, Toy

GOOD = ["numbers", "full", "parts", "empty", "empty_full", "skipped", "limited", "printing", "values"]
BAD = ["broken", "denied", "nobody", "flaky"]


@pytest.fixture(scope="module")
def toy(tmp_path_factory: pytest.TempPathFactory) -> Toy:
    return Toy(tmp_path_factory.mktemp("rules"))


@pytest.fixture(scope="module")
def good(toy: Toy) -> Run:
    return toy.run("read", *GOOD)


@pytest.fixture(scope="module")
def bad(toy: Toy) -> Run:
    return toy.run("read", "broken", "numbers", "denied", "nobody", "full", "flaky")


@pytest.fixture(params=["good", "bad"])
def run(request: pytest.FixtureRequest) -> Run:
    found = request.getfixturevalue(request.param)
    assert isinstance(found, Run)
    return found


def stream_of(message: dict[str, Any]) -> str | None:
    if message["type"] == "RECORD":
        return str(message["record"]["stream"])
    if message["type"] == "STATE":
        return str(message["state"]["stream"]["stream_descriptor"]["name"])
    status = message.get("trace", {}).get("stream_status")
    return str(status["stream_descriptor"]["name"]) if status else None


class TestRules:
    def test_r1_r2_a_message_a_line(self, run: Run) -> None:
        assert run.stdout.endswith(b"\n")
        assert b"\r" not in run.stdout
        for line in run.lines:
            decoder = json.JSONDecoder()
            text = line.decode("utf-8")
            value, end = decoder.raw_decode(text)
            assert end == len(text)
            assert isinstance(value, dict)
        assert run.stderr == b""

    def test_r3_a_state_covers_what_was_before_it(self, run: Run) -> None:
        seen: dict[str, str] = {}
        for message in run.messages:
            name = stream_of(message)
            if message["type"] == "RECORD" and "at" in message["record"]["data"]:
                seen[name or ""] = max(seen.get(name or "", ""), message["record"]["data"]["at"])
            if message["type"] == "STATE":
                place = message["state"]["stream"]["stream_state"].get("at")
                assert place is None or place <= seen[name or ""]

    def test_r4_no_state_is_ahead_of_a_part(self, good: Run) -> None:
        part = 0
        for message in good.messages:
            if stream_of(message) != "parts":
                continue
            if message["type"] == "RECORD":
                part += message["record"]["data"]["id"] == 0
            if message["type"] == "STATE":
                assert len(message["state"]["stream"]["stream_state"]["states"]) <= part
        assert part == 2

    def test_r5_each_stream_has_a_state(self, good: Run) -> None:
        for name in GOOD:
            assert good.states(name), name
            assert all(good.states(name)), name

    def test_r6_one_type_of_state(self, run: Run) -> None:
        assert {state["type"] for state in run.of("STATE")} == {"STREAM"}

    def test_r7_no_state_twice(self, run: Run) -> None:
        for name in GOOD + BAD:
            states = run.states(name)
            assert all(a != b for a, b in pairwise(states)), name

    def test_r8_counts_are_exact_floats(self, run: Run) -> None:
        since: dict[str | None, int] = {}
        for message in run.messages:
            name = stream_of(message)
            if message["type"] == "RECORD":
                since[name] = since.get(name, 0) + 1
            if message["type"] == "STATE":
                count = message["state"]["sourceStats"]["recordCount"]
                assert isinstance(count, float)
                assert count == since.pop(name, 0)
        assert not any(since.values())

    def test_r9_statuses(self, run: Run) -> None:
        for name in {stream_of(message) for message in run.messages} - {None}:
            statuses = run.statuses(name or "")
            assert statuses[0] == "STARTED"
            assert statuses[-1] in ("COMPLETE", "INCOMPLETE")
            assert set(statuses[1:-1]) <= {"RUNNING"}
            own = [message for message in run.messages if stream_of(message) == name]
            assert own[-1]["type"] == "TRACE"
            kinds = [m["type"] if m["type"] != "TRACE" else m["trace"]["stream_status"]["status"] for m in own]
            if "RECORD" in kinds:
                assert kinds[kinds.index("RECORD") - 1] == "RUNNING"
            if kinds[-1] == "COMPLETE":
                assert kinds[-2] == "STATE"

    def test_r10_r11_only_streams_of_the_catalog(self, run: Run) -> None:
        assert {stream_of(message) for message in run.messages} - {None} <= {*GOOD, *BAD}
        assert all("namespace" not in record for record in run.of("RECORD"))

    def test_r12_exit_codes(self, good: Run, bad: Run) -> None:
        assert good.code == 0
        assert all(good.statuses(name)[-1] == "COMPLETE" for name in GOOD)
        assert good.of("ERROR") == []
        assert bad.code == 1

    def test_r13_each_failure_is_told(self, bad: Run) -> None:
        errors = {error["stream_descriptor"]["name"]: error for error in bad.of("ERROR")}
        assert sorted(errors) == sorted(BAD)
        assert len(bad.of("ERROR")) == len(BAD)
        kinds = {name: error["failure_type"] for name, error in errors.items()}
        assert kinds == {
            "broken": "system_error", "denied": "config_error", "nobody": "config_error", "flaky": "transient_error",
        }  # fmt: skip
        for name in BAD:
            assert bad.statuses(name)[-1] == "INCOMPLETE"
        for name in ("numbers", "full"):
            assert bad.statuses(name)[-1] == "COMPLETE"

    def test_r14_a_failed_stream_has_no_last_state(self, bad: Run) -> None:
        for name in BAD:
            assert not any("__ab_no_cursor_state_message" in state for state in bad.states(name))
        assert bad.states("broken") == [{"at": "2024-01-01T00:00:02Z"}]

    def test_r15_keys_are_scalar(self, good: Run) -> None:
        for name in ("numbers", "full", "parts"):
            assert all(isinstance(row["id"], int) for row in good.records(name))

    def test_r16_nothing_is_held_back(self, toy: Toy) -> None:
        with toy.start("read", "sleeping") as process:
            process.wait_for(b'"RECORD"')
            process.wait_for(b"waiting now")

    def test_r17_what_is_unknown_is_ignored(self, toy: Toy) -> None:
        state = [
            {"type": "STREAM", "new": 1, "stream": {
                "stream_descriptor": {"name": "numbers", "new": 1}, "stream_state": {"at": "2024", "new": {}}, "x": 1}},
            {"type": "STREAM", "stream": {"stream_descriptor": {"name": "gone"}, "stream_state": {"x": 1}}},
        ]  # fmt: skip
        run = toy.run("read", "numbers", state=state, new={"x": [1]}, _technical=True)
        assert (run.code, run.statuses("numbers")[-1]) == (0, "COMPLETE")

    def test_r18_discover_is_the_same_each_time(self, toy: Toy) -> None:
        runs = [toy.run("discover") for _ in range(2)]
        assert runs[0].of("CATALOG") == runs[1].of("CATALOG")
        for stream in runs[0].of("CATALOG")[0]["streams"]:
            assert stream["json_schema"]["type"] == "object"
            assert "properties" in stream["json_schema"]
            assert stream["supported_sync_modes"]

    def test_r19_check_says_no(self, toy: Toy) -> None:
        runs = [toy.run("check", check="config") for _ in range(2)]
        assert runs[0].stdout == runs[1].stdout
        assert runs[0].code == 0

    def test_r20_no_secret(self, toy: Toy, run: Run) -> None:
        token = toy.config["token"]
        for message in run.messages:
            if message["type"] not in ("RECORD", "STATE"):
                assert token not in json.dumps(message, ensure_ascii=False)
                assert json.dumps(token)[1:-1] not in json.dumps(message)

    def test_r22_ends_in_order(self, toy: Toy) -> None:
        import signal

        with toy.start("read", "sleeping") as process:
            process.wait_for(b"waiting now")
            process.signal(signal.SIGTERM)
            run = process.end()
        assert (run.code, run.statuses("sleeping")[-1], len(run.states("sleeping"))) == (143, "INCOMPLETE", 1)

    def test_r23_nothing_new(self, toy: Toy) -> None:
        future = {"type": "STREAM", "stream": {
            "stream_descriptor": {"name": "numbers"}, "stream_state": {"at": "2999-01-01T00:00:00Z"}}}  # fmt: skip
        run = toy.run("read", "numbers", state=[future])
        assert (run.code, run.records("numbers")) == (0, [])
        assert run.states("numbers") == [{"at": "2999-01-01T00:00:00Z"}]
        assert run.statuses("numbers") == ["STARTED", "COMPLETE"]

    def test_times_are_now_in_milliseconds(self, run: Run) -> None:
        now = time.time() * 1000
        for message in run.messages:
            at = message.get("record", message.get("trace", {})).get("emitted_at")
            if at is not None:
                assert isinstance(at, int)
                assert now - 300_000 < at <= now
