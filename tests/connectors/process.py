"""Runs connectors as processes and reads their bytes."""

from __future__ import annotations

import json
import math
import os
import select
import signal
import subprocess
import sys
import tempfile
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
PATIENCE = 120.0
"""Seconds for whatever must happen: a busy machine takes its time, and who waits for a condition waits no longer."""


def environment(**changes: str | None) -> dict[str, str]:
    """This process's environment with the repository on the path; None removes a variable."""
    variables: dict[str, str | None] = {
        **os.environ,
        "PYTHONPATH": f"{ROOT}:{ROOT / 'sdk'}",
        "LOG_LEVEL": None,
        "PYTHONDONTWRITEBYTECODE": None,  # hundreds of processes: compiled once, and not into the checkout
        "PYTHONPYCACHEPREFIX": str(BYTECODE),
        "TESTS_GRACE": os.environ.get("TESTS_GRACE", "60"),
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

    def only(self, kind: str) -> Any:
        """The content of the one message of a type."""
        found = self.of(kind)
        assert len(found) == 1, self.stdout
        return found[0]

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
    most: float = math.inf
    """When so many bytes of its output came, no more are read."""
    held: bool = False

    def start(self) -> None:
        self.threads = [threading.Thread(target=self._read, args=(n,), daemon=True) for n in ("stdout", "stderr")]
        for thread in self.threads:
            thread.start()

    def _read(self, name: str) -> None:
        pipe = getattr(self.popen, name)
        while data := os.read(pipe.fileno(), 65536):
            getattr(self, name).extend(data)
            while name == "stdout" and len(self.stdout) >= self.most:
                self.held = True
                time.sleep(0.001)

    def wait_for(self, text: bytes, *, of: str = "stdout") -> None:
        """Until the output has this text.

        :param of: ``stdout`` or ``stderr``.
        """
        until = time.monotonic() + PATIENCE
        while text not in getattr(self, of):
            said = bytes(getattr(self, of)[-2000:])
            assert time.monotonic() < until, f"{text!r} did not come; {said!r}"
            ended = not any(thread.is_alive() for thread in self.threads)
            assert not ended or text in getattr(self, of), said
            time.sleep(0.01)

    def hold(self, most: int = 0) -> bool:
        """Read no more when so many bytes came, and wait until the pipe is full: what it writes it can't end to write.

        :returns: False: it ended before.
        """
        self.held, self.most = False, most
        until = time.monotonic() + PATIENCE
        while not (self.held and self._is_full()):
            if self.popen.poll() is not None:
                return False
            assert time.monotonic() < until, f"{len(self.stdout)} bytes came"
            time.sleep(0.001)
        return True

    def go_on(self) -> None:
        """Read again."""
        self.most = math.inf

    def _is_full(self) -> bool:
        assert self.popen.stdout is not None
        there = os.open(f"/proc/self/fd/{self.popen.stdout.fileno()}", os.O_WRONLY | os.O_NONBLOCK)
        try:
            return not select.select([], [there], [], 0)[1]
        finally:
            os.close(there)

    def signal(self, number: signal.Signals) -> None:
        self.popen.send_signal(number)

    def end(self) -> Run:
        """Wait for its end, and for all that it wrote."""
        self.go_on()
        code = self.popen.wait(PATIENCE)
        for thread in self.threads:
            thread.join(PATIENCE)
            assert not thread.is_alive(), "somebody else still holds its output"
        return Run(code, bytes(self.stdout), bytes(self.stderr))


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
    options.setdefault("cwd", ROOT)
    options.setdefault("stdin", subprocess.DEVNULL)
    done = subprocess.run(
        list(arguments), capture_output=True, timeout=PATIENCE, env=dict(env or environment()), check=False, **options
    )
    return Run(done.returncode, done.stdout, done.stderr)


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
