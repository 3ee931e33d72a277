"""What docs/docker.md shows is run, with the image of airbyte-source-faker that the tests build."""

from __future__ import annotations

import inspect
import json
import re
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from headwater.bridge.foreign import DockerSource
from headwater.bridge.foreign.opened import KINDS
from headwater.bridge.runners import DockerRunner
from headwater.cli import main
from tests.containers.faker import faker_image

if TYPE_CHECKING:
    from docker import DockerClient

PAGE = (Path(__file__).parents[2] / "docs" / "docker.md").read_text()
CONFIG = {"count": 500, "seed": 7, "parallelism": 1}


@pytest.fixture
def page(client: DockerClient, base: str, nothing_left: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """The page, with an image that is there."""
    monkeypatch.chdir(tmp_path)
    return PAGE.replace("airbyte/source-faker:7.2.1", faker_image(client, base))


def block(page: str, language: str, first: str = "") -> str:
    (found,) = re.findall(rf"^```{language}\n({first}.*?)^```", page, re.MULTILINE | re.DOTALL)
    return str(found)


def count(database: Path, table: str) -> int:
    with closing(sqlite3.connect(database)) as connection:
        return int(connection.execute(f"SELECT count(DISTINCT id) FROM {table}").fetchone()[0])


def test_the_commands(page: str, tmp_path: Path, capfdbinary: pytest.CaptureFixture[bytes]) -> None:
    (tmp_path / "config.json").write_text(json.dumps(CONFIG))
    said = []
    for line in block(page, "sh").splitlines():
        program, *words = line.split()
        assert program == "headwater"
        assert main(words) == 0
        said.append(capfdbinary.readouterr().out)
    spec, check, catalog, messages = said
    assert "count" in json.loads(spec)["connectionSpecification"]["properties"]
    assert b"work" in check
    assert "users" in [stream["name"] for stream in json.loads(catalog)["streams"]]
    records = [line for line in messages.split(b"\n") if b'"type":"RECORD"' in line]
    assert len(records) == 100


def test_the_flow(page: str, tmp_path: Path) -> None:
    (tmp_path / "flow.toml").write_text(block(page, "toml"))
    assert main(["run", "flow.toml", "--no-progress"]) == 0
    assert count(tmp_path / "people.db", "users") == 500


def test_the_data_job(page: str, tmp_path: Path) -> None:
    pytest.importorskip("vdk.plugin.data_sources", reason="needs the extra: pip install headwater[vdk]")
    from tests.bridge.vdk.conftest import Vdk

    job = tmp_path / "job"
    job.mkdir()
    code = block(page, "python", "# 10_people.py").replace('"people.db"', repr(str(tmp_path / "people.db")))
    (job / "10_people.py").write_text(code)
    process = Vdk(tmp_path, tmp_path).start("run", job)
    output, _ = process.communicate(timeout=600)
    assert process.returncode == 0, output
    assert [count(tmp_path / "people.db", name) for name in ("users", "products", "purchases")] == [500, 100, 500]


def test_its_spec_needs_no_network(page: str) -> None:
    (image,) = set(re.findall(r"headwater-tests/source-faker:\w+", page))
    command = ["docker", "run", "--rm", "--network", "none", image, "spec"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    (line,) = [line for line in done.stdout.split("\n") if '"SPEC"' in line]
    assert "count" in json.loads(line)["spec"]["connectionSpecification"]["properties"]


def test_the_class(page: str) -> None:
    done = subprocess.run(
        [sys.executable, "-c", block(page, "python", "# people.py")], capture_output=True, text=True, check=False
    )
    assert done.stdout.splitlines() == ["products", "users", "purchases"], done.stderr


def test_every_option_is_in_the_table() -> None:
    table = set(re.findall(r"^\| `(\w+)`", PAGE, re.MULTILINE))
    assert {*KINDS["image"], "environment", "silence", "protocol"} == table
    assert {*inspect.signature(DockerRunner).parameters, "protocol"} == table
    assert {name for name in table if not hasattr(DockerSource, name)} == set()
