"""Headwater: the benchmark's connector and a destination, in one process."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path


def main(url: str, target: str, mode: str) -> None:
    """Land the API's items at a destination's URL."""
    sys.path.insert(0, str(Path(__file__).parents[1] / "connectors"))
    from ours import BenchConfig, BenchSource

    from headwater.bridge import sync
    from headwater.bridge.sinks import open_sink
    from headwater.protocol.catalog import ConfiguredCatalog

    source = BenchSource(BenchConfig(url=url))
    catalog = source.discover().configured(["items"])
    (stream,) = catalog.streams
    stream = replace(stream, destination_sync_mode=mode, cursor_field=("updated_at",))
    sync(source, ConfiguredCatalog((stream,)), open_sink(target))


if __name__ == "__main__":
    main(*sys.argv[1:])
