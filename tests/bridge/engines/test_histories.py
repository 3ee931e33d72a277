"""Every engine: whatever ran before in whatever mode, and however it ended, a run that ends well leaves the truth."""

from __future__ import annotations

import json
import random
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import suppress

import pytest

from headwater.bridge import sync
from headwater.errors import SourceError
from headwater.protocol.catalog import Catalog, ConfiguredCatalog
from headwater.protocol.messages import Message, Records, State, StreamDescriptor
from tests.bridge.databases import Database
from tests.bridge.fakes import status
from tests.bridge.landing import stream

INT = {"type": "integer"}
PROPERTIES = {"id": INT, "v": {"type": "string"}, "tags": {"type": "array", "items": INT}}
RUNS = 6


class Crash(BaseException):
    """The process is gone: nobody tidies up."""


class Growing:
    """Gives the rows from where its state says to a total, with states now and then; fails after so many pages."""

    name = "growing"

    def __init__(
        self, stream: StreamDescriptor, total: int, chance: random.Random, error: BaseException | None
    ) -> None:
        self.stream, self.total, self.chance, self.error = stream, total, chance, error

    def check(self) -> None: ...

    def discover(self) -> Catalog:
        return Catalog()

    def read(self, catalog: ConfiguredCatalog, state: Sequence[State] = ()) -> Iterator[Message]:
        at = int((state[0].stream_state or {})["at"]) if state else 0
        pages = self.chance.randint(0, 4) if self.error else self.total
        while at < self.total and pages:
            page, pages = range(at, min(self.total, at + self.chance.randint(1, 3))), pages - 1
            rows = [json.dumps({"id": n, "v": f"v{n}", "tags": [n, n + 1]}).encode() for n in page]
            yield Records(self.stream, rows)
            at = page.stop
            if self.chance.random() < 0.5:
                yield State.of_stream(self.stream, {"at": at})
        if self.error:
            raise self.error
        yield State.of_stream(self.stream, {"at": at})
        yield status(self.stream.name)


@pytest.mark.parametrize("seed", range(4))
def test_any_history(db: Database, seed: int) -> None:
    chance = random.Random(seed)
    nested = chance.choice(["json", "tables", "tables"])
    usual = chance.choice(["append", "append_dedup"])
    settled: list[int] = []  # that a state covers
    total = 0
    for number in range(RUNS):
        total += chance.randint(0, 5)
        mode = chance.choice([usual, usual, "overwrite"])
        error = chance.choice([None, SourceError("died"), Crash()]) if number < RUNS - 1 else None
        catalog = stream(properties=PROPERTIES, mode=mode, key=[["id"]])
        sink = db.sink(nested=nested)
        if isinstance(error, Crash):
            sink.close = sink.engine.close  # type: ignore[method-assign]
        with suppress(SourceError, Crash):
            sync(Growing(catalog.streams[0].descriptor, total, chance, error), catalog, sink, batch_bytes=60)
        states = db.query("SELECT state FROM _headwater_state")
        at = json.loads(states[0][0])["stream"]["stream_state"]["at"] if states else 0
        assert at >= len(settled)
        settled = list(range(at))
        found = db.values("id") if db.types("issues") else []
        if error:
            assert not Counter(settled) - Counter(found), "rows that a state covers are lost"
            continue
        assert found == settled == list(range(total))
        assert db.query("SELECT * FROM _headwater_unsettled") == []
        if nested == "tables":
            joined = "FROM issues t JOIN issues__tags c ON c._airbyte_parent_id = t._airbyte_raw_id ORDER BY 1, 2"
            assert db.query(f"SELECT t.id, c.value {joined}") == [(n, m) for n in settled for m in (n, n + 1)]
            assert db.query("SELECT count(*) FROM issues__tags") == [(2 * len(settled),)]
