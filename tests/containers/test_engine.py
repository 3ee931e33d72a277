"""Without an engine, or without docker-py: what is told; of these tests' own script, too."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from headwater.bridge.runners import DockerRunner
from headwater.cli import main
from headwater.errors import ConfigError

SCRIPT = Path(__file__).with_name("engine")


def test_no_engine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("docker", reason="needs docker-py: pip install 'headwater[docker]'")
    monkeypatch.setenv("DOCKER_HOST", f"unix://{tmp_path / 'none.sock'}")
    with pytest.raises(ConfigError, match=r"No Docker engine answers at unix://.*none\.sock"):
        DockerRunner("source-x").start([])
    assert main(["spec", "--image", "source-x"]) == 2
    assert "No Docker engine answers" in capsys.readouterr().err


def test_no_docker_py(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "docker", None)
    with pytest.raises(ConfigError, match=r"pip install 'headwater\[docker\]'"):
        DockerRunner("source-x").start([])


def test_the_script_says_why_there_is_none(tmp_path: Path) -> None:
    environment = {**os.environ, "DOCKER_HOST": "unix:///none.sock", "HEADWATER_TEST_CACHE": str(tmp_path)}
    done = subprocess.run([str(SCRIPT)], env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 75
    assert "no Docker engine" in done.stderr
