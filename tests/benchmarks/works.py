"""What is measured: the same catalog, config and command line for every connector."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from . import records as made
from .process import Failed, Run, output_of, run
from .rooms import Room

_SCHEMA = json.loads((Path(__file__).parent / "connectors" / "items.json").read_text(encoding="utf-8"))


@dataclass(frozen=True)
class Work:
    """One read.

    :ivar records: how many the API has.
    :ivar per_page: how many an answer holds.
    :ivar fields: the fields that the sync wants; none named: all.
    :ivar settings: of the config, besides.
    :ivar target: how many times the records per CPU second of the CDK's classes are aimed at; 0: no target.
    :ivar over_manifest: how many times those of its manifest.
    :ivar of_floor: which share of the hand-written loop's.
    """

    title: str
    stream: str
    records: int
    per_page: int = 1000
    fields: tuple[str, ...] = ()
    target: float = 0.0
    over_manifest: float = 0.0
    of_floor: float = 0.0
    settings: tuple[tuple[str, int], ...] = ()

    @property
    def incremental(self) -> bool:
        """Whether states are due on the way."""
        return self.stream in ("changes", "part_changes", "member_changes")

    @property
    def pages(self) -> int:
        """Answers that hold records."""
        return -(-self.records // self.per_page)

    def command(self, room: Room, url: str, folder: Path, state: Path | None = None) -> list[str]:
        """The command line of this read; its files are written to a folder."""
        stem = self.title.replace(" ", "-")
        config, catalog = folder / f"{stem}-config.json", folder / f"{stem}-catalog.json"
        settings = {"url": f"{url}/{self.records}", "per_page": self.per_page, **dict(self.settings)}
        config.write_text(json.dumps(settings))
        catalog.write_text(json.dumps(self.catalog()))
        known = ["--state", str(state)] if state is not None else []
        return room.command("read", "--config", str(config), "--catalog", str(catalog), *known)

    def catalog(self) -> dict[str, Any]:
        """The configured catalog."""
        properties = {n: p for n, p in _SCHEMA["properties"].items() if not self.fields or n in self.fields}
        stream: dict[str, Any] = {
            "name": self.stream,
            "json_schema": {**_SCHEMA, "properties": properties},
            "supported_sync_modes": ["full_refresh", "incremental"] if self.incremental else ["full_refresh"],
            "source_defined_primary_key": [["id"]],
        }
        if self.incremental:
            stream.update(source_defined_cursor=True, default_cursor_field=["updated_at"])
        configured: dict[str, Any] = {
            "stream": stream,
            "sync_mode": "incremental" if self.incremental else "full_refresh",
            "destination_sync_mode": "append",
            "primary_key": [["id"]],
        }
        if self.incremental:
            configured["cursor_field"] = ["updated_at"]
        return {"streams": [configured]}

    def run(self, room: Room, url: str, folder: Path) -> Run:
        """Read once, the output thrown away."""
        return run(self.command(room, url, folder))

    def verify(self, room: Room, url: str, folder: Path) -> dict[str, Any]:
        """Read once and count: all records, each once, and the states that are due.

        :raises Failed: when something is missing or too much.
        """
        found = output_of(self.command(room, url, folder))
        due: dict[str, Any] = {"records": self.records, "distinct": self.records}
        least = 0
        if room.name != "floor":  # which knows nothing but records
            due["status"] = "COMPLETE"
            least = 1  # the CDK's manifests give one every ten minutes
            if self.stream == "changes" and room.name != "cdk manifest":
                least = self.records // made.A_MINUTE
            if self.stream == "changes":
                due["cursor"] = made.updated_at(self.records - 1)
        wrong = {name: found[name] for name, value in due.items() if found[name] != value}
        if wrong or found["states"] < least:
            states = f"{least} states or more" if least else "no state"
            raise Failed(f"{room.name}, {self.title}: {due} and {states} were due; {found} came.")
        return found
