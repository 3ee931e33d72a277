"""Runs connectors as processes and reads their bytes."""

from __future__ import annotations

import fcntl
import json
import os
import signal
import struct
import subprocess
import sys
import tempfile
import termios
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
BYTECODE = Path(tempfile.gettempdir()) / f"headwater-tests-{os.getuid()}-bytecode"
TOY = (sys.executable, "-m", "tests.connectors.toy")


def environment(**changes: str | None) -> dict[str, str]:
    """This process's environment with the repository on the path; None removes a variable."""
    variables: dict[str, str | None] = {
        **os.environ,
        "PYTHONPATH": f"{ROOT}:{ROOT / 'sdk'}",
        "LOG_LEVEL": None,
        "PYTHONDONTWRITEBYTECODE": None,  # hundreds of processes: compiled once, and not into the checkout
        "PYTHONPYCACHEPREFIX": str(BYTECODE),
    }
    variables.update(changes)
    return {name: value for name, value in variables.items() if value is not None}


def refuse(token: str) -> Any:
    raise ValueError(f"{token} is not JSON")


@dataclass
class Run:
    """What a process wrote."""

    code: int
    stdout: bytes
    stderr: bytes
    seconds: float

    @property
    def lines(self) -> list[bytes]:
        """Standard output's lines; each must have had its end."""
        assert self.stdout == b"" or self.stdout.endswith(b"\n"), self.stdout[-200:]
        return self.stdout.split(b"\n")[:-1]

    @property
    def messages(self) -> list[dict[str, Any]]:
        """Every line, strictly read: UTF-8, JSON without NaN, an object with a type."""
        messages = [json.loads(line.decode("utf-8"), parse_constant=refuse) for line in self.lines]
        assert all(isinstance(message, dict) and "type" in message for message in messages)
        return messages

    def of(self, kind: str) -> list[dict[str, Any]]:
        """The content of the messages of a type: RECORD, STATE, LOG, CONTROL, ...; ERROR and STATUS for traces."""
        keys = {"CONNECTION_STATUS": "connectionStatus", "ERROR": "error", "STATUS": "stream_status"}
        key = keys.get(kind, kind.lower())
        if kind in ("ERROR", "STATUS"):
            return [m["trace"][key] for m in self.messages if m["type"] == "TRACE" and key in m["trace"]]
        return [message[key] for message in self.messages if message["type"] == kind]

    def statuses(self, stream: str) -> list[str]:
        return [s["status"] for s in self.of("STATUS") if s["stream_descriptor"]["name"] == stream]

    def records(self, stream: str) -> list[dict[str, Any]]:
        return [record["data"] for record in self.of("RECORD") if record["stream"] == stream]

    def states(self, stream: str) -> list[dict[str, Any]]:
        found = [state["stream"] for state in self.of("STATE")]
        return [s["stream_state"] for s in found if s["stream_descriptor"]["name"] == stream]

    @property
    def logged(self) -> str:
        return "\n".join(f"{log['level']} {log['message']}" for log in self.of("LOG"))


