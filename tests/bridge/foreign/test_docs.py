"""docs/other-connectors.md: every command, flow, class and data job in it is run."""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest

from headwater.bridge.foreign import opened
from headwater.bridge.runners.environments import CACHE
from headwater.cli import _parser
from tests.bridge.foreign import rooms
from tests.bridge.foreign.landed import NASTY
from tests.bridge.foreign.test_real import MANIFEST
from tests.github_api import TOKEN, GithubApi, Repo
from tests.gitlab_api import TOKEN as GITLAB_TOKEN
from tests.gitlab_api import GitlabApi, Project

PAGE = (Path(__file__).parents[3] / "docs" / "other-connectors.md").read_text()
BIN = Path(sys.executable).parent

pytestmark = pytest.mark.timeout(1800)


def blocks(language: str) -> list[str]:
    found = re.findall(rf"^( *)```{language}\n(.*?)^ *```", PAGE, re.MULTILINE | re.DOTALL)
    return [re.sub(rf"^{indent}", "", text, flags=re.MULTILINE) for indent, text in found]


def run(command: str, folder: Path, **environment: str) -> str:
    environ = {**os.environ, "PATH": f"{BIN}{os.pathsep}{os.environ['PATH']}", **environment}
    done = subprocess.run(
        command, shell=True, cwd=folder, env=environ, capture_output=True, text=True, timeout=900, check=False
    )
    assert done.returncode == 0, f"{command}\n{done.stdout[-2000:]}{done.stderr[-3000:]}"
    return done.stdout


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The files that the page shows or speaks of."""
    monkeypatch.setenv(CACHE, str(rooms.CACHE))
    for name, text in re.findall(r"`(\w+\.json)`[^\n]*:\n\n```json\n(.*?)```", PAGE, re.DOTALL):
        (tmp_path / name).write_text(text)
    assert {path.name for path in tmp_path.iterdir()} == {"faker.json", "things.json"}
    (tmp_path / "flow.toml").write_text(blocks("toml")[0])
    (tmp_path / "things.jsonl").write_text('{"id": 1}\n{"id": 2}\n')
    shutil.copy(MANIFEST, tmp_path / "manifest.yaml")
    (tmp_path / "config.json").write_text("{}")
    code = (
        f"import runpy, sys; sys.argv.insert(1, 'well'); sys.path.insert(0, {str(NASTY.parent)!r}); "
        f"runpy.run_path({str(NASTY)!r}, run_name='__main__')"
    )
    (tmp_path / "my_connector.py").write_text(code)
    return tmp_path


def test_every_command(folder: Path) -> None:
    for requirement in (rooms.FAKER, rooms.CDK, rooms.FILE_TAP):
        rooms.prepared(requirement)
    printed: dict[str, str] = {}
    with GithubApi(repos={"octo/alpha": Repo(5)}) as api:
        config = {"api_url": api.url, "token": TOKEN, "repository": "octo/alpha"}
        (folder / "github.json").write_text(json.dumps(config))
        lines = [line for block in blocks("sh") for line in block.splitlines()]
        for line in lines:
            if "my_connector" in line:  # its streams are a and b, and b it does not tell of
                line += " --stream a"
            printed[line] = run(line, folder)
    assert len(lines) == 12
    users = printed["headwater read --package airbyte-source-faker==7.2.1 --config faker.json --stream users --limit 5"]
    assert users.count('"type":"RECORD"') == 5
    assert (folder / "messages.jsonl").read_text().count('"stream":"users"') == 100
    with closing(sqlite3.connect(folder / "people.db")) as connection:
        assert connection.execute("SELECT count(*) FROM users").fetchone() == (100,)
    things = printed["headwater read --package tap-jsonl==0.3.1 --config things.json"]
    assert things.count('"type":"RECORD"') == 2


def test_the_flow_from_an_old_tap(folder: Path) -> None:
    rooms.prepared(rooms.OLD_TAP, *rooms.OLD_TAP_NEEDS)
    with GitlabApi(projects={"acme/one": Project(12)}) as api:
        text = blocks("toml")[1].replace("https://gitlab.example.com", api.url)
        (folder / "lab.toml").write_text(text.replace("2024-01-01", "2020-01-01"))
        run("headwater run lab.toml", folder, GITLAB_TOKEN=GITLAB_TOKEN)
    with closing(sqlite3.connect(folder / "lab.db")) as connection:
        assert connection.execute("SELECT count(*) FROM issues").fetchone() == (12,)


def test_the_class_and_the_data_job(folder: Path) -> None:
    rooms.prepared(rooms.FAKER)
    job, people = (next(b for b in blocks("python") if b.startswith(f"# {name}")) for name in ("10_people", "people"))
    (folder / "people.py").write_text(people)
    assert run(f"{shlex.quote(sys.executable)} people.py", folder).strip() == "['products', 'users', 'purchases']"
    pytest.importorskip("vdk.plugin.data_sources", reason="needs the extra: pip install headwater[vdk]")
    (folder / "job").mkdir()
    (folder / "job" / "10_people.py").write_text(job)
    run("vdk run job", folder)
    (database,) = folder.rglob("people.db")
    with closing(sqlite3.connect(database)) as connection:
        assert connection.execute("SELECT count(*) FROM users").fetchone() == (100,)


def test_every_setting_and_option_is_there() -> None:
    settings = {name for kind in ("package", "command", "manifest") for name in opened.KINDS[kind]}
    for name in {*settings, *opened.SINGER, "protocol", "environment", "silence"} - {"package", "command", "manifest"}:
        assert f"| `{name}` |" in PAGE, name
    images = (Path(__file__).parents[3] / "docs" / "docker.md").read_text()
    helped = {
        option
        for command in ("spec", "check", "discover", "read")
        for action in _parser()._subparsers._group_actions[0].choices[command]._actions  # type: ignore[union-attr,index]
        for option in action.option_strings
        if option.startswith("--")
    }
    missing = [option for option in helped - {"--help", "--debug"} if option not in PAGE and option not in images]
    assert missing == []
