"""A Singer tap of many makes, one at a time: ``python tap.py MAKE --config ... [--discover] ...``."""

from __future__ import annotations

import argparse
import gzip
import json
import os
import sys
import time
from pathlib import Path
from typing import Any

ARGS = argparse.Namespace(catalog=None)


def say(kind: str, **fields: Any) -> None:
    print(json.dumps({"type": kind, **fields}), flush=True)


SCHEMA: dict[str, Any] = {
    "type": "object",
    "properties": {
        "id": {"type": "integer"},
        "at": {"type": "string", "format": "date-time"},
        "price": {"type": ["null", "number"], "multipleOf": 1e-10},
        "note": {"type": "string"},
    },
}


def entry(name: str, **root: Any) -> dict[str, Any]:
    metadata = [{"breadcrumb": [], "metadata": {"table-key-properties": ["id"], **root}}]
    return {"tap_stream_id": name, "stream": name, "schema": SCHEMA, "key_properties": ["id"], "metadata": metadata}


CATALOG = {
    "streams": [
        entry("orders", **{"valid-replication-keys": ["at"], "replication-method": "INCREMENTAL"}),
        entry("people", **{"forced-replication-method": "FULL_TABLE"}),
    ]
}


def selected() -> list[str]:
    """What the catalog selects, by its metadata and by the schema."""
    catalog = json.loads(Path(ARGS.catalog or ARGS.properties).read_text())
    by_metadata = []
    for stream in catalog["streams"]:
        (root,) = [m["metadata"] for m in stream["metadata"] if not m["breadcrumb"]]
        assert root["selected"] == stream["schema"]["selected"]
        if root["selected"]:
            by_metadata.append(stream["tap_stream_id"])
    return by_metadata


def discover() -> None:
    print(json.dumps(CATALOG, indent=2))


def usual() -> None:
    """Bookmarks by stream; reads what is selected from where it was."""
    if ARGS.discover:
        discover()
        return
    given = json.loads(Path(ARGS.state).read_text()) if ARGS.state else {}
    state: dict[str, Any] = {"bookmarks": dict(given.get("bookmarks", {}))}
    for name in selected():
        start = state["bookmarks"].get(name, {}).get("id", 0)
        say("SCHEMA", stream=name, schema=SCHEMA, key_properties=["id"], bookmark_properties=["at"])
        for number in range(start + 1, start + 4):
            row = f'{{"id": {number}, "at": "2024-01-0{number}T00:00:00Z", "price": 1.10000000000000000001}}'
            head = f'{{"type": "record", "stream": "{name}", "record": '
            print(f'{head}{row}, "time_extracted": "2024-05-01T00:00:00.5Z"}}')
        state["bookmarks"][name] = {"id": start + 3}
        state["currently_syncing"] = name
        say("STATE", value=state)
    sys.stderr.write("INFO METRIC: {}\n")


def legacy() -> None:
    """Knows --properties alone."""
    assert not ARGS.catalog
    usual()


def silent_without_properties() -> None:
    """Knows --catalog, and reads nothing by it."""
    if ARGS.discover or ARGS.properties:
        usual()


def ignores_discover() -> None:
    """Has no discovery: it reads everything, whatever it is asked; its state is one for all."""
    given = json.loads(Path(ARGS.state).read_text()) if ARGS.state else {}
    for name in ("orders", "people"):
        say("SCHEMA", stream=name, schema=SCHEMA, key_properties="id")
    number = given.get("last", 0) + 1
    for name in ("orders", "people"):
        say("RECORD", stream=name, record={"id": number})
    say("STATE", value={"last": number})


def refuses_discover() -> None:
    if ARGS.discover:
        sys.stderr.write("usage: tap [-h]\ntap: error: unrecognized arguments: --discover\n")
        sys.exit(2)
    ignores_discover()


def usage_without_discover() -> None:
    """As docopt has it."""
    if ARGS.discover:
        sys.stderr.write("Usage:\n  tap --config FILE [--state FILE]\n")
        sys.exit(1)
    ignores_discover()


def misses_an_option() -> None:
    """Has a discovery, and is not started as it must be."""
    sys.stderr.write("usage: tap [-h] -c CONFIG [--discover]\ntap: error: the following arguments are required: -c\n")
    if not ARGS.discover:
        ignores_discover()
    sys.exit(2)


def fails_discover() -> None:
    sys.stderr.write("INFO starting\nCRITICAL 401 for s3cret-token\n")
    sys.exit(1)


def begin(*names: str) -> None:
    for name in names:
        say("SCHEMA", stream=name, schema=SCHEMA, key_properties=["id"])


def fails() -> None:
    begin("orders")
    say("RECORD", stream="orders", record={"id": 1})
    say("STATE", value={"bookmarks": {"orders": {"id": 1}}})
    say("RECORD", stream="orders", record={"id": 2})
    sys.stderr.write("INFO so far\nCRITICAL 500 for s3cret-token\nINFO bye\n")
    sys.exit(1)


def changes_schema() -> None:
    begin("orders")
    say("RECORD", stream="orders", record={"id": 1})
    more = {"type": "object", "properties": {**SCHEMA["properties"], "extra": {"type": "string"}}}
    say("SCHEMA", stream="orders", schema=more, key_properties=["id"])
    say("RECORD", stream="orders", record={"id": 2, "extra": "x"})


