"""A connector that is a script, and a flow from it, for tests of the command line."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from headwater.errors import ConfigError
from headwater.protocol.catalog import Catalog, CatalogStream, ConfiguredCatalog
from headwater.protocol.messages import Control, Message, Records, State, Status, StreamDescriptor, StreamStatus

ISSUES, COMMITS = StreamDescriptor("issues"), StreamDescriptor("commits")
CATALOG = Catalog(
    (
        CatalogStream(
            "issues",
            {"properties": {"id": {"type": "integer"}, "title": {"type": "string"}}},
            ("full_refresh", "incremental"),
            source_defined_cursor=True,
            primary_key=(("id",),),
        ),
        CatalogStream("commits", {"properties": {"sha": {"type": "string"}}}),
    )
)
FLOW = """
[sources.hub]
name = "fake"
config = { token = "${TOKEN}", repo = "a/b" }
[destinations.db]
target = "sqlite:///out.db"
[[flows]]
from = "hub"
to = "db"
"""


class Fake:
    """Gives three issues, one a state, from where the state says; and two commits."""

    name = "fake"
    config: Mapping[str, Any] = {}
    fail: BaseException | None = None
    control: Mapping[str, Any] | None = None
    seen: list[Any] = []

    @classmethod
    def from_config(cls, config: Mapping[str, Any]) -> Fake:
        if "token" not in config:
            raise ConfigError("token: is missing")
        cls.config = config
        return cls()

    def discover(self) -> Catalog:
        return CATALOG

    def read(self, catalog: ConfiguredCatalog, state: Sequence[State] = ()) -> Iterator[Message]:
        type(self).seen.append((catalog, list(state)))
        start = next((int((s.stream_state or {})["at"]) for s in state if s.stream == ISSUES), 0)
        names = {s.stream.name: s for s in catalog.streams}
        if self.control:
            yield Control(self.control)
        if "issues" in names:
            for i in range(start, 3):
                yield Records(ISSUES, [json.dumps({"id": i, "title": f"t{i}"}).encode()])
                yield State.of_stream(ISSUES, {"at": i + 1})
                if self.fail:
                    raise self.fail
            yield StreamStatus(ISSUES, Status.COMPLETE)
        if "commits" in names:
            yield Records(COMMITS, [b'{"sha":"a"}', b'{"sha":"b"}'])
            yield StreamStatus(COMMITS, Status.COMPLETE)


def rows(flow: Path, query: str) -> list[Any]:
    connection = sqlite3.connect(flow.with_name("out.db"))
    try:
        return connection.execute(query).fetchall()
    finally:
        connection.close()
