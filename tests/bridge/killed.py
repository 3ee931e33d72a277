"""A sync into SQLite, run as a process: ``killed.py DATABASE MODE SEED [waits]``.

With the last word it does not end, however fast it is: a test kills it.
"""

from __future__ import annotations

import json
import random
import sys
import time
from collections.abc import Iterator, Sequence

from headwater.bridge import sync
from headwater.bridge.sinks.sqlite import SqliteSink
from headwater.protocol.catalog import Catalog, CatalogStream, ConfiguredCatalog, ConfiguredStream
from headwater.protocol.messages import Message, Records, State, Status, StreamDescriptor, StreamStatus

ROWS = 2000
NAMES = ("a", "b")


class Source:
    """Numbers in pages of random length, with states now and then; slow enough to be killed."""

    name = "numbers"

    def __init__(self, seed: int, waits: bool) -> None:
        self.random = random.Random(seed)
        self.waits = waits

    def check(self) -> None: ...

    def discover(self) -> Catalog:
        return Catalog()

    def read(self, catalog: ConfiguredCatalog, state: Sequence[State] = ()) -> Iterator[Message]:
        at = dict.fromkeys(NAMES, 0)
        for one in state:
            assert one.stream is not None
            at[one.stream.name] = int((one.stream_state or {})["at"])
        while left := [name for name in NAMES if at[name] < ROWS]:
            name = self.random.choice(left)
            stream = StreamDescriptor(name)
            page = range(at[name], min(at[name] + self.random.randint(1, 40), ROWS))
            yield Records(stream, [json.dumps({"id": i}).encode() for i in page])
            at[name] = page.stop
            if self.random.random() < 0.3:
                yield State.of_stream(stream, {"at": page.stop})
            time.sleep(0.002)
        if self.waits:
            time.sleep(600)
        for name in NAMES:
            yield State.of_stream(StreamDescriptor(name), {"at": ROWS})
            yield StreamStatus(StreamDescriptor(name), Status.COMPLETE)


def catalog(mode: str) -> ConfiguredCatalog:
    schema = {"properties": {"id": {"type": "integer"}}}
    streams = (CatalogStream(name, schema, ("incremental",)) for name in NAMES)
    return ConfiguredCatalog(
        tuple(ConfiguredStream(s, "incremental", mode, (), (("id",),)) for s in streams)  # type: ignore[arg-type]
    )


if __name__ == "__main__":
    path, mode, seed, *waits = sys.argv[1:]
    sync(Source(int(seed), bool(waits)), catalog(mode), SqliteSink(path), batch_bytes=1500, flush_seconds=0.05)
