"""A reader that is killed takes its container with it, at the latest when the next one starts; an engine that dies is
told."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from headwater.bridge.runners import DockerRunner
from headwater.bridge.runners.docker_engine import OWNER, owner
from headwater.errors import ForeignError
from tests.containers.test_runner import ran

if TYPE_CHECKING:
    from docker import DockerClient

ROOT = Path(__file__).parents[2]
KIT = ROOT / "tests" / "bridge" / "foreign"


ELSEWHERE = "another-machine 1 2 3"
"""The owner of a container that nobody on this machine sweeps."""


def killed(client: DockerClient, image: str, code: str, way: str, temp: Path, owner: str = "") -> str:
    """The id of a container whose reader got SIGKILL, and which ran until then. Other tests may have swept it."""
    command = [sys.executable, "-m", "tests.containers.reading", image, code, way, owner]
    environment = {**os.environ, "TMPDIR": str(temp)}
    with subprocess.Popen(command, stdout=subprocess.PIPE, cwd=ROOT, env=environment, text=True) as reader:
        assert reader.stdout is not None
        container = reader.stdout.readline().strip()
        status = client.containers.get(container).status
        reader.kill()
    assert status == "running"
    return container


@pytest.mark.parametrize("way", ["", "attach"])
def test_a_container_whose_reader_was_killed_is_swept(
    base: str, client: DockerClient, nothing_left: None, tmp_path: Path, way: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    quiet = killed(client, base, "import time; print(1, flush=True); time.sleep(3600)", way, tmp_path)
    other = client.containers.create(base, ["true"], labels={OWNER: owner() + "0"})  # somebody else's, who lives
    elsewhere = client.containers.create(base, ["true"], labels={OWNER: ELSEWHERE})
    try:
        assert ran(DockerRunner(base, entrypoint=["echo", "next"]))[0] == b"next\n"
        there = {container["Id"] for container in client.api.containers(all=True)}
        assert quiet not in there
        assert elsewhere.id in there
        assert [path for path in tmp_path.glob("headwater-*/*") if path.name != ".lock"] == []
    finally:
        for container in (other, elsewhere):
            if container.id in {found["Id"] for found in client.api.containers(all=True)}:
                container.remove(force=True)


def test_a_connector_that_writes_ends_with_its_reader(base: str, client: DockerClient, tmp_path: Path) -> None:
    code = "import os\nwhile True: os.write(1, b'x' * 999 + b'\\n')"
    container = client.containers.get(killed(client, base, code, "", tmp_path, ELSEWHERE))
    try:
        assert container.wait(timeout=120)["StatusCode"] != 0
    finally:
        container.remove(force=True)


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
def test_a_command_that_is_ended_ends_its_container(
    base: str, client: DockerClient, tmp_path: Path, number: signal.Signals, code: int
) -> None:
    stream = {"name": "a", "json_schema": {}, "supported_sync_modes": ["full_refresh"]}
    (tmp_path / "catalog.json").write_text(json.dumps({"streams": [{"stream": stream, "sync_mode": "full_refresh"}]}))
    (tmp_path / "config.json").write_text("{}")
    words = ["--image", base, "--entrypoint", "python3 /kit/nasty.py slow", "--mount", f"{KIT}:/kit:ro"]
    words += ["--env", "PIDS=/dev/null", "--env", "PYTHONDONTWRITEBYTECODE=1"]
    words += ["--config", str(tmp_path / "config.json"), "--catalog", str(tmp_path / "catalog.json")]
    with subprocess.Popen([sys.executable, "-m", "headwater", "read", *words], stdout=subprocess.PIPE) as command:
        assert command.stdout is not None
        assert command.stdout.read(100_000)
        (container,) = [
            found["Id"]
            for found in client.api.containers(all=True, filters={"label": OWNER})
            if f" {command.pid} " in found["Labels"][OWNER]
        ]
        command.send_signal(number)
        command.stdout.read()
        assert command.wait(timeout=120) == code
    assert container not in {found["Id"] for found in client.api.containers(all=True)}


class Door:
    """A socket through which the engine is reached until it is shut."""

    def __init__(self, path: Path, engine: str) -> None:
        self._engine = engine
        self._is_shut = False
        self._open: list[socket.socket] = []
        self._listening = socket.socket(socket.AF_UNIX)
        self._listening.bind(str(path))
        self._listening.listen()
        threading.Thread(target=self._accept, daemon=True).start()

    def shut(self) -> None:
        self._is_shut = True
        for one in (self._listening, *self._open):
            with contextlib.suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)
            one.close()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                inside, outside = socket.socket(socket.AF_UNIX), self._listening.accept()[0]
                inside.connect(self._engine)
                self._open += [inside, outside]
                if self._is_shut:  # it came while it was
                    self.shut()
                for pair in ((inside, outside), (outside, inside)):
                    threading.Thread(target=self._copy, args=pair, daemon=True).start()

    def _copy(self, source: socket.socket, target: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while data := source.recv(65536):
                target.sendall(data)
            target.shutdown(socket.SHUT_WR)


@pytest.fixture
def door(base: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Door]:
    engine = os.environ.get("DOCKER_HOST", "unix:///var/run/docker.sock").removeprefix("unix://")
    door = Door(tmp_path / "engine", engine)
    monkeypatch.setenv("DOCKER_HOST", f"unix://{tmp_path / 'engine'}")
    yield door
    door.shut()


@pytest.mark.parametrize("attach", [False, True], ids=["pipes", "attached"])
def test_an_engine_that_dies_ends_the_output_but_not_well(
    base: str, client: DockerClient, door: Door, tmp_path: Path, attach: bool
) -> None:
    seen = tmp_path / "seen"
    seen.mkdir(mode=0o755)
    code = (
        "import os, time; print('whole', flush=True)\n"
        "while not os.path.exists('/seen/engine is gone'): time.sleep(0.05)"
    )
    runner = DockerRunner(base, entrypoint=["python3", "-c", code], mounts=[f"{seen}:/seen:ro"], attach=attach)
    with closing(runner.start([])) as process:
        assert process.read() == b"whole\n"
        door.shut()
        (seen / "engine is gone").touch()
        assert process.read() == b""
        with pytest.raises(ForeignError, match="stopped answering"):
            process.wait()
    client.containers.get(process.container.id).remove(force=True)
