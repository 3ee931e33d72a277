"""The floor: PostgreSQL's own JSON by COPY, spliced into RECORD lines by hand. The rows come from libpq as they come to
Headwater, many at a time."""

from __future__ import annotations

import os
import sys

import psycopg

from headwater.sql.copying import copied

HEAD, TAIL = b'{"type":"RECORD","record":{"stream":"bench","data":', b',"emitted_at":1700000000000}}\n'


_SLOT = """COPY (SELECT data FROM pg_logical_slot_peek_binary_changes('slot', NULL, NULL, 'proto_version', '1',
'publication_names', 'pub')) TO STDOUT (FORMAT binary)"""


def main(url: str, what: str = "table") -> None:
    """Write all rows to standard output; or what a slot has, as it comes."""
    query = _SLOT if what == "slot" else "COPY (SELECT row_to_json(t) FROM bench t) TO STDOUT"
    end = TAIL + HEAD
    out = bytearray()
    with psycopg.connect(url) as connection, connection.cursor() as cursor, cursor.copy(query):
        for rows in copied(connection, 64):
            if what == "slot":
                out += rows
            else:
                out += HEAD + rows[:-1].replace(b"\\\\", b"\\").replace(b"\n", end) + TAIL
            if len(out) >= 64 * 1024:
                os.write(1, out)
                out.clear()
    os.write(1, out)


if __name__ == "__main__":
    main(*sys.argv[1:])
