"""Environments: made once, by one at a time, remade when they are not whole, and never another's."""

from __future__ import annotations

import base64
import json
import os
import secrets
import socket
import subprocess
import sys
import threading
import zipfile
from collections.abc import Iterator
from contextlib import closing, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from headwater.bridge.runners import environments
from headwater.bridge.runners.environments import Environment
from headwater.bridge.runners.venv import VenvRunner
from headwater.errors import ConfigError

CODE = "def run():\n    import sys, json, os\n    print(json.dumps([{version!r}, sys.argv[1:], os.environ['PATH']]))\n"


def wheel(folder: Path, name: str, version: str, scripts: str) -> None:
    """A distribution with one module, ready to be installed."""
    module = name.replace("-", "_")
    info = f"{module}-{version}.dist-info"
    with zipfile.ZipFile(folder / f"{module}-{version}-py3-none-any.whl", "w") as file:
        file.writestr(f"{module}.py", CODE.format(version=version))
        file.writestr(f"{info}/METADATA", f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n")
        file.writestr(f"{info}/WHEEL", "Wheel-Version: 1.0\nGenerator: t\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        entries = "".join(f"{script} = {module}:run\n" for script in scripts.split())
        file.writestr(f"{info}/entry_points.txt", f"[console_scripts]\n{entries}")
        file.writestr(f"{info}/RECORD", "")


@pytest.fixture(autouse=True)
def shelf(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder of distributions, and nothing else to install from."""
    folder = tmp_path / "shelf"
    folder.mkdir()
    for version in ("1.0", "2.0"):
        wheel(folder, "airbyte-source-tiny", version, "source-tiny helper")
    wheel(folder, "tap-one", "1.0", "a-tap")
    wheel(folder, "many", "1.0", "first second")
    for tool in ("UV", "PIP"):
        monkeypatch.setenv(f"{tool}_FIND_LINKS", str(folder))
        monkeypatch.setenv(f"{tool}_NO_INDEX", "1")
    monkeypatch.setenv(environments.CACHE, str(tmp_path / "cache"))
    yield folder


def said(runner: VenvRunner, *arguments: str) -> list[object]:
    with closing(runner.start(arguments)) as process:
        found: list[object] = json.loads(b"".join(iter(process.read, b"")))
        assert process.wait().code == 0
    return found


def test_the_command_of_a_distribution_in_its_own_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    runner = VenvRunner("airbyte-source-tiny==1.0")
    version, arguments, path = said(runner, "spec")
    assert (version, arguments) == ("1.0", ["spec"])
    prepared = runner.prepare()
    assert str(path).startswith(str(prepared.folder / "bin"))
    assert prepared.installed == ("airbyte_source_tiny==1.0",)
    assert prepared.folder.name.startswith("airbyte-source-tiny-")
    # it is there now: nothing more is installed
    monkeypatch.setattr(environments, "_run", lambda *_: pytest.fail("installed again"))
    assert said(VenvRunner("airbyte-source-tiny==1.0"), "check")[0] == "1.0"


def test_the_only_command_and_the_one_that_is_named() -> None:
    assert said(VenvRunner("tap-one"))[0] == "1.0"
    assert said(VenvRunner("many", executable="second"))[0] == "1.0"
    with pytest.raises(ConfigError, match=r"no command 'many'.* first, second. Set `executable`"):
        VenvRunner("many").start([])


def test_constraints_and_more_requirements() -> None:
    assert said(VenvRunner("airbyte-source-tiny"))[0] == "2.0"
    assert said(VenvRunner("airbyte-source-tiny", constraints=["airbyte-source-tiny<2"]))[0] == "1.0"
    more = VenvRunner("airbyte-source-tiny", more=["tap-one"])
    assert "tap_one==1.0" in more.prepare().installed


def test_code_in_place_of_a_command() -> None:
    runner = VenvRunner("tap-one", code="import json, sys, tap_one; print(json.dumps(sys.argv[1:]))")
    assert said(runner, "x") == ["x"]


def test_what_can_t_be_installed() -> None:
    with pytest.raises(ConfigError, match="not-there==9 can't be installed") as caught:
        VenvRunner("not-there==9").start([])
    assert "not-there" in str(caught.value)
    assert list((environments.cache() / "environments").glob("*/")) == []


def test_credentials_are_never_told() -> None:
    url = "git+https://me:s3cret@127.0.0.1:9/x.git"
    runner = VenvRunner(url)
    assert "s3cret" not in runner.title
    with pytest.raises(ConfigError) as caught:
        runner.start([])
    assert "s3cret" not in str(caught.value)


class _Shelf(BaseHTTPRequestHandler):
    """Gives what is on the shelf to whoever has the password, and looks at all command lines of this machine."""

    protocol_version = "HTTP/1.1"
    folder: Path
    password: str
    seen: list[bytes]

    def do_GET(self) -> None:
        for path in Path("/proc").glob("[0-9]*/cmdline"):
            with suppress(OSError):
                self.seen.append(path.read_bytes())
        known = (
            self.headers.get("Authorization") == "Basic " + base64.b64encode(f"me:{self.password}".encode()).decode()
        )
        body = (self.folder / self.path.strip("/")).read_bytes() if known else b""
        self.send_response(200 if known else 401)
        self.send_header("WWW-Authenticate", 'Basic realm="shelf"')
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command == "GET":
            self.wfile.write(body)

    do_HEAD = do_GET

    def log_message(self, format: str, *args: object) -> None:
        pass


@pytest.mark.parametrize("uv", [True, False])
def test_credentials_are_on_no_command_line(shelf: Path, uv: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    if not uv:
        monkeypatch.setattr(environments, "_uv", lambda: None)
    password = secrets.token_hex()  # the command lines of other tests, beside this one, hold words of their own
    handler = type("Handler", (_Shelf,), {"folder": shelf, "password": password, "seen": []})
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
        url = f"http://me:{password}@127.0.0.1:{server.server_port}/tap_one-1.0-py3-none-any.whl"
        prepared = VenvRunner(f"tap-one @ {url}", more=["airbyte-source-tiny==1.0"]).prepare()
        server.shutdown()
    assert {"tap_one==1.0", "airbyte_source_tiny==1.0"} <= set(prepared.installed)
    assert any(b"install" in line for line in handler.seen)
    assert not any(password.encode() in line for line in handler.seen)


def test_credentials_are_not_told_of_an_index_that_does_not_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(environments, "_INSTALLING", 0.2)
    with socket.create_server(("127.0.0.1", 0)) as silent, pytest.raises(ConfigError) as caught:
        index = f"git+https://me:s3cret@127.0.0.1:{silent.getsockname()[1]}/x"
        VenvRunner("tap-one", more=[index]).prepare()
    assert "took more than 0 s" in str(caught.value)
    assert "s3cret" not in str(caught.value)


def test_a_python_that_is_not_there(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(environments, "_uv", lambda: None)
    with pytest.raises(ConfigError, match=r"no Python '3\.99'"):
        VenvRunner("tap-one", python="3.99").start([])


def test_a_python_of_one_s_choice() -> None:
    runner = VenvRunner("tap-one", python=sys.executable, code="import sys; print([sys.prefix != sys.base_prefix])")
    with closing(runner.start([])) as process:
        assert b"".join(iter(process.read, b"")) == b"[True]\n"
    assert runner.environment.folder != Environment(("tap-one",)).folder


def test_without_uv_it_is_made_by_pip(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(environments, "_uv", lambda: None)
    assert said(VenvRunner("airbyte-source-tiny", constraints=["airbyte-source-tiny<2"]))[0] == "1.0"


def test_one_that_was_not_finished_is_made_anew() -> None:
    environment = Environment(("tap-one",))
    environment.folder.mkdir(parents=True)
    (environment.folder / "rest").write_text("of an installation that was killed")
    assert said(VenvRunner("tap-one"))[0] == "1.0"
    assert not (environment.folder / "rest").exists()


def test_two_jobs_at_once_install_once(tmp_path: Path) -> None:
    code = (
        "import logging, sys; logging.basicConfig(level=20, stream=sys.stdout, format='%(message)s')\n"
        "from headwater.bridge.runners.environments import Environment\n"
        "print(Environment(('airbyte-source-tiny==2.0',)).prepare().scripts)"
    )
    jobs = [
        subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True, env=dict(os.environ))
        for _ in range(4)
    ]
    said = [job.communicate(timeout=200)[0] for job in jobs]
    assert [job.returncode for job in jobs] == [0, 0, 0, 0]
    assert all("('helper', 'source-tiny')" in text for text in said)
    assert sum(text.count("Installing ") for text in said) == 1


def test_a_cache_that_can_t_be_written(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(environments.CACHE, "/proc/nowhere")
    with pytest.raises(ConfigError, match="Set HEADWATER_CACHE"):
        VenvRunner("tap-one").start([])


def test_a_user_without_a_home(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(environments.CACHE)
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    monkeypatch.setattr(Path, "home", lambda: (_ for _ in ()).throw(RuntimeError("no home")))
    with pytest.raises(ConfigError, match="set HEADWATER_CACHE"):
        VenvRunner("tap-one").start([])
