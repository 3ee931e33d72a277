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

import nasty_lines
from nasty_messages import OUT, begin, error, finish, put, record, say, state, status


def well() -> None:
    begin()
    finish()


def both() -> None:
    """Behaves well, with both streams."""
    well()
    say(record(1, "b"))
    say(state(1, "b"))
    say(status("COMPLETE", "b"))


def cut_and_fail() -> None:
    nasty_lines.cut()
    os.kill(os.getpid(), signal.SIGKILL)


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
        found: Callable[[], None] = {**vars(nasty_lines), **globals()}[way]
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
