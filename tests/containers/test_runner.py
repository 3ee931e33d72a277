"""The runner of images: what a container gets, gives, may do, and how its end is told."""

from __future__ import annotations

import json
import os
import threading
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from headwater.bridge.runners import DockerRunner, Exit, FileArgument, Process
from headwater.errors import ConfigError, ForeignError, TransientError
from tests.pressure import settled, used
from tests.services.postgres import wait_until

if TYPE_CHECKING:
    from docker import DockerClient

Python = Callable[..., DockerRunner]
WAYS = pytest.mark.parametrize("attach", [False, True], ids=["pipes", "attached"])


@pytest.fixture
def python(base: str, nothing_left: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Python:
    """A runner whose connector is a piece of Python."""
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    tmp_path.chmod(0o755)
    return lambda code, **options: DockerRunner(base, entrypoint=["python3", "-c", code], **options)


def everything(process: Process) -> bytes:
    return b"".join(iter(process.read, b""))


def ran(runner: DockerRunner, *arguments: str | FileArgument, **options: Any) -> tuple[bytes, Exit]:
    with closing(runner.start(arguments, **options)) as process:
        return everything(process), process.wait()


@WAYS
def test_output_exit_and_standard_error(python: Python, attach: bool) -> None:
    said: list[str] = []
    code = "import sys; print('out', sys.argv[1:]); sys.stderr.write('one\\ntwo'); sys.exit(3)"
    out, end = ran(python(code, attach=attach), "read", "a b", said=said.append)
    assert out == b"out ['read', 'a b']\n"
    assert end == Exit(3, "ended with exit code 3", "one\ntwo")
    assert said == ["one", "two"]


@WAYS
def test_no_byte_is_lost_or_moved(python: Python, attach: bool) -> None:
    code = "import os\nfor n in range(300): os.write(1, b'%07d\\n' % n * 4096); os.write(2, b'e' * 999)"
    out, end = ran(python(code, attach=attach))
    assert end.code == 0
    assert out == b"".join(b"%07d\n" % n * 4096 for n in range(300))


@WAYS
def test_the_first_line_is_there_each_time(python: Python, attach: bool) -> None:
    runner = python("print('first')", attach=attach)
    assert [ran(runner)[0] for _ in range(5)] == [b"first\n"] * 5


def test_files_are_for_the_connector_alone_and_not_in_what_the_engine_shows(
    python: Python, client: DockerClient, tmp_path: Path
) -> None:
    code = "import os, sys; print(open(sys.argv[2]).read(), os.access(sys.argv[2], os.W_OK), flush=True)"
    runner = python(code + "; import time; time.sleep(600)")
    files = {"config.json": b'{"password": "hunter2"}'}
    with closing(runner.start(["--config", FileArgument("config.json")], files)) as process:
        assert process.read() == b'{"password": "hunter2"} False\n'
        shown = json.dumps(client.api.inspect_container(process.container.id))
        assert "hunter2" not in shown
        assert process.file("config.json") == files["config.json"]
        (found,) = tmp_path.rglob("config.json")
        assert found.parents[1].stat().st_mode & 0o777 == 0o700
        assert process.container.attrs["HostConfig"]["LogConfig"]["Type"] == "none"
    assert not list(tmp_path.rglob("config.json"))


CONFINED = """
import json, os
status = dict(line.split(":", 1) for line in open("/proc/self/status").read().splitlines())
facts = {name: status[name].strip() for name in ("CapEff", "CapBnd", "NoNewPrivs")}
facts["user"] = os.getuid()
facts["networks"] = sorted(os.listdir("/sys/class/net"))
facts["first"] = open("/proc/1/comm").read().strip()
facts["variables"] = sorted(os.environ)
print(json.dumps(facts))
"""


def test_a_container_can_do_little(python: Python, client: DockerClient, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OUR_TOKEN", "t0ken")
    runner = python(CONFINED, memory="300m", cpus=0.5, environment={"LEVEL": "1"})
    with closing(runner.start([], network=False)) as process:
        facts = json.loads(everything(process))
        process.wait()
        given = process.container.attrs["HostConfig"]
    assert facts["CapEff"] == facts["CapBnd"] == "0" * 16
    assert facts["NoNewPrivs"] == "1"
    assert facts["user"] == 1000
    assert [name for name in facts["networks"] if name.startswith("e")] == []
    assert facts["first"] in ("docker-init", "tini")
    assert "LEVEL" in facts["variables"]
    assert "OUR_TOKEN" not in facts["variables"]
    assert given["Memory"] == given["MemorySwap"] == 300 * 2**20
    assert given["NanoCpus"] == 5 * 10**8
    assert given["PidsLimit"] == 1024
    assert given["AutoRemove"] is False


def test_the_images_own_user_stays_and_another_can_be_chosen(python: Python, build: Any) -> None:
    code = "import os; print(os.getuid())"
    image = build("USER 4321\n", {})
    assert ran(DockerRunner(image, entrypoint=["python3", "-c", code]))[0] == b"4321\n"
    assert ran(python(code, user="0"))[0] == b"0\n"
    assert ran(python(code, user="77:88"), files={"a": b"x"})[0] == b"77\n"


def test_mounts_network_and_a_read_only_root(python: Python, tmp_path: Path) -> None:
    folder = tmp_path / "seen"
    folder.mkdir()
    (folder / "file").write_text("text")
    code = (
        "import os, tempfile\ntempfile.mkstemp()\n"
        "print(open('/seen/file').read(), os.readlink('/proc/self/ns/net'))\n"
        "for path in ('/seen/new', '/new'):\n try: open(path, 'w')\n except OSError as e: print(e.strerror)"
    )
    out, end = ran(python(code, mounts=[f"{folder}:/seen:ro"], network="host", read_only=True, user="0"))
    ours = os.readlink("/proc/self/ns/net")
    assert out.decode().splitlines() == [f"text {ours}", *["Read-only file system"] * 2], end
    with pytest.raises(ConfigError, match="is not there"):
        python("", mounts=[f"{folder}/none:/seen"]).start([])
    with pytest.raises(ConfigError, match="HOST:CONTAINER"):
        python("", mounts=["seen"]).start([])


def test_the_entrypoint_is_the_images_or_the_platforms_variable(build: Any, nothing_left: None) -> None:
    script = '#!/bin/sh\necho "$0 $*"\n'
    own = build('COPY go /go\nENTRYPOINT ["/go", "first"]\n', {"go": script})
    assert ran(DockerRunner(own), "spec")[0] == b"/go first spec\n"
    platforms = build('COPY go /go\nENV AIRBYTE_ENTRYPOINT="/go second"\n', {"go": script})
    assert ran(DockerRunner(platforms), "spec")[0] == b"/go second spec\n"
    with pytest.raises(ConfigError, match="has no entrypoint"):
        DockerRunner(build("ENV A=1\n", {})).start([])


def test_an_image_without_a_shell_is_attached_to(build: Any, nothing_left: None) -> None:
    remove = "RUN rm -f /bin/sh /bin/dash /bin/bash\n"
    image = build(f'{remove}ENTRYPOINT ["python3", "-c", "print(\'no shell\')"]\n', {})
    runner = DockerRunner(image)
    assert [ran(runner) for _ in range(2)] == [(b"no shell\n", Exit(0, "ended with exit code 0"))] * 2


def test_out_of_memory_is_told_with_the_limit(python: Python) -> None:
    _, end = ran(python("b = bytearray(2**30)\nfor i in range(0, 2**30, 4096): b[i] = 1", memory="64m"))
    assert end.code == 137
    assert "out of memory: its limit is 64m" in end.reason


def test_a_child_that_is_out_of_memory_is_told_though_the_connector_goes_on(
    python: Python, caplog: pytest.LogCaptureFixture
) -> None:
    code = (
        "import os\nif os.fork() == 0:\n b = bytearray(2**30)\n for i in range(0, 2**30, 4096): b[i] = 1\n"
        "print(os.waitstatus_to_exitcode(os.wait()[1]))"
    )
    out, end = ran(python(code, memory="64m"))
    assert out == b"-9\n"
    assert end.code == 0
    assert "out of memory: its limit is 64m" in caplog.text


@WAYS
def test_docker_stop_and_docker_kill_are_told(python: Python, attach: bool) -> None:
    for act, code, words in (("stop", 143, "docker stop"), ("kill", 137, "docker kill")):
        with closing(python("import time; print(1, flush=True); time.sleep(600)", attach=attach).start([])) as process:
            assert process.read() == b"1\n"
            getattr(process.container, act)()
            assert everything(process) == b""
            end = process.wait()
        assert end.code == code
        assert words in end.reason


def test_what_cannot_start_is_told_and_leaves_nothing(base: str, python: Python) -> None:
    for attach in (False, True):
        missing = ran(DockerRunner(base, entrypoint="/none", attach=attach))[1]
        assert missing.code == 127
        assert "can't be run" in missing.reason
        assert "/none" in missing.stderr
    with pytest.raises(ConfigError, match="not-there"):
        python("", network="not-there").start([])
    with pytest.raises(ConfigError, match="memory"):
        python("", memory="much").start([])


def test_an_image_that_is_not_there(base: str) -> None:
    name = "127.0.0.1:9/headwater-tests/none:1"
    with pytest.raises(ConfigError, match="not to be pulled"):
        DockerRunner(name, pull="never").start([])
    with pytest.raises(TransientError, match="can't be pulled now"):
        DockerRunner(name).start([])
    with pytest.raises(ConfigError, match="'missing', 'always' or 'never'"):
        DockerRunner(name, pull="sometimes")  # type: ignore[arg-type]


@WAYS
def test_a_reader_that_sleeps_holds_the_container_up(
    python: Python, client: DockerClient, tmp_path: Path, attach: bool
) -> None:
    count = tmp_path / "count"
    count.mkdir(mode=0o777)
    count.chmod(0o777)
    code = (
        "import os\nwritten, line = 0, b'x' * 65535 + b'\\n'\nwhile written < 100 * 2**20:\n os.write(1, line)\n"
        " written += len(line)\n open('/count/written', 'w').write(str(written))"
    )
    before = used()
    with closing(python(code, mounts=[f"{count}:/count"], attach=attach).start([])) as process:
        got = len(process.read())
        written = settled(count / "written")
        assert written < got + 16 * 2**20
        assert used() - before < 64 * 2**20
        logs = Path(client.info()["DockerRootDir"]) / "containers" / str(process.container.id)
        if os.access(logs, os.R_OK):
            assert sum(path.stat().st_size for path in logs.rglob("*") if path.is_file()) < 2**20
        for chunk in iter(process.read, b""):
            got += len(chunk)
        assert got == 100 * 2**20
        assert process.wait().code == 0


@WAYS
def test_a_quiet_stream_is_waited_for_and_a_hanging_one_is_not(
    python: Python, attach: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("headwater.bridge.runners.docker_engine._ANSWER", 10.0)  # of one answer, not of a stream
    code = "import time; print(1, flush=True); time.sleep(11); print(2)"
    assert ran(python(code, attach=attach))[0] == b"1\n2\n"
    seen = tmp_path / "seen"
    seen.mkdir()
    seen.chmod(0o777)
    code = "import time; open('/seen/up', 'w').close(); time.sleep(600)"
    runner = python(code, mounts=[f"{seen}:/seen"], attach=attach, silence=1)
    with closing(runner.start([])) as process:
        with pytest.raises(ForeignError, match="wrote nothing for 1 seconds"):
            process.read()
        wait_until((seen / "up").exists)  # before, nobody hears a signal
        process.stop()
        assert process.wait().code == 143


@WAYS
def test_what_ignores_sigterm_and_goes_on_writing_is_ended(python: Python, attach: bool) -> None:
    code = (
        "import os, signal\nfor number in (signal.SIGTERM, signal.SIGPIPE): signal.signal(number, signal.SIG_IGN)\n"
        "while True:\n try: os.write(1, b'x' * 999)\n except OSError: pass"
    )
    process = python(code, attach=attach).start([])
    with closing(process):
        assert process.read()
        process.stop(grace=1)
        assert process.wait().code == 137


def test_children_that_outlive_the_connector_go_with_it(python: Python) -> None:
    code = "import os, time\nif os.fork() == 0: os.setsid(); time.sleep(600)\nprint('parent')"
    began = time.monotonic()
    assert ran(python(code)) == (b"parent\n", Exit(0, "ended with exit code 0"))
    assert time.monotonic() - began < 120


def test_containers_run_at_once(python: Python) -> None:
    runner = python("import sys; print(sys.argv[1] * 3)")
    found: dict[str, bytes] = {}

    def run(name: str) -> None:
        found[name] = ran(runner, name)[0]

    threads = [threading.Thread(target=run, args=(name,)) for name in "abcd"]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == {name: (name * 3).encode() + b"\n" for name in "abcd"}
