"""Measure an upsert of as many rows as a table has: ``make bench BENCH=upsert``.

Rows are landed by the destination itself, without a source: appended to an empty table, and by their primary key
and a cursor into a table that has them all, in another order. What making the records costs is taken off.
"""

from __future__ import annotations

import argparse
import random
import sys
import tempfile
from pathlib import Path

from . import records as made
from .process import Failed, Run, run

_BATCH = 8 * 2**20
TARGET = 3.0


def main(arguments: list[str]) -> int:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks upsert", description=__doc__)
    parser.add_argument("--rows", type=int, default=1_000_000, help="how many rows (1000000)")
    parser.add_argument("--rounds", type=int, default=3, help="how often; the least counts (3)")
    parser.add_argument("urls", nargs="*", default=[], help="destinations; {} stands for a new file's path")
    options = parser.parse_args(arguments)
    print("| destination | append, rows per CPU second | upsert | times the append's CPU | peak MB |")
    print("|---|---|---|---|---|")
    for url in options.urls or ["sqlite:///{}", "duckdb:///{}"]:
        try:
            print(_measured(url, options.rows, options.rounds))
        except Failed as error:
            print(f"| {url.partition(':')[0]} | failed: {str(error)[-300:]} |")
    return 0


def _measured(url: str, rows: int, rounds: int) -> str:
    appends, upserts, nothing = [], [], []
    for number in range(rounds):
        with tempfile.TemporaryDirectory() as folder:
            nothing.append(_run("none", "append", rows, number).cpu)
            appends.append(_run(url.format(Path(folder) / "append.db"), "append", rows, number))
            keyed = url.format(Path(folder) / "keyed.db")
            _run(keyed, "append_dedup", rows, number)
            upserts.append(_run(keyed, "append_dedup", rows, number + rounds))
    append, upsert = (min(one.cpu for one in runs) - min(nothing) for runs in (appends, upserts))
    said = "" if upsert / append <= TARGET else f", more than {TARGET:.0f}"
    peak = max(one.peak for one in (*appends, *upserts))
    kind = url.partition(":")[0]
    return f"| {kind} | {rows / append:,.0f} | {rows / upsert:,.0f} | {upsert / append:.2f}{said} | {peak:.0f} |"


def _run(url: str, mode: str, rows: int, seed: int) -> Run:
    return run([sys.executable, "-m", "tests.benchmarks.upsert", url, mode, str(rows), str(seed)])


def land(url: str, mode: str, rows: int, seed: int) -> None:
    """Land the rows, thousands of them in an order of the seed's."""
    import json

    import msgspec

    from headwater.bridge.sink import Batch
    from headwater.bridge.sinks import open_sink
    from headwater.protocol.catalog import CatalogStream, ConfiguredCatalog, ConfiguredStream
    from headwater.protocol.messages import Records

    schema = json.loads((Path(__file__).parent / "connectors" / "items.json").read_text(encoding="utf-8"))
    stream = ConfiguredStream(
        CatalogStream("items", schema), "incremental", mode, ("updated_at",), (("id",),)  # type: ignore[arg-type]
    )  # fmt: skip
    sink = None if url == "none" else open_sink(url)
    if sink is not None:
        sink.open(ConfiguredCatalog((stream,)))
    pages = list(range(0, rows, made.A_MINUTE))
    random.Random(seed).shuffle(pages)
    batch = Batch(stream)
    for first in pages:
        found = msgspec.json.decode(made.page(first, made.A_MINUTE), type=list[msgspec.Raw])
        random.Random(seed + first).shuffle(found)
        records = Records(stream.descriptor, found, 1_700_000_000_000 + first)
        batch.add(records, records.size)
        if batch.size >= _BATCH or first == pages[-1]:
            if sink is not None:
                sink.write(batch, ())
            batch = Batch(stream)
    if sink is not None:
        sink.complete(stream, ())
        sink.close()


if __name__ == "__main__":
    land(sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4]))
