#!/usr/bin/env python3
"""A connector that prints canned records as fast as it can: ``CANNED_RECORDS`` of half a kilobyte, a state for every
10,000. Of the Airbyte protocol; as a tap with ``CANNED_SINGER=1``. It needs nothing but Python."""

import json
import os
import sys

COUNT = int(os.environ.get("CANNED_RECORDS", "200000"))
SINGER = bool(os.environ.get("CANNED_SINGER"))
SCHEMA = {
    "type": "object",
    "properties": {
        "id": {"type": "integer"},
        "updated_at": {"type": "string"},
        "title": {"type": "string"},
        "body": {"type": "string"},
        "score": {"type": "number"},
        "labels": {"type": "array"},
        "author": {"type": "object"},
    },
}
STREAM = {
    "name": "items",
    "json_schema": SCHEMA,
    "supported_sync_modes": ["full_refresh", "incremental"],
    "source_defined_cursor": True,
    "default_cursor_field": ["updated_at"],
    "source_defined_primary_key": [["id"]],
}
AT_ONCE = 10_000


def say(message):
    sys.stdout.write(json.dumps(message) + "\n")
    sys.stdout.flush()


def record(number):
    data = {
        "id": number,
        "updated_at": "2024-01-01T00:00:00Z",
        "title": f"An item called {number}",
        "body": "Lorem ipsum dolor sit amet, " * 9,
        "score": number / 3,
        "labels": ["bug", "help wanted"],
        "author": {"login": "octocat", "id": 583231},
    }
    if SINGER:
        return {"type": "RECORD", "stream": "items", "record": data, "time_extracted": "2024-01-01T00:00:00.000000Z"}
    return {"type": "RECORD", "record": {"stream": "items", "data": data, "emitted_at": 1704067200000 + number // 20}}


def read():
    block = "".join(json.dumps(record(number)) + "\n" for number in range(AT_ONCE)).encode()
    if SINGER:
        say({"type": "SCHEMA", "stream": "items", "schema": SCHEMA, "key_properties": ["id"]})
    for number in range(COUNT // AT_ONCE):
        sys.stdout.buffer.write(block)
        if SINGER:
            say({"type": "STATE", "value": {"bookmarks": {"items": {"at": number}}}})
        else:
            state = {"stream_descriptor": {"name": "items"}, "stream_state": {"at": number}}
            say({"type": "STATE", "state": {"type": "STREAM", "stream": state}})
    if not SINGER:
        status = {"stream_descriptor": {"name": "items"}, "status": "COMPLETE"}
        say({"type": "TRACE", "trace": {"type": "STREAM_STATUS", "emitted_at": 1704067200000, "stream_status": status}})


def main():
    command = sys.argv[1]
    if SINGER and "--discover" in sys.argv:
        root = {"table-key-properties": ["id"], "valid-replication-keys": ["updated_at"]}
        entry = {"tap_stream_id": "items", "stream": "items", "schema": SCHEMA}
        say({"streams": [{**entry, "metadata": [{"breadcrumb": [], "metadata": root}]}]})
    elif SINGER or command == "read":
        read()
    elif command == "spec":
        say({"type": "SPEC", "spec": {"connectionSpecification": {"type": "object", "properties": {}}}})
    elif command == "check":
        say({"type": "CONNECTION_STATUS", "connectionStatus": {"status": "SUCCEEDED"}})
    else:
        say({"type": "CATALOG", "catalog": {"streams": [STREAM]}})


main()
