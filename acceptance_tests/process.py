"""A connector's process and what it wrote, line by line, as whoever runs it sees them."""

from __future__ import annotations

import json
import signal
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from headwater.protocol.catalog import Catalog


@dataclass
class Output:
    """The whole lines of one run, decoded; a last line that was cut off is left out, as the platform does."""

    code: int
    messages: list[dict[str, Any]] = field(default_factory=list)
    cut: bytes = b""

    def records(self, stream: str) -> Iterator[dict[str, Any]]:
        """The data of the stream's records, in order."""
        for message in self.messages:
            if message["type"] == "RECORD" and message["record"]["stream"] == stream:
                yield message["record"]["data"]

    def states(self) -> dict[str, dict[str, Any]]:
        """The last state of each stream."""
        return {
            message["state"]["stream"]["stream_descriptor"]["name"]: message["state"]
            for message in self.messages
            if message["type"] == "STATE"
        }

    def statuses(self, stream: str) -> list[str]:
        """The stream's statuses, in order."""
        return [
            status["status"]
            for message in self.messages
            if message["type"] == "TRACE" and (status := message["trace"].get("stream_status"))
            if status["stream_descriptor"]["name"] == stream
        ]


class Connector:
    """A connector's command with its files in a folder.

    :param command: the executable and its first arguments.
    :param config: what goes into ``--config``.
    """

    def __init__(self, command: list[str], config: dict[str, Any], folder: Path) -> None:
        self.command = command
        self.folder = folder
        self.config = self._file("config.json", config)

    def configured(self, *streams: str) -> dict[str, Any]:
        """A configured catalog of these streams, of what ``discover`` says."""
        output = self.run("discover", "--config", str(self.config))
        (found,) = [message["catalog"] for message in output.messages if message["type"] == "CATALOG"]
        return Catalog.from_json(found).configured(streams or None).to_json()

    def read(
        self,
        catalog: dict[str, Any],
        states: dict[str, dict[str, Any]] | None = None,
        kill_after: int | None = None,
    ) -> Output:
        """One ``read``; killed with SIGKILL when so many bytes of its output have been taken."""
        arguments = ["--config", str(self.config), "--catalog", str(self._file("catalog.json", catalog))]
        if states:
            arguments += ["--state", str(self._file("state.json", list(states.values())))]
        return self.run("read", *arguments, kill_after=kill_after)

    def run(self, *arguments: str, kill_after: int | None = None) -> Output:
        """Any command, to its end or its death."""
        with subprocess.Popen([*self.command, *arguments], stdout=subprocess.PIPE) as process:
            assert process.stdout is not None
            if kill_after is None:
                written = process.stdout.read()
            else:
                written = _exactly(process.stdout.read, kill_after)
                process.send_signal(signal.SIGKILL)
                written += process.stdout.read()  # what was in the pipe when it died
        *lines, cut = written.split(b"\n")
        return Output(process.returncode, [json.loads(line) for line in lines], cut)

    def _file(self, name: str, content: Any) -> Path:
        path = self.folder / name
        path.write_text(json.dumps(content))
        path.chmod(0o600)
        return path


def _exactly(read: Callable[[int], bytes], size: int) -> bytes:
    parts = []
    while size > 0 and (part := read(min(size, 65536))):
        parts.append(part)
        size -= len(part)
    return b"".join(parts)
