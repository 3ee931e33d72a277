"""Connectors as Singer taps: real processes, and a real target reading them."""

from __future__ import annotations

import json
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from headwater.protocol.catalog import Catalog, CatalogStream
from headwater.protocol.messages import Records, State, Status, StreamStatus
from headwater.protocol.singer import Bookmarks
from headwater.protocol.singer_catalog import catalog_to_singer
from headwater.protocol.singer_selection import select
from headwater.tap_run import TapRun
from tests.connectors.process import ROOT, Process, Run, Toy, environment, execute
from tests.needs import missing

TOY_TAP = (sys.executable, "-c", "from tests.connectors.toy import ToySource; ToySource.tap_main()")
TERM, INT = signal.SIGTERM, signal.SIGINT


class Tap(Toy):
    """The toy connector as a tap, with its files in a folder."""

    def catalog(self, *streams: str, drop: tuple[str, ...] = (), **root: Any) -> dict[str, Any]:
        """A catalog as a runner writes it: these streams selected, without fields (``stream.field``)."""
        entries = []
        for name in streams:
            metadata: list[dict[str, Any]] = [{"breadcrumb": [], "metadata": {"selected": True, **root}}]
            for field in (path.split(".")[1:] for path in drop if path.startswith(f"{name}.")):
                crumb = [part for step in field for part in ("properties", step)]
                metadata.append({"breadcrumb": crumb, "metadata": {"selected": False}})
            entries.append({"tap_stream_id": name, "stream": name, "schema": {}, "metadata": metadata})
        return {"streams": entries}

    def line(self, *streams: str, catalog: Any = None, state: Any = None, **settings: Any) -> list[str]:
        """A command line; the files it names are written."""
        catalog = self.catalog(*streams) if catalog is None else catalog
        command = [*TOY_TAP, "--config", self.file("config.json", {**self.config, **settings})]
        command += ["--catalog", self.file("catalog.json", catalog)]
        return command if state is None else [*command, "--state", self.file("state.json", state)]

    def sync(self, *streams: str, **options: Any) -> Output:
        """Run it to its end."""
        return Output(execute(self.line(*streams, **options)))

    @contextmanager
    def started(self, *streams: str, **options: Any) -> Iterator[Process]:
        """Start it, and make sure that it ends."""
        popen = subprocess.Popen(
            self.line(*streams, **options),
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=environment(), cwd=ROOT,
        )  # fmt: skip
        process = Process(popen)
        try:
            process.start()
            yield process
        finally:
            if popen.poll() is None:
                popen.kill()
                popen.wait()


class Output:
    """What a tap wrote."""

    def __init__(self, run: Run) -> None:
        self.code = run.code
        self.lines = run.lines
        self.messages = run.messages
        self.log = run.stderr.decode()
        self.seconds = run.seconds

    def schema(self, stream: str) -> dict[str, Any]:
        (found,) = (m for m in self.messages if m["type"] == "SCHEMA" and m["stream"] == stream)
        return found

    def records(self, stream: str) -> list[dict[str, Any]]:
        return [m["record"] for m in self.messages if m["type"] == "RECORD" and m["stream"] == stream]

    @property
    def states(self) -> list[dict[str, Any]]:
        return [message["value"] for message in self.messages if message["type"] == "STATE"]

    @property
    def counts(self) -> dict[str, int]:
        points = [json.loads(p) for p in re.findall(r"^INFO METRIC: (.*)$", self.log, re.MULTILINE)]
        return {p["tags"]["stream"]: p["value"] for p in points if p["metric"] == "record_count"}

    def check(self) -> None:
        """The rules of every run: SCHEMA first, whole states in the end, a log in Singer's form."""
        known = set()
        for message in self.messages:
            if message["type"] == "SCHEMA":
                known.add(message["stream"])
            elif message["type"] == "RECORD":
                assert message["stream"] in known
                assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z", message["time_extracted"])
        if self.messages:
            assert self.messages[-1]["type"] == "STATE"
        for before, after in zip(self.states, self.states[1:], strict=False):
            assert before["bookmarks"].keys() <= after["bookmarks"].keys()
        if self.code == 1:
            assert self.log.splitlines()[-1].startswith("CRITICAL ")
        else:
            assert "CRITICAL" not in self.log


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


