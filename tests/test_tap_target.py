"""Singer taps, and a real target that reads them."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.connectors.process import ROOT, Run, environment, execute
from tests.connectors.tap import Output
from tests.needs import missing

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
            subprocess.run(list(map(str, step)), check=True, capture_output=True, timeout=240, cwd=folder)
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
            [target / "target-jsonl", "--config", config], input=lines, capture_output=True, timeout=120, check=False
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
            input=b"".join(line + b"\n" for line in run.lines), capture_output=True, timeout=120, check=False,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr.decode()
        kinds, selected, keys = json.loads(done.stdout)
        assert kinds["RecordMessage"] == len(run.records("issues")) + len(run.records("tags"))
        assert kinds["SchemaMessage"] == 2
        assert set(kinds) == {"RecordMessage", "SchemaMessage", "StateMessage"}
        assert set(selected) == {"issues", "tags"}
        assert keys["branches"] == ["repository", "name"]
