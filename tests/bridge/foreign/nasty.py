"""A connector that misbehaves, one way at a time: ``python nasty.py WAY spec|check|discover|read ...``.

It imports nothing of Headwater's. Records, states and statuses are those of a well-behaved connector of stream
``a`` (and ``b``) until the way that is named sets in.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from typing import Any

OUT = sys.stdout.buffer


def put(raw: bytes) -> None:
    OUT.write(raw)
    OUT.flush()


def say(message: dict[str, Any], end: bytes = b"\n") -> None:
    put(json.dumps(message).encode() + end)


def record(number: int, stream: str = "a", **more: Any) -> dict[str, Any]:
    return {
        "type": "RECORD",
        "record": {"stream": stream, "data": {"id": number, **more}, "emitted_at": 1_700_000_000_000},
    }


def state(at: int, stream: str = "a") -> dict[str, Any]:
    blob = {"stream_descriptor": {"name": stream}, "stream_state": {"at": at}}
    return {"type": "STATE", "state": {"type": "STREAM", "stream": blob, "id": at, "unknown": {"kept": [True]}}}


def status(what: str, stream: str = "a") -> dict[str, Any]:
    body = {"stream_descriptor": {"name": stream}, "status": what}
    return {"type": "TRACE", "trace": {"type": "STREAM_STATUS", "emitted_at": 1.5, "stream_status": body}}


def error(message: str, stream: str | None = "a", kind: str = "config_error") -> dict[str, Any]:
    body: dict[str, Any] = {"message": message, "failure_type": kind}
    if stream:
        body["stream_descriptor"] = {"name": stream}
    return {"type": "TRACE", "trace": {"type": "ERROR", "emitted_at": 1.5, "error": body}}


def begin() -> None:
    """Two records, their state, and a third record."""
    say(status("STARTED"))
    say(record(1))
    say(status("RUNNING"))
    say(record(2))
    say(state(2))
    say(record(3))


def finish() -> None:
    say(state(3))
    say(status("COMPLETE"))


def well() -> None:
    begin()
    finish()


def both() -> None:
    """Behaves well, with both streams."""
    well()
    say(record(1, "b"))
    say(state(1, "b"))
    say(status("COMPLETE", "b"))


def noise() -> None:
    put(b"\xef\xbb\xbf")
    begin()
    put(b"Downloading: 100%|####| 3/3\r\n\r\n")
    put(b'[1, 2]\nnull\n17\n"text"\n{}\n{"type": null}\n{"type":"DEBUG","message":"x"}\n')
    put(b"\xff\xfe\x00 not utf-8\n")
    put("a line\u2028of many\x85lines\x0c\n".encode())
    say({"type": "NEWS", "news": {}})
    say({"type": "TRACE", "trace": {"type": "ANALYTICS", "emitted_at": 1, "analytics": {"type": "x"}}})
    say({"type": "LOG", "log": {"level": "LOUD", "message": "hello"}})
    finish()


def flood_of_noise() -> None:
    begin()
    for number in range(200_000):
        OUT.write(b"progress %d\n" % number)
    finish()


def crlf() -> None:
    begin()
    say(record(4), b"\r\n")
    say(state(4), b"\r\n")
    say(status("COMPLETE"), b"\r\n")


def separators() -> None:
    begin()
    text = json.dumps(record(4, text="a\u2028b\u2029c\x85d"), ensure_ascii=False)
    put(text.encode() + b"\n")
    say(state(4))
    say(status("COMPLETE"))


def values() -> None:
    begin()
    put(
        b'{"type":"RECORD","record":{"stream":"a","data":{"id":4,"x":NaN,"y":"\\ud83d","z":"\xff"},"emitted_at":1.0}}\n'
    )
    say(state(4))
    say(status("COMPLETE"))


def huge() -> None:
    begin()
    say(record(4, text="x" * (64 * 2**20)))
    say(state(4))
    say(status("COMPLETE"))


def endless_line() -> None:
    begin()
    while True:
        put(b"x" * 2**20)


def cut() -> None:
    begin()
    put(b'{"type":"RECORD","record":{"stream":"a","data":{"id":4')


def cut_and_fail() -> None:
    cut()
    os.kill(os.getpid(), signal.SIGKILL)


def no_last_newline() -> None:
    begin()
    say(state(3))
    say(status("COMPLETE"), b"")


def flood_on_stderr() -> None:
    begin()
    for number in range(300_000):
        sys.stderr.write(f"warning {number}\n")
    finish()


def hang() -> None:
    begin()
    if "PIDS" in os.environ:
        with open(os.environ["PIDS"], "w") as file:
            file.write(str(os.getpid()))
    time.sleep(600)


def stuck() -> None:
    """Answers everything, and hangs in the read alone."""
    hang()


def hang_ignoring_sigterm() -> None:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    hang()


def fork() -> None:
    """A child that keeps the output open."""
    child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
    with open(os.environ["PIDS"], "w") as file:
        file.write(str(child.pid))
    well()


def incomplete() -> None:
    begin()
    say(status("INCOMPLETE"))


def half_told() -> None:
    begin()
    finish()
    say(record(1, "b"))  # no status of b


def never_complete() -> None:
    begin()


def fail_late() -> None:
    well()
    sys.stderr.write("Traceback: it broke with s3cret-token\n")
    sys.exit(1)


def fail() -> None:
    begin()
    sys.stderr.write("CRITICAL the API said no to s3cret-token\n")
    sys.exit(3)


def killed() -> None:
    begin()
    os.kill(os.getpid(), signal.SIGKILL)


def told_error() -> None:
    begin()
    say(error("The token s3cret-token is wrong."))
    say(status("INCOMPLETE"))
    say(error("The sync failed.", None, "system_error"))
    sys.exit(1)


def told_error_and_zero() -> None:
    begin()
    say(error("It is broken.", kind="nonsense"))
    finish()


def no_state() -> None:
    say(record(1))
    say(record(2))


def old() -> None:
    """From before there were statuses, with a state for all."""
    say(record(1))
    say({"type": "STATE", "state": {"data": {"at": 1}}})
    say(record(2))
    say({"type": "STATE", "state": {"data": {"at": 2}}})


def broken_record() -> None:
    begin()
    put(b'{"type":"RECORD","record":{"stream":"a","data":{"id":4}}{"type":"RECORD"}\n')
    finish()


def broken_state() -> None:
    begin()
    put(b'{"type":"STATE","state":{"type":"STREAM","stream":{"stream_descr\n')
    put(b'{"type":"STATE","state":null}\n')
    finish()


def odd_state() -> None:
    begin()
    put(b'{"type":"STATE","state":' + os.environ["STATE"].encode() + b"}\n")
    finish()


def unknown_stream() -> None:
    begin()
    say(record(1, "zzz"))
    finish()


def after_complete() -> None:
    well()
    say(record(9))


def control() -> None:
    say(status("STARTED"))
    body = {"type": "CONNECTOR_CONFIG", "emitted_at": 1, "connectorConfig": {"config": {"token": "renewed"}}}
    say({"type": "CONTROL", "control": body})
    well()


def estimates() -> None:
    say(
        {
            "type": "TRACE",
            "trace": {
                "type": "ESTIMATE",
                "emitted_at": 1,
                "estimate": {"name": "a", "type": "STREAM", "row_estimate": 30},
            },
        }
    )
    well()


def slow() -> None:
    """Endless, and says how far it came."""
    number = 0
    while True:
        number += 1
        say(record(number, text="x" * 1000))
        if number % 100 == 0:
            with open(os.environ["PIDS"], "w") as file:
                file.write(str(number))


def files() -> None:
    """Tells what it was given."""
    given = {}
    for option, name in zip(sys.argv, sys.argv[1:], strict=False):
        if option in ("--config", "--catalog", "--state"):
            with open(name) as file:
                given[option] = json.load(file)
    say(record(1, given=given, argv=sys.argv, environ=dict(os.environ)))
    say(status("COMPLETE"))


def many() -> None:
    """As many records as fit into the pipe's reader's memory many times."""
    line = json.dumps(record(1, text="x" * 500)).encode() + b"\n"
    block = line * 2000
    for number in range(150):
        OUT.write(block)
        say(state(number))
    say(status("COMPLETE"))


def main() -> None:
    way, command = sys.argv[1], sys.argv[2]
    if command == "read":
        found: Callable[[], None] = globals()[way]
        found()
        return
    if way == "nothing":
        return
    if way == "fail":
        sys.stderr.write("CRITICAL no s3cret-token here\n")
        sys.exit(2)
    if way == "told_error":
        say(error("The token s3cret-token is wrong.", None))
        sys.exit(1)
    if way == "hang":
        time.sleep(600)
    put(b"a banner\n")
    if command == "spec":
        say(
            {
                "type": "SPEC",
                "spec": {"connectionSpecification": {"properties": {"t": {"airbyte_secret": True}}}, "new": 1},
            }
        )
    elif command == "check":
        if way == "control":
            body = {"type": "CONNECTOR_CONFIG", "emitted_at": 1, "connectorConfig": {"config": {"token": "renewed"}}}
            say({"type": "CONTROL", "control": body})
        if way == "refused":
            say(
                {
                    "type": "CONNECTION_STATUS",
                    "connectionStatus": {"status": "FAILED", "message": "not with s3cret-token"},
                }
            )
            sys.exit(1)
        say({"type": "CONNECTION_STATUS", "connectionStatus": {"status": "SUCCEEDED"}})
    elif way == "bad_catalog":
        say({"type": "CATALOG", "catalog": {"streams": [{"json_schema": {}}]}})
    else:
        schema = {"type": "object", "properties": {"id": {"type": "integer"}, "text": {"type": "string"}}}
        stream = {"name": "a", "json_schema": schema, "supported_sync_modes": ["full_refresh", "incremental"], "new": 2}
        say({"type": "CATALOG", "catalog": {"streams": [stream, {**stream, "name": "b"}]}})


if __name__ == "__main__":
    main()