class TestStops:
    @pytest.mark.parametrize("number", [TERM, INT])
    def test_signals(self, tap: Tap, number: signal.Signals) -> None:
        with tap.started("sleeping", "numbers") as process:
            until = time.monotonic() + 15
            while b"waiting now" not in process.stderr:
                assert time.monotonic() < until
                time.sleep(0.01)
            process.signal(number)
            run = Output(process.end())
        assert run.code == 128 + number
        assert run.seconds < 4
        assert len(run.records("sleeping")) == 3
        assert run.messages[-1] == {
            "type": "STATE",
            "value": {"bookmarks": {"sleeping": {"at": "2024-01-01T00:00:02Z"}}},
        }
        assert run.records("numbers") == []
        assert "WARNING The read was stopped" in run.log
        assert "CRITICAL" not in run.log

    def test_in_the_middle_of_many_records(self, tap: Tap) -> None:
        with tap.started("endless") as process:
            process.wait_for(b'"STATE"')
            process.signal(TERM)
            run = Output(process.end())
        assert run.code == 143
        at = [row["at"] for row in run.records("endless")]
        covered = at.index(run.states[-1]["bookmarks"]["endless"]["at"]) + 1
        assert len(at) - covered in (0, 100)  # at most the last page comes again

    def test_nobody_reads(self, tap: Tap) -> None:
        command = tap.line("endless")
        popen = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=environment(), cwd=ROOT)
        assert popen.stdout is not None
        assert popen.stderr is not None
        popen.stdout.readline()
        popen.stdout.close()
        log = popen.stderr.read().decode()
        assert popen.wait(15) == 141
        assert "Traceback" not in log

    def test_nobody_reads_the_log(self, tap: Tap) -> None:
        command = tap.line("printing", "numbers")
        popen = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=environment(), cwd=ROOT)
        assert popen.stderr is not None
        popen.stderr.close()
        out = popen.stdout.read() if popen.stdout else b""
        assert popen.wait(15) == 0
        assert out.count(b'"RECORD"') == 15

    def test_killed_again_and_again(self, tap: Tap) -> None:
        """What a runner has after kills is what there is, in order, with repetitions only."""
        seen: list[str] = []
        state: Any = None
        for attempt in range(30):
            with tap.started("numbers", state=state, pages=1500) as process:
                if attempt < 4:
                    while len(process.stdout) < 90_000 and process.popen.poll() is None:
                        time.sleep(0.002)
                    process.popen.kill()
                code = process.end().code
            whole = bytes(process.stdout).split(b"\n")[:-1]  # the last line may be cut
            for message in map(json.loads, whole):
                if message["type"] == "RECORD":
                    seen.append(message["record"]["id"])
                elif message["type"] == "STATE":
                    state = message["value"]
            if code == 0:
                break
        assert (code, attempt) == (0, 4)
        assert set(seen) == set(range(4500))
        assert list(dict.fromkeys(seen)) == sorted(set(seen))


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


# --- a real target --------------------------------------------------------------------------------------------

GITHUB_TAP = (sys.executable, "-c", "from source_github import GithubSource; GithubSource.tap_main()")
PARSE = """
import sys, singer
kinds = {}
for line in sys.stdin:
    message = singer.parse_message(line)
    if isinstance(message, singer.RecordMessage):
        assert message.time_extracted.tzinfo is not None
    kinds[type(message).__name__] = kinds.get(type(message).__name__, 0) + 1
import json
catalog = singer.Catalog.load(sys.argv[1])
selected = [s.tap_stream_id for s in catalog.get_selected_streams({})]
replication = {s.tap_stream_id: s.key_properties for s in catalog.streams}
print(json.dumps([kinds, selected, replication]))
"""


