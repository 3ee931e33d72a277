"""dlt, told to be quick: whole pages, and the file format that is asked for.

``with_dlt.py URL TARGET FORMAT NESTED``: NESTED is ``tables`` (its default) or ``json``.
"""

from __future__ import annotations

import os
import sys
import tempfile
from collections.abc import Iterator
from typing import Any


def main(url: str, target: str, file_format: str, nested: str) -> None:
    """Land the API's items at a destination's URL."""
    with tempfile.TemporaryDirectory() as folder:
        os.environ.update(DLT_DATA_DIR=folder, RUNTIME__DLTHUB_TELEMETRY="false", RUNTIME__LOG_LEVEL="CRITICAL")
        import dlt
        from dlt.sources.helpers.rest_client import RESTClient
        from dlt.sources.helpers.rest_client.paginators import HeaderLinkPaginator

        depth = {} if nested == "tables" else {"max_table_nesting": 0}

        @dlt.resource(name="items", write_disposition="append", primary_key="id", **depth)
        def items() -> Iterator[Any]:
            client = RESTClient(url, paginator=HeaderLinkPaginator())
            yield from client.paginate("items", params={"per_page": 1000})

        pipeline = dlt.pipeline("bench", destination=destination(target), dataset_name="bench", pipelines_dir=folder)
        info = pipeline.run(items(), loader_file_format=file_format)
        info.raise_on_failed_jobs()


def destination(target: str) -> Any:
    """The destination of a URL."""
    import dlt

    scheme, _, path = target.partition(":///")
    if scheme == "duckdb":
        return dlt.destinations.duckdb(path)
    if scheme == "sqlite":
        return dlt.destinations.sqlalchemy(target)
    return dlt.destinations.postgres(target)


if __name__ == "__main__":
    main(*sys.argv[1:])
