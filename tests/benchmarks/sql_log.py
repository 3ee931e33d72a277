"""PostgreSQL's log of changes as others read it: by a loop over psycopg2's replication cursor that takes the messages
of pgoutput apart, as one writes it by hand, or by a Singer tap from a copy of its slot, which it moves on. Runs in the
peers' environment."""

from __future__ import annotations

import json
import os
import struct
import sys
from pathlib import Path
from typing import Any

import psycopg2
from psycopg2.extras import LogicalReplicationConnection

_MADE: dict[int, Any] = {16: "t".__eq__, 20: int, 21: int, 23: int, 700: float, 701: float, 1700: float}
"""What becomes of a text, by its type's number."""


def loop(url: str) -> None:
    """Write a line for each inserted row."""
    with psycopg2.connect(url) as connection, connection.cursor() as asking:
        asking.execute("SELECT pg_current_wal_flush_lsn() - '0/0'")
        end = int(asking.fetchone()[0])
    replication = psycopg2.connect(url, connection_factory=LogicalReplicationConnection)
    cursor = replication.cursor()
    options = {"proto_version": "1", "publication_names": "pub"}
    cursor.start_replication(slot_name="slot", decode=False, options=options)
    tables: dict[int, tuple[str, list[tuple[str, Any]]]] = {}
    write = sys.stdout.write
    while True:
        message = cursor.read_message()
        if message is None:
            if cursor.wal_end >= end:
                break
            continue
        data = message.payload
        if data[:1] == b"I":
            name, columns = tables[struct.unpack_from(">I", data, 1)[0]]
            write(json.dumps({"stream": name, "data": _row(data, 8, columns)}) + "\n")
        elif data[:1] == b"R":
            oid, found = _relation(data)
            tables[oid] = found
        elif data[:1] == b"C" and struct.unpack_from(">Q", data, 10)[0] >= end:
            break


def _row(data: bytes, at: int, columns: list[tuple[str, Any]]) -> dict[str, Any]:
    row = {}
    for name, made in columns:
        kind = data[at : at + 1]
        at += 1
        if kind == b"t":
            size = struct.unpack_from(">i", data, at)[0]
            at += 4
            row[name] = made(data[at : at + size].decode())
            at += size
        else:
            row[name] = None
    return row


def _relation(data: bytes) -> tuple[int, tuple[str, list[tuple[str, Any]]]]:
    end = data.index(0, data.index(0, 5) + 1)
    name = data[data.index(0, 5) + 1 : end].decode()
    at = end + 4
    columns = []
    while at < len(data):
        end = data.index(0, at + 1)
        kind = struct.unpack_from(">I", data, end + 1)[0]
        columns.append((data[at + 1 : end].decode(), _MADE.get(kind, str)))
        at = end + 9
    return struct.unpack_from(">I", data, 1)[0], (name, columns)


def tap(url: str, config: str, *command: str) -> None:
    """Become a tap that reads a slot of its own."""
    slot = f"tap_{os.getpid()}"
    with psycopg2.connect(url) as connection, connection.cursor() as cursor:
        cursor.execute("SELECT pg_copy_logical_replication_slot('tap', %s)", (slot,))
    file = Path(f"{config}-{slot}.json")
    file.write_text(json.dumps({**json.loads(Path(config).read_text()), "replication_slot_name": slot}))
    os.execv(command[0], [*command, "--config", str(file)])


if __name__ == "__main__":
    {"loop": loop, "tap": tap}[sys.argv[1]](*sys.argv[2:])
