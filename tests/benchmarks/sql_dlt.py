"""dlt's sql_database, in two ways: a table's rows counted as it gives them, or extracted by its pipeline, which writes
them as lines of JSON. Runs in the peers' environment."""

from __future__ import annotations

import sys
import tempfile

import dlt
from dlt.sources.sql_database import sql_table


def main(url: str, how: str) -> None:
    """Read all rows."""
    table = sql_table(credentials=url, table="bench", backend="sqlalchemy", chunk_size=10_000)
    if how == "count":
        print(sum(1 for _ in table))
        return
    with tempfile.TemporaryDirectory() as folder:
        dlt.pipeline("bench", pipelines_dir=folder, destination="filesystem").extract(table)


if __name__ == "__main__":
    main(*sys.argv[1:])