def versions() -> None:
    begin("people")
    say("ACTIVATE_VERSION", stream="people", version=1)
    say("RECORD", stream="people", record={"id": 1}, version=1)
    say("ACTIVATE_VERSION", stream="people", version=1)


def empty_states() -> None:
    begin("orders")
    say("STATE", value={})
    say("RECORD", stream="orders", record={"id": 1})
    say("STATE", value={"bookmarks": {"orders": {"id": 1}}})
    say("STATE", value={"bookmarks": {}})
    say("STATE", value={})
    say("STATE", value=None)


def other_states() -> None:
    begin("orders")
    say("RECORD", stream="orders", record={"id": 1})
    say("STATE", value={"bookmarks": {"orders": {"id": 1}}, "more": 5})


def batches() -> None:
    begin("orders")
    folder = Path(json.loads(Path(ARGS.config).read_text())["folder"])
    lines = "".join(f'{{"id": {number}}}\n' for number in range(1, 4))
    (folder / "a b.jsonl.gz").write_bytes(gzip.compress(lines.encode()))
    (folder / "b.jsonl").write_text('{"id": 4}\n{"id": 5, "price": NaN}')
    kind = {"format": "jsonl", "compression": "gzip"}
    say("BATCH", stream="orders", encoding=kind, manifest=[f"file://{folder}/a%20b.jsonl.gz"])
    say("BATCH", stream="orders", encoding={"format": "jsonl", "compression": None}, manifest=[f"{folder}/b.jsonl"])
    say("STATE", value={"bookmarks": {"orders": {"id": 5}}})


def parquet() -> None:
    begin("orders")
    say("BATCH", stream="orders", encoding={"format": "parquet"}, manifest=["s3://x"])


def lost_batch() -> None:
    begin("orders")
    say("BATCH", stream="orders", encoding={"format": "jsonl"}, manifest=["file:///nowhere/x.jsonl"])


def no_schema() -> None:
    say("RECORD", stream="orders", record={"id": 1})
    say("RECORD", stream="other", record={"id": 1})


def nothing() -> None:
    """Ends well, and says nothing."""


def noise() -> None:
    print("Traceback? no: a banner")
    begin("orders")
    print('{"type": "STA')
    say("RECORD", stream="orders", record={"id": 1, "note": "a\u2028b"})
    sys.stdout.buffer.write(b'{"type":"RECORD","stream":"orders","record":{"id":2,"price":NaN,"note":"\xff"}}\r\n')
    sys.stdout.buffer.flush()
    say("PING")
    print("[1]\n\n")


def broken() -> None:
    begin("orders")
    print('{"type": "RECORD", "stream": "orders", "record": {"id": 1}')
    begin("orders")


def cut() -> None:
    begin("orders")
    sys.stdout.write('{"type": "RECORD", "stream": "orders", "rec')


def rotates() -> None:
    """Renews its token in its config, and fails."""
    config = json.loads(Path(ARGS.config).read_text())
    number = int(config["token"].rpartition("-")[2]) + 1
    Path(ARGS.config).write_text(json.dumps({**config, "token": f"renewed-{number}"}))
    usual()
    if not ARGS.discover:
        sys.exit(1)


def renews_once() -> None:
    """Renews its token, which no second run may use, and knows --properties alone, without a word; it has no
    discovery where its config says so."""
    config = json.loads(Path(ARGS.config).read_text())
    number = int(config["token"].rpartition("-")[2])
    with open(config["used"], "a+") as used:
        used.seek(0)
        if str(number) in used.read().split():
            sys.exit("CRITICAL the token was used before")
        used.write(f"{number}\n")
    Path(ARGS.config).write_text(json.dumps({**config, "token": f"renewed-{number + 1}"}))
    if config.get("mute"):
        if not ARGS.discover:
            ignores_discover()
    elif ARGS.discover or ARGS.properties:
        usual()


def renews_and_waits() -> None:
    """Has no discovery; renews its token, gives a record, and has much more to do."""
    Path(ARGS.config).write_text('{"token": "renewed-1"}')
    say("SCHEMA", stream="orders", schema=SCHEMA, key_properties=["id"])
    say("RECORD", stream="orders", record={"id": 1})
    time.sleep(300)


def about() -> None:
    settings = {"type": "object", "properties": {"token": {"type": "string", "secret": True}}}
    print(json.dumps({"name": "tap", "settings": settings}))


def count(name: str = "runs") -> None:
    """How often taps were started, by what."""
    with open(os.environ.get("RUNS", os.devnull), "a") as file:
        file.write(" ".join(sys.argv[1:]) + "\n")


def main() -> None:
    make = sys.argv[1]
    count()
    parser = argparse.ArgumentParser()
    parser.add_argument("--config")
    parser.add_argument("--state")
    parser.add_argument("--discover", action="store_true")
    parser.add_argument("--properties")
    if make == "about":
        parser.add_argument("--about", action="store_true")
        parser.add_argument("--format")
    if make != "legacy":
        parser.add_argument("--catalog")
    parser.parse_args(sys.argv[2:], ARGS)
    own = ("usual", "legacy", "silent_without_properties", "ignores_discover", "refuses_discover", "fails_discover")
    own += ("usage_without_discover", "misses_an_option")
    if ARGS.discover and make not in (*own, "rotates", "renews_once", "renews_and_waits", "nothing"):
        discover()
    else:
        globals()[make]()


if __name__ == "__main__":
    main()