@dataclass
class Process:
    """A running connector whose output is read as it comes."""

    popen: subprocess.Popen[bytes]
    stdout: bytearray = field(default_factory=bytearray)
    stderr: bytearray = field(default_factory=bytearray)
    began: float = field(default_factory=time.monotonic)
    reading: bool = True
    held: bool = False

    def start(self) -> None:
        self.threads = [threading.Thread(target=self._read, args=(n,), daemon=True) for n in ("stdout", "stderr")]
        for thread in self.threads:
            thread.start()

    def _read(self, name: str) -> None:
        pipe = getattr(self.popen, name)
        while data := os.read(pipe.fileno(), 65536):
            getattr(self, name).extend(data)
            while not self.reading and name == "stdout":
                self.held = True
                time.sleep(0.01)

    def wait_for(self, text: bytes, timeout: float = 120.0, *, of: str = "stdout") -> None:
        """Until the output has this text.

        :param of: ``stdout`` or ``stderr``.
        """
        until = time.monotonic() + timeout
        while text not in getattr(self, of):
            assert time.monotonic() < until, f"{text!r} did not come; {bytes(getattr(self, of)[-2000:])!r}"
            if self.popen.poll() is not None:
                self._join()
                assert text in getattr(self, of), bytes(getattr(self, of)[-2000:])
            time.sleep(0.01)

    def hold(self, timeout: float = 120.0) -> None:
        """Read no more; until its pipe is full, and so it waits."""
        assert self.popen.stdout is not None
        self.reading = False
        until = time.monotonic() + timeout
        # the last page of each of two writes may not be full
        pipe = self.popen.stdout.fileno()
        while not self.held or _filled(pipe) < fcntl.fcntl(pipe, fcntl.F_GETPIPE_SZ) - 2 * 4096:
            assert time.monotonic() < until, "its pipe did not fill"
            time.sleep(0.01)

    def signal(self, number: signal.Signals) -> None:
        self.began = time.monotonic()
        self.popen.send_signal(number)

    def end(self, timeout: float = 120.0) -> Run:
        """Wait for its end."""
        code = self.popen.wait(timeout)
        seconds = time.monotonic() - self.began
        self.reading = True
        self._join()
        return Run(code, bytes(self.stdout), bytes(self.stderr), seconds)

    def _join(self) -> None:
        for thread in self.threads:
            thread.join(60)


def _filled(pipe: int) -> int:
    """Bytes that wait to be read."""
    found: int = struct.unpack("i", fcntl.ioctl(pipe, termios.FIONREAD, b"\0" * 4))[0]
    return found


class Toy:
    """The toy connector with its files in a folder."""

    def __init__(self, folder: Path, command: Sequence[str] = TOY) -> None:
        self.folder = folder
        self.command = command
        self.config: dict[str, Any] = {"token": 's3cr3t-t0ken/+=&ä"\\x'}

    def arguments(
        self, command: str, *streams: str, state: Any = None, flags: Sequence[str] = (), mode: str = "incremental",
        **settings: Any,
    ) -> list[str]:  # fmt: skip
        """A command line; the files it names are written."""
        arguments = [*self.command, command, *flags]
        if command != "spec":
            arguments += ["--config", self.file("config.json", {**self.config, **settings})]
        if command == "read":
            arguments += ["--catalog", self.file("catalog.json", catalog(*streams, mode=mode))]
            if state is not None:
                arguments += ["--state", self.file("state.json", state)]
        return arguments

    def file(self, name: str, value: Any) -> str:
        path = self.folder / name
        path.write_text(value if isinstance(value, str) else json.dumps(value))
        return str(path)

    def run(self, command: str, *streams: str, **options: Any) -> Run:
        """Run a command to its end."""
        return execute(self.arguments(command, *streams, **options))

    def start(self, command: str, *streams: str, **options: Any) -> AbstractContextManager[Process]:
        """Start a command, and make sure that it ends."""
        return started(self.arguments(command, *streams, **options))


@contextmanager
def started(arguments: Sequence[str]) -> Iterator[Process]:
    """Start a process, and make sure that it ends."""
    popen = subprocess.Popen(
        arguments,
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


def execute(arguments: Sequence[str], *, env: Mapping[str, str] | None = None, **options: Any) -> Run:
    """Run a process to its end."""
    began = time.monotonic()
    options.setdefault("cwd", ROOT)
    options.setdefault("stdin", subprocess.DEVNULL)
    done = subprocess.run(
        list(arguments), capture_output=True, timeout=120, env=dict(env or environment()), check=False, **options
    )
    return Run(done.returncode, done.stdout, done.stderr, time.monotonic() - began)


def catalog(*streams: str | Mapping[str, Any], mode: str = "incremental") -> dict[str, Any]:
    """A configured catalog of streams by name."""
    configured = []
    for stream in streams:
        entry: dict[str, Any] = {"sync_mode": mode, "destination_sync_mode": "append"}
        if isinstance(stream, str):
            entry["stream"] = {
                "name": stream, "json_schema": {"type": "object"}, "supported_sync_modes": ["full_refresh", mode],
            }  # fmt: skip
        else:
            entry.update(stream)
        configured.append(entry)
    return {"streams": configured}
