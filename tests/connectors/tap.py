"""The toy connector as a Singer tap, in processes of its own."""

from __future__ import annotations

import json
import re
import sys
from contextlib import AbstractContextManager
from typing import Any

from tests.connectors.process import Process, Run, Toy, execute, started

TOY_TAP = (sys.executable, "-c", "from tests.connectors.toy import ToySource; ToySource.tap_main()")


class Tap(Toy):
    """The toy connector as a tap, with its files in a folder."""

    def catalog(self, *streams: str, drop: tuple[str, ...] = (), **root: Any) -> dict[str, Any]:
        """A catalog as a runner writes it: these streams selected, without fields (``stream.field``)."""
        entries = []
        for name in streams:
            metadata: list[dict[str, Any]] = [{"breadcrumb": [], "metadata": {"selected": True, **root}}]
            for field in (path.split(".")[1:] for path in drop if path.startswith(f"{name}.")):
                crumb = [part for step in field for part in ("properties", step)]
                metadata.append({"breadcrumb": crumb, "metadata": {"selected": False}})
            entries.append({"tap_stream_id": name, "stream": name, "schema": {}, "metadata": metadata})
        return {"streams": entries}

    def line(self, *streams: str, catalog: Any = None, state: Any = None, **settings: Any) -> list[str]:
        """A command line; the files it names are written."""
        catalog = self.catalog(*streams) if catalog is None else catalog
        command = [*TOY_TAP, "--config", self.file("config.json", {**self.config, **settings})]
        command += ["--catalog", self.file("catalog.json", catalog)]
        return command if state is None else [*command, "--state", self.file("state.json", state)]

    def sync(self, *streams: str, **options: Any) -> Output:
        """Run it to its end."""
        return Output(execute(self.line(*streams, **options)))

    def started(self, *streams: str, **options: Any) -> AbstractContextManager[Process]:
        """Start it, and make sure that it ends."""
        return started(self.line(*streams, **options))


class Output:
    """What a tap wrote."""

    def __init__(self, run: Run) -> None:
        self.code = run.code
        self.lines = run.lines
        self.messages = run.messages
        self.log = run.stderr.decode()

    def schema(self, stream: str) -> dict[str, Any]:
        (found,) = (m for m in self.messages if m["type"] == "SCHEMA" and m["stream"] == stream)
        return found

    def records(self, stream: str) -> list[dict[str, Any]]:
        return [m["record"] for m in self.messages if m["type"] == "RECORD" and m["stream"] == stream]

    @property
    def states(self) -> list[dict[str, Any]]:
        return [message["value"] for message in self.messages if message["type"] == "STATE"]

    @property
    def counts(self) -> dict[str, int]:
        points = [json.loads(p) for p in re.findall(r"^INFO METRIC: (.*)$", self.log, re.MULTILINE)]
        return {p["tags"]["stream"]: p["value"] for p in points if p["metric"] == "record_count"}

    def check(self) -> None:
        """The rules of every run: SCHEMA first, whole states in the end, a log in Singer's form."""
        known = set()
        for message in self.messages:
            if message["type"] == "SCHEMA":
                known.add(message["stream"])
            elif message["type"] == "RECORD":
                assert message["stream"] in known
                assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z", message["time_extracted"])
        if self.messages:
            assert self.messages[-1]["type"] == "STATE"
        for before, after in zip(self.states, self.states[1:], strict=False):
            assert before["bookmarks"].keys() <= after["bookmarks"].keys()
        if self.code == 1:
            assert self.log.splitlines()[-1].startswith("CRITICAL ")
        else:
            assert "CRITICAL" not in self.log
