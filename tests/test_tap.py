"""Connectors as Singer taps: real processes."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from headwater.protocol.catalog import Catalog, CatalogStream
from headwater.protocol.messages import Records, State, Status, StreamStatus
from headwater.protocol.singer import Bookmarks
from headwater.protocol.singer_catalog import catalog_to_singer
from headwater.protocol.singer_selection import select
from headwater.tap_run import TapRun
from tests.connectors.process import ROOT, execute
from tests.connectors.tap import TOY_TAP, Output, Tap


@pytest.fixture
def tap(tmp_path: Path) -> Tap:
    return Tap(tmp_path)


class TestDocuments:
    def test_discover(self, tap: Tap) -> None:
        run = execute([*TOY_TAP, "--discover", "--config", tap.file("c.json", tap.config)])
        assert run.code == 0
        streams = {entry["tap_stream_id"]: entry for entry in json.loads(run.stdout)["streams"]}
        facts = {tuple(m["breadcrumb"]): m["metadata"] for m in streams["numbers"]["metadata"]}
        assert facts == {
            (): {"inclusion": "available", "selected-by-default": True, "table-key-properties": ["id"],
                 "valid-replication-keys": ["at"]},
            ("properties", "id"): {"inclusion": "automatic", "selected-by-default": True},
            ("properties", "at"): {"inclusion": "automatic", "selected-by-default": True},
            ("properties", "text"): {"inclusion": "available", "selected-by-default": True},
        }  # fmt: skip
        assert streams["numbers"]["schema"]["properties"].keys() == {"id", "at", "text"}
        assert streams["full"]["metadata"][0]["metadata"]["forced-replication-method"] == "FULL_TABLE"

    def test_about(self) -> None:
        run = execute([*TOY_TAP, "--about", "--format", "json"])
        told = json.loads(run.stdout)
        assert (run.code, told["name"]) == (0, "tap-toy")
        assert {"catalog", "discover", "state"} <= set(told["capabilities"])
        settings = told["settings"]["properties"]
        assert settings["token"]["secret"] is True
        assert settings["token"]["description"] == "A token, or several with commas."
        assert "secret" not in settings["pages"]
        assert b"airbyte_secret" not in run.stdout
        text = execute([*TOY_TAP, "--about"])
        assert b"token (required, secret): A token" in text.stdout
        assert b"  num_workers: Workers [1]\n" in text.stdout

    def test_help_and_version(self) -> None:
        run = execute([*TOY_TAP, "--help"])
        assert (run.code, run.stderr) == (0, b"")
        assert b"usage: tap-toy" in run.stdout
        run = execute([*TOY_TAP, "--version"])
        assert re.fullmatch(rb"tap-toy \S+ \(headwater \S+\)\n", run.stdout)

    def test_of_a_connector_the_script_exists(self) -> None:
        text = (ROOT / "connectors/source-github/pyproject.toml").read_text()
        assert 'tap-github = "source_github:GithubSource.tap_main"' in text


class TestMistakes:
    @pytest.mark.parametrize(
        ("arguments", "named"),
        [([], "--config"), (["--discover"], "--config"), (["read"], "read"), (["--conf", "x"], "--conf")],
    )
    def test_command_lines(self, arguments: list[str], named: str) -> None:
        run = execute([*TOY_TAP, *arguments])
        assert (run.code, run.stdout) == (2, b"")
        lines = run.stderr.decode().splitlines()
        assert lines[0].startswith("usage: tap-toy")
        assert lines[-1].startswith("CRITICAL Command line: ")
        assert named in lines[-1]

    @pytest.mark.parametrize(
        ("flag", "text", "named"),
        [("--catalog", "{", "not JSON"), ("--catalog", "{}", "`streams`"), ("--catalog", "", "not JSON"),
         ("--catalog", "null", "`streams`"), ("--properties", "[]", "`streams`"), ("--state", "[1]", "`bookmarks`"),
         ("--state", '{"bookmarks": {"numbers": 5}}', "'numbers'"), ("--config", "[]", "object"),
         ("--config", '{"token": 5}', "`token`")],
    )  # fmt: skip
    def test_files(self, tap: Tap, flag: str, text: str, named: str) -> None:
        config = tap.file("config.json", tap.config)
        run = execute([*TOY_TAP, "--config", config, flag, tap.file("wrong.json", text)])
        assert (run.code, run.stdout) == (1, b"")
        last = run.stderr.decode().splitlines()[-1]
        assert last.startswith("CRITICAL ")
        assert named in last
        assert "`token`" in last or "wrong.json" in last
        assert b"Traceback" not in run.stderr

    def test_nothing_selected(self, tap: Tap) -> None:
        run = tap.sync(catalog={"streams": []})
        assert (run.code, run.messages) == (0, [])
        assert run.log == "WARNING The catalog selects no stream.\n"


class TestSync:
    def test_streams(self, tap: Tap) -> None:
        run = tap.sync("numbers", "full", "empty", "parts")
        run.check()
        assert run.code == 0
        assert [len(run.records(name)) for name in ("numbers", "full", "empty", "parts")] == [9, 9, 0, 18]
        assert run.counts == {"numbers": 9, "full": 9, "empty": 0, "parts": 18}
        assert run.schema("numbers")["key_properties"] == ["id"]
        assert run.schema("numbers")["bookmark_properties"] == ["at"]
        assert "bookmark_properties" not in run.schema("full")
        assert run.schema("empty")["schema"]["properties"].keys() == {"id", "at", "text"}
        last = "2024-01-01T00:00:08Z"
        assert run.states[-1] == {
            "bookmarks": {
                "numbers": {"at": last},
                "parts": {"states": [{"partition": {"part": part}, "cursor": {"at": last}} for part in "ab"]},
            }
        }

    def test_states_are_never_ahead_of_records(self, tap: Tap) -> None:
        given = ""
        for message in tap.sync("numbers", pages=5).messages:
            if message["type"] == "RECORD":
                given = message["record"]["at"]
            elif message["type"] == "STATE":
                assert message["value"]["bookmarks"].get("numbers", {}).get("at", "") <= given

    def test_goes_on_from_any_state(self, tap: Tap) -> None:
        first = tap.sync("numbers", "parts")
        for state in (first.states[0], first.states[-1], {"singer_state": first.states[-1]}):
            again = tap.sync("numbers", "parts", state=state)
            assert again.code == 0, again.log
            assert again.states[-1] == first.states[-1]
            at = state.get("singer_state", state)["bookmarks"]["numbers"]["at"]
            assert [row["at"] for row in again.records("numbers")] == [
                row["at"] for row in first.records("numbers") if row["at"] >= at
            ]
        assert len(again.records("parts")) == 2  # the bound of each part comes again

    def test_what_is_not_ours_in_a_state_is_kept(self, tap: Tap) -> None:
        state = {"bookmarks": {"full": {"at": "2023"}, "gone": {"x": [1.5]}}, "note": 5, "currently_syncing": "numbers"}
        run = tap.sync("numbers", "full", state=state)
        assert run.states[-1] == {
            "note": 5,
            "bookmarks": {"full": {"at": "2023"}, "gone": {"x": [1.5]}, "numbers": {"at": "2024-01-01T00:00:08Z"}},
        }

    def test_a_bookmark_of_meltanos_sdk(self, tap: Tap) -> None:
        mark = {"replication_key": "at", "replication_key_value": "2024-01-01T00:00:07Z", "progress_markers": {"x": 1}}
        run = tap.sync("numbers", state={"bookmarks": {"numbers": mark}})
        assert [row["id"] for row in run.records("numbers")] == [7, 8]
        assert run.states[-1] == {"bookmarks": {"numbers": {"at": "2024-01-01T00:00:08Z"}}}

    def test_raw_records_are_spliced_in(self, tap: Tap) -> None:
        token = "in-a-record-it-is-data"
        tap.config = {"token": token}
        run = tap.sync("ready")
        raw = '{"id": 1,  "text": "' + token + '", "null": null, "big": 12345678901234567890123}'
        assert f'"record":{raw},"time_extracted"'.encode() in b"\n".join(run.lines)

    def test_strange_values(self, tap: Tap) -> None:
        run = tap.sync("values")
        run.check()
        assert len(run.records("values")) > 40
        assert "values that JSON can't hold" in run.log


class TestSelection:
    def test_fields(self, tap: Tap) -> None:
        run = tap.sync(catalog=tap.catalog("numbers", "full", drop=("numbers.text", "numbers.at", "full.at")))
        run.check()
        assert run.schema("numbers")["schema"]["properties"].keys() == {"id", "at"}
        assert {tuple(row) for row in run.records("numbers")} == {("id", "at")}
        assert {tuple(row) for row in run.records("full")} == {("id", "text")}

    def test_method(self, tap: Tap) -> None:
        whole = tap.catalog("numbers", **{"replication-method": "FULL_TABLE"})
        run = tap.sync(catalog=whole, state={"bookmarks": {"numbers": {"at": "2024-01-01T00:00:08Z"}}})
        assert len(run.records("numbers")) == 9
        assert run.states[-1] == {"bookmarks": {"numbers": {"at": "2024-01-01T00:00:08Z"}}}

    def test_discovered_and_without_a_catalog_it_is_the_same(self, tap: Tap) -> None:
        catalog = json.loads(execute([*TOY_TAP, "-d", "-c", tap.file("c.json", tap.config)]).stdout)
        for entry in catalog["streams"]:
            entry["metadata"][0]["metadata"]["selected"] = entry["stream"] in ("numbers", "full")
        run = tap.sync(catalog=catalog)
        assert run.counts == {"numbers": 9, "full": 9}
        assert {tuple(row) for row in run.records("full")} == {("id", "at", "text")}

    def test_properties_of_old(self, tap: Tap) -> None:
        fields = {"id": {"type": "integer"}, "at": {"selected": False}, "text": {"selected": True}}
        chosen = {"stream": "full", "schema": {"selected": True, "type": "object", "properties": fields}}
        other = {"stream": "numbers", "schema": {"properties": fields}}
        config = tap.file("config.json", tap.config)
        command = [*TOY_TAP, "--config", config, "--properties", tap.file("p.json", {"streams": [chosen, other]})]
        run = Output(execute(command))
        run.check()
        assert run.counts == {"full": 9}
        assert {tuple(row) for row in run.records("full")} == {("id", "text")}
        assert "selected" not in json.dumps(run.schema("full"))


class TestFailures:
    def test_one_stream_s_failure_leaves_the_others(self, tap: Tap) -> None:
        before = {"bookmarks": {"denied": {"x": 1}, "flaky": {"y": 1}}}
        run = tap.sync("denied", "broken", "nowhere", "numbers", "exits", state=before)
        run.check()
        assert run.code == 1
        assert [len(run.records(name)) for name in ("denied", "broken", "numbers")] == [0, 3, 9]
        # what was given is behind the state, and nothing else
        assert run.states[-1]["bookmarks"] == {
            **before["bookmarks"], "broken": {"at": "2024-01-01T00:00:02Z"}, "numbers": {"at": "2024-01-01T00:00:08Z"},
        }  # fmt: skip
        critical = [line for line in run.log.splitlines() if line.startswith("CRITICAL")]
        for line, stream in zip(critical, ("denied", "broken", "nowhere", "exits"), strict=True):
            assert line.startswith(f"CRITICAL Stream {stream} failed: ")
        assert critical == run.log.splitlines()[-4:]
        assert "ValueError: no luck with ****" in run.log
        assert tap.config["token"] not in run.log
        assert '"status": "failed"' in run.log
        assert not any(m["type"] == "SCHEMA" and m["stream"] == "nowhere" for m in run.messages)

    def test_secrets(self, tap: Tap) -> None:
        run = tap.sync("leaking", "printing", login={"kind": "login", "user": "me", "password": "p4ssw0rd/ä"})
        for secret in (tap.config["token"], "p4ssw0rd", "s3cr3t"):
            assert secret not in run.log
        assert "INFO printed ****" in run.log
        assert "WARNING raw fd 2 ****" in run.log
        assert "WARNING forked child ****" in run.log
        assert len(run.records("printing")) == 6
        for line in run.lines:
            json.loads(line)

    def test_a_rotated_token_is_kept_in_the_config_file(self, tap: Tap) -> None:
        login = {"kind": "login", "user": "me", "password": "old"}
        command = tap.line("rotating", login=login)
        config = tap.folder / "config.json"
        config.chmod(0o600)
        run = Output(execute(command))
        assert run.code == 0
        assert json.loads(config.read_text()) == {
            "token": "rotated-token-1",
            "login": {**login, "password": "rotated-pass-2"},
        }
        assert config.stat().st_mode & 0o777 == 0o600
        assert "rotated-" not in run.log + "".join(map(str, run.lines))
        assert sorted(path.name for path in tap.folder.iterdir()) == ["catalog.json", "config.json"]


class Lines:
    """A wire that keeps what is written."""

    def __init__(self) -> None:
        self.lines: list[dict[str, Any]] = []

    def put(self, data: bytes) -> None:
        self.lines += [json.loads(line) for line in data.splitlines()]

    def write(self, message: Any) -> None:
        pass


def test_a_large_state_does_not_outweigh_the_records() -> None:
    stream = CatalogStream("s", supported_sync_modes=("incremental",), default_cursor_field=("at",))
    name, wire = stream.descriptor, Lines()
    run = TapRun(wire, select(catalog_to_singer(Catalog((stream,))), Catalog((stream,))), Bookmarks(None, [name]))  # type: ignore[arg-type]
    run.tell(StreamStatus(name, Status.STARTED))
    for number in range(1000):
        run.tell(Records(name, [b'{"at": "' + b"x" * 1000 + b'"}']))
        run.tell(State.of_stream(name, {"at": number, "much": "y" * 100_000}))
    before = len(wire.lines)
    states = [line["value"]["bookmarks"]["s"]["at"] for line in wire.lines if line["type"] == "STATE"]
    assert 5 < len(states) < 12
    run.tell(StreamStatus(name, Status.INCOMPLETE))
    assert [line["value"]["bookmarks"]["s"]["at"] for line in wire.lines[before:]] == [999]