@pytest.fixture(scope="module")
def target(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Programs of a virtual environment with target-jsonl, and with it singer-python."""
    folder = tmp_path_factory.mktemp("target")
    uv = Path(sys.executable).parent / "uv"
    python = folder / "bin/python"
    packages = ["target-jsonl==0.1.4", "setuptools<81"]
    if uv.exists():
        steps = [[uv, "venv", "-q", "--clear", folder], [uv, "pip", "install", "-q", "--python", python, *packages]]
    else:
        steps = [[sys.executable, "-m", "venv", folder], [python, "-m", "pip", "install", "-q", *packages]]
    for step in steps:
        try:
            subprocess.run(list(map(str, step)), check=True, capture_output=True, timeout=120, cwd=folder)
        except (OSError, subprocess.SubprocessError) as error:
            said = (getattr(error, "stderr", None) or b"").decode()[-300:]
            reason = f"needs target-jsonl, which is installed where Python packages can be downloaded: {error} {said}"
            missing(reason)
    return folder / "bin"


class Github:
    """tap-github against the stand-in of GitHub, into target-jsonl."""

    def __init__(self, folder: Path, url: str, token: str, repositories: list[str]) -> None:
        self.folder = folder
        self.config = folder / "config.json"
        credentials = {"personal_access_token": token}
        settings = {"credentials": credentials, "repositories": repositories, "api_url": url, "num_workers": 1}
        self.config.write_text(json.dumps(settings))  # one worker: reads are compared in their order

    def run(self, *arguments: str) -> Run:
        path = f"{ROOT}:{ROOT / 'sdk'}:{ROOT / 'connectors/source-github'}"
        command = [*GITHUB_TAP, "--config", str(self.config), *arguments]
        return execute(command, env=environment(PYTHONPATH=path))

    def tap(self, *arguments: str) -> Output:
        return Output(self.run(*arguments))

    def land(self, target: Path, output: Output) -> tuple[dict[str, list[dict[str, Any]]], dict[str, Any]]:
        """The rows that arrived, and the state that the target gave back."""
        into = self.folder / f"out{len(list(self.folder.iterdir()))}"
        config = self.folder / "target.json"
        config.write_text(json.dumps({"destination_path": str(into), "do_timestamp_file": False}))
        lines = b"".join(line + b"\n" for line in output.lines)
        done = subprocess.run(
            [target / "target-jsonl", "--config", config], input=lines, capture_output=True, timeout=60, check=False
        )
        assert done.returncode == 0, done.stderr.decode()
        rows = {
            path.stem: [json.loads(line) for line in path.read_text().splitlines()] for path in into.glob("*.jsonl")
        }
        return rows, json.loads(done.stdout.splitlines()[-1])


def in_order(found: dict[str, list[dict[str, Any]]]) -> dict[str, list[str]]:
    return {name: sorted(json.dumps(row, sort_keys=True) for row in rows) for name, rows in found.items()}


def by_key(rows: list[dict[str, Any]], *keys: str) -> dict[Any, dict[str, Any]]:
    return {tuple(row[key] for key in keys): row for row in rows}


class TestTarget:
    def test_github_into_a_target_and_on_from_its_state(self, target: Path, tmp_path: Path) -> None:
        from source_github import GithubSource
        from tests.github_api import TOKEN, GithubApi, Repo

        with GithubApi(repos={"octo/alpha": Repo(130), "octo/beta": Repo(40)}, seed=3) as api:
            github = Github(tmp_path, api.url, TOKEN, list(api.repos))
            run = github.tap()
            run.check()
            assert run.code == 0, run.log
            rows, state = github.land(target, run)
            source = GithubSource.from_config(json.loads(github.config.read_text()))
            messages = source.read(source.discover().configured())
            wanted: dict[str, list[dict[str, Any]]] = {}
            for message in messages:
                if hasattr(message, "rows"):
                    wanted.setdefault(message.stream.name, []).extend(message.rows())
            assert in_order(rows) == in_order(wanted)  # several slices are read at a time
            assert len(rows) == 14
            assert run.counts == {name: len(found) for name, found in wanted.items()}
            issues = by_key(rows["issues"], "repository", "id")
            assert len(issues) == 170
            assert {row["number"] for row in issues.values() if row["repository"] == "octo/beta"} == {
                item["number"] for item in api.truth("issues", "octo/beta")
            }
            # a runner stores what the target gave back
            assert state == run.states[-1]
            stored = tmp_path / "state.json"
            stored.write_text(json.dumps(state))
            numbers = list(api.repos["octo/alpha"].issues)[:3]
            for number in numbers:
                api.repos["octo/alpha"].touch_issue(number)
            again = github.tap("--state", str(stored))
            again.check()
            assert again.code == 0, again.log
            assert again.states[-1]["bookmarks"].keys() == state["bookmarks"].keys()
            assert set(numbers) <= {row["number"] for row in again.records("issues")}
            assert len(again.records("issues")) < 20
            assert len(again.records("tags")) == len(rows["tags"])  # always read whole

    def test_singer_s_own_library_reads_it(self, target: Path, tmp_path: Path) -> None:
        from tests.github_api import TOKEN, GithubApi, Repo

        with GithubApi(repos={"octo/alpha": Repo(40)}, seed=3) as api:
            github = Github(tmp_path, api.url, TOKEN, list(api.repos))
            catalog = json.loads(github.run("--discover").stdout)
            chosen = {"issues": ("user", "login"), "tags": ("commit",)}
            for entry in catalog["streams"]:
                for facts in entry["metadata"]:
                    if not facts["breadcrumb"]:
                        facts["metadata"]["selected"] = entry["stream"] in chosen
                    elif tuple(facts["breadcrumb"][1::2]) == chosen.get(entry["stream"]):
                        facts["metadata"]["selected"] = False
            (tmp_path / "catalog.json").write_text(json.dumps(catalog))
            run = github.tap("--catalog", str(tmp_path / "catalog.json"))
            run.check()
            whole = [item["user"] for item in api.truth("issues", "octo/alpha")]
        users = [row["user"] for row in run.records("issues")]
        assert sorted(user["id"] for user in users if user) == sorted(user["id"] for user in whole if user)
        assert all("login" not in user and "url" in user for user in users if user)
        assert all("commit" not in row and "name" in row for row in run.records("tags"))
        assert "login" not in run.schema("issues")["schema"]["properties"]["user"]["properties"]
        done = subprocess.run(
            [target / "python", "-c", PARSE, tmp_path / "catalog.json"],
            input=b"".join(line + b"\n" for line in run.lines), capture_output=True, timeout=60, check=False,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr.decode()
        kinds, selected, keys = json.loads(done.stdout)
        assert kinds["RecordMessage"] == len(run.records("issues")) + len(run.records("tags"))
        assert kinds["SchemaMessage"] == 2
        assert set(kinds) == {"RecordMessage", "SchemaMessage", "StateMessage"}
        assert set(selected) == {"issues", "tags"}
        assert keys["branches"] == ["repository", "name"]
