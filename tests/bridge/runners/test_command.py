"""The command runner: what the process gets, gives, and how it ends, whatever it does."""

from __future__ import annotations

import os
import signal
import stat
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from headwater.bridge.runners import CommandRunner, Exit, FileArgument, Process
from headwater.errors import ConfigError, ForeignError
from tests.pressure import settled


def python(code: str, **options: object) -> CommandRunner:
    return CommandRunner([sys.executable, "-c", code], **options)  # type: ignore[arg-type]


def everything(process: Process) -> bytes:
    return b"".join(iter(process.read, b""))


@pytest.fixture(autouse=True)
def _own_temp(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    yield
    left = [path for path in tmp_path.glob("headwater-*/*") if path.name != ".lock"]
    assert left == [], "a private folder was left behind"


def gone(pid: int, seconds: float = 30) -> bool:
    """Whether a process ends in that time, zombies apart."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        try:
            if Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z":
                return True
        except FileNotFoundError:
            return True
        time.sleep(0.05)
    return False


def test_output_exit_and_standard_error() -> None:
    said: list[str] = []
    code = "import sys; print('out'); sys.stderr.write('one\\ntwo'); sys.exit(3)"
    with closing(python(code).start([], said=said.append)) as process:
        assert everything(process) == b"out\n"
        assert process.wait() == Exit(3, "ended with exit code 3", "one\ntwo")
    assert said == ["one", "two"]


def test_files_are_for_nobody_else_and_their_present_content_is_given() -> None:
    code = (
        "import os, sys; path = sys.argv[2]; print(path);"
        "assert open(path).read() == '{}'; open(path, 'w').write('{\"a\": 1}')"
    )
    runner = python(code)
    with closing(runner.start(["--config", FileArgument("config.json")], {"config.json": b"{}"})) as process:
        path = Path(everything(process).decode().strip())
        assert process.wait().code == 0
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        assert [stat.S_IMODE(folder.stat().st_mode) for folder in list(path.parents)[:2]] == [0o700, 0o700]
        assert process.file("config.json") == b'{"a": 1}'
        with pytest.raises(ForeignError, match="'other'"):
            process.file("other")
    assert not path.parent.exists()


def test_the_environment_is_clean(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "x")
    monkeypatch.setenv("PYTHONPATH", "/nowhere")
    monkeypatch.setenv("HTTPS_PROXY", "http://proxy")
    code = "import os; print(sorted(os.environ))"
    with closing(python(code, environment={"MINE": "1"}).start([])) as process:
        names = everything(process).decode()
    assert "AWS" not in names
    assert "PYTHONPATH" not in names
    assert all(name in names for name in ("'HTTPS_PROXY'", "'MINE'", "'PATH'"))


def test_arguments_are_never_a_shell_s() -> None:
    with closing(CommandRunner("echo 'a b' $HOME").start(["; ls"])) as process:
        assert everything(process) == b"a b $HOME ; ls\n"


@pytest.mark.parametrize(
    ("command", "said"),
    [(["/nowhere/tap"], "is not there. Install it"), (["/etc/passwd"], "not executable"), ([], "is empty")],
)
def test_what_can_t_be_started(command: list[str], said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        CommandRunner(command).start([])


def test_a_folder_that_is_not_there() -> None:
    with pytest.raises(ConfigError, match="folder '/nowhere'"):
        python("", folder="/nowhere").start([])


def test_files_that_can_t_be_written_leave_nothing_behind() -> None:
    with pytest.raises(ConfigError, match="private folder"):
        python("").start([], {"config.json": b"s3cret", "no/such/folder": b""})


def test_silence_is_an_error() -> None:
    with closing(python("import time; print('x', flush=True); time.sleep(600)", silence=12.0).start([])) as process:
        assert process.read() == b"x\n"
        with pytest.raises(ForeignError, match="wrote nothing for 12 seconds"):
            process.read()


def test_output_closed_but_no_end() -> None:
    with closing(python("import os, time; os.close(1); time.sleep(600)", silence=12.0).start([])) as process:
        assert process.read() == b""
        with pytest.raises(ForeignError, match="did not end for 12 seconds"):
            process.wait()


def test_sigterm_is_ignored() -> None:
    code = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('x', flush=True); time.sleep(600)"
    with closing(python(code).start([])) as process:
        assert process.read() == b"x\n"
        process.stop(grace=0.5)
        assert process.wait().reason == "was ended by SIGKILL (out of memory, or somebody ended it)"


def test_a_full_pipe_does_not_hold_up_the_end() -> None:
    with closing(python("while True: print('x' * 1000)").start([])) as process:
        assert process.read()
        process.stop()
        assert process.wait().code != 0


def test_children_are_ended_with_their_parent() -> None:
    code = (
        "import os, subprocess, sys; child = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(600)']);"
        "print(child.pid, flush=True); os._exit(0)"
    )
    with closing(python(code).start([])) as process:
        pid = int(everything(process))  # the child keeps the pipe open
        assert process.wait() == Exit(0, "ended with exit code 0")
        assert gone(pid)


def test_a_flood_on_standard_error_is_drained_and_cut() -> None:
    said: list[str] = []
    code = "import sys\nfor i in range(200_000): sys.stderr.write(f'line {i}\\n')\nprint('out')"
    with closing(python(code).start([], said=said.append)) as process:
        assert everything(process) == b"out\n"
        assert process.wait().stderr.endswith("line 199999")
        assert len(process.wait().stderr) < 40_000
    assert said[:2] == ["line 0", "line 1"]
    assert len(said) < 20_000


def test_a_reader_that_pauses_holds_the_process_up(tmp_path: Path) -> None:
    count = tmp_path / "count"
    code = (
        "import sys\nfor i in range(20_000):\n"
        f" sys.stdout.write('x' * 1000 + '\\n')\n if i % 100 == 0: open({str(count)!r}, 'w').write(str(i))"
    )
    with closing(python(code).start([])) as process:
        process.read()
        assert settled(count) < 5_000  # 5 MB: the pipe and a buffer or two
        assert len(everything(process)) > 15_000_000


def test_signals_are_told_by_name() -> None:
    assert Exit.of(-9).code == 137
    assert Exit.of(137, hint="out of memory").reason == "was ended by SIGKILL (out of memory)"
    assert Exit.of(-15).reason == "was ended by SIGTERM"
    assert Exit.of(255).reason == "ended with exit code 255"


def test_what_a_killed_process_left_is_removed_by_the_next(tmp_path: Path) -> None:
    code = (
        f"import tempfile, time; tempfile.tempdir = {str(tmp_path)!r}\n"
        "from headwater.bridge.runners.private import PrivateFolder\n"
        "print(PrivateFolder({'config.json': b'secret'}).path, flush=True); time.sleep(600)"
    )
    other = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)
    assert other.stdout is not None
    left = Path(other.stdout.readline().strip())
    with closing(python("").start([])):
        assert (left / "config.json").exists(), "a folder in use was removed"
    os.kill(other.pid, signal.SIGKILL)
    other.wait()
    other.stdout.close()
    with closing(python("").start([])):
        assert not left.exists()


def test_a_folder_that_somebody_else_made_first_is_not_used(tmp_path: Path) -> None:
    (tmp_path / "theirs").mkdir()
    base = tmp_path / f"headwater-{os.getuid()}"
    base.symlink_to(tmp_path / "theirs")
    with pytest.raises(ConfigError, match="belongs to somebody else"):
        python("").start([FileArgument("a")], {"a": b"secret"})
    base.unlink()


def test_many_threads_start_at_once() -> None:
    found: list[bytes] = []

    def run() -> None:
        with closing(
            python("print(open(__import__('sys').argv[1]).read())").start([FileArgument("a")], {"a": b"x"})
        ) as p:
            found.append(everything(p))
            assert p.wait().code == 0

    threads = [threading.Thread(target=run) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == [b"x\n"] * 6


def test_what_a_daemon_thread_left_running_ends_with_the_program(tmp_path: Path) -> None:
    pid = tmp_path / "pid"
    code = f"""
import sys, threading, time
from headwater.bridge.runners import CommandRunner
slow = "import os, time; print(os.getpid(), flush=True); time.sleep(600)"
def read():
    process = CommandRunner([sys.executable, "-c", slow]).start([])
    open({str(pid)!r}, "wb").write(process.read())
    process.read()
threading.Thread(target=read, daemon=True).start()
while True:
    time.sleep(0.1)
    try:
        if open({str(pid)!r}).read():
            break
    except FileNotFoundError:
        pass
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, timeout=100, check=False)
    assert done.returncode == 0, done.stderr
    assert gone(int(pid.read_text()))
