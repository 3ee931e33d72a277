"""An Airbyte connector of two streams, which dies at the line that ``DIE_AT`` says. It imports next to nothing."""

from __future__ import annotations

import json
import os
import random
import signal
import sys

ROWS = 64
NAMES = ("a", "b")


def row(number: int) -> dict[str, object]:
    """A record; some don't fit the schema."""
    value = "text" if number % 29 == 3 else number
    made: dict[str, object] = {"id": number, "v": value, "tags": [number, number + 1]}
    if number > ROWS // 2:
        made["late"] = {"x": number}
    return made


def messages(states: list[dict[str, object]], seed: int) -> list[dict[str, object]]:
    """What a read writes: pages of random length, and states now and then."""
    chance = random.Random(seed)
    at = dict.fromkeys(NAMES, 0)
    for state in states:
        stream = state["stream"]
        at[stream["stream_descriptor"]["name"]] = stream["stream_state"]["at"]
    found: list[dict[str, object]] = []
    while left := [name for name in NAMES if at[name] < ROWS]:
        name = chance.choice(left)
        page = range(at[name], min(at[name] + chance.randint(1, 20), ROWS))
        found += [_record(name, number) for number in page]
        at[name] = page.stop
        if chance.random() < 0.4:
            found.append(_state(name, page.stop))
    for name in NAMES:
        found.append(_state(name, ROWS))
        status = {"stream_descriptor": {"name": name}, "status": "COMPLETE"}
        found.append({"type": "TRACE", "trace": {"type": "STREAM_STATUS", "emitted_at": 1, "stream_status": status}})
    return found


def _record(name: str, number: int) -> dict[str, object]:
    return {"type": "RECORD", "record": {"stream": name, "data": row(number), "emitted_at": 1700000000000 + number}}


def _state(name: str, at: int) -> dict[str, object]:
    stream = {"stream_descriptor": {"name": name}, "stream_state": {"at": at}}
    return {"type": "STATE", "state": {"type": "STREAM", "stream": stream}}


def main() -> None:
    """``read``, the only command that is asked for."""
    states = []
    if "--state" in sys.argv:
        with open(sys.argv[sys.argv.index("--state") + 1], encoding="utf-8") as file:
            states = json.load(file)
    die_at = int(os.environ.get("DIE_AT", "0"))
    for number, message in enumerate(messages(states, int(os.environ["SEED"])), 1):
        if number == die_at:
            sys.stdout.flush()
            os.kill(os.getpid(), signal.SIGKILL)
        sys.stdout.write(json.dumps(message) + "\n")


if __name__ == "__main__":
    main()
