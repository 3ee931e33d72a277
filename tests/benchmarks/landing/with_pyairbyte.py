"""PyAirbyte's DuckDB cache, fed by the benchmark's connector, which it starts as a program."""

from __future__ import annotations

import json
import os
import sys
import tempfile
from pathlib import Path


def main(url: str, target: str, connector: str) -> None:
    """Land the API's items in a DuckDB file; ``connector`` is a program that is an Airbyte source."""
    os.environ["DO_NOT_TRACK"] = os.environ["AIRBYTE_OFFLINE_MODE"] = "1"
    import airbyte
    from airbyte.caches import DuckDBCache

    with tempfile.TemporaryDirectory() as folder:
        os.environ["AIRBYTE_PROJECT_DIR"] = folder
        source = airbyte.get_source(
            "source-bench", config={"url": url}, streams=["items"], local_executable=Path(connector)
        )
        cache = DuckDBCache(db_path=target.partition(":///")[2], schema_name="bench", cache_dir=Path(folder))
        result = source.read(cache=cache, force_full_refresh=True)
        print(json.dumps({"records": result.processed_records}))


if __name__ == "__main__":
    main(*sys.argv[1:])
