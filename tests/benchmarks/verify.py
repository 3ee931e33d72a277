"""Counts what a connector wrote: its messages come on standard input, the count goes out as one JSON object.

A process of its own, so that the memory it takes is not taken for that of the next connector measured.
"""

from __future__ import annotations

import json
import sys
import zlib
from typing import Any

import msgspec


def count(lines: Any) -> dict[str, Any]:
    """How many records and states there are, what the last state says, and a checksum of all records that
    depends neither on their order nor on how their JSON is written. A field that is null is the same as one
    that is missing, as airbyte-cdk leaves such fields out. ``seconds`` lie between the first and the last status."""
    ids: set[int] = set()
    records = states = state_bytes = checksum = 0
    cursor = None
    statuses: list[tuple[str, float]] = []
    encode = msgspec.json.Encoder(order="deterministic").encode
    for line in lines:
        message = msgspec.json.decode(line)
        if message["type"] == "RECORD":
            data = message["record"]["data"]
            records += 1
            ids.add(data["id"])
            there = {name: value for name, value in data.items() if value is not None}
            checksum += zlib.crc32(encode(there))
        elif message["type"] == "STATE":
            states += 1
            state_bytes += len(line)
            cursor = message["state"].get("stream", {}).get("stream_state", {}).get("updated_at")
        elif message["type"] == "TRACE" and message["trace"]["type"] == "STREAM_STATUS":
            trace = message["trace"]
            statuses.append((trace["stream_status"]["status"], trace["emitted_at"] / 1000))
    return {
        "records": records,
        "distinct": len(ids),
        "checksum": checksum,
        "states": states,
        "state_bytes": state_bytes,
        "cursor": cursor,
        "status": statuses[-1][0] if statuses else None,
        "seconds": round(statuses[-1][1] - statuses[0][1], 3) if statuses else None,
    }


if __name__ == "__main__":
    print(json.dumps(count(sys.stdin.buffer)))
