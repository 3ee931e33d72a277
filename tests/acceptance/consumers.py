"""Programs that read a connector's output on standard input, with one defect each: ``python consumers.py WAY``."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator
from typing import Any


def lines() -> Iterator[bytes]:
    """Whole lines; a last one that is cut off is told."""
    data = sys.stdin.buffer.read()
    *found, rest = data.split(b"\n")
    yield from found
    if rest:
        say_cut()


def say_cut() -> None:
    sys.stderr.write("The last line is cut off.\n")
    sys.exit(1)


def parsed(raw: bytes) -> Any:
    try:
        return json.loads(raw.decode("utf-8-sig", "replace"))
    except ValueError:
        return None


def take(message: Any) -> None:
    """Write a message that was taken."""
    if isinstance(message, dict) and message.get("type") in ("RECORD", "STATE"):
        sys.stdout.write(json.dumps(message) + "\n")
        sys.stdout.flush()


def correct() -> None:
    for raw in lines():
        take(parsed(raw))


def stops_at_noise() -> None:
    for raw in lines():
        take(json.loads(raw.decode("utf-8-sig", "replace")))


def stops_at_unknown_types() -> None:
    for raw in lines():
        message = parsed(raw)
        if isinstance(message, dict) and "type" in message:
            assert message["type"] in ("RECORD", "STATE", "TRACE", "LOG", "CONTROL"), message["type"]
            take(message)


def passes_over_long_lines() -> None:
    for raw in lines():
        if len(raw) < 65_536:
            take(parsed(raw))


def needs_unix_lines() -> None:
    for raw in lines():
        if not raw.endswith(b"\r"):
            take(parsed(raw))


def drops_unknown_fields() -> None:
    for raw in lines():
        message = parsed(raw)
        if isinstance(message, dict) and message.get("type") == "STATE":
            message["state"] = {name: value for name, value in message["state"].items() if name in ("type", "stream")}
        take(message)


def says_nothing_of_a_cut_line() -> None:
    for raw in sys.stdin.buffer.read().split(b"\n"):
        take(parsed(raw))


def takes_a_cut_line() -> None:
    """Mends what it can."""
    *found, rest = sys.stdin.buffer.read().split(b"\n")
    for raw in found:
        take(parsed(raw))
    if rest:
        take({"type": "RECORD", "record": {"stream": "users", "data": {}}})
        say_cut()


WAYS: dict[str, Callable[[], None]] = {
    way.__name__: way
    for way in (
        correct, stops_at_noise, stops_at_unknown_types, passes_over_long_lines, needs_unix_lines,
        drops_unknown_fields, says_nothing_of_a_cut_line, takes_a_cut_line,
    )
}  # fmt: skip

if __name__ == "__main__":
    WAYS[sys.argv[1]]()
