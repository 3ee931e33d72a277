"""The floor: PostgreSQL's own JSON by COPY, spliced into RECORD lines by hand."""

from __future__ import annotations

import os
import sys

import psycopg

HEAD, TAIL = b'{"type":"RECORD","record":{"stream":"bench","data":', b',"emitted_at":1700000000000}}\n'


def main(url: str) -> None:
    """Write all rows to standard output."""
    lines: list[bytes] = []
    query = "COPY (SELECT row_to_json(t) FROM bench t) TO STDOUT"
    with psycopg.connect(url) as connection, connection.cursor() as cursor, cursor.copy(query) as copy:
        for row in copy:
            lines.append(HEAD + bytes(row)[:-1].replace(b"\\\\", b"\\") + TAIL)
            if len(lines) >= 1000:
                os.write(1, b"".join(lines))
                lines.clear()
    os.write(1, b"".join(lines))


if __name__ == "__main__":
    main(sys.argv[1])
