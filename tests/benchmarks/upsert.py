"""Measure an upsert of as many rows as a table has: ``make bench BENCH=upsert``.

Rows are landed by a sync whose source has them at once: appended to an empty table, and by their primary key and a
cursor into a table that has them all, in another order. What making the records costs is taken off.
"""

from __future__ import annotations

import argparse
import json
import random
import sys
import tempfile
from collections import deque
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from . import records as made
from .process import Failed, Run, run

if TYPE_CHECKING:
    from headwater.protocol.catalog import Catalog, ConfiguredCatalog, ConfiguredStream
    from headwater.protocol.messages import Message, State

TARGET = 3.0
MOST_MEMORY = 300.0


def main(arguments: list[str]) -> int:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks upsert", description=__doc__)
    parser.add_argument("--rows", type=int, default=1_000_000, help="how many rows (1000000)")
    parser.add_argument("--columns", type=int, default=made.FIELDS, help=f"how many each has ({made.FIELDS})")
    parser.add_argument("--rounds", type=int, default=3, help="how often; the least counts (3)")
    parser.add_argument("urls", nargs="*", default=[], help="destinations; {} stands for a new file's path")
    options = parser.parse_args(arguments)
    print("| destination | append, rows per CPU second | upsert | times the append's CPU | peak MB: append | upsert |")
    print("|---|---|---|---|---|---|")
    for url in options.urls or ["sqlite:///{}", "duckdb:///{}"]:
        try:
            print(_measured(url, options.rows, options.columns, options.rounds))
        except Failed as error:
            print(f"| {url.partition(':')[0]} | failed: {str(error)[-300:]} |")
    return 0


def _measured(url: str, rows: int, columns: int, rounds: int) -> str:
    appends, upserts, nothing = [], [], []
    for number in range(rounds):
        with tempfile.TemporaryDirectory() as folder:
            nothing.append(_run("none", "append", rows, number, columns).cpu)
            appends.append(_run(url.format(Path(folder) / "append.db"), "append", rows, number, columns))
            keyed = url.format(Path(folder) / "keyed.db")
            _run(keyed, "append_dedup", rows, number, columns)
            upserts.append(_run(keyed, "append_dedup", rows, number + rounds, columns))
    append, upsert = (min(one.cpu for one in runs) - min(nothing) for runs in (appends, upserts))
    said = "" if upsert / append <= TARGET else f", more than {TARGET:.0f}"
    peaks = [max(one.peak for one in runs) for runs in (appends, upserts)]
    told = [f"{peak:.0f}" + (f", more than {MOST_MEMORY:.0f}" if peak > MOST_MEMORY else "") for peak in peaks]
    kind = url.partition(":")[0]
    figures = f"{rows / append:,.0f} | {rows / upsert:,.0f} | {upsert / append:.2f}{said}"
    return f"| {kind} | {figures} | {' | '.join(told)} |"


def _run(url: str, mode: str, rows: int, seed: int, columns: int) -> Run:
    arguments = (url, mode, str(rows), str(seed), str(columns))
    return run([sys.executable, "-m", "tests.benchmarks.upsert", *arguments])


def land(url: str, mode: str, rows: int, seed: int, columns: int = made.FIELDS) -> None:
    """Land the rows, thousands of them in an order of the seed's."""
    from headwater.bridge import sync
    from headwater.bridge.sinks import open_sink
    from headwater.protocol.catalog import ConfiguredCatalog

    source = Items(rows, seed, columns)
    catalog = ConfiguredCatalog((source.stream(mode),))
    if url == "none":
        deque(source.read(catalog), maxlen=0)
    else:
        sync(source, catalog, open_sink(url))


class Items:
    """A source that has the rows at once."""

    name = "items"

    def __init__(self, rows: int, seed: int, columns: int) -> None:
        self._rows = rows
        self._seed = seed
        self._columns = columns

    def check(self) -> None:
        """There is nothing to check."""

    def discover(self) -> Catalog:
        """Its one stream."""
        from headwater.protocol.catalog import Catalog

        return Catalog((self.stream("append").stream,))

    def stream(self, mode: Any) -> ConfiguredStream:
        """Its stream, with so many columns."""
        from headwater.protocol.catalog import CatalogStream, ConfiguredStream

        modes: Any = ("full_refresh", "incremental")
        schema = json.loads((Path(__file__).parent / "connectors" / "items.json").read_text(encoding="utf-8"))
        schema["properties"] |= made.more_properties(self._columns)
        return ConfiguredStream(CatalogStream("items", schema, modes), "incremental", mode, ("updated_at",), (("id",),))

    def read(self, catalog: ConfiguredCatalog, state: Sequence[State] = ()) -> Iterator[Message]:
        """Its pages, and at last a state."""
        import msgspec

        from headwater.protocol.messages import Records, State, Status, StreamStatus

        (stream,) = catalog.streams
        size = made.A_MINUTE * made.FIELDS // self._columns
        pages = list(range(0, self._rows, size))
        random.Random(self._seed).shuffle(pages)
        for first in pages:
            page = made.page(first, min(size, self._rows - first))
            found = list(made.widened(msgspec.json.decode(page, type=list[msgspec.Raw]), self._columns, first))
            random.Random(self._seed + first).shuffle(found)
            yield Records(stream.descriptor, found, 1_700_000_000_000 + first)
        yield State.of_stream(stream.descriptor, {"at": self._seed})
        yield StreamStatus(stream.descriptor, Status.COMPLETE)


if __name__ == "__main__":
    land(sys.argv[1], sys.argv[2], *map(int, sys.argv[3:]))
