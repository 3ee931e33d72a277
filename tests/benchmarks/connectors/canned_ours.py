"""Reads the canned connector by Headwater's bridge into a sink that counts; prints what that cost, as JSON."""

import json
import resource
import sys
import time
from pathlib import Path

from headwater.bridge import sync
from headwater.bridge.foreign import ForeignSource
from headwater.bridge.runners import CommandRunner
from headwater.bridge.sinks.memory import MemorySink
from headwater.bridge.states.memory import MemoryStates


class Counting(MemorySink):
    """Takes batches and keeps nothing."""

    count = 0

    def write(self, batch, covered):
        self.count += len(batch)


def main():
    protocol, records = sys.argv[1], sys.argv[2]
    environment = {"CANNED_RECORDS": records, **({"CANNED_SINGER": "1"} if protocol == "singer" else {})}
    canned = Path(__file__).with_name("canned.py")
    source = ForeignSource(
        {}, runner=CommandRunner([sys.executable, str(canned)], environment=environment), protocol=protocol
    )
    catalog = source.discover().configured()
    sink, states = Counting(), MemoryStates()
    before = time.process_time()
    sync(source, catalog, sink, states)
    cpu = time.process_time() - before
    stored = [state.stream_state for state in states.load()]
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(json.dumps({"records": sink.count, "cpu": cpu, "peak": peak, "states": stored}))


main()
