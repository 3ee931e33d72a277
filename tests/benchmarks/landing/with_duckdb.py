"""The floor: the least that gets the API's items into a DuckDB file, with nothing promised.

No type is checked, nothing is noted, no column is added, and no state is kept; what Headwater takes more is the price
of that. ``with_duckdb.py URL TARGET ROWS``: so many rows a transaction.
"""

from __future__ import annotations

import http.client
import os
import sys
from collections.abc import Iterator
from urllib.parse import urlsplit

import duckdb
import msgspec

_COLUMNS = {
    "id": "BIGINT", "node_id": "VARCHAR", "number": "BIGINT", "title": "VARCHAR", "state": "VARCHAR",
    "author": "JSON", "labels": "JSON", "comments": "BIGINT", "score": "DOUBLE",
    "created_at": "TIMESTAMP WITH TIME ZONE", "updated_at": "TIMESTAMP WITH TIME ZONE", "body": "VARCHAR",
}  # fmt: skip
_AT_ONCE = 15_360


def main(url: str, target: str, rows: str) -> None:
    """Land the items, in the same settings as Headwater does."""
    file = os.memfd_create("floor")
    session = duckdb.connect(target.partition(":///")[2])
    for setting in ("threads = 1", "memory_limit = '96MB'", "wal_autocheckpoint = '64MB'", "TimeZone = 'UTC'"):
        session.execute(f"SET {setting}")
    session.execute(f"CREATE TABLE items ({', '.join(map(' '.join, _COLUMNS.items()))})")
    read = (
        f"INSERT INTO items SELECT * FROM read_json('/proc/self/fd/{file}', format='newline_delimited', "
        f"columns={_COLUMNS}, maximum_object_size=1048576)"
    )
    for records in batches(url, int(rows)):
        session.execute("BEGIN")
        for first in range(0, len(records), _AT_ONCE):
            lines = b"\n".join(records[first : first + _AT_ONCE])
            os.pwrite(file, lines, 0)
            os.ftruncate(file, len(lines))
            session.execute(read)
        session.execute("COMMIT")
    session.close()


def batches(url: str, rows: int) -> Iterator[list[msgspec.Raw]]:
    """The records, so many at a time."""
    decode = msgspec.json.Decoder(list[msgspec.Raw]).decode
    parts = urlsplit(url)
    connection = http.client.HTTPConnection(parts.netloc)
    held: list[msgspec.Raw] = []
    following = f"{parts.path}/items?per_page=1000"
    while following:
        connection.request("GET", following)
        answer = connection.getresponse()
        held += decode(answer.read())
        following = (answer.headers.get("Link") or "").partition(">")[0].strip("<")
        while len(held) >= rows:
            yield held[:rows]
            held = held[rows:]
    yield held


if __name__ == "__main__":
    main(*sys.argv[1:])
